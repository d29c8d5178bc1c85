//! The comparison: the product's accept path beside servers that keep nothing, in turns, so that whatever else the machine
//! does meets all of them.

use super::client::Connection;
use super::load::{self, Accept, Load};
use super::options::{Options, Path, Reference};
use super::process;
use super::record::Recorder;
use super::report::{each, round, time};
use super::server::{Server, own};
use super::setup::Machine;
use super::target::Target;
use super::workload::Workload;
use super::workload_of;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::cell::RefCell;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

/// Medians of the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Each server, in the order measured.
    pub servers: Vec<Line>,
    /// Rounds.
    pub rounds: u32,
    /// Seconds a round and server, after the warm-up.
    pub seconds: u64,
    /// Connections at once, kept open.
    pub connections: usize,
    /// Bytes of an envelope, on average.
    pub envelope_bytes: usize,
    /// On what.
    pub machine: Machine,
}

/// One server's medians.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Processor time of its process a request, in microseconds.
    pub cpu_us_per_request: f64,
    /// The least and the most of the rounds.
    pub cpu_us_range: (f64, f64),
    /// Processor time as a multiple of the parsing reference's.
    pub of_parse: f64,
    /// Requests a second.
    pub per_second: f64,
    /// Median latency, in microseconds.
    pub p50_us: u64,
    /// 99th percentile, in microseconds.
    pub p99_us: u64,
}

/// A server in the comparison.
struct Entrant {
    name: &'static str,
    address: SocketAddr,
    pid: u32,
    lenient: bool,
    rounds: Vec<Round>,
    // Kept running until the end; `None`: the target's.
    _server: Option<Server>,
}

struct Round {
    cpu: f64,
    per_second: f64,
    p50: u64,
    p99: u64,
}

/// Compares, and gives the medians.
pub async fn run(options: &Options) -> Result<Comparison> {
    ensure!(options.path() == Path::Accept, "--reference compares the accept path; leave --path out");
    let machine = Machine::this();
    let target = Target::new(options).await?;
    let work = Rc::new(workload_of(options, &target)?);
    let mut entrants = vec![reference("hyper echo", Reference::Echo)?, reference("hyper + quick-xml", Reference::Parse)?];
    if let Some(path) = &options.gsoap {
        entrants.push(Entrant::over("gSOAP", Server::program(Command::new(path))?, false));
    }
    let pid = target.pids().first().copied().unwrap_or_default();
    entrants.push(Entrant { name: "Countersign", address: target.address, pid, lenient: false, rounds: Vec::new(), _server: None });
    for round in 1..=options.rounds {
        for it in &mut entrants {
            eprintln!("round {round} of {}: {}", options.rounds, it.name);
            it.measure(options, &work).await?;
        }
    }
    let parse = entrants[1].median(|it| it.cpu);
    Ok(Comparison {
        servers: entrants.iter().map(|it| it.line(parse)).collect(),
        rounds: options.rounds,
        seconds: options.duration,
        connections: options.connections(),
        envelope_bytes: work.envelope_bytes(),
        machine,
    })
}

fn reference(name: &'static str, which: Reference) -> Result<Entrant> {
    let mut command = Command::new(own()?);
    command.args(["bench", "serve-reference", if which == Reference::Echo { "echo" } else { "parse" }]);
    Ok(Entrant::over(name, Server::program(command)?, which == Reference::Echo))
}

impl Entrant {
    fn over(name: &'static str, server: Server, lenient: bool) -> Self {
        Self { name, address: server.address, pid: server.pid(), lenient, rounds: Vec::new(), _server: Some(server) }
    }

