//! Everything stored, read and verified: the table, and over it what the journals have.

use super::log::{Opened, Values};
use super::settings::OpenError;
use super::table::is_damage;
use crate::store::codec::{Decoder, Malformed, Unread};
use crate::store::facts::{Facts, Names};
use crate::store::form::Form;
use crate::store::key::{Key, kind};
use crate::store::prepare::decode_note;
use crate::store::published::{Aside, Entry, Published, Row, Shown};
use crate::store::row::{self, Head, Opener};
use crate::store::rows;
use crate::vault::{Plain, Vault};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// Records handed on at once.
const CHUNK: usize = 512;

/// Why it can't be used.
pub(super) enum Failure {
    /// Nothing is known to be wrong with the data.
    Elsewhere(OpenError),
    /// The data is damaged or shorter than it was.
    Damaged(String),
}

impl From<::sled::Error> for Failure {
    fn from(error: ::sled::Error) -> Self {
        match error {
            error if is_damage(&error) => Self::Damaged(format!("it can't be read ({error})")),
            error => Self::Elsewhere(OpenError::Io(error.into())),
        }
    }
}

/// Reads and verifies everything. What does not reach commit `mark` is shorter than it was.
pub(super) fn read(log: &Opened, opener: Opener<'_>, mark: u64) -> Result<Published, Failure> {
    let vault = opener.vault;
    let learn = |key: &[u8], value: &[u8]| {
        let (key, _, plain) = open_row(vault, key, value)?;
        vault.learn_day(key.as_day(), &plain).map_err(|_| damaged(&key))
    };
    for item in log.table.range(&[kind::DAY], Some(&[kind::DAY + 1])) {
        let (key, value) = item?;
        if !covers(&log.newer, &key) {
            learn(&key, &value)?;
        }
    }
    for (key, value) in log.newer.iter().filter(|it| it.0.kind() == kind::DAY) {
        value.iter().try_for_each(|value| learn(&key.0, value))?;
    }
    let (sequence, records) = meta(log, opener)?;
    if sequence < mark {
        return Err(Failure::Damaged(format!("it ends at commit {sequence}")));
    }
    let mut published = Published::after(sequence, records);
    published.form = opener.newest;
    let (mut count, mut names) = (0, Names::default());
    all(log, opener, |mut shown| {
        count += 1;
        if let Shown::Entry(_, entry) = &mut shown {
            Arc::get_mut(&mut entry.facts).into_iter().for_each(|facts| names.share(facts));
        }
        published.show(sequence, shown);
    })?;
    if count == records { Ok(published) } else { Err(Failure::Damaged(format!("it has {count} records of {records}"))) }
}

fn meta(log: &Opened, opener: Opener<'_>) -> Result<(u64, u64), Failure> {
    let value = match log.newer.get(&Key::META) {
        Some(newer) => newer.clone(),
        None => log.table.get(&Key::META.0)?.map(|it| Arc::from(&*it)),
    };
    let Some(value) = value else { return Ok((0, 0)) };
    let (_, _, plain) = open_row(opener.vault, &Key::META.0, &value)?;
    let mut from = Decoder::new(&plain);
    let both = from.number().and_then(|sequence| Ok((sequence, from.number()?))).map_err(|_| damaged(&Key::META))?;
    // A store from before there were several forms does not say which it has.
    let form = if from.is_at_end() { Ok(Form::OLDEST.number()) } else { from.small() };
    match form.map_err(|_| damaged(&Key::META))? {
        newer if newer > opener.newest.number() => Err(unread(&Key::META, Unread::Newer(newer, opener.newest))),
        _ => Ok(both),
    }
}

// Reads and verifies everything but the meta record on all cores, and hands it on as it comes.
fn all(log: &Opened, opener: Opener<'_>, mut each: impl FnMut(Shown)) -> Result<(), Failure> {
    let newer: Vec<_> = log.newer.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))).collect();
    let (ranges, chunks) = (ranges(), newer.chunks(CHUNK).collect::<Vec<_>>());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = sync_channel(4 * workers);
    let work = |sender: SyncSender<Vec<Shown>>| -> Result<(), Failure> {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if let Some((from, to)) = ranges.get(part) {
                older(log.table.range(from, to.as_deref()), (&log.newer, opener), &sender)?;
            } else if let Some(chunk) = chunks.get(part - ranges.len()) {
                let records = chunk.iter().filter(|it| *it.0 != Key::META);
                let _ = sender.send(records.map(|(key, value)| shown(opener, &key.0, value)).collect::<Result<_, _>>()?);
            } else {
                return Ok(());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| (sender.clone(), &work)).map(|(to, work)| scope.spawn(move || work(to))).collect();
        drop(sender);
        receiver.into_iter().flatten().for_each(&mut each);
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(stopped())))
    })
}

