//! Opening: everything stored is read, verified and indexed, and compared with how far it had come. A store that is damaged or
//! shorter is set aside and refused, never started.

use super::log::{Log, is_damage, sync_dir};
use super::settings::OpenError;
use super::watermark::Watermark;
use crate::domain::time::Timestamp;
use crate::store::codec::{Decoder, Malformed};
use crate::store::facts::{Facts, Names};
use crate::store::key::{Key, kind};
use crate::store::prepare::decode_note;
use crate::store::published::{Aside, Entry, Published, Row, Shown};
use crate::store::row::{self, Head};
use crate::store::rows;
use crate::vault::Vault;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// Records handed on at once.
const CHUNK: usize = 512;

/// Where what is opened is, and when that is.
pub(super) struct Place<'a> {
    /// The data directory.
    pub(super) dir: &'a Path,
    /// Memory for sled's own cache.
    pub(super) cache_bytes: u64,
    /// Names what is set aside.
    pub(super) now: Timestamp,
}

/// Opens the hot store, or makes it where there never was one.
pub(super) fn open(place: &Place<'_>, vault: &Vault) -> Result<(Log, Published), OpenError> {
    make(place.dir)?;
    let hot = place.dir.join("hot");
    let mark = Watermark::read(place.dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => OpenError::Unproven(place.dir.to_owned()),
        _ => OpenError::Io(error),
    })?;
    let fingerprint = vault.fingerprint();
    match &mark {
        Some(mark) if mark.fingerprint != fingerprint => {
            return Err(OpenError::Key { data: mark.fingerprint.clone(), ours: fingerprint });
        }
        Some(mark) if mark.sequence > 0 && !hot.exists() => return Err(OpenError::Missing(hot)),
        None if hot.exists() => return Err(OpenError::Unproven(place.dir.to_owned())),
        None => Watermark { fingerprint, sequence: 0, records: 0 }.write(place.dir)?,
        Some(_) => {}
    }
    let mark = mark.map_or((0, 0), |mark| (mark.sequence, mark.records));
    match attempt(&hot, place.cache_bytes, vault, mark.0) {
        Ok(opened) => Ok(opened),
        Err(Failure::Elsewhere(error)) => Err(error),
        Err(Failure::Damaged(why)) if mark.0 == 0 => begin_anew(place, &hot, vault, &why),
        Err(Failure::Damaged(why)) => match rebuild(place, &hot, vault, mark.0) {
            Ok(true) => attempt(&hot, place.cache_bytes, vault, mark.0).map_err(|failure| match failure {
                Failure::Elsewhere(error) => error,
                Failure::Damaged(why) => set_aside(place, &hot, &why),
            }),
            Ok(false) => Err(set_aside(place, &hot, &format!("{why}; commit {} with {} records was durable", mark.0, mark.1))),
            Err(error) => Err(error.into()),
        },
    }
}

// Its names are made durable too: a power cut must not leave what was taken in a directory that is not there. Whoever may not
// read the directory above did not make it.
fn make(dir: &Path) -> std::io::Result<()> {
    let missing = dir.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).count();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let above = dir.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty());
    above.take(missing.max(1)).map(sync_dir).try_for_each(|done| match done {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    })
}

// A first start was cut off: before it ends, the watermark is beyond 0 (`house.mark` in `open`), so nothing was ever taken.
fn begin_anew(place: &Place<'_>, hot: &Path, vault: &Vault, why: &str) -> Result<(Log, Published), OpenError> {
    let aside = quarantine(place);
    std::fs::rename(hot, &aside)?;
    sync_dir(place.dir)?;
    tracing::warn!(why, aside = %aside.display(), "the first start was cut off before anything was taken; starting anew");
    attempt(hot, place.cache_bytes, vault, 0).map_err(|failure| match failure {
        Failure::Elsewhere(error) => error,
        Failure::Damaged(why) => set_aside(place, hot, &why),
    })
}

