//! What may be typed after `countersign bench`, and which of it makes sense.

use super::envelope::{Auth, MOST_RECIPIENTS};
use anyhow::{Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Most connections at once.
const MOST_CONNECTIONS: usize = 4_096;
/// Longest time measured, in seconds.
const LONGEST: u64 = 3_600;

/// Options of a run.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// A part of the bench that runs as a process of its own
    #[command(subcommand)]
    pub part: Option<Part>,
    /// A server that runs already, as http://127.0.0.1:8080/jxchange/2008/ServiceGateway/IMS.svc; without it, one is started
    #[arg(long)]
    pub url: Option<Url>,
    /// Process of that server: for its processor time and memory
    #[arg(long, requires = "url")]
    pub pid: Option<u32>,
    /// User name at that server
    #[arg(long, requires = "url")]
    pub user: Option<String>,
    /// File with the password at that server
    #[arg(long, requires = "user")]
    pub password_file: Option<PathBuf>,
    /// File with the bearer token of that server's metrics
    #[arg(long, requires = "url")]
    pub metrics_token_file: Option<PathBuf>,
    /// Load a server beyond this machine: it will open challenges, and send messages, as fast as it can
    #[arg(long, requires = "url")]
    pub i_run_this_server: bool,
    /// Connections, or records of Kafka, at once [default: 32; with --replies 128; over Kafka 256]
    #[arg(long, global = true)]
    pub connections: Option<usize>,
    /// Requests a second, whether or not the server keeps up (open loop); without it, each connection asks as soon as it is answered
    #[arg(long, global = true)]
    pub rate: Option<f64>,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10, global = true)]
    pub duration: u64,
    /// Seconds before that
    #[arg(long, default_value_t = 3, global = true)]
    pub warm_up: u64,
    /// An envelope file instead of the built-in use cases; {phone}, {recipient}, {correlation}, {created}, {expires} are filled in
    #[arg(long)]
    pub envelope: Option<PathBuf>,
    /// Which of the eight use cases, in turn [default: all; with --replies those that take a reply, 3 to 8]
    #[arg(long, value_delimiter = ',')]
    pub cases: Vec<u8>,
    /// Where the caller's name and password stand
    #[arg(long, default_value = "token")]
    pub auth: Auth,
    /// What is measured of the server that is started
    #[arg(long, default_value = "accept", conflicts_with = "url")]
    pub path: Path,
    /// Short for --path life: the carrier takes each message, the person replies, the publisher hears the outcome
    #[arg(long, conflicts_with = "url")]
    pub replies: bool,
    /// Challenges that wait for a reply or a code, with --path reply or rest-verify; the run ends when all have theirs
    #[arg(long, default_value_t = 10_000, global = true)]
    pub prepared: u32,
    /// Registered recipients [default: enough for the run, at most 60000]
    #[arg(long)]
    pub recipients: Option<u32>,
    /// Directory on the disk that is to be measured [default: the system's temporary directory]
    #[arg(long, global = true)]
    pub store: Option<PathBuf>,
    /// A file with the table [store.postgres] of settings, of an empty database: the server that is started uses it instead of sled
    #[arg(long, value_name = "FILE.toml", conflicts_with = "url")]
    pub postgres: Option<PathBuf>,
    /// The database's postmaster on this machine: for its processor time
    #[arg(long, requires = "postgres")]
    pub postgres_pid: Option<u32>,
    /// Servers that share the database
    #[arg(long, default_value_t = 1, requires = "postgres")]
    pub nodes: u32,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Draw latency over time, and its histogram, into this SVG file
    #[arg(long, value_name = "FILE.svg", global = true)]
    pub plot: Option<PathBuf>,
    /// Compare with reference servers, in turns: what HTTP alone costs, and HTTP with parsing and checks
    #[arg(long, conflicts_with_all = ["url", "rate", "replies", "plot"])]
    pub reference: bool,
    /// Rounds of the comparison; medians are printed
    #[arg(long, default_value_t = 5, requires = "reference")]
    pub rounds: u32,
    /// A gSOAP server to compare with, too: an executable that takes a port
    #[arg(long, requires = "reference")]
    pub gsoap: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Path {
    /// Taking a request: it is answered when challenge, message and event are durable. The outbox is paused.
    Accept,
    /// The same while messages go out to the carrier and the relay.
    HandOver,
    /// Replies alone: challenges are opened and handed over beforehand. From the reply to the outcome at the subscriber.
    Reply,
    /// The whole life: taken, handed over, replied to, and the outcome pushed.
    Life,
    /// Taking a request over REST: it is answered when challenge, message and event are durable. The outbox is paused.
    RestCreate,
    /// Right codes alone, over REST: challenges are opened beforehand.
    RestVerify,
    /// Codes asked for over Kafka, from the record to its answer. The outbox is paused.
    #[cfg(feature = "kafka")]
    Kafka,
}