    async fn measure(&mut self, options: &Options, work: &Rc<Workload>) -> Result<()> {
        let load = Load {
            addresses: vec![self.address],
            connections: options.connections(),
            rate: None,
            warm_up: options.warm_up(),
            duration: options.duration(),
            pids: vec![self.pid],
            database: None,
        };
        let accept = Accept::new(work.clone());
        let measured = match self.lenient {
            true => load::run(&load, Rc::new(Any(accept)), None).await?,
            false => load::run(&load, Rc::new(accept), None).await?,
        };
        if let Some((kind, count)) = measured.record.errors.first_key_value() {
            bail!("{}: {count} × {kind}; figures of a server that fails mean nothing", self.name);
        }
        let (ok, window) = (measured.record.ok, measured.window);
        ensure!(ok > 0, "{}: no request was answered within the time measured; measure longer", self.name);
        let at = |it| measured.record.times.value_at_quantile(it);
        let cpu = measured.cpu.and_then(|it| each(it, ok)).unwrap_or_default();
        self.rounds.push(Round { cpu, per_second: ok as f64 / window.as_secs_f64(), p50: at(0.5), p99: at(0.99) });
        process::cpu(self.pid).map(drop)
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        median(&all)
    }

    fn line(&self, parse: f64) -> Line {
        let cpu = self.median(|it| it.cpu);
        let all = || self.rounds.iter().map(|it| it.cpu);
        Line {
            name: self.name.to_owned(),
            cpu_us_per_request: round(cpu, 1),
            cpu_us_range: (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max)),
            of_parse: if parse > 0.0 { round(cpu / parse, 2) } else { 0.0 },
            per_second: round(self.median(|it| it.per_second), 0),
            p50_us: self.median(|it| it.p50 as f64) as u64,
            p99_us: self.median(|it| it.p99 as f64) as u64,
        }
    }
}

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        it if it % 2 == 1 => sorted[it / 2],
        it => f64::midpoint(sorted[it / 2 - 1], sorted[it / 2]),
    }
}

/// Takes any answer with status 200: an echo acknowledges nothing.
struct Any(Accept);

impl load::Unit for Any {
    async fn once(&self, connection: &mut Connection, _: Option<Instant>, record: &RefCell<Recorder>) {
        let mut request = Vec::new();
        self.0.0.next(&mut request);
        let from = Instant::now();
        match connection.exchange(&request).await {
            Ok(it) if it.status == 200 => record.borrow_mut().done(from, Instant::now()),
            Ok(it) => record.borrow_mut().failed(format!("status {}", it.status)),
            Err(failure) => record.borrow_mut().failed(failure.to_string()),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:20} {:>12} {:>17} {:>9} {:>12} {:>10} {:>10}", "", "CPU each", "(rounds)", "of parse", "a second", "p50", "p99")?;
        for it in &self.servers {
            let range = format!("{:.1}–{:.1}", it.cpu_us_range.0, it.cpu_us_range.1);
            let (cpu, p50, p99) = (format!("{:.1} µs", it.cpu_us_per_request), time(it.p50_us), time(it.p99_us));
            writeln!(f, "{:20} {cpu:>12} {range:>17} {:>8.2}× {:>12.0} {p50:>10} {p99:>10}", it.name, it.of_parse, it.per_second)?;
        }
        if let [.., gsoap, own] = &self.servers[..]
            && gsoap.name == "gSOAP"
        {
            writeln!(f, "Countersign takes {:.2} × gSOAP's processor time.", own.cpu_us_per_request / gsoap.cpu_us_per_request)?;
        }
        let it = &self.machine;
        writeln!(
            f,
            "Medians of {} rounds in turns, {} s each; closed loop, {} connections kept open, generator on the same cores; envelopes of \
             {} bytes. Only Countersign keeps anything: its answers are durable (its outbox is paused).",
            self.rounds, self.seconds, self.connections, self.envelope_bytes
        )?;
        writeln!(
            f,
            "{} × {}, Linux {}, load {} before; countersign {}, {}",
            it.cores, it.cpu, it.kernel, it.load_before, it.version, it.build
        )
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_is_in_the_middle() {
        let check = |sorted: &[f64], expected: f64| assert!((median(sorted) - expected).abs() < 1e-9, "{sorted:?}");
        check(&[], 0.0);
        check(&[3.0], 3.0);
        check(&[1.0, 2.0], 1.5);
        check(&[1.0, 2.0, 9.0], 2.0);
    }
}
