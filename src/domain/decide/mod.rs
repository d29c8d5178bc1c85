//! The decisions: synchronous, total, without failure; a refusal is an answer.
//!
//! One file a family. Each takes what was read ([`Facts`]), the request, and a [`Draw`] of time and chance, and gives back
//! all consequences as one [`Decision`].

pub mod call;
pub mod challenge;
pub mod close;
pub mod failures;
pub mod limits;
pub mod look_up;
pub mod opening;
pub mod order;
pub mod receipt;
pub mod reply;
pub mod resend;
pub mod rules;
pub mod session;
pub mod settle;
pub mod verify;

use super::delivery::Outcome;
use super::draw::Draw;
use super::id::AggregateId;
use super::keyring::Keyring;
use super::publisher::Registry;
use super::receipt::Receipt;
use super::request::{Close, Resend, Sms, Verify};
use super::snapshot::{Decision, Lease, View};

/// Everything a decision may look at.
pub struct Facts<'a> {
    /// What the store said. Used up: what changes is changed where it is, not copied.
    pub view: View,
    /// What is registered.
    pub registry: &'a Registry,
    /// Keyed operations, without the keys.
    pub keyring: &'a dyn Keyring,
}

/// A wish that somebody is entitled to have: the one way into [`decide`].
#[derive(Debug)]
pub enum Request {
    /// `OOBValidate` of an authenticated publisher whose field rules hold.
    Open(Box<rules::Wish>),
    /// A challenge asked for over REST or Kafka, by an authenticated publisher; its field rules hold.
    Create(Box<order::Order>),
    /// An answer that a publisher brings.
    Verify(Verify),
    /// A message of a challenge is to be sent again.
    Resend(Resend),
    /// A publisher ends its challenge.
    Close(Close),
    /// An SMS from a handset, through a gateway that proved itself.
    Reply(Sms),
    /// A timer of an aggregate is due.
    Tick(AggregateId),
    /// A connector reported on a delivery.
    Settled {
        /// Which delivery, and under which lease it was handed over.
        lease: Lease,
        /// What became of it.
        outcome: Outcome,
    },
    /// A carrier that proved itself reported on a message that it took.
    Receipt(Receipt),
}

/// Decides any request.
pub fn decide(facts: Facts<'_>, request: &Request, draw: &mut Draw) -> Decision {
    match request {
        Request::Open(wish) => challenge::open(&facts, wish, draw),
        Request::Create(order) => opening::create(&facts, order, draw),
        Request::Verify(call) => call::verify(facts, call, draw),
        Request::Resend(wish) => resend::resend(&facts, wish, draw),
        Request::Close(wish) => close::close(facts.view, wish, draw),
        Request::Reply(sms) => reply::reply(&facts, sms, draw),
        Request::Tick(_) => session::tick(facts.view.one, draw),
        Request::Settled { lease, outcome } => settle::settle(facts.view.one, *lease, outcome, draw),
        Request::Receipt(receipt) => receipt::receipt(facts.view.one, receipt, draw),
    }
}
