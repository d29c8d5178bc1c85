//! What is over: a database a UTC day, filled by copies, read by id and feed number, dropped as a whole after retention.

use super::log::{Log, is_damage, sync_dir};
use crate::domain::id::{AggregateId, InstitutionId};
use crate::domain::time::Timestamp;
use crate::store::key::Route;
use chrono::NaiveDate;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use uuid::Uuid;

/// How many aggregates the hot store knows a day to have, at least; and the time, which names what is set aside.
pub(super) struct Known {
    pub(super) count: u64,
    pub(super) now: Timestamp,
}

/// Databases kept open at most; each costs some memory.
const MOST_OPEN: usize = 6;
/// Memory for sled's cache, a day.
pub(super) const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Under which a day keeps how many aggregates it has.
const COUNT: &[u8] = b"N";
/// Aggregates in one batch.
const BATCH: usize = 64;

/// An aggregate on its way into history.
pub(super) struct Past {
    pub(super) id: AggregateId,
    pub(super) feed: Route,
    pub(super) seqs: Arc<[u64]>,
    pub(super) bytes: Arc<[u8]>,
}

/// An event found in history.
pub(super) struct PastEvent {
    pub(super) seq: u64,
    pub(super) id: AggregateId,
    pub(super) index: u16,
    pub(super) bytes: Arc<[u8]>,
}

/// The days.
pub(super) struct History {
    pub(super) dir: PathBuf,
    pub(super) state: Mutex<State>,
    /// How many days lack records.
    pub(super) lost: AtomicU64,
}

/// What is known of the days.
#[derive(Default)]
pub(super) struct State {
    /// Most recently used last.
    pub(super) open: Vec<(u32, Arc<Log>)>,
    pub(super) days: BTreeSet<u32>,
    /// The highest feed number of an institution in a day.
    pub(super) highest: HashMap<(u32, Route), u64>,
    /// Days that lack records, and how many.
    pub(super) lost: BTreeMap<u32, u64>,
}

