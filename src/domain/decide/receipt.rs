//! What a carrier's later report does to a delivery, and to its challenge's events.
//!
//! Reports come twice, late and in any order; each step is told once. What was delivered can still bounce; what bounced stays so.

use super::session::record;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Answer;
use crate::domain::challenge::Challenge;
use crate::domain::delivery::{Purpose, Status};
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::id::DeliveryId;
use crate::domain::receipt::{Receipt, Step};
use crate::domain::snapshot::{Decision, Expect, Versioned, Write};

/// Takes a receipt of the challenge that was read; nothing follows from one of no delivery of its, or that says nothing new.
pub fn receipt(read: Option<Versioned<Aggregate>>, receipt: &Receipt, draw: &mut Draw) -> Decision {
    let nothing = Decision::only(Answer::Done);
    let Some(Versioned { value: Aggregate::Challenge(mut challenge), version }) = read else { return nothing };
    let (id, arrived) = (receipt.delivery, has_arrived(&challenge, receipt.delivery));
    let Some(delivery) = challenge.deliveries.iter_mut().find(|it| it.id == id && it.purpose == Purpose::Challenge) else {
        return nothing;
    };
    let (status, acts): (Option<Status>, &[(Act, &str)]) = match (&delivery.status, receipt.step) {
        (Status::Accepted { .. }, Step::Delivered) if !arrived => (None, &[(Act::MsgDelivered, ARRIVED)]),
        // The answer to the hand-over was lost, or is on its way to the store: the carrier has it all the same.
        (Status::Queued { .. }, Step::Delivered) => {
            let taken = Status::Accepted { at: draw.now, provider_id: receipt.provider_id.clone() };
            (Some(taken), &[(Act::MsgSent, "The carrier took the message."), (Act::MsgDelivered, ARRIVED)])
        }
        (Status::Accepted { .. }, Step::Undeliverable) => {
            (Some(Status::Undeliverable { at: draw.now }), &[(Act::MsgUndeliverable, "The carrier could not deliver the message.")])
        }
        _ => return nothing,
    };
    if let Some(status) = status {
        delivery.status = status;
    }
    for (act, feedback) in acts {
        record(&mut challenge, *act, feedback, Some(id), draw);
    }
    let expects = vec![Expect::Aggregate(challenge.id, version)];
    Decision { answer: Answer::Done, writes: vec![Write::Aggregate(Aggregate::Challenge(challenge))], expects }
}

/// Whether a receipt has told that a delivery arrived.
pub fn has_arrived(challenge: &Challenge, delivery: DeliveryId) -> bool {
    challenge.events.iter().any(|it| it.act == Act::MsgDelivered && it.delivery == Some(delivery))
}

const ARRIVED: &str = "The message arrived.";
