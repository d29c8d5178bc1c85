//! What the disk itself can do: appends of 4 KiB, each made durable, with nothing else in the way.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Appends at most in one probe.
const MOST: u64 = 2_000;
/// Time at most for one probe.
const LONGEST: Duration = Duration::from_secs(3);

/// Longest sync that is told apart, in microseconds: a minute.
const SLOWEST: u64 = 60_000_000;

/// How long one `fdatasync` of a 4 KiB append took.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// Appends probed, before and after the run together.
    pub syncs: u64,
    /// Median, in microseconds.
    pub p50_us: u64,
    /// 99th percentile, in microseconds.
    pub p99_us: u64,
    /// 99.9th percentile, in microseconds.
    pub p999_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
    /// The file system, as the kernel names it.
    pub file_system: String,
}

/// Probes a disk, as often as asked.
pub struct Probe {
    file: File,
    times: Histogram<u64>,
    file_system: String,
}

impl Probe {
    /// A probe file in `folder`; it has no name any more, so it goes with the process.
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("disk.probe");
        let complain = || format!("{}: the disk can't be probed", path.display());
        let file = OpenOptions::new().append(true).create_new(true).open(&path).with_context(complain)?;
        std::fs::remove_file(&path).with_context(complain)?;
        let times = Histogram::new_with_bounds(1, SLOWEST, 3).context("a histogram of three digits")?;
        Ok(Self { file, times, file_system: file_system(folder) })
    }

    /// Appends and syncs for a while. Blocks.
    pub fn run(&mut self) -> Result<()> {
        let (started, block) = (Instant::now(), [0x5a; 4096]);
        for _ in 0..MOST {
            self.file.write_all(&block).context("the disk can't be probed")?;
            let before = Instant::now();
            self.file.sync_data().context("the disk can't be probed")?;
            self.times.saturating_record(micros(before.elapsed()));
            if started.elapsed() > LONGEST {
                break;
            }
        }
        Ok(())
    }

    /// What was found so far.
    pub fn found(&self) -> Disk {
        let at = |it| self.times.value_at_quantile(it);
        Disk {
            syncs: self.times.len(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.times.max(),
            file_system: self.file_system.clone(),
        }
    }
}

/// Whole microseconds, at least one.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

// The mount that holds the folder is the one with the longest name in front of it (proc_pid_mountinfo(5)).
fn file_system(folder: &Path) -> String {
    let unknown = || "unknown".to_owned();
    let (Ok(folder), Ok(mounts)) = (folder.canonicalize(), std::fs::read_to_string("/proc/self/mountinfo")) else { return unknown() };
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        Some((left.split(' ').nth(4)?.to_owned(), right.split(' ').next()?.to_owned()))
    };
    let over = mounts.lines().filter_map(mount).filter(|it| folder.starts_with(&it.0));
    over.max_by_key(|it| it.0.len()).map_or_else(unknown, |it| it.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_counts_what_it_did_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut probe = Probe::new(folder.path()).unwrap();
        probe.run().unwrap();
        let found = probe.found();
        assert!(found.syncs > 0 && found.p50_us <= found.p999_us && found.p999_us <= found.max_us.max(1) * 2, "{found:?}");
        assert_ne!(found.file_system, "unknown");
        probe.times.saturating_record(25_000);
        assert!(probe.found().max_us >= 25_000, "a slow sync is not cut off");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