impl History {
    /// The history in `dir`, which is made if need be.
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let mut state = State::default();
        for item in std::fs::read_dir(&dir)? {
            state.days.extend(item?.file_name().to_str().and_then(day_of_name));
        }
        Ok(Self { dir, state: Mutex::new(state), lost: AtomicU64::new(0) })
    }

    /// Copies aggregates into a day, durably, and tells how many it has then, or should have. Doing it again changes nothing. A day that is
    /// damaged is mended first, or set aside (as of `was`) for a new one: what is over must have somewhere to go.
    pub(super) fn put(&self, day: u32, past: &[Past], was: &Known) -> Result<u64, ::sled::Error> {
        match self.copy(day, past) {
            Err(error) if is_damage(&error) => {
                self.mend(day, was, &error)?;
                self.copy(day, past)
            }
            done => done,
        }
    }

    fn copy(&self, day: u32, past: &[Past]) -> Result<u64, ::sled::Error> {
        let log = self.day(day, true)?.ok_or_else(|| ::sled::Error::Unsupported("a day that can't be made".into()))?;
        let mut held = count(&log)?;
        for part in past.chunks(BATCH) {
            let mut batch = ::sled::Batch::default();
            for it in part {
                held += u64::from(log.get(&by_id(it.id))?.is_none());
                batch.insert(&by_id(it.id), &*it.bytes);
                for (index, seq) in it.seqs.iter().enumerate() {
                    let mut value = it.id.0.as_bytes().to_vec();
                    value.extend((index as u16).to_be_bytes());
                    batch.insert(&by_seq(&it.feed, *seq), value);
                }
            }
            batch.insert(COUNT, &held.to_be_bytes());
            log.append(batch)?;
        }
        let mut state = self.state.lock();
        for it in past {
            let highest = state.highest.entry((day, it.feed)).or_default();
            *highest = (*highest).max(it.seqs.iter().copied().max().unwrap_or(0));
        }
        // With what it lacks: so that it is told after every restart, however much comes.
        Ok(held.saturating_add(state.lost.get(&day).copied().unwrap_or(0)))
    }

    /// The value of an aggregate in a day.
    pub(super) fn get(&self, id: AggregateId, day: u32) -> Result<Option<Arc<[u8]>>, ::sled::Error> {
        let Some(log) = self.day(day, false)? else { return Ok(None) };
        Ok(log.get(&by_id(id))?.map(|it| Arc::from(&*it)))
    }

    /// The value of an aggregate in whatever day it is, newest first.
    pub(super) fn search(&self, id: AggregateId) -> Result<Option<Arc<[u8]>>, ::sled::Error> {
        for day in self.days().into_iter().rev() {
            if let Some(found) = self.get(id, day)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// At most `max` events of an institution after `after`, oldest first.
    pub(super) fn feed(&self, feed: &Route, after: u64, max: usize) -> Result<Vec<PastEvent>, ::sled::Error> {
        let mut found = Vec::new();
        for day in self.days() {
            if self.highest(day, feed)? > after {
                found.extend(self.feed_of(day, feed, after, max)?);
            }
        }
        found.sort_by_key(|it| it.seq);
        found.dedup_by_key(|it| it.seq);
        found.truncate(max);
        Ok(found)
    }

    /// Days that there are, oldest first.
    pub(super) fn days(&self) -> BTreeSet<u32> {
        self.state.lock().days.clone()
    }

    /// Removes the days before `day`, each as a whole.
    pub(super) fn drop_before(&self, day: u32) -> io::Result<usize> {
        let mut state = self.state.lock();
        let old: Vec<u32> = state.days.range(..day).copied().collect();
        state.open.retain(|(open, _)| *open >= day);
        state.highest.retain(|(of, _), _| *of >= day);
        state.lost.retain(|of, _| *of >= day);
        self.lost.store(state.lost.len() as u64, Relaxed);
        for day in &old {
            std::fs::remove_dir_all(self.path(*day))?;
            state.days.remove(day);
        }
        if !old.is_empty() {
            sync_dir(&self.dir)?;
        }
        Ok(old.len())
    }

    /// Closes what is open, so that another may open it.
    pub(super) fn close(&self) {
        self.state.lock().open.clear();
    }

    /// Every key and value of a day, in order, for a backup.
    pub(super) fn dump(&self, day: u32, mut each: impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(log) = self.day(day, false)? else { return Ok(()) };
        for item in log.range(&[], None) {
            let (key, value) = item?;
            each(&key, &value)?;
        }
        Ok(())
    }

    fn feed_of(&self, day: u32, feed: &Route, after: u64, max: usize) -> Result<Vec<PastEvent>, ::sled::Error> {
        let Some(log) = self.day(day, false)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for item in log.range(&by_seq(feed, after.saturating_add(1)), Some(&after_feed(feed))).take(max) {
            let (key, value) = item?;
            let (seq, id, index) = read_event(&key, &value).ok_or_else(|| corrupt("a feed entry that is none of ours"))?;
            let bytes = log.get(&by_id(id))?.ok_or_else(|| corrupt("a feed entry without its aggregate"))?;
            found.push(PastEvent { seq, id, index, bytes: Arc::from(&*bytes) });
        }
        Ok(found)
    }

    fn highest(&self, day: u32, feed: &Route) -> Result<u64, ::sled::Error> {
        if let Some(known) = self.state.lock().highest.get(&(day, *feed)) {
            return Ok(*known);
        }
        let Some(log) = self.day(day, false)? else { return Ok(0) };
        let last = log.range(&by_seq(feed, 0), Some(&after_feed(feed))).next_back().transpose()?;
        let found = last.and_then(|(key, value)| read_event(&key, &value)).map_or(0, |it| it.0);
        // What was put meanwhile knows better.
        let mut state = self.state.lock();
        let highest = state.highest.entry((day, *feed)).or_default();
        *highest = (*highest).max(found);
        Ok(*highest)
    }

    pub(super) fn day(&self, day: u32, make: bool) -> Result<Option<Arc<Log>>, ::sled::Error> {
        let mut state = self.state.lock();
        if let Some(at) = state.open.iter().position(|it| it.0 == day) {
            let found = state.open.remove(at);
            state.open.push(found.clone());
            return Ok(Some(found.1));
        }
        if !make && !state.days.contains(&day) {
            return Ok(None);
        }
        let log = Arc::new(Log::open(&self.path(day), CACHE_BYTES)?);
        state.days.insert(day);
        state.open.push((day, log.clone()));
        // Only what nobody uses is closed: it could not be opened a second time.
        let idle = state.open.iter().position(|it| Arc::strong_count(&it.1) == 1);
        if let Some(idle) = idle.filter(|_| state.open.len() > MOST_OPEN) {
            state.open.remove(idle);
        }
        Ok(Some(log))
    }

    pub(super) fn path(&self, day: u32) -> PathBuf {
        self.dir.join(name_of_day(day))
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

/// How many aggregates a day says it has.
pub(super) fn count(log: &Log) -> Result<u64, ::sled::Error> {
    let Some(value) = log.get(COUNT)? else { return Ok(0) };
    value.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| corrupt("a count that is none of ours"))
}

fn by_id(id: AggregateId) -> [u8; 17] {
    let mut key = [b'C'; 17];
    key[1..].copy_from_slice(id.0.as_bytes());
    key
}

fn by_seq(feed: &Route, seq: u64) -> [u8; 25] {
    let mut key = [b'F'; 25];
    key[1..17].copy_from_slice(feed);
    key[17..].copy_from_slice(&seq.to_be_bytes());
    key
}

// Right after the last number there can be.
fn after_feed(feed: &Route) -> [u8; 26] {
    let mut key = [0; 26];
    key[..25].copy_from_slice(&by_seq(feed, u64::MAX));
    key
}

fn read_event(key: &[u8], value: &[u8]) -> Option<(u64, AggregateId, u16)> {
    let seq = u64::from_be_bytes(key.get(17..)?.try_into().ok()?);
    let (id, index) = value.split_first_chunk::<16>()?;
    Some((seq, AggregateId(Uuid::from_bytes(*id)), u16::from_be_bytes(index.try_into().ok()?)))
}

fn corrupt(what: &str) -> ::sled::Error {
    ::sled::Error::Io(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// The route under which an institution's events are kept.
pub(super) fn route(vault: &crate::vault::Vault, institution: &InstitutionId) -> Route {
    crate::store::key::Keys(vault).feed(institution).rest()
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
