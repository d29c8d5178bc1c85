//! What a run prints: the figures, and all that they depend on.

use super::disk::Disk;
use super::load::{Load, Measured};
use super::record::{Percentiles, Recorder};
use super::scrape::Counters;
use super::setup::Machine;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

/// How long the stages of a whole life took, each from where the one before it ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stages {
    /// From the request to its answer.
    pub answer: Percentiles,
    /// Until the message was at the carrier.
    pub message: Percentiles,
    /// From the gateway's request with the reply to its answer.
    pub reply: Percentiles,
    /// Until the outcome was at the subscriber.
    pub outcome: Percentiles,
}

impl Stages {
    /// Those of a run.
    pub fn of(record: &Recorder) -> Self {
        let [answer, message, reply, outcome] = record.stages.each_ref().map(Percentiles::of);
        Self { answer, message, reply, outcome }
    }
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was measured.
    pub measured: String,
    /// What an acknowledged request had survived by then.
    pub durability: String,
    /// Counts within the time measured.
    pub requests: Requests,
    /// Latency of a whole unit of work.
    pub latency: Percentiles,
    /// Latencies of its stages; only for whole lives.
    pub stages: Option<Stages>,
    /// Failures by kind, the warm-up's too.
    pub errors: BTreeMap<String, u64>,
    /// The server's process.
    pub server: Server,
    /// This process.
    pub generator: Generator,
    /// The disk by itself, in the same run.
    pub disk: Option<Disk>,
    /// How the load was.
    pub load: Shape,
    /// On what.
    pub machine: Machine,
}

/// Counts within the time measured.
#[derive(Clone, Debug, Serialize)]
pub struct Requests {
    /// Acknowledged.
    pub acknowledged: u64,
    /// Not acknowledged.
    pub failed: u64,
    /// Due and not sent in time (open loop): the server, or this process, did not keep up.
    pub waiting: u64,
    /// Acknowledged a second.
    pub per_second: f64,
    /// Acknowledged in all: warm-up and end included.
    pub acknowledged_in_all: u64,
}

/// What is known of the server's process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Server {
    /// Processor time a request (a life), in microseconds: all threads, user and system mode.
    pub cpu_us_per_request: Option<f64>,
    /// The same of the database, where its process is known.
    pub database_cpu_us_per_request: Option<f64>,
    /// Cores that it used on average.
    pub cores_used: Option<f64>,
    /// Memory at the end, in MiB.
    pub memory_mib: Option<f64>,
    /// Memory at most, in MiB: also while recipients were loaded.
    pub memory_max_mib: Option<f64>,
    /// Commits within the time measured.
    pub commits: Option<u64>,
    /// Durable steps within the time measured.
    pub syncs: Option<u64>,
    /// Size of a commit group.
    pub commits_per_sync: Option<f64>,
    /// Its inverse.
    pub syncs_per_commit: Option<f64>,
    /// Time of a durable step on average, in microseconds.
    pub sync_us: Option<f64>,
    /// Challenges that the server counted as opened in all; equals `acknowledged_in_all` when nobody else asks it.
    pub opened_in_all: Option<u64>,
}

/// What this process took.
#[derive(Clone, Debug, Serialize)]
pub struct Generator {
    /// Processor time a request, in microseconds; with its stand-ins.
    pub cpu_us_per_request: f64,
    /// Whether it shared the cores with the server.
    pub shares_cores: bool,
    /// Connections opened; more than were asked for: the server closed some.
    pub connections_opened: u64,
}

/// How the load was.
#[derive(Clone, Debug, Serialize)]
pub struct Shape {
    /// `closed`, or `open` at a rate.
    pub kind: &'static str,
    /// Requests a second that were due (open loop).
    pub rate: Option<f64>,
    /// Connections at once, kept open.
    pub connections: usize,
    /// Seconds before.
    pub warm_up_s: u64,
    /// Seconds measured.
    pub duration_s: f64,
    /// Bytes of an envelope, on average.
    pub envelope_bytes: usize,
    /// Use cases in turn, or the file.
    pub envelopes: String,
    /// Where name and password stood.
    pub auth: String,
    /// Registered recipients.
    pub recipients: u32,
    /// How often each was asked for by one use case: above 1, newer sessions superseded older ones.
    pub recipient_use: f64,
}

impl Requests {
    /// Of a run.
    pub fn of(it: &Measured) -> Self {
        Self {
            acknowledged: it.record.ok,
            failed: it.record.failed,
            waiting: it.record.waiting,
            per_second: round(it.record.ok as f64 / it.window.as_secs_f64(), 1),
            acknowledged_in_all: it.record.acknowledged,
        }
    }
}

impl Server {
    /// Of a run.
    pub fn of(it: &Measured) -> Self {
        let mib = |bytes: u64| round(bytes as f64 / 1_048_576.0, 1);
        let counted = it.counted;
        let ratio = |of: fn(Counters) -> (f64, f64)| counted.map(of).filter(|it| it.1 > 0.0).map(|it| round(it.0 / it.1, 4));
        Self {
            cpu_us_per_request: it.cpu.and_then(|cpu| each(cpu, it.record.ok)),
            database_cpu_us_per_request: it.database_cpu.and_then(|cpu| each(cpu, it.record.ok)),
            cores_used: it.cpu.map(|cpu| round(cpu.as_secs_f64() / it.window.as_secs_f64(), 2)),
            memory_mib: it.memory.map(|it| mib(it.0)),
            memory_max_mib: it.memory.map(|it| mib(it.1)),
            commits: counted.map(|it| it.commits),
            syncs: counted.map(|it| it.syncs),
            commits_per_sync: ratio(|it| (it.commits as f64, it.syncs as f64)),
            syncs_per_commit: ratio(|it| (it.syncs as f64, it.commits as f64)),
            sync_us: ratio(|it| (it.sync_seconds * 1e6, it.syncs as f64)),
            opened_in_all: it.counted_all.map(|it| it.opened),
        }
    }
}

