//! The sections of the settings that no other room owns.

use crate::connect;
use crate::store::postgres;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[[subscriber]]`: who gets a publisher's events pushed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// Whose events.
    pub publisher: String,
    /// Also delivery steps, not only outcomes (decision 14).
    #[serde(default)]
    pub deliveries: bool,
    /// Hours that a push is tried again before the event is parked: 1 to 720.
    #[serde(default = "three_days")]
    pub retry_hours: u32,
    /// Pushes under way at once: 1 to 32. With 1, what happens at an institution comes in the order in which it happened; else what happens in
    /// a session.
    #[serde(default = "eight")]
    pub at_once: usize,
    /// As SOAP (`[subscriber.ees]`).
    pub ees: Option<connect::ees::Settings>,
    /// As JSON (`[subscriber.webhook]`).
    pub webhook: Option<connect::webhook::Settings>,
}

fn three_days() -> u32 {
    72
}

fn eight() -> usize {
    8
}

/// `[store]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Where challenges are kept.
    pub engine: Engine,
    /// Directory of this process's data: `audit.jsonl`, and on sled everything else.
    pub dir: PathBuf,
    /// Days that finished challenges are kept: 1 to 3650.
    pub retention_days: u32,
    /// `[store.postgres]`: where the database is; only with `engine = "postgres"`.
    pub postgres: Option<postgres::Settings>,
}

/// Which engine the store has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Files in `dir`, of one process alone.
    #[default]
    Sled,
    /// A PostgreSQL database, which any number of processes share.
    Postgres,
}

impl Default for Store {
    fn default() -> Self {
        Self { engine: Engine::Sled, dir: "/var/lib/countersign".into(), retention_days: 90, postgres: None }
    }
}

/// `[keys]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The root key that `countersign keys init` made: mode 0600, outside the data directory (decision 3).
    pub root_file: PathBuf,
}

impl Default for Keys {
    fn default() -> Self {
        Self { root_file: "/etc/countersign/root.key".into() }
    }
}

/// `[registration]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Registration files; a directory stands for its `*.toml`.
    pub files: Vec<PathBuf>,
}

impl Default for Registration {
    fn default() -> Self {
        Self { files: vec!["/etc/countersign/registration".into()] }
    }
}

/// `[outbox]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbox {
    /// Seconds that a node has a message to itself; after them another node sends it. At least 3 more than the longest
    /// `timeout_ms` of a gateway or relay, at most 3600; absent: 30 more. So long the messages of a node that died wait.
    pub lease_secs: Option<u64>,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The Unix socket for operators' commands; made with mode 0600.
    pub socket: PathBuf,
}

impl Default for Admin {
    fn default() -> Self {
        Self { socket: "/run/countersign/admin.sock".into() }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; also by target: `info,countersign::engine=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}
