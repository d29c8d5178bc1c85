//! The record of changes made over HTTP: a seam, so that this side need not know where the audit log is.

use crate::domain::time::Timestamp;
use serde_json::Value;
use std::io;
use std::net::IpAddr;

/// Where changes are recorded.
pub trait Trail: Send + Sync {
    /// Writes one line and makes it durable. Blocks: not for a runtime's worker.
    fn write(&self, at: Timestamp, act: &Action, step: Step) -> io::Result<()>;
}

/// A change, as the record tells it. Holds no secret and no text of a message.
#[derive(Clone, Debug)]
pub struct Action {
    /// Who: `operator`, or a publisher's name behind `publisher `.
    pub user: String,
    /// From where.
    pub address: IpAddr,
    /// What.
    pub action: &'static str,
    /// To what.
    pub arguments: Value,
}

/// How far a change has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It is about to be made.
    Started,
    /// It was made.
    Done,
    /// It was not made.
    Failed,
}
