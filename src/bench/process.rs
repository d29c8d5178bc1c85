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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_found_behind_any_name() {
        let check = |stat: &str, expected| assert_eq!(ticks(stat), expected, "{stat}");
        check("7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 321 123 9 9 20 0 1 0", Some(444));
        check("7 (a) S 1 7", None);
        check("", None);
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
