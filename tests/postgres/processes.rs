//! A server's processes, as the kernel shows them (proc_pid_stat(5)). Each backend is in a session of its own, so a signal to a
//! process group reaches none of them: they are found by their parent.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Microseconds in a tick of `/proc/PID/stat`: on Linux always a hundredth of a second, whatever the kernel's own clock.
const TICK: u64 = 10_000;

/// A process and its children.
pub fn tree(root: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let children = all.filter(|it| stat(*it).is_some_and(|it| it.parent == root));
    std::iter::once(root).chain(children).collect()
}

/// Whether a process is there and not over.
pub fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|it| it.state != 'Z' && it.state != 'X')
}

/// Processor time of a process and its children, with that of children that are over and waited for.
pub fn cpu_micros(root: u32) -> u64 {
    let children = tree(root).into_iter().skip(1).filter_map(stat).map(|it| it.own);
    let root = stat(root).expect("the process is there");
    (root.own + root.waited_for + children.sum::<u64>()) * TICK
}

/// SIGKILL for all. The root is stopped first, so that it makes no child meanwhile.
pub fn kill_tree(root: u32) {
    signal(root, Signal::STOP);
    for pid in tree(root) {
        signal(pid, Signal::KILL);
    }
}

pub fn pause_tree(root: u32) {
    signal(root, Signal::STOP);
    tree(root).into_iter().skip(1).for_each(|it| signal(it, Signal::STOP));
}

pub fn resume_tree(root: u32) {
    tree(root).into_iter().for_each(|it| signal(it, Signal::CONT));
}

/// SIGINT, which a postmaster takes for a fast shutdown.
pub fn interrupt(pid: u32) {
    signal(pid, Signal::INT);
}

struct Stat {
    state: char,
    parent: u32,
    own: u64,
    waited_for: u64,
}

// The name of the program may hold anything, so fields are counted from behind its last parenthesis.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        waited_for: number(13)? + number(14)?,
    })
}

// A process that is gone has what it was to get.
fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("a process has a number"), signal);
}