impl Generator {
    /// Of a run.
    pub fn of(it: &Measured, shares_cores: bool) -> Self {
        let cpu = each(it.own_cpu, it.record.ok).unwrap_or_default();
        Self { cpu_us_per_request: cpu, shares_cores, connections_opened: it.opened }
    }
}

impl Shape {
    /// Of a run, without what the workload tells.
    pub fn of(load: &Load, it: &Measured) -> Self {
        Self {
            kind: if load.rate.is_some() { "open" } else { "closed" },
            rate: load.rate,
            connections: load.connections,
            warm_up_s: load.warm_up.as_secs(),
            duration_s: round(it.window.as_secs_f64(), 2),
            envelope_bytes: 0,
            envelopes: String::new(),
            auth: String::new(),
            recipients: 0,
            recipient_use: 0.0,
        }
    }
}

/// Microseconds for each of `count`.
pub fn each(time: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| round(time.as_secs_f64() * 1e6 / count as f64, 1))
}

/// To so many decimal places.
pub fn round(value: f64, places: i32) -> f64 {
    let by = 10_f64.powi(places);
    (value * by).round() / by
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (it, server) = (&self.requests, &self.server);
        writeln!(f, "Measured         {}", self.measured)?;
        writeln!(f, "Durability       {}", self.durability)?;
        writeln!(f, "Throughput       {:.0} a second ({} acknowledged, {} failed)", it.per_second, it.acknowledged, it.failed)?;
        if it.waiting > 0 {
            writeln!(f, "                 {} were due and not sent: what was asked for was not kept up with", it.waiting)?;
        }
        writeln!(f, "Latency          {}", Spread(self.latency))?;
        if let Some(Stages { answer, message, reply, outcome }) = self.stages {
            for (stage, it) in [("answer", answer), ("message out", message), ("reply", reply), ("outcome told", outcome)] {
                writeln!(f, "  {stage:<14} {}", Spread(it))?;
            }
        }
        if let Some(disk) = &self.disk {
            let spread = format!("p50 {}  p99 {}  p99.9 {}", time(disk.p50_us), time(disk.p99_us), time(disk.p999_us));
            writeln!(f, "Disk by itself   fdatasync of 4 KiB: {spread}  ({} on {})", disk.syncs, disk.file_system)?;
        }
        if let (Some(cpu), Some(cores)) = (server.cpu_us_per_request, server.cores_used) {
            writeln!(f, "Server CPU       {cpu:.1} µs each ({cores:.2} cores)")?;
        }
        if let Some(cpu) = server.database_cpu_us_per_request {
            writeln!(f, "Database CPU     {cpu:.1} µs each")?;
        }
        if let (Some(now), Some(most)) = (server.memory_mib, server.memory_max_mib) {
            writeln!(f, "Server memory    {now:.0} MiB at the end, {most:.0} MiB at most")?;
        }
        if let (Some(commits), Some(syncs), Some(group)) = (server.commits, server.syncs, server.commits_per_sync) {
            let (inverse, took) = (server.syncs_per_commit.unwrap_or_default(), server.sync_us.unwrap_or_default());
            writeln!(
                f,
                "Group commit     {group:.1} commits a sync, {inverse:.3} syncs a commit ({commits} in {syncs}, {took:.0} µs each)"
            )?;
        }
        for (kind, count) in &self.errors {
            writeln!(f, "Error            {count} × {kind}")?;
        }
        self.set_up(f)
    }
}

impl Report {
    fn set_up(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (load, it, own) = (&self.load, &self.machine, &self.generator);
        let rate = load.rate.map(|it| format!(" at {it} a second")).unwrap_or_default();
        writeln!(
            f,
            "Load             {} loop{rate}, {} connections kept open, {} s after {} s of warm-up",
            load.kind, load.connections, load.duration_s, load.warm_up_s
        )?;
        writeln!(f, "                 {}, {} bytes on average, {}", load.envelopes, load.envelope_bytes, load.auth)?;
        writeln!(f, "                 {} recipients, each asked for {:.2} times by a use case", load.recipients, load.recipient_use)?;
        let place = if own.shares_cores { "on the server's cores" } else { "elsewhere" };
        writeln!(
            f,
            "Generator        {place}, {:.1} µs each with its stand-ins, {} connections opened",
            own.cpu_us_per_request, own.connections_opened
        )?;
        writeln!(
            f,
            "Machine          {} × {}, {} MiB, Linux {}, load {} before",
            it.cores, it.cpu, it.memory_mib, it.kernel, it.load_before
        )?;
        write!(f, "Build            countersign {}, {}", it.version, it.build)
    }
}

struct Spread(Percentiles);

impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        let [p50, p90, p99, p999, max] = [it.p50_us, it.p90_us, it.p99_us, it.p999_us, it.max_us].map(time);
        write!(f, "p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p999}  max {max}")
    }
}

/// Microseconds, for people.
pub fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        let check = |us, expected: &str| assert_eq!(time(us), expected);
        check(999, "999 µs");
        check(1_234, "1.23 ms");
        check(2_500_000, "2.50 s");
        assert_eq!((each(Duration::from_millis(3), 40), each(Duration::ZERO, 0)), (Some(75.0), None));
    }
}
