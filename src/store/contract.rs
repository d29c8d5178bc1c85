//! What a store promises. One suite of tests holds for every engine.

use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::vault::Vault;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
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
    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>>;

    /// The last number of each institution's feed, as of now: everything up to it can be read.
    fn ends(&self) -> Later<'_, Vec<(InstitutionId, u64)>> {
        Box::pin(std::future::ready(Ok(self.status().feed)))
    }

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

/// What processes that share a store count together, and what may be done once whichever of them is asked. No event and no answer
/// waits for a count: what this process counted it knows at once, and what others did within a moment ([`Counters::exchange`]).
pub trait Counters: Send + Sync {
    /// Since when what processes tell and take here is known to all, and stays known when they end. `None`: this process is alone,
    /// others can't tell it anything, and what it took is forgotten with it.
    fn shared_since(&self) -> Option<Timestamp>;

    /// Whether it is of use to tell counts of this kind: others, or whoever comes after this process, will know them.
    fn keeps(&self, kind: Kind) -> bool {
        let _ = kind;
        self.shared_since().is_some()
    }

    /// This process counted `count` of it, which count for `left` from now: in place of what it told before. Kept until the others
    /// can be told; never blocks. When very many wait, one more is not told.
    fn tell(&self, mark: Mark, count: u32, left: Duration);

    /// What others told of it that still counts. Never blocks for long, and asks nobody.
    fn others(&self, mark: &Mark) -> u32;

    /// Whether others told nothing of this kind that still counts: then there is no need to make a mark. No lock is taken.
    fn is_quiet(&self, kind: Kind) -> bool;

    /// Tells the others what waits, and learns what they told: what [`Counters`] do by themselves several times a second.
    fn exchange(&self) -> Later<'_, ()>;

    /// Takes it for `left` from now: exactly one of all who ask is the first. `content` tells what for.
    fn take(&self, mark: Mark, content: [u8; 16], left: Duration) -> Later<'_, Taken>;
}

/// What is counted or taken: its kind, and a keyed MAC of what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    /// What kind.
    pub kind: Kind,
    /// The MAC.
    pub route: [u8; 16],
}

impl Mark {
    /// The mark of `parts`.
    pub fn of(vault: &Vault, kind: Kind, parts: &[&[u8]]) -> Self {
        Self { kind, route: vault.index_tag(kind as u8, parts) }
    }
}

/// What is counted or taken. Each has a byte, which is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Failed logins of a user, of an address, or of both.
    Failures = b'f',
    /// Logins that succeeded, of a user from an address.
    Proved = b'p',
    /// Failed replies to an institution's challenges.
    Guesses = b'g',
    /// Messages of a handset.
    Messages = b'm',
    /// Challenges that a publisher asked for in a second.
    Requests = b'q',
    /// Messages that count against a publisher's quota.
    Quota = b'u',
    /// The nonce of a token.
    Nonce = b'n',
}

/// What became of taking something that may be taken once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Nobody had taken it.
    First,
    /// It was taken, with the same content.
    Same,
    /// It was taken, with other content.
    Other,
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
    /// Last feed number of each institution, where nodes share the store as they were counted last ([`Store::ends`] asks).
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
