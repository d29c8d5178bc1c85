//! Holds history to what it had: each day is compared with the count that the hot store keeps. What is missing is counted and
//! told, and a copy of the day as it was found is kept; what can be read goes on to be used.

use super::history::{History, Known, name_of_day};
use super::recover::copy_without_snapshots;
use super::table::sync_dir;
use crate::domain::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

impl History {
    /// Whether a day has at least as much as it had, and it can be read.
    pub(super) fn prove(&self, day: u32, was: &Known) -> io::Result<()> {
        let there = self.day(day, false)?;
        there.iter().try_for_each(|it| it.examine(&self.vault))?;
        let found = there.map_or(0, |it| it.count());
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

    /// A day lacks so many records, at least.
    pub(super) fn lose(&self, day: u32, missing: u64) {
        let mut state = self.state.write();
        let known = state.lost.entry(day).or_default();
        *known = (*known).max(missing);
        self.lost.store(state.lost.len() as u64, Relaxed);
    }

    // What can't be read now may still be in the file until more is written: a copy is kept, one however often it is told.
    fn keep_aside(&self, day: &Path, now: Timestamp) -> io::Result<()> {
        let mut names = std::fs::read_dir(&self.dir)?.filter_map(|it| it.ok()?.file_name().into_string().ok());
        if day.exists() && !names.any(|it| it.starts_with(&prefix(day))) {
            copy_without_snapshots(day, &free_name(day, now)?)?;
            sync_dir(&self.dir)?;
        }
        Ok(())
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
