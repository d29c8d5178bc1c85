//! What may be typed.

mod key;

use crate::bench::options::Options as Bench;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) use key::Key;

/// Out-of-band verification for banks: a challenge goes out, the countersign comes back, one verdict follows.
#[derive(Parser, Debug)]
#[command(name = "countersign", version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Run the server
    Serve {
        #[command(flatten)]
        config: Config,
    },
    /// Run a demonstration on this machine: a demo bank, and a virtual handset at /handset
    Demo {
        /// Loopback address and port to listen on
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Directory of the data; without it, one below the system's temporary directory, which stays for the next start
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Check settings and registration files, and print what holds
    CheckConfig {
        #[command(flatten)]
        config: Config,
    },
    /// Make the root key
    Keys {
        #[command(subcommand)]
        verb: Keys,
    },
    /// Restore a backup, verified, into a new data directory; the server must not use it yet
    Restore {
        /// The backup file, as `backup` printed it
        #[arg(long)]
        from: PathBuf,
        /// The new data directory: empty, or not there
        #[arg(long)]
        into: PathBuf,
    },
    /// Compare a PostgreSQL database with the schema that this program needs; with --apply, bring it there
    Migrate {
        #[command(flatten)]
        config: Config,
        /// Apply what is pending; without this it is only shown
        #[arg(long)]
        apply: bool,
    },
    /// Make a store of an exported file, in the empty place that the settings name; no server must use it yet
    Import {
        #[command(flatten)]
        config: Config,
        /// The file, as `export` wrote it
        #[arg(long)]
        from: PathBuf,
        /// Remove what an unfinished import left in the database, and begin anew
        #[arg(long)]
        restart: bool,
    },
    /// Measure what this machine can do: starts a server over data of its own, loads it, and removes both
    #[command(args_conflicts_with_subcommands = true)]
    Bench(Box<Bench>),
    #[command(flatten)]
    Operate(Operate),
}

/// Commands to the running server.
#[derive(Subcommand, Debug)]
pub(super) enum Operate {
    /// Compare registration files with what is registered; with --apply, register them
    Load {
        #[command(flatten)]
        config: Config,
        /// Register them; without this only the difference is shown
        #[arg(long)]
        apply: bool,
        /// Files or directories; without any, those that the settings name
        files: Vec<PathBuf>,
    },
    /// Look at a challenge
    Challenge {
        #[command(subcommand)]
        verb: Challenge,
    },
    /// Empty the failure budget of a person
    Unlock {
        #[command(flatten)]
        config: Config,
        /// Institution (InstRtId)
        #[arg(long)]
        institution: String,
        #[command(flatten)]
        who: Who,
    },
    /// Copy the data, verified, while the server runs
    Backup {
        #[command(flatten)]
        config: Config,
        /// A directory that the server may write to; made if need be. The file in it is named by the time
        #[arg(long)]
        to: PathBuf,
    },
    /// Move the data to another engine of the store, verified, while the server runs; it ends when all is there
    Copy {
        #[command(flatten)]
        config: Config,
        /// The engine that has the data: sled
        #[arg(long, value_parser = ["sled"])]
        from: String,
        /// The engine that gets them: postgres
        #[arg(long, value_parser = ["postgres"])]
        to: String,
        /// The settings file to start with afterwards: its [store.postgres] says where the database is
        #[arg(long, value_name = "FILE")]
        settings: PathBuf,
        /// Seconds for which writes may be refused at the end; when it would take longer, nothing is moved
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
        window: u64,
        /// All of history, not only the last days
        #[arg(long)]
        history: bool,
        /// Remove what an unfinished copy left, and begin anew
        #[arg(long)]
        restart: bool,
    },
    /// Write all data as lines of JSON, while the server runs; codes and personal data stay sealed
    Export {
        #[command(flatten)]
        config: Config,
        /// A file that does not exist, where the server may write
        #[arg(long)]
        to: PathBuf,
    },
    /// Read registration files and certificates again
    Reload {
        #[command(flatten)]
        config: Config,
    },
    /// Show how the server is
    Status {
        #[command(flatten)]
        config: Config,
    },
    /// Look at events that a subscriber would not take, or push them again
    Events {
        #[command(subcommand)]
        verb: Events,
    },
    /// API keys for the REST interface: make, list, end, rotate
    Key {
        #[command(subcommand)]
        verb: Key,
    },
    /// Hold messages back, or let them go
    Outbox {
        #[command(subcommand)]
        verb: Outbox,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum Keys {
    /// Make a new root key
    Init {
        /// The file: outside the data directory; it must not exist
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum Challenge {
    /// Show everything that happened to it, without secrets
    Show {
        #[command(flatten)]
        config: Config,
        /// AlrtPkgId
        id: String,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum Events {
    /// List a subscriber's parked events
    Parked {
        #[command(flatten)]
        config: Config,
        /// The subscriber's name
        subscriber: String,
    },
    /// Push a subscriber's parked events again
    Replay {
        #[command(flatten)]
        config: Config,
        /// The subscriber's name
        subscriber: String,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum Outbox {
    /// Hold messages back; they stay queued
    Pause {
        #[command(flatten)]
        config: Config,
    },
    /// Let them go again
    Resume {
        #[command(flatten)]
        config: Config,
    },
}

/// The settings file.
#[derive(Args, Debug)]
pub(super) struct Config {
    /// The settings file
    #[arg(long = "config", env = "COUNTERSIGN_CONFIG", default_value = "/etc/countersign/countersign.toml", hide_env_values = true)]
    pub path: PathBuf,
}

/// Whose budget.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Who {
    /// A phone number
    #[arg(long)]
    pub phone: Option<String>,
    /// An e-mail address
    #[arg(long)]
    pub mail: Option<String>,
    /// A registered recipient, as PUBLISHER/ID
    #[arg(long, value_name = "PUBLISHER/ID")]
    pub recipient: Option<String>,
}
