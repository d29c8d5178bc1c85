//! The audit log of operators' actions: `audit.jsonl`, one JSON object a line, only ever appended to, each line durable
//! before the action is answered.

use super::command::Command;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file's name in the data directory.
pub const FILE: &str = "audit.jsonl";

/// The log, open for appending.
pub struct Audit(Mutex<File>);

/// Who gave a command, as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Process id, where the system tells.
    pub pid: Option<i32>,
}

/// How far an action has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is about to change something.
    Started,
    /// It was done.
    Done,
    /// It was not done.
    Failed,
}

#[derive(Serialize)]
struct Line<'a, P> {
    time: String,
    #[serde(flatten)]
    peer: P,
    action: &'a str,
    arguments: Value,
    result: Step,
}

impl Audit {
    /// Opens the log in `dir`, or makes it with mode 0600.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(FILE))?;
        File::open(dir)?.sync_all()?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes one line and makes it durable. `peer` is who did it, as an object. Blocks: not for a runtime's worker.
    pub fn write(&self, now: Timestamp, peer: impl Serialize, command: &Entry, result: Step) -> io::Result<()> {
        let line = Line { time: now.to_string(), peer, action: command.action, arguments: command.arguments.clone(), result };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        let mut file = self.0.lock();
        file.write_all(&bytes)?;
        file.sync_data()
    }
}

/// What the log tells of a command.
#[derive(Clone, Debug)]
pub struct Entry {
    action: &'static str,
    arguments: Value,
}

impl Entry {
    /// An action that is no command.
    pub fn new(action: &'static str, arguments: Value) -> Self {
        Self { action, arguments }
    }
}

impl From<&Command> for Entry {
    fn from(command: &Command) -> Self {
        Self { action: command.name(), arguments: command.arguments() }
    }
}
