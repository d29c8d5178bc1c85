//! What the kernel accounts to a process: its processor time and memory (proc_pid_stat(5), proc_pid_status(5)).

use anyhow::{Context, Result};
use std::time::Duration;

/// Ticks a second in `/proc/PID/stat`: on Linux always 100 (USER_HZ), whatever the kernel's own clock.
const TICKS: u64 = 100;

/// Processor time that all threads of a process have used so far, in user and system mode.
pub fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path}: is the process still there?"))?;
    ticks(&text).map(|it| Duration::from_millis(it * 1_000 / TICKS)).with_context(|| format!("{path} is not as proc_pid_stat(5) says"))
}

/// The same of a process and its children, those that are over and were waited for included: a database's.
pub fn cpu_of_all(root: u32) -> Result<Duration> {
    let read = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let own =
        read(root).and_then(|it| ticks_with_waited(&it)).with_context(|| format!("/proc/{root}/stat: is the process still there?"))?;
    let pids = std::fs::read_dir("/proc")?.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter_map(read).filter(|it| parent(it) == Some(root)).filter_map(|it| ticks(&it));
    Ok(Duration::from_millis((own + children.sum::<u64>()) * 1_000 / TICKS))
}

/// Memory of a process now, and at most so far, in bytes.
pub fn memory(pid: u32) -> Result<(u64, u64)> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path}: is the process still there?"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|it| it * 1024)
    };
    field("VmRSS:").zip(field("VmHWM:")).with_context(|| format!("{path} is not as proc_pid_status(5) says"))
}

// The name of the program may hold anything, so fields are counted from behind its last parenthesis: utime is the 14th of all.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    Some(user + fields.next()?.parse::<u64>().ok()?)
}

// With cutime and cstime, which follow.
fn ticks_with_waited(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    (0..4).map(|_| fields.next()?.parse::<u64>().ok()).sum()
}

fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_found_behind_any_name() {
        let check = |stat: &str, expected| assert_eq!(ticks(stat), expected, "{stat}");
        check("7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 321 123 9 9 20 0 1 0", Some(444));
        check("7 (a) S 1 7", None);
        check("", None);
        let stat = "7 (a) b) S 5 7 7 0 -1 4194304 1 0 0 0 321 123 9 9 20 0 1 0";
        assert_eq!((ticks_with_waited(stat), parent(stat)), (Some(462), Some(5)));
    }

    #[test]
    fn work_is_accounted_to_this_process() {
        let (own, before) = (std::process::id(), cpu(std::process::id()).unwrap());
        let mut sum = 0_u64;
        while cpu(own).unwrap() < before + Duration::from_millis(30) {
            sum = std::hint::black_box((0..100_000_u64).fold(sum, u64::wrapping_add));
        }
        let (now, most) = memory(own).unwrap();
        assert!(now > 0 && most >= now);
        assert!(cpu(u32::MAX - 1).is_err());
    }
}
