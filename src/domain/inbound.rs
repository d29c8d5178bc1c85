//! A message from a handset that belongs to no open challenge: STOP, HELP, or anything else. Kept so that its duplicate is
//! answered alike, its event reaches the feed, and our answer goes through the outbox.

use super::contact::Address;
use super::delivery::Delivery;
use super::event::Event;
use super::id::{AggregateId, InstitutionId, PublisherId};
use super::time::Timestamp;

/// A recipient-originated message (event 90030). The text itself is not kept.
#[derive(Clone, PartialEq, Debug)]
pub struct Inbound {
    /// Our id for it.
    pub id: AggregateId,
    /// The publisher that owns the number written to.
    pub publisher: PublisherId,
    /// The institution whose feed it goes to.
    pub institution: InstitutionId,
    /// `ConsumerProd` of that publisher.
    pub product: String,
    /// Who wrote.
    pub from: Address,
    /// When.
    pub at: Timestamp,
    /// Gateway and the provider's message id, joined by `/`.
    pub provider_id: Option<String>,
    /// What was answered.
    pub verdict: super::verdict::Verdict,
    /// Our answer, if one is sent.
    pub deliveries: Vec<Delivery>,
    /// Its events.
    pub events: Vec<Event>,
}
