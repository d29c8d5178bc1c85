//! The loop that everything goes through: load → decide → commit, and what happens later.

use crate::domain::answer::{Answer, Verdict};
use crate::domain::event::FeedEvent;
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::publisher::Registry;
use crate::domain::request::{OobValidate, Origin, Sms};
use crate::domain::time::Timestamp;
use crate::store::contract::Status;
use std::sync::Arc;
use std::time::Duration;

/// What keeps us from answering. Says nothing of why to the outside; the cause was logged where it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Over capacity: come again (503, `Retry-After`).
    #[error("over capacity")]
    Busy {
        /// After this long.
        retry_after: Duration,
    },
    /// Our own trouble (fault `Server` with a correlation id).
    #[error("our own trouble")]
    Failed,
    /// The cursor is not ours.
    #[error("the cursor is not one of ours")]
    Cursor,
}

/// A page of the feed.
#[derive(Debug, Clone)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<FeedEvent>,
    /// The cursor that asks for what comes after (opaque; `0` is the start).
    pub next: String,
}

/// Tells the time; a test tells its own.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The engine.
pub struct Engine {}

impl Engine {
    /// Judges and opens a challenge: `Answer::Opened` or `Answer::Refused`.
    pub async fn open(&self, origin: Origin, request: OobValidate) -> Result<Answer, Trouble> {
        let _ = (origin, request);
        Err(Trouble::Failed)
    }

    /// Judges a reply from a handset.
    pub async fn reply(&self, sms: Sms) -> Result<Verdict, Trouble> {
        let _ = sms;
        Err(Trouble::Failed)
    }

    /// Events of a publisher after a cursor, at most `max`; of one institution, or of all that it serves.
    pub async fn events(
        &self,
        publisher: &PublisherId,
        institution: Option<&InstitutionId>,
        after: &str,
        max: usize,
    ) -> Result<Page, Trouble> {
        let _ = (publisher, institution, after, max);
        Err(Trouble::Failed)
    }

    /// What is registered now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::default()
    }

    /// Swaps what is registered.
    pub fn register(&self, registry: Registry) {
        let _ = registry;
    }

    /// Wakes whenever something was committed: for a screen that waits.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }

    /// The time, as the engine sees it.
    pub fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    /// How the store is.
    pub fn status(&self) -> Status {
        Status::default()
    }
}
