//! What a store promises. One suite of tests holds for every engine.

use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future that a `dyn Store` can return.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What was expected no longer holds; nothing was written. Load and decide again.
    #[error("what the decision relied on has changed")]
    Conflict,
    /// Another worker has the delivery that was to be settled, or the duty; nothing was written. Trying again doesn't help.
    #[error("its lease was over, and another worker has it now")]
    Fenced,
    /// Too much is waiting; nothing was written. Shed the request.
    #[error("the store is over capacity")]
    Busy,
    /// A record or the whole commit is larger than can be stored; nothing was written, and trying again doesn't help.
    #[error("it is too large to store; nothing was written")]
    TooLarge,
    /// The database can't be reached, or didn't answer in time; whether it was written is not known. A request that says who it
    /// is can be sent again: it gets its first answer.
    #[error("the database doesn't answer: {0}")]
    Away(String),
    /// A newer program wrote what is there, and this one can't read it: nothing is lost, and nothing was written. Another node does it.
    #[error("this program is too old for what is stored: {0}")]
    Outdated(String),
    /// The store failed; whether it was written is unknown, and the process is about to end (decision 7).
    #[error("the store failed: {0}")]
    Failed(String),
}

/// The store. Everything that `load`, `find` and `feed` show is durable; `commit` returns when its writes are (decision 7).
pub trait Store: Send + Sync {
    /// Reads what a decision needs.
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View>;

    /// Writes all of `writes`, if all of `expects` hold, in one durable step.
    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()>;

    /// Hands out at most `max` deliveries that are due at `now`, soonest first, each to one caller for `span`, with a fence of its
    /// own. A commit that changes the delivery ends its lease. Leases of a process that ended are void, at the latest after their
    /// span.
    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>>;

    /// At most `max` open challenges whose timer is due at `now`, soonest first. A store that several nodes share tells one to
    /// nobody else for half a minute.
    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>>;

    /// At most `max` events of an institution after `after`, oldest first, with what each is about; from the hot store and
    /// from history.
    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>>;

    /// An aggregate by id, live or from history, with its events' numbers.
    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>>;

    /// Recipients of a publisher after `after` in key order, at most `max`.
    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>>;

    /// How it is; cheap, never blocks.
    fn status(&self) -> Status;
}

/// Small durable values beside the aggregates, by name: subscribers' cursors and parked events, what `load` applied.
/// Values are sealed like everything else.
pub trait Notes: Send + Sync {
    /// The value of `name`.
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>>;

    /// Sets (or with `None` removes) several at once, durably.
    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()>;

    /// Names and values that begin with `prefix`, in order.
    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>>;

    /// Takes a duty that one process at a time has, or keeps it, for `span` from now; `None` while another has it. A `span` of zero
    /// gives it up. A store of one process always grants it.
    fn duty<'a>(&'a self, name: &'a str, span: Duration) -> Later<'a, Option<Duty>> {
        let _ = span;
        Box::pin(std::future::ready(Ok(Some(Duty { name: name.to_owned(), fence: 0 }))))
    }

    /// [`Notes::set_notes`] of whoever has a duty; [`StoreError::Fenced`], and nothing is written, when another has it now.
    fn set_notes_on(&self, duty: Duty, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        let _ = duty;
        self.set_notes(values)
    }
}

/// A duty that this process has: to push events to a subscriber, for example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    /// Which.
    pub name: String,
    /// Which taking this is: the next one by another process has another number.
    pub fence: u64,
}

/// How a store is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Commits are taken and become durable.
    pub ready: bool,
    /// Open challenges.
    pub open: u64,
    /// Records in the hot store.
    pub records: u64,
    /// Deliveries waiting.
    pub outbox: u64,
    /// When the delivery that waits longest became due.
    pub outbox_oldest: Option<Timestamp>,
    /// Last feed number of each institution.
    pub feed: Vec<(InstitutionId, u64)>,
    /// Commits so far.
    pub commits: u64,
    /// Durable steps so far; commits share one.
    pub syncs: u64,
    /// Microseconds spent in durable steps so far.
    pub sync_micros: u64,
    /// Commits waiting.
    pub waiting: u64,
    /// Days of history that lack records they had: missing, shorter, or set aside as damaged. Counted until retention ends them.
    pub history_lost: u64,
}
