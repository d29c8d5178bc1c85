//! Holds history to what it had: each day is compared with the count that the hot store keeps. A damaged day is set aside; it is
//! rebuilt from a copy of its log if nothing is missing there, and else counted as lost and told.

use super::history::{CACHE_BYTES, History, Known, count, name_of_day};
use super::log::{Log, guarded, is_damage, sync_dir};
use super::recover::copy_without_snapshots;
use crate::domain::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

impl History {
    /// Whether a day has at least as much as it had. One that is damaged is mended, or set aside.
    pub(super) fn prove(&self, day: u32, was: &Known) -> Result<(), ::sled::Error> {
        let found = match self.day(day, false).and_then(|log| log.map_or(Ok(0), |log| count(&log))) {
            Err(error) if is_damage(&error) => return self.mend(day, was, &error),
            found => found?,
        };
        if found < was.count {
            tracing::error!(day = name_of_day(day), found, had = was.count, "history lacks records that were durable: restore a backup");
            self.keep_aside(&self.path(day), was.now)?;
            self.lose(day, was.count - found);
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
        self.lose(day, was.count);
        Ok(())
    }

    // What sled left out may still be in the file until more is written: a copy is kept, one however often it is told.
    fn keep_aside(&self, day: &Path, now: Timestamp) -> io::Result<()> {
        let mut names = std::fs::read_dir(&self.dir)?.filter_map(|it| it.ok()?.file_name().into_string().ok());
        if day.exists() && !names.any(|it| it.starts_with(&prefix(day))) {
            copy_without_snapshots(day, &free_name(day, now)?)?;
            sync_dir(&self.dir)?;
        }
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

    fn lose(&self, day: u32, missing: u64) {
        let mut state = self.state.lock();
        state.lost.insert(day, missing);
        self.lost.store(state.lost.len() as u64, Relaxed);
    }
}

// A name for what is set aside that nothing has.
fn free_name(day: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut names = (0..100).map(|count| day.with_file_name(format!("{}{}", prefix(day), now.millis() + count)));
    names.find(|it| !it.exists()).ok_or_else(|| io::Error::other("too much was set aside already"))
}

fn prefix(day: &Path) -> String {
    format!("quarantine-{}-", day.file_name().unwrap_or_default().to_string_lossy())
}

// Renames the directory `day` to a name that says so, and tells which; nothing is deleted.
fn set_aside(day: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let free = free_name(day, now)?;
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

#[cfg(test)]
mod tests {
    use super::super::history::Past;
    use super::*;
    use crate::domain::id::AggregateId;
    use std::sync::Arc;
    use uuid::Uuid;

    const DAY: u32 = 20_778;

    fn past(from: u128, count: u128) -> Vec<Past> {
        let one =
            |n: u128| Past { id: AggregateId(Uuid::from_u128(n)), feed: [1; 16], seqs: Arc::new([n as u64]), bytes: Arc::new([7; 300]) };
        (from..from + count).map(one).collect()
    }

    fn known(count: u64) -> Known {
        Known { count, now: Timestamp::from_millis(5) }
    }

    fn filled(dir: &Path) {
        let history = History::open(dir.to_owned()).unwrap();
        assert_eq!(history.put(DAY, &past(1, 100), &known(0)).unwrap(), 100);
        assert_eq!(history.put(DAY, &past(1, 100), &known(100)).unwrap(), 100, "again changes nothing");
        history.close();
        let history = History::open(dir.to_owned()).unwrap();
        history.prove(DAY, &known(100)).unwrap(); // sled writes a snapshot when it reads a log
        assert_eq!(history.lost(), 0);
        history.close();
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect()
    }

    #[test]
    fn what_is_missing_stays_told_however_much_comes_after_it() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let file = dir.path().join(name_of_day(DAY)).join("db");
        let mut bytes = std::fs::read(&file).unwrap();
        (0..bytes.len()).step_by(97).for_each(|at| bytes[at] ^= 0x55);
        std::fs::write(&file, bytes).unwrap();
        let history = History::open(dir.path().to_owned()).unwrap();
        history.prove(DAY, &known(100)).unwrap();
        assert_eq!(history.put(DAY, &past(101, 200), &known(100)).unwrap(), 300);
        assert_eq!(history.lost(), 1);
        history.close();
        let history = History::open(dir.path().to_owned()).unwrap();
        history.prove(DAY, &known(300)).unwrap();
        assert_eq!((history.lost(), files(dir.path()).len()), (1, 2), "told again, and kept aside once");
        assert!(history.get(AggregateId(Uuid::from_u128(150)), DAY).unwrap().is_some());
    }

    #[test]
    fn what_moves_into_a_broken_day_mends_it_first() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let snapshots = files(&dir.path().join(name_of_day(DAY))).into_iter().filter(|it| it.to_string_lossy().contains("snap."));
        assert!(snapshots.map(|it| std::fs::write(it, b"short").unwrap()).count() > 0);
        let history = History::open(dir.path().to_owned()).unwrap();
        assert_eq!(history.put(DAY, &past(101, 200), &known(100)).unwrap(), 300);
        assert_eq!((history.lost(), files(dir.path()).len()), (0, 2));
        assert!(history.get(AggregateId(Uuid::from_u128(50)), DAY).unwrap().is_some());
    }
}
