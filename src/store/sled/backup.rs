//! Backup files: a consistent copy of everything, still sealed, that can be verified and restored without a running server.
//!
//! Form 1, integers big-endian: the heading line; the key's fingerprint (u32 length, text); sequence and hot record count
//! (u64 each); then records of section (u32: a day of history, or [`HOT`]), key length, value length (u32 each), key, value;
//! then [`END`], the number of records (u64), and SHA-256 of all bytes before it. Values are as in the store, so a restored
//! backup needs the same root file. A backup keeps the data keys of its time: retention holds for backups only when they are
//! deleted.

use super::archive::{Record, append};
use super::history::{History, name_of_day};
use super::table::{Table, sync_dir};
use super::watermark::Watermark;
use crate::domain::id::AggregateId;
use crate::store::key::{Key, kind};
use crate::store::published::Published;
use crate::store::row;
use crate::store::stage::meta_value;
use crate::vault::Vault;
use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::RwLock;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

const HEADING: &[u8] = b"countersign backup 1\n";
const HOT: u32 = u32::MAX;
const END: u32 = u32::MAX - 1;
/// Records in one batch of a restore.
const BATCH: usize = 64;
/// Heads of a history record's key; the second says that an older record of the same aggregate came before it.
const FIRST: u8 = b'C';
const AGAIN: u8 = b'c';
const SUM: usize = 32;

/// What a backup file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Which root key it is sealed under.
    pub fingerprint: String,
    /// The last commit in it.
    pub sequence: u64,
    /// Records of the hot store in it.
    pub records: u64,
    /// Records in it, with those of history.
    pub total: u64,
}

/// Writes a backup to `to`, which must not exist; it appears only when it is whole and durable.
pub(super) fn write(to: &Path, vault: &Vault, published: &RwLock<Published>, history: &History) -> io::Result<Backup> {
    if to.exists() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the backup file exists; give a new name"));
    }
    let fresh = to.with_extension("partial");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    let mut out = Summed::new(BufWriter::new(file));
    // The hot store first: what moves in between is then in both, and moves again after a restore.
    let (sequence, records, rows) = snapshot(vault, published);
    let backup = Backup { fingerprint: vault.fingerprint(), sequence, records, total: 0 };
    out.head(&backup)?;
    let mut total = rows.len() as u64;
    rows.iter().try_for_each(|(key, value)| out.record(HOT, &key.0, value))?;
    for day in history.days() {
        history.dump(day, |record| {
            total += 1;
            out.record(day, &key_of(record), &record.bytes)
        })?;
    }
    out.finish(total)?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&fresh, to)?;
    sync_dir(folder(to))?;
    Ok(Backup { total, ..backup })
}

/// Reads a backup file from end to end and checks its sum; writes nothing.
pub fn verify(from: &Path) -> io::Result<Backup> {
    read(from, |_, _, _| Ok(()))
}

