//! Opening: everything stored is read, verified and indexed, and compared with how far it had come. A store that is damaged or
//! shorter is set aside and refused, never started.

use super::OpenError;
use super::log::{Log, sync_dir};
use super::watermark::Watermark;
use crate::domain::time::Timestamp;
use crate::store::codec::Decoder;
use crate::store::facts::Facts;
use crate::store::key::{Key, kind};
use crate::store::published::{Aside, Entry, Published, Row, Shown};
use crate::store::read::decode_note;
use crate::store::row::{self, Head};
use crate::store::rows;
use crate::vault::Vault;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    std::fs::create_dir_all(place.dir)?;
    let hot = place.dir.join("hot");
    let mark = Watermark::read(place.dir)?;
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
        Err(Failure::Damaged(why)) => Err(set_aside(place, &hot, &format!("{why}; commit {} with {} records was durable", mark.0, mark.1))),
    }
}

enum Failure {
    /// Nothing is known to be wrong with the data.
    Elsewhere(OpenError),
    /// The data is damaged or shorter than it was.
    Damaged(String),
}

impl From<::sled::Error> for Failure {
    fn from(error: ::sled::Error) -> Self {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            ::sled::Error::Io(error) if !matches!(error.kind(), InvalidData | UnexpectedEof) => Self::Elsewhere(OpenError::Io(error)),
            other => Self::Damaged(format!("sled can't read it ({other})")),
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
    outcome.unwrap_or_else(|_| Err(Failure::Damaged("sled stopped while reading it".into())))
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
    let mut count = 0;
    for shown in all(log, vault)? {
        count += 1;
        published.show(sequence, shown);
    }
    if count == records { Ok(published) } else { Err(Failure::Damaged(format!("it has {count} records of {records}"))) }
}

fn meta(log: &Log, vault: &Vault) -> Result<(u64, u64), Failure> {
    let Some(value) = log.get(&Key::META.0)? else { return Ok((0, 0)) };
    let (_, _, plain) = open_row(vault, &Key::META.0, &value)?;
    let mut from = Decoder::new(&plain);
    let both = from.number().and_then(|sequence| Ok((sequence, from.number()?)));
    both.map_err(|_| damaged(&Key::META))
}

// Reads everything but the meta record, on all cores.
fn all(log: &Log, vault: &Vault) -> Result<Vec<Shown>, Failure> {
    let ranges = ranges();
    let (next, workers) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(1, usize::from));
    let work = || -> Result<Vec<Shown>, Failure> {
        let mut found = Vec::new();
        while let Some((from, to)) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
            for item in log.range(from, to.as_deref()) {
                let (key, value) = item?;
                if key != Key::META.0 {
                    found.push(shown(vault, &key, &value)?);
                }
            }
        }
        Ok(found)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut found = Vec::new();
    for part in parts {
        found.extend(part.map_err(|_| Failure::Damaged("sled stopped while reading it".into()))??);
    }
    Ok(found)
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

fn aside(key: &Key, plain: &[u8]) -> Result<Aside, crate::store::codec::Malformed> {
    let mut from = Decoder::new(plain);
    match key.kind() {
        kind::RECIPIENT => rows::decode_recipient(plain).map(|it| Aside::Recipient(it.key)),
        kind::NOTE => decode_note(plain).map(|(name, _)| Aside::Note(name.to_owned())),
        kind::OPT_OUT => Ok(Aside::OptOut(from.array()?, from.str()?.into())),
        kind::FEED => Ok(Aside::Feed(from.str()?.into(), from.number()?)),
        kind::BUDGET => rows::decode_budget(plain).map(|_| Aside::None),
        kind::DAY => Ok(Aside::None),
        _ => Err(crate::store::codec::Malformed),
    }
}

fn damaged(key: &Key) -> Failure {
    Failure::Damaged(format!("a record of kind {} is damaged, or its key is gone", char::from(key.kind())))
}

fn set_aside(place: &Place<'_>, hot: &Path, why: &str) -> OpenError {
    let copy: PathBuf = place.dir.join(format!("quarantine-{}", place.now.millis()));
    match std::fs::rename(hot, &copy).and_then(|()| sync_dir(place.dir)) {
        Ok(()) => OpenError::Damaged { why: why.to_owned(), copy },
        Err(error) => OpenError::Io(error),
    }
}
