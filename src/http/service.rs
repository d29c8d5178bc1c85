//! What the HTTP side asks of the engine: a seam, so that its tests need no store.

use crate::domain::answer::{Answer, Verdict};
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::receipt::Receipt;
use crate::domain::request::{OobValidate, Origin, Sms};
use crate::domain::time::Timestamp;
pub use crate::engine::changes::Watch;
use crate::engine::{Engine, Page, Trouble};
use std::future::Future;
use std::pin::Pin;

/// A future that a `dyn Service` can return.
pub type Served<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// What the HTTP side asks for. The engine is one.
pub trait Service: Send + Sync {
    /// Judges and opens a challenge: `Answer::Opened` or `Answer::Refused`.
    fn open(&self, origin: Origin, request: Box<OobValidate>) -> Served<'_, Answer>;

    /// Judges a reply from a handset; the verdict is durable when it is there.
    fn reply(&self, sms: Sms) -> Served<'_, Verdict>;

    /// Takes a carrier's receipt; what follows from it is durable then.
    fn receive(&self, receipt: Receipt) -> Served<'_, ()>;

    /// A page of a publisher's feed.
    fn events<'a>(&'a self, ask: Ask<'a>) -> Served<'a, Page>;

    /// Wakes whenever something was committed.
    fn changes(&self) -> Watch;

    /// Now.
    fn now(&self) -> Timestamp;

    /// How it is; cheap.
    fn pulse(&self) -> Pulse;
}

/// Which page of the feed.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose.
    pub publisher: &'a PublisherId,
    /// Of this institution; `None`: of all that it serves.
    pub institution: Option<&'a InstitutionId>,
    /// The cursor.
    pub after: &'a str,
    /// At most so many.
    pub max: usize,
}

/// How the engine and its store are, as health and metrics show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulse {
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
    /// Commits so far.
    pub commits: u64,
    /// Durable steps so far.
    pub syncs: u64,
    /// Microseconds spent in durable steps so far.
    pub sync_micros: u64,
    /// Commits waiting.
    pub waiting: u64,
    /// Records of history that are known to be lost.
    pub history_lost: u64,
    /// Failed replies since the start.
    pub failed_replies: u64,
    /// Institutions with unusually many failed replies of late: an alarm.
    pub guessing: u64,
}

impl Service for Engine {
    fn open(&self, origin: Origin, request: Box<OobValidate>) -> Served<'_, Answer> {
        Box::pin(Engine::open(self, origin, request))
    }

    fn reply(&self, sms: Sms) -> Served<'_, Verdict> {
        Box::pin(Engine::reply(self, sms))
    }

    fn receive(&self, receipt: Receipt) -> Served<'_, ()> {
        Box::pin(Engine::receive(self, receipt))
    }

    fn events<'a>(&'a self, ask: Ask<'a>) -> Served<'a, Page> {
        Box::pin(Engine::events(self, ask.publisher, ask.institution, ask.after, ask.max))
    }

    fn changes(&self) -> Watch {
        Engine::changes(self)
    }

    fn now(&self) -> Timestamp {
        Engine::now(self)
    }

    fn pulse(&self) -> Pulse {
        let it = Engine::status(self);
        let (failed_replies, guessing) = self.guesses();
        Pulse {
            ready: it.ready,
            open: it.open,
            records: it.records,
            outbox: it.outbox,
            outbox_oldest: it.outbox_oldest,
            commits: it.commits,
            syncs: it.syncs,
            sync_micros: it.sync_micros,
            waiting: it.waiting,
            history_lost: it.history_lost,
            failed_replies,
            guessing,
        }
    }
}
