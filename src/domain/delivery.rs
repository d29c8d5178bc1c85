//! One message to one contact, from the outbox to the carrier's receipt.

use super::contact::{Address, Channel};
use super::id::DeliveryId;
use super::time::Timestamp;
use std::time::Duration;

/// A message that is to go out, or went. Lives inside its aggregate's record; the body is rendered at hand-over.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    /// `AlrtPkgSubId`, and the idempotency key that the carrier gets.
    pub id: DeliveryId,
    /// SMS or mail.
    pub channel: Channel,
    /// Where to.
    pub address: Address,
    /// RecipConId, for a subscribed contact.
    pub contact: Option<String>,
    /// The number or mailbox it comes from, where the publisher has one of its own.
    pub sender: Option<String>,
    /// What it says.
    pub purpose: Purpose,
    /// Where it stands.
    pub status: Status,
    /// Hand-overs tried so far.
    pub tries: u16,
}

/// What a delivery says.
#[derive(Clone, PartialEq, Debug)]
pub enum Purpose {
    /// The challenge itself.
    Challenge,
    /// Our answer to a reply; the text carries neither code nor name.
    Answer(String),
}

/// Where a delivery stands. A delivery ends in any but `Queued`; only `Accepted` may still hear from the carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// To be handed over, not before this moment.
    Queued {
        /// Earliest next hand-over.
        next_at: Timestamp,
    },
    /// The carrier (or, for a test alert, the test sink) has it.
    Accepted {
        /// When.
        at: Timestamp,
        /// The carrier's id for it, for receipts.
        provider_id: Option<String>,
    },
    /// The carrier said no for good, or tries ran out.
    Undeliverable {
        /// When.
        at: Timestamp,
    },
    /// Its session ended before it could be handed over.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Taken back: superseded, cancelled or opted out.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl Status {
    /// When it is to be handed over; `None` once it has ended.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Queued { next_at } => Some(*next_at),
            _ => None,
        }
    }
}

/// What a connector says of one hand-over. Not a `Result`: each of these is an ordinary thing to happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The carrier took it.
    Accepted {
        /// Its id for the message, where it gives one.
        provider_id: Option<String>,
    },
    /// The carrier won't, ever: a bad number, a blocked destination.
    Refused {
        /// Short, without address or text.
        reason: String,
    },
    /// Not now: a time-out, a throttle, a broken connection. Possibly it did arrive (at-least-once).
    Later {
        /// Short, without address or text.
        reason: String,
        /// How long the carrier asked us to wait.
        after: Option<Duration>,
    },
}