// A broken snapshot on a clean log: sled fails, but rebuilds everything without it. Tried on a copy, which takes the store's
// place only when every record verifies, all are there, and it reaches the watermark. The store itself is kept aside.
fn rebuild(place: &Place<'_>, hot: &Path, vault: &Vault, mark: u64) -> std::io::Result<bool> {
    let copy = place.dir.join("rebuilding");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    copy_without_snapshots(hot, &copy)?;
    if attempt(&copy, place.cache_bytes, vault, mark).is_err() {
        std::fs::remove_dir_all(&copy)?;
        return Ok(false);
    }
    let aside = quarantine(place);
    std::fs::rename(hot, &aside)?;
    std::fs::rename(&copy, hot)?;
    sync_dir(place.dir)?;
    tracing::warn!(aside = %aside.display(), "the store's snapshot was broken; all records were recovered from its log");
    Ok(true)
}

pub(super) fn copy_without_snapshots(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for item in std::fs::read_dir(from)? {
        let item = item?;
        let name = item.file_name();
        if item.file_type()?.is_dir() {
            copy_without_snapshots(&item.path(), &to.join(name))?;
        } else if !name.as_encoded_bytes().starts_with(b"snap.") {
            std::fs::copy(item.path(), to.join(&name))?;
            std::fs::File::open(to.join(&name))?.sync_all()?;
        }
    }
    sync_dir(to)
}

fn quarantine(place: &Place<'_>) -> PathBuf {
    place.dir.join(format!("quarantine-{}", place.now.millis()))
}

enum Failure {
    /// Nothing is known to be wrong with the data.
    Elsewhere(OpenError),
    /// The data is damaged or shorter than it was.
    Damaged(String),
}

impl From<::sled::Error> for Failure {
    fn from(error: ::sled::Error) -> Self {
        match error {
            error if is_damage(&error) => Self::Damaged(format!("sled can't read it ({error})")),
            error => Self::Elsewhere(OpenError::Io(error.into())),
        }
    }
}

// sled panics on some damaged logs, so it gets a thread of its own to do that in.
fn attempt(hot: &Path, cache_bytes: u64, vault: &Vault, mark: u64) -> Result<(Log, Published), Failure> {
    let outcome = std::thread::scope(|scope| {
        let work = || {
            let log = Log::open(hot, cache_bytes)?;
            let published = read(&log, vault, mark)?;
            Ok((log, published))
        };
        scope.spawn(work).join()
    });
    outcome.unwrap_or_else(|_| Err(stopped()))
}

fn read(log: &Log, vault: &Vault, mark: u64) -> Result<Published, Failure> {
    for item in log.range(&[kind::DAY], Some(&[kind::DAY + 1])) {
        let (key, value) = item?;
        let (key, _, plain) = open_row(vault, &key, &value)?;
        vault.learn_day(key.as_day(), &plain).map_err(|_| damaged(&key))?;
    }
    let (sequence, records) = meta(log, vault)?;
    if sequence < mark {
        return Err(Failure::Damaged(format!("it ends at commit {sequence}")));
    }
    let mut published = Published::after(sequence, records);
    let (mut count, mut names) = (0, Names::default());
    all(log, vault, |mut shown| {
        count += 1;
        if let Shown::Entry(_, entry) = &mut shown {
            Arc::get_mut(&mut entry.facts).into_iter().for_each(|facts| names.share(facts));
        }
        published.show(sequence, shown);
    })?;
    if count == records { Ok(published) } else { Err(Failure::Damaged(format!("it has {count} records of {records}"))) }
}

fn meta(log: &Log, vault: &Vault) -> Result<(u64, u64), Failure> {
    let Some(value) = log.get(&Key::META.0)? else { return Ok((0, 0)) };
    let (_, _, plain) = open_row(vault, &Key::META.0, &value)?;
    let mut from = Decoder::new(&plain);
    let both = from.number().and_then(|sequence| Ok((sequence, from.number()?)));
    both.map_err(|_| damaged(&Key::META))
}

