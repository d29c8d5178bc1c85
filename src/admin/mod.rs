//! Operators' commands to the running server, over a Unix socket (decision 12): who has the socket's file has the power.
//!
//! One connection carries one command: a line of JSON there, a line of JSON back. Every command is written to the audit
//! log, durably, before it is answered; one that changes something also before it begins.

pub mod audit;
pub mod client;
pub mod command;
pub mod documents;
pub mod keys;
pub mod listener;

use crate::domain::budget::BudgetKey;
use crate::domain::id::AggregateId;
use crate::store::postgres::Settings;
use crate::store::transfer::copy::Plan;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

/// Bytes of a request or an answer, at most.
pub const LARGEST_LINE: usize = 64 * 1024 * 1024;

/// What an operation comes to: a text for the operator, or why not and what to do. Neither holds a secret, but for a new API key, which
/// is the text's first line.
pub type Outcome = Result<String, String>;

/// A future that a `dyn Operations` can return.
pub type Soon<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Registration files: path and text.
pub type Files = Vec<(PathBuf, String)>;

/// What the server does for operators.
pub trait Operations: Send + Sync {
    /// Compares these registration files with what is registered; applies them when `apply` says so. The text is the
    /// difference.
    fn load(&self, files: Files, apply: bool) -> Soon<'_>;

    /// Reads the configured registration files and certificates again.
    fn reload(&self) -> Soon<'_>;

    /// The timeline of a challenge, without secrets.
    fn challenge(&self, id: AggregateId) -> Soon<'_>;

    /// Empties a failure budget.
    fn unlock(&self, key: BudgetKey) -> Soon<'_>;

    /// Copies the store, verified, into the directory `to`.
    fn backup<'a>(&'a self, to: &'a Path) -> Soon<'a>;

    /// Moves the store to the database `to`, verified; then the server ends.
    fn copy(&self, to: Settings, plan: Plan) -> Soon<'_>;

    /// Writes everything in the store to the file `to`.
    fn export<'a>(&'a self, to: &'a Path) -> Soon<'a>;

    /// Makes, lists and ends API keys.
    fn keys(&self, wish: keys::Keys) -> Soon<'_>;

    /// Lists a subscriber's parked events; with `replay`, has them pushed again.
    fn parked(&self, subscriber: String, replay: bool) -> Soon<'_>;

    /// How the server is.
    fn status(&self) -> Soon<'_>;

    /// Holds messages back, or lets them go again.
    fn pause_outbox(&self, paused: bool) -> Soon<'_>;
}
