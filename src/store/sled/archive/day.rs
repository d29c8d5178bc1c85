//! One day of history: its data file and its index, open.

use super::data::{Data, Record};
use super::index::{Index, TAIL};
use super::tail::{Indexed, Tally, hash, of_event};
use crate::domain::id::AggregateId;
use crate::store::facts::Facts;
use crate::store::key::Key;
use crate::vault::Vault;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Bytes of data that are examined as a whole.
const ALL: u64 = 64 * 1024 * 1024;
/// Records of each run that are examined where there is more.
const SAMPLES: u64 = 1024;

/// An aggregate on its way into history.
pub(in super::super) struct Moving {
    pub(in super::super) id: AggregateId,
    pub(in super::super) seqs: Arc<[u64]>,
    pub(in super::super) bytes: Arc<[u8]>,
    pub(in super::super) facts: Arc<Facts>,
}

/// An open day. One thread changes it; any may read.
pub(in super::super) struct Day {
    dir: PathBuf,
    data: Data,
    /// Written to by the one thread only, so that its own long reads hold nobody up.
    index: RwLock<Index>,
    /// The highest number of each feed, as far as it was asked for.
    highest: Mutex<HashMap<u64, u64>>,
    /// A part of the index was found damaged.
    spoiled: AtomicBool,
}

impl Day {
    /// Opens the day in `dir`, which is there. Makes of its index what is missing.
    pub(in super::super) fn open(dir: PathBuf, vault: &Vault) -> io::Result<Self> {
        let data = Data::open(&dir)?;
        let index = RwLock::new(Index::open(&dir, &data, vault)?);
        Ok(Self { dir, data, index, highest: Mutex::default(), spoiled: AtomicBool::new(false) })
    }

    /// Adds aggregates, durably, and returns when look-ups see them. What is there in the same version is not added again.
    pub(in super::super) fn put(&self, all: &[Moving], vault: &Vault) -> io::Result<()> {
        let (end, mut bytes, mut added) = (self.index.read().end, Vec::new(), Vec::with_capacity(all.len()));
        for it in all {
            let older = self.newest(it.id)?;
            if older.as_ref().is_some_and(|older| older.bytes == it.bytes) {
                continue;
            }
            let record = Record { id: it.id, again: older.is_some(), bytes: it.bytes.clone() };
            added.push((end + bytes.len() as u64, record.again, Indexed::of(it.id, &it.facts, &it.seqs, vault)));
            record.encode(&mut bytes);
        }
        if added.is_empty() {
            return Ok(());
        }
        self.data.write(end, &bytes)?;
        let (mut highest, mut index) = (self.highest.lock(), self.index.write());
        index.end = end + bytes.len() as u64;
        for (place, again, it) in &added {
            index.tail.take(*place, *again, it);
            if let (Some(known), Some(last)) = (highest.get_mut(&it.feed), it.seqs.iter().max()) {
                *known = (*known).max(*last);
            }
        }
        Ok(())
    }

    /// Whether it may have a key.
    pub(in super::super) fn may_have(&self, hash: u64) -> bool {
        let index = self.index.read();
        index.tail.may_have(hash) || index.runs.iter().any(|it| it.may_have(hash))
    }

