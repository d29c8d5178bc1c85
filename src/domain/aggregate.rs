//! What the store keeps as one record: everything of it changes in one commit.

use super::challenge::{Challenge, State};
use super::delivery::Delivery;
use super::event::Event;
use super::id::{AggregateId, InstitutionId, PublisherId};
use super::inbound::Inbound;
use super::time::Timestamp;

/// A challenge, or a message that belongs to none.
#[derive(Clone, PartialEq, Debug)]
pub enum Aggregate {
    /// A challenge with its session, deliveries and events.
    Challenge(Box<Challenge>),
    /// A recipient-originated message.
    Inbound(Box<Inbound>),
}

impl Aggregate {
    /// Its id.
    pub fn id(&self) -> AggregateId {
        match self {
            Self::Challenge(it) => it.id,
            Self::Inbound(it) => it.id,
        }
    }

    /// Whose feed its events go to.
    pub fn institution(&self) -> &InstitutionId {
        match self {
            Self::Challenge(it) => &it.institution,
            Self::Inbound(it) => &it.institution,
        }
    }

    /// Whose it is.
    pub fn publisher(&self) -> &PublisherId {
        match self {
            Self::Challenge(it) => &it.publisher,
            Self::Inbound(it) => &it.publisher,
        }
    }

    /// `ConsumerProd`
    pub fn product(&self) -> &str {
        match self {
            Self::Challenge(it) => &it.product,
            Self::Inbound(it) => &it.product,
        }
    }

    /// Its messages.
    pub fn deliveries(&self) -> &[Delivery] {
        match self {
            Self::Challenge(it) => &it.deliveries,
            Self::Inbound(it) => &it.deliveries,
        }
    }

    /// Its messages, to change.
    pub fn deliveries_mut(&mut self) -> &mut Vec<Delivery> {
        match self {
            Self::Challenge(it) => &mut it.deliveries,
            Self::Inbound(it) => &mut it.deliveries,
        }
    }

    /// Its events, oldest first.
    pub fn events(&self) -> &[Event] {
        match self {
            Self::Challenge(it) => &it.events,
            Self::Inbound(it) => &it.events,
        }
    }

    /// The challenge, if it is one.
    pub fn challenge(&self) -> Option<&Challenge> {
        match self {
            Self::Challenge(it) => Some(it),
            Self::Inbound(_) => None,
        }
    }

    /// The challenge, if it is one, taken out.
    pub fn into_challenge(self) -> Option<Challenge> {
        match self {
            Self::Challenge(it) => Some(*it),
            Self::Inbound(_) => None,
        }
    }

    /// When its session ends by itself; `None` when it has none, or has ended.
    pub fn timer(&self) -> Option<Timestamp> {
        self.challenge().and_then(Challenge::timer)
    }

    /// Whether nothing is left to do: the session has ended and no delivery waits. A finished aggregate moves to history.
    pub fn is_finished(&self) -> bool {
        let ended = self.challenge().is_none_or(|it| it.state != State::Open);
        ended && self.deliveries().iter().all(|it| it.status.due().is_none())
    }
}
