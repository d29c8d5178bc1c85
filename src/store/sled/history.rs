//! What is over: a directory a UTC day, filled by copies, read by key and feed number, dropped as a whole after retention.
//!
//! An aggregate goes to the day on which it was opened. Days in which something ended within the time of tombstones are *live*:
//! open, with their filters in memory, and asked whenever the hot store doesn't know a key. All others are asked only by id and
//! by feed number.

use super::archive::{Day, Moving, Record};
use super::convert;
use super::table::sync_dir;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::vault::{Vault, day_of};
use chrono::NaiveDate;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How many aggregates the hot store knows a day to have, at least; and the time, which names what is set aside.
pub(super) struct Known {
    pub(super) count: u64,
    pub(super) now: Timestamp,
}

/// Days kept open at most beside the live ones.
const MOST_OPEN: usize = 4;
/// Days before the time of tombstones that are looked at when the store is opened: what was opened then may have ended lately.
const LONGEST: u32 = 31;

/// The days.
pub(super) struct History {
    pub(super) dir: PathBuf,
    pub(super) vault: Arc<Vault>,
    pub(super) state: RwLock<State>,
    opening: Mutex<()>,
    pub(super) epoch: AtomicU64,
    /// What ended before is no longer told by key.
    pub(super) until: AtomicI64,
    /// How many days lack records.
    pub(super) lost: AtomicU64,
}

/// What is known of the days.
#[derive(Default)]
pub(super) struct State {
    open: Vec<(u32, Arc<Day>)>,
    /// The newest first.
    pub(super) live: Vec<(u32, Arc<Day>)>,
    pub(super) days: BTreeSet<u32>,
    /// Days that lack records, and how many.
    pub(super) lost: BTreeMap<u32, u64>,
}

