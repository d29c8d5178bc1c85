//! What makes a step durable: it goes to the journal at once, and what of it lives on goes from there into the table, later.
//!
//! A step costs one write and one sync. A journal that is full is followed by the next. When they are many, the oldest is carried
//! over: of what is in it, the table (sled) gets what is still so. What changed meanwhile, or came and went, never gets there; and
//! an old journal is kept until what is over in it has left for history, as long as journals don't become too many.
//! A journal goes when the table has it durably. So the table, and over it the journals after its last commit, are what was
//! acknowledged; carrying over what is in the table already changes nothing, so a crash may come at any time.

mod carry;

use super::journal::{Frames, Journal, Put, journals};
use super::shared::Shared;
use super::table::{Table, sync_dir};
use crate::domain::time::Timestamp;
use crate::store::key::{Key, kind};
use crate::store::keyed::Keyed;
use crate::store::row;
use carry::carry;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of one journal, about.
const FULL: u64 = 16 * 1024 * 1024;
/// Journals that are kept for what is about to leave have so many times the bytes of the live records, and no more.
const WAITING: u64 = 2;
/// Until what has been over for its time has left: a round of housekeeping comes each second, and takes a while.
const LEAVING: Duration = Duration::from_secs(3);

pub(super) type Outcome = Result<(), ::sled::Error>;
/// Records with their last value; `None`: removed.
pub(super) type Values = Keyed<Key, Option<Arc<[u8]>>>;

/// Where steps become durable.
pub(super) trait Durable: Send {
    /// Appends the step that ends with commit `sequence`, and returns when it is on the platter. After an error nothing more can be
    /// appended: how far the step came is unknown.
    fn append(&mut self, sequence: u64, puts: &[Put]) -> Outcome;

    /// What was appended is published now: what is due of the work behind it is begun. After an error nothing more can be appended.
    fn shown(&mut self) -> Outcome {
        Ok(())
    }
}

/// The durable log of steps, as it is opened: first read, then [`Opened::begin`] to append to it.
pub(super) struct Opened {
    dir: PathBuf,
    /// What there is, but for what is in `newer`.
    pub(super) table: Table,
    /// What the journals have beyond the table.
    pub(super) newer: Values,
    number: u64,
    /// Journals with something beyond the table, and their bytes.
    left: Vec<(PathBuf, u64)>,
    /// Journals that the table has all of, or that are empty.
    spent: Vec<PathBuf>,
    sequence: u64,
}

/// A journal that is full.
struct Old {
    path: PathBuf,
    bytes: u64,
    /// When it became full, or was found.
    full_at: Timestamp,
}

/// The durable log of steps.
pub(super) struct Log {
    shared: Arc<Shared>,
    dir: PathBuf,
    table: Arc<Table>,
    journal: Journal,
    number: u64,
    sequence: u64,
    /// Oldest first.
    left: VecDeque<Old>,
    /// The one before these, on its way into the table.
    carrying: Option<JoinHandle<Outcome>>,
    /// Everything in the journals is to go to the table.
    purge: bool,
    /// The last step was not shown yet.
    hidden: bool,
    failed: bool,
}

impl Opened {
    /// Opens the table in `dir` and reads the journals over it. Changes nothing but what sled does when it is opened. Blocks.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, ::sled::Error> {
        let table = Table::open(dir, cache_bytes)?;
        let (mut sequence, mut newer) = (known(&table)?, Values::default());
        let (mut number, mut left, mut spent) = (0, Vec::new(), Vec::new());
        for (nth, path) in journals(dir)? {
            let bytes = std::fs::read(&path)?;
            let before = sequence;
            let mut frames = Frames::new(&bytes, sequence);
            while let Some(frame) = frames.next().map_err(damaged)? {
                sequence = frame.sequence;
                newer.extend(frame.puts);
            }
            number = nth;
            // Carried over again, it would take the table back.
            if sequence == before {
                spent.push(path);
            } else {
                left.push((path, bytes.len() as u64));
            }
        }
        Ok(Self { dir: dir.to_owned(), table, newer, number, left, spent, sequence })
    }

    /// Begins to append, to a journal of its own: the last one may end with a step that is torn.
    pub(super) fn begin(self, shared: Arc<Shared>) -> Result<Log, ::sled::Error> {
        for path in self.spent {
            std::fs::remove_file(path)?;
        }
        let (number, full_at) = (self.number + 1, (shared.settings.clock)());
        Ok(Log {
            shared,
            journal: Journal::create(&self.dir, number)?,
            dir: self.dir,
            table: Arc::new(self.table),
            number,
            sequence: self.sequence,
            left: self.left.into_iter().map(|(path, bytes)| Old { path, bytes, full_at }).collect(),
            carrying: None,
            purge: self.newer.iter().any(|(key, value)| is_destroyed_key(key, value.as_ref())),
            hidden: false,
            failed: false,
        })
    }
}

