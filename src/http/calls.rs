//! What the REST interface asks of the engine: a seam, so that its tests need no store.

use super::service::Served;
use crate::domain::code::Secret;
use crate::domain::decide::order::FieldError;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::request::{Asked, Origin, Pace, Policy};
use crate::domain::told::{Checked, Closed, Resent};
use crate::engine::Engine;
use crate::engine::direct::{Call, Creation, Looked};

/// What the REST interface asks for. The engine is one.
pub trait Calls: Send + Sync {
    /// Judges and opens a challenge. A repeated request gets its first answer.
    fn create(&self, origin: Origin, asked: Box<Asked>) -> Served<'_, Creation>;

    /// The field rules that a request breaks; opens nothing. For a request that is wrong already, so that all is told at once.
    fn breaches(&self, origin: Origin, asked: Box<Asked>) -> Served<'_, Vec<FieldError>>;

    /// Judges an answer, and says in which language its challenge speaks where the caller may see it.
    fn verify(&self, call: Call, typed: Secret) -> Served<'_, (Checked, Option<String>)>;

    /// Sends a challenge's message again.
    fn resend(&self, call: Call, policy: Policy, pace: Pace) -> Served<'_, Resent>;

    /// Ends a challenge that is of no use any more.
    fn cancel(&self, call: Call) -> Served<'_, Closed>;

    /// Tells the outcome of an answer that the publisher verified itself.
    fn outcome(&self, call: Call, verified: bool) -> Served<'_, Closed>;

    /// A challenge, also long after it ended; `None`: there is none that this publisher may see.
    fn look<'a>(&'a self, publisher: &'a PublisherId, id: AggregateId) -> Served<'a, Option<Looked>>;
}

impl Calls for Engine {
    fn create(&self, origin: Origin, asked: Box<Asked>) -> Served<'_, Creation> {
        Box::pin(Engine::create(self, origin, *asked))
    }

    fn breaches(&self, origin: Origin, asked: Box<Asked>) -> Served<'_, Vec<FieldError>> {
        Box::pin(Engine::breaches(self, origin, *asked))
    }

    fn verify(&self, call: Call, typed: Secret) -> Served<'_, (Checked, Option<String>)> {
        Box::pin(Engine::verify_and_tell(self, call, typed))
    }

    fn resend(&self, call: Call, policy: Policy, pace: Pace) -> Served<'_, Resent> {
        Box::pin(Engine::resend(self, call, policy, pace))
    }

    fn cancel(&self, call: Call) -> Served<'_, Closed> {
        Box::pin(Engine::cancel(self, call))
    }

    fn outcome(&self, call: Call, verified: bool) -> Served<'_, Closed> {
        Box::pin(Engine::outcome(self, call, verified))
    }

    fn look<'a>(&'a self, publisher: &'a PublisherId, id: AggregateId) -> Served<'a, Option<Looked>> {
        Box::pin(Engine::look(self, publisher, id))
    }
}