/// Verifies the backup `from`, then restores it into the directory `into`, which must hold no store. No server may run on it.
pub fn restore(from: &Path, into: &Path) -> io::Result<Backup> {
    let backup = verify(from)?;
    let taken = ["hot", "history", "watermark"].into_iter().find(|name| into.join(name).exists());
    if let Some(name) = taken {
        let why = format!("{} holds `{name}` already: restore into an empty directory, or move it aside first", into.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    std::fs::create_dir_all(into)?;
    // First, so that a restore that is cut off is not taken for a whole store.
    Watermark { fingerprint: backup.fingerprint.clone(), sequence: backup.sequence, records: backup.records }.write(into)?;
    let mut target = Target { dir: into, hot: None, batch: ::sled::Batch::default(), day: HOT, records: Vec::new(), count: 0 };
    read(from, |section, key, value| target.put(section, key, value))?;
    target.flush()?;
    Ok(backup)
}

/// What is restored and not written yet: all of one section.
struct Target<'a> {
    dir: &'a Path,
    hot: Option<Table>,
    batch: ::sled::Batch,
    day: u32,
    records: Vec<Record>,
    count: usize,
}

impl Target<'_> {
    fn put(&mut self, section: u32, key: &[u8], value: &[u8]) -> io::Result<()> {
        if section != self.day || self.count == BATCH {
            self.flush()?;
            self.day = section;
        }
        if section == HOT {
            self.batch.insert(key, value);
            self.count += 1;
        } else if let Some(record) = record_of(key, value) {
            self.records.push(record);
            self.count += 1;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.count > 0 && self.day == HOT {
            let table = match self.hot.take() {
                Some(table) => table,
                None => Table::open(&self.dir.join("hot"), 64 * 1024 * 1024)?,
            };
            table.apply(std::mem::take(&mut self.batch))?;
            self.hot = Some(table);
        } else if self.count > 0 {
            let day = self.dir.join("history").join(name_of_day(self.day));
            if !day.exists() {
                std::fs::create_dir_all(&day)?;
                sync_dir(&self.dir.join("history"))?;
                sync_dir(self.dir)?;
            }
            append(&day, &std::mem::take(&mut self.records))?;
            sync_dir(&day)?;
        }
        self.count = 0;
        Ok(())
    }
}

fn key_of(record: &Record) -> [u8; 17] {
    let mut key = [if record.again { AGAIN } else { FIRST }; 17];
    key[1..].copy_from_slice(record.id.0.as_bytes());
    key
}

// What else an earlier form of backups has in a day follows from its records.
fn record_of(key: &[u8], value: &[u8]) -> Option<Record> {
    let (head, id) = key.split_first()?;
    let id = AggregateId(uuid::Uuid::from_slice(id).ok().filter(|_| [FIRST, AGAIN].contains(head))?);
    Some(Record { id, again: *head == AGAIN, bytes: Arc::from(value) })
}

type Rows = Vec<(Key, Arc<[u8]>)>;

// Everything as of one commit. Tombstones are not kept in memory as values, so they are sealed anew.
fn snapshot(vault: &Vault, published: &RwLock<Published>) -> (u64, u64, Rows) {
    let published = published.read();
    let mut rows: Rows = published.rows.iter().map(|(key, row)| (*key, row.bytes.clone())).collect();
    let entries: Vec<_> = published.entries.iter().map(|(id, entry)| (*id, entry.clone())).collect();
    let (form, sequence, records) = (published.form, published.sequence, published.records);
    drop(published);
    rows.extend(entries.into_iter().map(|(id, entry)| match entry.bytes {
        Some(bytes) => (Key::aggregate(id), bytes),
        None => {
            let key = Key::tombstone(id);
            let body = row::seal(vault, &key, &entry.facts.encode(), true);
            (key, row::assemble(&key, entry.version, None, &entry.seqs, &body).into())
        }
    }));
    rows.push((Key::META, meta_value(vault, form, (sequence, records)).into()));
    debug_assert!(rows.iter().filter(|(key, _)| key.kind() == kind::META).count() == 1, "meta is no record among the others");
    (sequence, records, rows)
}

fn read(from: &Path, mut each: impl FnMut(u32, &[u8], &[u8]) -> io::Result<()>) -> io::Result<Backup> {
    let mut input = Summed::new(BufReader::new(File::open(from)?));
    if input.take(HEADING.len())? != HEADING {
        return Err(broken("is no backup that this version reads"));
    }
    let length = input.number()? as usize;
    let fingerprint = String::from_utf8(input.take(length.min(256))?).map_err(|_| broken("has no readable heading"))?;
    let (sequence, records) = (input.long()?, input.long()?);
    let (mut total, mut hot) = (0, 0);
    loop {
        let section = input.number()?;
        if section == END {
            break;
        }
        let (key, value) = (input.number()? as usize, input.number()? as usize);
        if key > 64 || value > row::LARGEST {
            return Err(broken("has a record of an impossible length"));
        }
        let (key, value) = (input.take(key)?, input.take(value)?);
        total += 1;
        hot += u64::from(section == HOT && key != Key::META.0);
        each(section, &key, &value)?;
    }
    let counted = input.long()?;
    input.end()?;
    if counted != total || hot != records {
        return Err(broken("lacks records"));
    }
    Ok(Backup { fingerprint, sequence, records, total })
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the backup {why}: use another one"))
}

fn folder(of: &Path) -> &Path {
    of.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A stream with the digest of what went through it.
struct Summed<S> {
    stream: S,
    sum: Context,
}

impl<S> Summed<S> {
    fn new(stream: S) -> Self {
        Self { stream, sum: Context::new(&SHA256) }
    }
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.stream.write_all(bytes)
    }

    fn head(&mut self, backup: &Backup) -> io::Result<()> {
        self.put(HEADING)?;
        self.put(&(backup.fingerprint.len() as u32).to_be_bytes())?;
        self.put(backup.fingerprint.as_bytes())?;
        self.put(&backup.sequence.to_be_bytes())?;
        self.put(&backup.records.to_be_bytes())
    }

    fn record(&mut self, section: u32, key: &[u8], value: &[u8]) -> io::Result<()> {
        for number in [section, key.len() as u32, value.len() as u32] {
            self.put(&number.to_be_bytes())?;
        }
        self.put(key)?;
        self.put(value)
    }

    fn finish(mut self, total: u64) -> io::Result<W> {
        self.put(&END.to_be_bytes())?;
        self.put(&total.to_be_bytes())?;
        self.stream.write_all(self.sum.finish().as_ref())?;
        Ok(self.stream)
    }
}

impl<R: Read> Summed<R> {
    // Callers bound `length`.
    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).map_err(|_| broken("ends too early"))?;
        self.sum.update(&bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u32> {
        self.take(4).map(|it| it.iter().fold(0, |all, byte| (all << 8) | u32::from(*byte)))
    }

    fn long(&mut self) -> io::Result<u64> {
        self.take(8).map(|it| it.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte)))
    }

    fn end(mut self) -> io::Result<()> {
        let mut sum = [0; SUM];
        self.stream.read_exact(&mut sum).map_err(|_| broken("ends too early"))?;
        let rest = self.stream.read(&mut [0])?;
        let ours = self.sum.finish();
        if rest == 0 && ours.as_ref() == sum { Ok(()) } else { Err(broken("was changed or damaged")) }
    }
}