// Reads and verifies everything but the meta record on all cores, and hands it on as it comes.
fn all(log: &Log, vault: &Vault, mut each: impl FnMut(Shown)) -> Result<(), Failure> {
    let (ranges, next) = (ranges(), AtomicUsize::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = sync_channel(4 * workers);
    let work = |sender: SyncSender<Vec<Shown>>| -> Result<(), Failure> {
        while let Some((from, to)) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
            part(log.range(from, to.as_deref()), vault, &sender)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| (sender.clone(), &work)).map(|(to, work)| scope.spawn(move || work(to))).collect();
        drop(sender);
        receiver.into_iter().flatten().for_each(&mut each);
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(stopped())))
    })
}

fn part(items: ::sled::Iter, vault: &Vault, sender: &SyncSender<Vec<Shown>>) -> Result<(), Failure> {
    let mut chunk = Vec::with_capacity(CHUNK);
    for item in items {
        let (key, value) = item?;
        if key != Key::META.0 {
            chunk.push(shown(vault, &key, &value)?);
        }
        if chunk.len() == CHUNK {
            // Nobody takes it only when the whole is given up already.
            let _ = sender.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)));
        }
    }
    let _ = sender.send(chunk);
    Ok(())
}

fn stopped() -> Failure {
    Failure::Damaged("sled stopped while reading it".into())
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

fn open_row(vault: &Vault, key: &[u8], value: &[u8]) -> Result<(Key, Head, zeroize::Zeroizing<Vec<u8>>), Failure> {
    let key = Key::from_slice(key).ok_or_else(|| Failure::Damaged("it has a key that is none of ours".into()))?;
    if !row::is_intact(&key, value) {
        return Err(damaged(&key));
    }
    let (head, plain) = row::open(vault, &key, value).map_err(|_| damaged(&key))?;
    Ok((key, head, plain))
}

fn shown(vault: &Vault, key: &[u8], value: &[u8]) -> Result<Shown, Failure> {
    let (key, head, plain) = open_row(vault, key, value)?;
    let row = Row { version: head.version, bytes: Arc::from(value) };
    let shown = match key.kind() {
        kind::AGGREGATE => rows::decode_aggregate(&plain).map(|it| {
            let entry = entry(head, Some(row.bytes), Facts::of(&it, vault));
            Shown::Entry(key.id(), entry)
        }),
        kind::TOMBSTONE => Facts::decode(&plain).map(|facts| Shown::Entry(key.id(), entry(head, None, facts))),
        _ => aside(&key, &plain).map(|aside| Shown::Record(key, Some(row), aside)),
    };
    shown.map_err(|_| damaged(&key))
}

fn entry(head: Head, bytes: Option<Arc<[u8]>>, facts: Facts) -> Entry {
    Entry { version: head.version, bytes, facts: Arc::new(facts), seqs: head.seqs.into() }
}

fn aside(key: &Key, plain: &[u8]) -> Result<Aside, Malformed> {
    let mut from = Decoder::new(plain);
    match key.kind() {
        kind::RECIPIENT => rows::decode_recipient(plain).map(|it| Aside::Recipient(it.key)),
        kind::NOTE => decode_note(plain).map(|(name, _)| Aside::Note(name.to_owned())),
        kind::OPT_OUT => Ok(Aside::OptOut(from.array()?, from.str()?.into())),
        kind::FEED => Ok(Aside::Feed(from.str()?.into(), from.number()?)),
        kind::HISTORY => Ok(Aside::History(key.as_day(), from.number()?)),
        kind::BUDGET => rows::decode_budget(plain).map(|_| Aside::None),
        kind::DAY => Ok(Aside::None),
        _ => Err(Malformed),
    }
}

fn damaged(key: &Key) -> Failure {
    Failure::Damaged(format!("a record of kind {} is damaged, or its key is gone", char::from(key.kind())))
}

fn set_aside(place: &Place<'_>, hot: &Path, why: &str) -> OpenError {
    let copy = quarantine(place);
    match std::fs::rename(hot, &copy).and_then(|()| sync_dir(place.dir)) {
        Ok(()) => OpenError::Damaged { why: why.to_owned(), copy },
        Err(error) => OpenError::Io(error),
    }
}