/// Parts that run as processes of their own.
#[derive(Subcommand, Clone, Debug)]
pub enum Part {
    /// Codes asked for over Kafka: --path kafka
    #[cfg(feature = "kafka")]
    Kafka,
    /// Over REST: --path rest-create, and after it --path rest-verify
    Rest,
    /// Serve as a reference does
    #[command(hide = true)]
    ServeReference {
        /// Which
        reference: Reference,
        /// Port on the loopback
        port: u16,
    },
}

/// The reference servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Reference {
    /// HTTP alone: reads a request, and answers with a fixed text.
    Echo,
    /// HTTP, a namespace-aware reading of the envelope, checks, and an answer; nothing is kept.
    Parse,
}

impl Options {
    /// Refuses what can't work, or would hurt somebody.
    pub fn check(&self) -> Result<()> {
        let connections = self.connections();
        ensure!((1..=MOST_CONNECTIONS).contains(&connections), "--connections must be from 1 to {MOST_CONNECTIONS}");
        ensure!((1..=LONGEST).contains(&self.duration), "--duration must be from 1 to {LONGEST} seconds");
        ensure!(self.warm_up <= LONGEST, "--warm-up must be at most {LONGEST} seconds");
        ensure!(self.rate.is_none_or(|it| (1.0..=1_000_000.0).contains(&it)), "--rate must be from 1 to 1000000 requests a second");
        ensure!(self.cases.iter().all(|it| (1..=8).contains(it)), "--cases takes numbers from 1 to 8");
        ensure!(self.recipients.is_none_or(|it| (1..=MOST_RECIPIENTS).contains(&it)), "--recipients must be from 1 to {MOST_RECIPIENTS}");
        ensure!((1..=100).contains(&self.rounds), "--rounds must be from 1 to 100");
        ensure!(!self.replies_come() || self.envelope.is_none(), "--replies knows how to answer the built-in use cases only");
        ensure!(
            !self.replies_come() || self.cases().iter().all(|it| *it >= 3),
            "use cases 1 and 2 take no reply; choose others by --cases"
        );
        ensure!((1..=1_000_000).contains(&self.prepared), "--prepared must be from 1 to 1000000");
        let draws_two = matches!(self.part, Some(Part::Rest)) && self.plot.is_some();
        ensure!(!draws_two, "--plot draws one path: use --path rest-create, or --path rest-verify, instead of rest");
        Ok(())
    }

    /// Whether people reply.
    pub fn replies_come(&self) -> bool {
        matches!(self.path(), Path::Life | Path::Reply)
    }

    /// Whether it is SOAP that is measured.
    pub fn is_soap(&self) -> bool {
        matches!(self.path(), Path::Accept | Path::HandOver | Path::Reply | Path::Life)
    }

    /// Whether messages wait in the outbox meanwhile.
    pub fn pauses(&self) -> bool {
        self.path() == Path::Accept || !self.is_soap()
    }

    /// What is measured.
    pub fn path(&self) -> Path {
        if self.replies { Path::Life } else { self.path }
    }

    /// Connections at once.
    pub fn connections(&self) -> usize {
        let usual = match self.path() {
            // Records that wait for their answers.
            #[cfg(feature = "kafka")]
            Path::Kafka => 256,
            _ if self.replies_come() => 128,
            _ => 32,
        };
        self.connections.unwrap_or(usual)
    }

    /// Use cases in turn.
    pub fn cases(&self) -> Vec<u8> {
        match (self.cases.is_empty(), self.replies_come()) {
            (false, _) => self.cases.clone(),
            (true, true) => (3..=8).collect(),
            (true, false) => (1..=8).collect(),
        }
    }

    /// Registered recipients: so many that nobody is asked for twice in a run of usual speed.
    pub fn recipients(&self) -> u32 {
        let seconds = u32::try_from(self.duration + self.warm_up).unwrap_or(u32::MAX);
        if !self.is_soap() {
            return 0;
        }
        if self.path() == Path::Reply {
            return self.recipients.unwrap_or(self.prepared / 3 + 100).min(MOST_RECIPIENTS);
        }
        let rounds = if self.reference { self.rounds } else { 1 };
        self.recipients.unwrap_or_else(|| seconds.saturating_mul(rounds).saturating_mul(2_500).min(60_000))
    }

    /// Time that is measured.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.duration)
    }

    /// Time before that; none where the work is counted off.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(if matches!(self.path(), Path::Reply | Path::RestVerify) { 0 } else { self.warm_up })
    }

    /// Whether `address` may be loaded: this machine, or one that the caller says is his.
    pub fn may_load(&self, address: SocketAddr) -> Result<()> {
        ensure!(
            address.ip().is_loopback() || self.i_run_this_server,
            "{address} is not this machine. If that server is yours to load, and its carrier a stand-in, add --i-run-this-server"
        );
        Ok(())
    }
}