    /// Places of the records with a key, newest first.
    pub(in super::super) fn find(&self, hash: u64) -> io::Result<Vec<u64>> {
        let (mut found, runs) = {
            let index = self.index.read();
            let runs: Vec<_> = index.runs.iter().filter(|it| it.may_have(hash)).map(|it| it.run.clone()).collect();
            (index.tail.find(hash).collect::<Vec<_>>(), runs)
        };
        for run in runs {
            found.extend(self.noticed(run.find(hash))?);
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.dedup();
        Ok(found)
    }

    /// The record at a place; `None` when it is damaged.
    pub(in super::super) fn read(&self, place: u64) -> io::Result<Option<Record>> {
        self.data.read(place)
    }

    /// The newest record of an aggregate.
    pub(in super::super) fn newest(&self, id: AggregateId) -> io::Result<Option<Record>> {
        for place in self.find(hash(&Key::aggregate(id)))? {
            if let Some(record) = self.read(place)?.filter(|it| it.id == id) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// At most `max` numbers of a feed after `after` in order, each with the place of its record and which event it is. A
    /// number may come twice, where an aggregate has two records.
    pub(in super::super) fn feed(&self, feed: u64, after: u64, max: usize) -> io::Result<Vec<(u64, u64, u16)>> {
        let first = [feed, after.saturating_add(1), 0];
        let (mut found, runs) = {
            let index = self.index.read();
            let tail: Vec<_> = index.tail.feed.range(first..).take_while(|it| it[0] == feed).take(max).copied().collect();
            (tail, index.runs.iter().map(|it| it.run.clone()).collect::<Vec<_>>())
        };
        for run in runs {
            let entries = self.noticed(run.feed.since(&run.file, first))?;
            for entry in entries.take(max) {
                match self.noticed(entry)? {
                    it if it[0] == feed => found.push(it),
                    _ => break,
                }
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().map(|it| (it[1], of_event(it[2]).0, of_event(it[2]).1)).collect())
    }

    /// The highest number of a feed; 0 when it has none.
    pub(in super::super) fn highest(&self, feed: u64) -> io::Result<u64> {
        // Held until it is found: what comes meanwhile waits, and is noted then.
        let mut all = self.highest.lock();
        if let Some(known) = all.get(&feed) {
            return Ok(*known);
        }
        let (mut highest, runs) = {
            let index = self.index.read();
            let tail = index.tail.feed.range([feed, 0, 0]..=[feed, u64::MAX, u64::MAX]).next_back().map_or(0, |it| it[1]);
            (tail, index.runs.iter().map(|it| it.run.clone()).collect::<Vec<_>>())
        };
        for run in runs {
            highest = highest.max(self.noticed(run.last(feed))?);
        }
        all.insert(feed, highest);
        Ok(highest)
    }

    /// Aggregates in it.
    pub(in super::super) fn count(&self) -> u64 {
        self.index.read().count()
    }

    /// When the last of it ended, in milliseconds.
    pub(in super::super) fn latest(&self) -> i64 {
        self.index.read().latest()
    }

    /// Challenges in it, by publisher.
    pub(in super::super) fn tally(&self, vault: &Vault) -> io::Result<Tally> {
        self.index.read().tally(vault)
    }

    /// Takes the filters of its runs into memory, or lets them go.
    pub(in super::super) fn filter(&self, filtered: bool) -> io::Result<()> {
        self.index.write().filter(filtered)
    }

    /// Writes what is in memory as a run when it is enough, or when it is the `last` time; merges runs. Where a part of the
    /// index was found damaged, all of it is made anew. Look-ups go on meanwhile.
    pub(in super::super) fn tidy(&self, vault: &Vault, last: bool) -> io::Result<()> {
        if self.spoiled.swap(false, Relaxed) {
            self.rebuild(vault)?;
        }
        let held = {
            let index = self.index.read();
            if index.tail.records < if last { 1 } else { TAIL } { None } else { index.spilled(&self.dir, vault)? }
        };
        let Some(held) = held else { return Ok(()) };
        self.index.write().adopt(0, held);
        while let Some((many, held)) = { self.index.read().merged(&self.dir, vault)? } {
            let old = {
                let mut index = self.index.write();
                let old = index.runs.len() - many;
                let old: Vec<_> = index.runs[old..].iter().map(|it| it.run.path.clone()).collect();
                index.adopt(many, held);
                old
            };
            old.into_iter().try_for_each(std::fs::remove_file)?;
        }
        Ok(())
    }

    /// Looks whether the data can be read: all of it, or of much of it a sample. If not, the index is made anew from what can.
    pub(in super::super) fn examine(&self, vault: &Vault) -> io::Result<()> {
        let (end, records) = {
            let index = self.index.read();
            (index.end, index.records())
        };
        let mut whole = 0;
        let sound = if end <= ALL {
            self.data.scan(0, |_, _| {
                whole += 1;
                Ok(())
            })?;
            whole == records && self.is_legible()?
        } else {
            self.sampled()?
        };
        if sound { Ok(()) } else { self.rebuild(vault) }
    }

    // Whether every page of the index can be read.
    fn is_legible(&self) -> io::Result<bool> {
        let runs: Vec<_> = self.index.read().runs.iter().map(|it| it.run.clone()).collect();
        let read = |run: &super::run::Run| -> io::Result<()> {
            (0..run.points.pages()).try_for_each(|page| run.points.page(&run.file, page).map(drop))?;
            (0..run.feed.pages()).try_for_each(|page| run.feed.page(&run.file, page).map(drop))
        };
        match runs.iter().try_for_each(|run| read(run)) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
            done => done.map(|()| true),
        }
    }

    // A record for every so many pages of the index.
    fn sampled(&self) -> io::Result<bool> {
        let runs: Vec<_> = self.index.read().runs.iter().map(|it| it.run.clone()).collect();
        for run in runs {
            let step = (run.points.pages() / SAMPLES).max(1) as usize;
            for page in (0..run.points.pages()).step_by(step) {
                let place = match run.points.page(&run.file, page) {
                    Ok(entries) => entries.first().map_or(0, |it| it[1]),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
                    Err(error) => return Err(error),
                };
                if self.read(place)?.is_none() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Hands every record on, in order.
    pub(in super::super) fn each(&self, mut each: impl FnMut(&Record) -> io::Result<()>) -> io::Result<()> {
        self.data.scan(0, |_, record| each(&record)).map(drop)
    }

    /// At most `max` records from `place` on, in order, and the place of the next.
    pub(in super::super) fn part(&self, place: u64, max: usize) -> io::Result<(Vec<Record>, u64)> {
        let end = self.index.read().end;
        self.data.part(place, end, max)
    }

    fn rebuild(&self, vault: &Vault) -> io::Result<()> {
        tracing::warn!(day = %self.dir.display(), "an index of history is damaged; it is made anew from the data");
        let filtered = {
            let index = self.index.read();
            index.runs.iter().try_for_each(|it| std::fs::remove_file(&it.run.path))?;
            index.filtered
        };
        let mut index = Index::open(&self.dir, &self.data, vault)?;
        index.filter(filtered)?;
        *self.index.write() = index;
        Ok(())
    }

    fn noticed<T>(&self, read: io::Result<T>) -> io::Result<T> {
        read.inspect_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                self.spoiled.store(true, Relaxed);
            }
        })
    }
}