impl History {
    /// The history in `dir`, which is made if need be. What ended before `until` is not told by key.
    pub(super) fn open(dir: PathBuf, vault: Arc<Vault>, until: Timestamp) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        convert::resume(&dir)?;
        let mut state = State::default();
        for item in std::fs::read_dir(&dir)? {
            state.days.extend(item?.file_name().to_str().and_then(day_of_name));
        }
        for day in &state.days {
            convert::convert(&dir, &name_of_day(*day))?;
        }
        let first = day_of(until).saturating_sub(LONGEST);
        let recent: Vec<u32> = state.days.range(first..).rev().copied().collect();
        let counters = (AtomicU64::new(0), AtomicI64::new(until.millis()), AtomicU64::new(0));
        let (epoch, until, lost) = counters;
        let history = Self { dir, vault, state: RwLock::new(state), opening: Mutex::default(), epoch, until, lost };
        for day in recent {
            if let Some(found) = history.day(day, false)?.filter(|it| it.latest() > history.until.load(Ordering::Relaxed)) {
                history.enliven(day, &found)?;
            }
        }
        Ok(history)
    }

    /// Copies aggregates into a day, durably, and tells how many it has then, or should have. Doing it again changes nothing.
    /// Look-ups see them when it returns, and before they leave the hot store.
    pub(super) fn put(&self, day: u32, all: &[Moving]) -> io::Result<u64> {
        let found = self.day(day, true)?.ok_or_else(|| io::Error::other("a day of history can't be made"))?;
        found.put(all, &self.vault)?;
        self.enliven(day, &found)?;
        self.epoch.fetch_add(1, Ordering::SeqCst);
        // With what it lacks: so that it is told after every restart, however much comes.
        Ok(found.count().saturating_add(self.state.read().lost.get(&day).copied().unwrap_or(0)))
    }

    /// The newest record of an aggregate in whatever day it is, newest day first.
    pub(super) fn search(&self, id: AggregateId) -> io::Result<Option<Record>> {
        for day in self.days().into_iter().rev() {
            let Some(found) = self.day(day, false)? else { continue };
            if let Some(record) = found.newest(id)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Challenges that each publisher opened in a day, as far as they are here.
    pub(super) fn tally(&self, day: u32) -> io::Result<BTreeMap<String, u64>> {
        self.day(day, false)?.map_or(Ok(BTreeMap::new()), |it| it.tally(&self.vault))
    }

    /// Whether a day has an aggregate.
    pub(super) fn has(&self, id: AggregateId, day: u32) -> io::Result<bool> {
        self.day(day, false)?.map_or(Ok(false), |it| Ok(it.newest(id)?.is_some()))
    }

    /// Days that there are, oldest first.
    pub(super) fn days(&self) -> BTreeSet<u32> {
        self.state.read().days.clone()
    }

    /// What ended before `until` is told by key no longer; keeps the indexes in order.
    pub(super) fn tidy(&self, until: Timestamp) -> io::Result<()> {
        self.until.store(until.millis(), Ordering::Relaxed);
        let live = self.state.read().live.clone();
        for (day, it) in live {
            let over = it.latest() <= until.millis();
            it.tidy(&self.vault, over)?;
            if over {
                self.state.write().live.retain(|(of, _)| *of != day);
                it.filter(false)?;
            }
        }
        Ok(())
    }

    /// Removes the days before `day`, each as a whole.
    pub(super) fn drop_before(&self, day: u32) -> io::Result<usize> {
        let old: Vec<u32> = {
            let mut state = self.state.write();
            state.open.retain(|(open, _)| *open >= day);
            state.live.retain(|(live, _)| *live >= day);
            state.lost.retain(|of, _| *of >= day);
            self.lost.store(state.lost.len() as u64, Ordering::Relaxed);
            let kept = state.days.split_off(&day);
            std::mem::replace(&mut state.days, kept).into_iter().collect()
        };
        for day in &old {
            let removed = std::fs::remove_dir_all(self.path(*day));
            if removed.is_err() {
                self.state.write().days.insert(*day);
            }
            removed?;
        }
        if !old.is_empty() {
            sync_dir(&self.dir)?;
        }
        Ok(old.len())
    }

    /// Writes what would else be read from the data again when it is opened next. Nothing may come into it any more.
    pub(super) fn close(&self) {
        let live = self.state.read().live.clone();
        for (_, day) in live {
            if let Err(error) = day.tidy(&self.vault, true) {
                tracing::warn!(%error, "the index of history could not be written; it is made anew when the store is opened next");
            }
        }
    }

    /// Every record of a day, in order, for a backup.
    pub(super) fn dump(&self, day: u32, each: impl FnMut(&Record) -> io::Result<()>) -> io::Result<()> {
        self.day(day, false)?.map_or(Ok(()), |it| it.each(each))
    }

    /// A day, open; `None` when there is none and it is not to be made.
    pub(super) fn day(&self, day: u32, make: bool) -> io::Result<Option<Arc<Day>>> {
        let known = |state: &State| state.open.iter().find(|it| it.0 == day).map(|it| it.1.clone());
        if let Some(found) = known(&self.state.read()) {
            return Ok(Some(found));
        }
        let _one = self.opening.lock();
        if let Some(found) = known(&self.state.read()) {
            return Ok(Some(found));
        }
        let there = self.state.read().days.contains(&day);
        if !there && !make {
            return Ok(None);
        }
        std::fs::create_dir_all(self.path(day))?;
        let found = Arc::new(Day::open(self.path(day), &self.vault)?);
        if !there {
            sync_dir(&self.path(day))?;
            sync_dir(&self.dir)?;
        }
        let mut state = self.state.write();
        state.days.insert(day);
        state.open.push((day, found.clone()));
        if state.open.len() > MOST_OPEN + state.live.len() {
            // Only what nobody uses is closed: a day is open once.
            let idle = state.open.iter().position(|it| Arc::strong_count(&it.1) == 1);
            idle.map(|idle| state.open.remove(idle));
        }
        Ok(Some(found))
    }

    pub(super) fn path(&self, day: u32) -> PathBuf {
        self.dir.join(name_of_day(day))
    }

    fn enliven(&self, day: u32, found: &Arc<Day>) -> io::Result<()> {
        if !self.state.read().live.iter().any(|it| it.0 == day) {
            found.filter(true)?;
            let mut state = self.state.write();
            state.live.push((day, found.clone()));
            state.live.sort_by_key(|it| std::cmp::Reverse(it.0));
        }
        Ok(())
    }
}

/// The directory of a day: `2026-11-21`.
pub(super) fn name_of_day(day: u32) -> String {
    let date = NaiveDate::default().checked_add_days(chrono::Days::new(day.into())).unwrap_or(NaiveDate::MAX);
    date.format("%Y-%m-%d").to_string()
}

/// The day of a directory's name; `None` when it is none of ours.
pub(super) fn day_of_name(name: &str) -> Option<u32> {
    let date = NaiveDate::parse_from_str(name, "%Y-%m-%d").ok()?;
    let day = u32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()?;
    (name_of_day(day) == name).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names_and_only_those() {
        for (day, name) in [(0, "1970-01-01"), (20778, "2026-11-21"), (19782, "2024-02-29")] {
            assert_eq!(name_of_day(day), name);
            assert_eq!(day_of_name(name), Some(day));
        }
        for name in ["", "lost+found", "2026-11-21x", "2026-2-1", "1969-12-31", "2026-13-01"] {
            assert_eq!(day_of_name(name), None, "{name}");
        }
    }
}
