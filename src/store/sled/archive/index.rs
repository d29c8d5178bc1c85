//! A day's index: runs that together cover the data up to some place, and the tail for the rest. All of it follows from the data,
//! and is made anew from there when it is missing or damaged.

use super::data::{Data, Record};
use super::filter::Filter;
use super::page::{Merged, damaged};
use super::run::{Cover, Input, Run, stretch};
use super::tail::{self, Indexed, Tail, Tally};
use crate::domain::aggregate::Aggregate;
use crate::store::facts::Facts;
use crate::store::form::Form;
use crate::store::key::Key;
use crate::store::{row, rows};
use crate::vault::Vault;
use std::cmp::Reverse;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Records in memory before they become a run.
pub(super) const TAIL: u64 = 8192;
/// Runs of about one size before they become one.
const FAN: usize = 8;

/// A run in use.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) run: Arc<Run>,
    /// Only where look-ups by key are many.
    filter: Option<Arc<Filter>>,
}

impl Held {
    fn new(run: Run, filtered: bool) -> io::Result<Self> {
        let filter = if filtered { Some(Arc::new(run.filter()?)) } else { None };
        Ok(Self { run: Arc::new(run), filter })
    }

    /// Whether it may have a key; without its filter it may.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        self.filter.as_ref().is_none_or(|it| it.may_have(hash))
    }
}

/// The index of a day.
#[derive(Default)]
pub(super) struct Index {
    /// Where the last whole record ends.
    pub(super) end: u64,
    pub(super) runs: Vec<Held>,
    pub(super) tail: Tail,
    /// Whether runs come with their filters.
    pub(super) filtered: bool,
}

impl Index {
    /// Reads what there is in `dir`, and makes the rest from the data.
    pub(super) fn open(dir: &Path, data: &Data, vault: &Vault) -> io::Result<Self> {
        let mut index = Self { runs: runs(dir, data.length()?)?, ..Self::default() };
        index.end = index.covered();
        let end = data.scan(index.end, |place, record| {
            index.tail.take(place, record.again, &indexed(&record, vault));
            index.end = place + record.length();
            if index.tail.records >= TAIL { index.tidy(dir, vault) } else { Ok(()) }
        })?;
        index.end = index.end.max(end);
        Ok(index)
    }

    /// Where the runs end.
    pub(super) fn covered(&self) -> u64 {
        self.runs.last().map_or(0, |it| it.run.cover.to)
    }

    /// Aggregates in it.
    pub(super) fn count(&self) -> u64 {
        self.runs.iter().map(|it| it.run.cover.count).sum::<u64>() + self.tail.count
    }

    /// Records in it.
    pub(super) fn records(&self) -> u64 {
        self.runs.iter().map(|it| it.run.cover.records).sum::<u64>() + self.tail.records
    }

    /// When the last of it ended.
    pub(super) fn latest(&self) -> i64 {
        self.runs.iter().map(|it| it.run.cover.latest).chain([self.tail.latest]).max().unwrap_or(i64::MIN)
    }

    pub(super) fn tally(&self, vault: &Vault) -> io::Result<Tally> {
        let mut all = self.tail.tally.clone();
        self.runs.iter().try_for_each(|it| tail::add(vault, &it.run.cover.tally, &mut all)).map_err(|_| damaged())?;
        Ok(all)
    }

    /// Writes the tail as a run, and merges runs where there are many.
    pub(super) fn tidy(&mut self, dir: &Path, vault: &Vault) -> io::Result<()> {
        if let Some(held) = self.spilled(dir, vault)? {
            self.adopt(0, held);
        }
        while let Some((many, held)) = self.merged(dir, vault)? {
            let old: Vec<_> = self.runs[self.runs.len() - many..].iter().map(|it| it.run.path.clone()).collect();
            self.adopt(many, held);
            old.into_iter().try_for_each(std::fs::remove_file)?;
        }
        Ok(())
    }

    /// The tail as a run, not in use yet; `None` when it is empty.
    pub(super) fn spilled(&self, dir: &Path, vault: &Vault) -> io::Result<Option<Held>> {
        if self.tail.records == 0 {
            return Ok(None);
        }
        let cover = self.tail.cover(self.covered(), self.end, vault);
        let (points, feed) = (&self.tail.points, &self.tail.feed);
        let input = Input {
            points: (points.len() as u64, Merged::new([Box::new(points.iter().copied().map(Ok)) as Box<_>].into_iter())),
            feed: (feed.len() as u64, Merged::new([Box::new(feed.iter().copied().map(Ok)) as Box<_>].into_iter())),
        };
        Held::new(Run::write(dir, &cover, input)?, self.filtered).map(Some)
    }

