//! What a carrier reports, later, of a message that it took.

use super::id::{AggregateId, DeliveryId};

/// One report. A carrier may repeat it, send it out of order, or report of what is long gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The challenge, as the carrier was told when it got the message, and gives back.
    pub challenge: AggregateId,
    /// The delivery, likewise.
    pub delivery: DeliveryId,
    /// The carrier's own id of the message.
    pub provider_id: Option<String>,
    /// What became of the message.
    pub step: Step,
    /// Why, in a few words of a fixed vocabulary: never an address, never the carrier's own text.
    pub cause: String,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The recipient's own server or device has it.
    Delivered,
    /// It won't arrive.
    Undeliverable,
    /// Not yet; the carrier goes on trying.
    Delayed,
}
