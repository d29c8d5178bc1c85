//! On what a figure was measured: without it, a figure says nothing.

use serde::Serialize;
use std::fs;

/// The machine and the build.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Load average of the last minute when the run began: other work on the machine shows here.
    pub load_before: f64,
    /// Version of this program.
    pub version: &'static str,
    /// How it was built.
    pub build: &'static str,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|it| it.starts_with(name)).and_then(|it| it.split_once(':'));
            line.map_or_else(|| "unknown".to_owned(), |it| it.1.trim().to_owned())
        };
        let word = |file: &str| fs::read_to_string(file).unwrap_or_default().split_whitespace().next().unwrap_or("unknown").to_owned();
        let kib: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            kernel: word("/proc/sys/kernel/osrelease"),
            load_before: word("/proc/loadavg").parse().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug: slow, not a figure to publish" } else { "optimised" },
        }
    }
}