    /// The newest runs of about one size as one, not in use yet, and how many these are; `None` when there are few.
    pub(super) fn merged(&self, dir: &Path, vault: &Vault) -> io::Result<Option<(usize, Held)>> {
        let level = |held: &Held| (held.run.cover.records / TAIL).checked_ilog2().unwrap_or(0) / 3;
        let many = (0..8).map(|top| self.runs.iter().rev().take_while(|it| level(it) <= top).count()).find(|many| *many >= FAN);
        let Some(many) = many else { return Ok(None) };
        let runs: Vec<&Run> = self.runs[self.runs.len() - many..].iter().map(|it| &*it.run).collect();
        let points = runs.iter().map(|it| it.points.since(&it.file, [0; 2])).collect::<io::Result<Vec<_>>>()?;
        let feed = runs.iter().map(|it| it.feed.since(&it.file, [0; 3])).collect::<io::Result<Vec<_>>>()?;
        let input = Input {
            points: (runs.iter().map(|it| it.points.entries).sum(), Merged::new(points.into_iter().map(|it| Box::new(it) as Box<_>))),
            feed: (runs.iter().map(|it| it.feed.entries).sum(), Merged::new(feed.into_iter().map(|it| Box::new(it) as Box<_>))),
        };
        let run = Run::write(dir, &together(&runs, vault)?, input)?;
        Ok(Some((many, Held::new(run, self.filtered)?)))
    }

    /// Puts a run in the place of the last `many`; of none: in the place of the tail.
    pub(super) fn adopt(&mut self, many: usize, held: Held) {
        if many == 0 {
            self.tail = Tail::default();
        }
        self.runs.truncate(self.runs.len() - many);
        self.runs.push(held);
    }

    /// Takes filters into memory, or lets them go.
    pub(super) fn filter(&mut self, filtered: bool) -> io::Result<()> {
        for held in self.runs.iter_mut().filter(|it| it.filter.is_some() != filtered) {
            held.filter = if filtered { Some(Arc::new(held.run.filter()?)) } else { None };
        }
        self.filtered = filtered;
        Ok(())
    }
}

// Those in `dir` that follow each other from the beginning on, the longest first; others are left over from a merge, damaged, or
// of more data than there is, and are removed.
fn runs(dir: &Path, length: u64) -> io::Result<Vec<Held>> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let path = item?.path();
        found.extend(path.file_name().and_then(|it| it.to_str()).and_then(stretch).map(|it| (it.0, Reverse(it.1), path.clone())));
    }
    found.sort();
    let (mut runs, mut end) = (Vec::new(), 0);
    for (from, Reverse(to), path) in found {
        let opened = if from == end && to <= length { Run::open(path.clone()) } else { Err(damaged()) };
        match opened.and_then(|run| Held::new(run, false)) {
            Ok(held) => {
                end = to;
                runs.push(held);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    Ok(runs)
}

fn together(runs: &[&Run], vault: &Vault) -> io::Result<Cover> {
    let mut tally = Tally::new();
    runs.iter().try_for_each(|it| tail::add(vault, &it.cover.tally, &mut tally)).map_err(|_| damaged())?;
    let covers = || runs.iter().map(|it| &it.cover);
    Ok(Cover {
        from: covers().map(|it| it.from).min().unwrap_or(0),
        to: covers().map(|it| it.to).max().unwrap_or(0),
        records: covers().map(|it| it.records).sum(),
        count: covers().map(|it| it.count).sum(),
        latest: covers().map(|it| it.latest).max().unwrap_or(i64::MIN),
        tally: tail::seal(vault, &tally),
    })
}

fn indexed(record: &Record, vault: &Vault) -> Indexed {
    match opened(record, vault) {
        Some((aggregate, seqs)) => Indexed::of(record.id, &Facts::of(&aggregate, vault), &seqs, vault),
        None => {
            tracing::error!(id = %record.id, "a record of history can't be opened: its key is gone, or it was changed");
            Indexed::bare(record.id)
        }
    }
}

/// What a record holds, and its events' numbers; `None` when it can't be opened.
pub(in super::super) fn opened(record: &Record, vault: &Vault) -> Option<(Aggregate, Vec<u64>)> {
    let key = Key::aggregate(record.id);
    let (head, plain) = row::open(vault, &key, &record.bytes).ok()?;
    Some((rows::decode_aggregate(&plain, Form::NEWEST).ok()?, head.seqs))
}
