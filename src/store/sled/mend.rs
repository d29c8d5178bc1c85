//! Holds history to what it had: each day is compared with the count that the hot store keeps. A damaged day is set aside; it is
//! rebuilt from a copy of its log if nothing is missing there, and else counted as lost and told.

use super::history::{CACHE_BYTES, History, count, name_of_day};
use super::log::{Log, guarded, is_damage, sync_dir};
use super::recover::copy_without_snapshots;
use crate::domain::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

/// How many aggregates the hot store knows a day to have, at least; and the time, which names what is set aside.
pub(super) struct Known {
    pub(super) count: u64,
    pub(super) now: Timestamp,
}

impl History {
    /// Whether a day has at least as much as it had. One that is damaged is mended, or set aside.
    pub(super) fn prove(&self, day: u32, was: &Known) -> Result<(), ::sled::Error> {
        let found = match self.day(day, false).and_then(|log| log.map_or(Ok(0), |log| count(&log))) {
            Err(error) if is_damage(&error) => return self.mend(day, was, &error),
            found => found?,
        };
        if found < was.count {
            tracing::error!(day = name_of_day(day), found, had = was.count, "history lacks records that were durable: restore a backup");
            self.lose(day);
        }
        Ok(())
    }

    /// Days that lack records they had.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Sets a damaged day aside, so that there is room for a new one, and puts it back when it can be rebuilt.
    pub(super) fn mend(&self, day: u32, was: &Known, why: &::sled::Error) -> Result<(), ::sled::Error> {
        let mut state = self.state.lock();
        if let Some(at) = state.open.iter().position(|it| it.0 == day) {
            // Never closed: closing writes, to where the new one will be.
            std::mem::forget(state.open.remove(at));
        }
        state.days.remove(&day);
        state.highest.retain(|(of, _), _| *of != day);
        let aside = set_aside(&self.path(day), was.now)?;
        let whole = was.count > 0 && self.rebuilt(day, &aside, was.count)?;
        if whole {
            state.days.insert(day);
            tracing::warn!(%why, aside = %aside.display(), "a day of history was broken; all its records were recovered from its log");
            return Ok(());
        }
        drop(state);
        tracing::error!(%why, aside = %aside.display(), "a day of history is damaged and was set aside: restore a backup");
        self.lose(day);
        Ok(())
    }

    // Where a broken snapshot of sled's was all that is wrong, the log without it has everything.
    fn rebuilt(&self, day: u32, aside: &Path, had: u64) -> io::Result<bool> {
        let copy = self.dir.join("rebuilding");
        if copy.exists() {
            std::fs::remove_dir_all(&copy)?;
        }
        copy_without_snapshots(aside, &copy)?;
        let whole = is_whole(&copy, had).unwrap_or(false);
        if whole {
            std::fs::rename(&copy, self.path(day))?;
        } else {
            std::fs::remove_dir_all(&copy)?;
        }
        sync_dir(&self.dir)?;
        Ok(whole)
    }

    fn lose(&self, day: u32) {
        let mut state = self.state.lock();
        state.lost.insert(day);
        self.lost.store(state.lost.len() as u64, Relaxed);
    }
}

// Renames the directory `day` to a name that says so, and tells which; nothing is deleted.
fn set_aside(day: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let name = day.file_name().unwrap_or_default().to_string_lossy();
    let mut names = (0..100).map(|count| day.with_file_name(format!("quarantine-{name}-{}", now.millis() + count)));
    let free = names.find(|it| !it.exists()).ok_or_else(|| io::Error::other("too much was set aside already"))?;
    std::fs::rename(day, &free)?;
    day.parent().map_or(Ok(()), sync_dir)?;
    Ok(free)
}

// Counts them one by one: a log without its snapshot may lack some in the middle.
fn is_whole(dir: &Path, had: u64) -> Result<bool, ::sled::Error> {
    let log = Log::open(dir, CACHE_BYTES)?;
    guarded(|| {
        let there = log.range(b"C", Some(b"D")).try_fold(0, |all, item| item.map(|_| all + 1))?;
        Ok(there >= had && there == count(&log)?)
    })
}