impl Durable for Log {
    fn append(&mut self, sequence: u64, puts: &[Put]) -> Outcome {
        if self.failed {
            return Err(stopped("an earlier step failed"));
        }
        self.hidden = true;
        let outcome = self.journal.append((self.sequence, sequence), puts);
        self.failed = outcome.is_err();
        self.sequence = sequence;
        self.purge |= puts.iter().any(|(key, value)| is_destroyed_key(key, value.as_ref()));
        Ok(outcome?)
    }

    fn shown(&mut self) -> Outcome {
        self.hidden = false;
        let outcome = self.tend();
        self.failed = outcome.is_err();
        outcome
    }
}

impl Log {
    fn tend(&mut self) -> Outcome {
        if self.carrying.as_ref().is_some_and(JoinHandle::is_finished) {
            self.carried()?;
        }
        if self.purge && self.carrying.is_none() {
            self.purge = false;
            self.change()?;
            return self.carry(self.left.len());
        }
        if self.journal.written() >= FULL.min(self.shared.settings.journal_bytes.max(1)) {
            self.change()?;
        }
        if self.carrying.is_none() && self.is_due() { self.carry(1) } else { Ok(()) }
    }

    // Whether the oldest is to be carried over. Journals have as many bytes as the live records, for what was written more than
    // once; but not less than is set. Beyond that the oldest is still waited for until what was over in it has left: copied into
    // the table, that would only be removed from there again.
    fn is_due(&self) -> bool {
        let Some(oldest) = self.left.front() else { return false };
        let bytes: u64 = self.left.iter().map(|it| it.bytes).sum();
        let settings = &self.shared.settings;
        if settings.journal_bytes == 0 || bytes <= settings.journal_bytes {
            return settings.journal_bytes == 0;
        }
        let live = self.shared.published.read().bytes;
        let has_left = |full: Timestamp| full.plus(settings.linger + LEAVING) <= (settings.clock)();
        bytes > live && (has_left(oldest.full_at) || bytes > WAITING * live + settings.journal_bytes)
    }

    fn change(&mut self) -> Outcome {
        self.number += 1;
        let next = Journal::create(&self.dir, self.number)?;
        let full = std::mem::replace(&mut self.journal, next);
        let full_at = (self.shared.settings.clock)();
        self.left.push_back(Old { path: full.path().to_owned(), bytes: full.written(), full_at });
        Ok(())
    }

    // Begins to carry over the oldest.
    fn carry(&mut self, count: usize) -> Outcome {
        let oldest: Vec<PathBuf> = self.left.drain(..count).map(|it| it.path).collect();
        let (table, shared) = (self.table.clone(), self.shared.clone());
        let work = move || oldest.iter().try_for_each(|path| carry(&table, path, &shared.published));
        self.carrying = Some(std::thread::Builder::new().name("store-carrier".into()).spawn(work)?);
        Ok(())
    }

    // Waits until they are carried over.
    fn carried(&mut self) -> Outcome {
        let Some(carrying) = self.carrying.take() else { return Ok(()) };
        carrying.join().unwrap_or_else(|_| Err(stopped("carrying over stopped")))
    }

    // What is in the journals may stay there.
    fn finish(&mut self) -> Outcome {
        self.carried()?;
        if self.shared.settings.journal_bytes == 0 && !self.hidden {
            self.change()?;
            self.carry(self.left.len())?;
            self.carried()?;
        }
        if self.journal.written() == 0 {
            std::fs::remove_file(self.journal.path())?;
            sync_dir(&self.dir)?;
        }
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // After a failure the process ends; what is half done is done again when the store is opened.
        if !self.failed
            && let Err(error) = self.finish()
        {
            tracing::error!(%error, "the last steps stay in the journal, and are read from there");
        }
    }
}

// A data key that was destroyed must not stay in an old journal.
fn is_destroyed_key(key: &Key, value: Option<&Arc<[u8]>>) -> bool {
    key.kind() == kind::DAY && value.is_none()
}

// The last commit that the table has. A damaged number would make journals seem to be carried over that are not.
fn known(table: &Table) -> Result<u64, ::sled::Error> {
    let Some(meta) = table.get(&Key::META.0)? else { return Ok(0) };
    let head = row::head(&meta).ok().filter(|_| row::is_intact(&Key::META, &meta));
    Ok(head.ok_or_else(|| damaged("the record of the last commit is damaged"))?.version)
}

pub(super) fn damaged(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn stopped(why: &str) -> ::sled::Error {
    ::sled::Error::ReportableBug(why.to_owned())
}

#[cfg(test)]
mod tests;