// Records of the table that no journal has a newer value of.
fn older(items: ::sled::Iter, (newer, opener): (&Values, Opener<'_>), sender: &SyncSender<Vec<Shown>>) -> Result<(), Failure> {
    let mut chunk = Vec::with_capacity(CHUNK);
    for item in items {
        let (key, value) = item?;
        if key != Key::META.0 && !covers(newer, &key) {
            chunk.push(shown(opener, &key, &Arc::from(&*value))?);
        }
        if chunk.len() == CHUNK {
            // Nobody takes it only when the whole is given up already.
            let _ = sender.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)));
        }
    }
    let _ = sender.send(chunk);
    Ok(())
}

// Whether a journal has a newer value of a record, or removed it.
fn covers(newer: &Values, key: &[u8]) -> bool {
    Key::from_slice(key).is_some_and(|key| newer.contains_key(&key))
}

pub(super) fn stopped() -> Failure {
    Failure::Damaged("reading it stopped".into())
}

// Cut by the first two bytes of the key, together everything there can be.
fn ranges() -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut cuts: Vec<Vec<u8>> = vec![Vec::new()];
    for kind in [kind::AGGREGATE, kind::TOMBSTONE] {
        cuts.extend((0..=15).map(|part| vec![kind, part * 16]));
        cuts.push(vec![kind + 1]);
    }
    let ends = cuts.iter().skip(1).cloned().map(Some).chain([None]).collect::<Vec<_>>();
    cuts.into_iter().zip(ends).collect()
}

fn open_row(vault: &Vault, key: &[u8], value: &[u8]) -> Result<(Key, Head, Plain), Failure> {
    let key = Key::from_slice(key).ok_or_else(|| Failure::Damaged("it has a key that is none of ours".into()))?;
    if !row::is_intact(&key, value) {
        return Err(damaged(&key));
    }
    let (head, plain) = row::open(vault, &key, value).map_err(|_| damaged(&key))?;
    Ok((key, head, plain))
}

fn shown(opener: Opener<'_>, key: &[u8], value: &Arc<[u8]>) -> Result<Shown, Failure> {
    let Opener { vault, newest } = opener;
    let (key, head, plain) = open_row(vault, key, value)?;
    let row = Row { version: head.version, bytes: value.clone() };
    let shown = match key.kind() {
        kind::AGGREGATE => rows::decode_aggregate(&plain, newest).map(|it| {
            let entry = entry(head, Some(row.bytes), Facts::of(&it, vault));
            Shown::Entry(key.id(), entry)
        }),
        kind::TOMBSTONE => Facts::decode(&plain).map(|facts| Shown::Entry(key.id(), entry(head, None, facts))),
        _ => aside(&key, &plain, newest).map(|aside| Shown::Record(key, Some(row), aside)),
    };
    shown.map_err(|error| unread(&key, error))
}

fn entry(head: Head, bytes: Option<Arc<[u8]>>, facts: Facts) -> Entry {
    Entry { version: head.version, bytes, facts: Arc::new(facts), seqs: head.seqs.into() }
}

fn aside(key: &Key, plain: &[u8], newest: Form) -> Result<Aside, Unread> {
    let mut from = Decoder::new(plain);
    match key.kind() {
        kind::RECIPIENT => rows::decode_recipient(plain, newest).map(|it| Aside::Recipient(it.key)),
        kind::NOTE => Ok(Aside::Note(decode_note(plain)?.0.to_owned())),
        kind::OPT_OUT => Ok(Aside::OptOut(from.array()?, from.str()?.into())),
        kind::FEED => Ok(Aside::Feed(from.str()?.into(), from.number()?)),
        kind::HISTORY => Ok(Aside::History(key.as_day(), from.number()?)),
        kind::BUDGET => rows::decode_budget(plain, newest).map(|_| Aside::None),
        kind::DAY => Ok(Aside::None),
        _ => Err(Malformed.into()),
    }
}

// What a newer program wrote is whole, and stays where it is.
fn unread(key: &Key, error: Unread) -> Failure {
    match error {
        Unread::Newer(..) => Failure::Elsewhere(OpenError::Newer(error.to_string())),
        Unread::Malformed(_) => damaged(key),
    }
}

fn damaged(key: &Key) -> Failure {
    Failure::Damaged(format!("a record of kind {} is damaged, or its key is gone", char::from(key.kind())))
}
