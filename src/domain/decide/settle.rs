//! What a carrier's word does to a delivery, and to its challenge's events.

use super::receipt::has_arrived;
use super::session::record;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Answer;
use crate::domain::challenge::State;
use crate::domain::delivery::{Delivery, Outcome, Purpose, Status};
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::snapshot::{Decision, Expect, Lease, Versioned, Write};
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Hand-overs that an answer to a reply gets; a challenge's message is tried as long as its session lives.
pub const ANSWER_TRIES: u16 = 6;
/// The longest wait between two hand-overs.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Settles one hand-over. An acceptance is never dropped, whatever happened to the delivery meanwhile (decision 8), except
/// that another worker has it now: then its own hand-over, under the same id, is what counts.
pub fn settle(read: Option<Versioned<Aggregate>>, lease: Lease, outcome: &Outcome, draw: &mut Draw) -> Decision {
    let id = lease.delivery;
    let Some(Versioned { value: mut aggregate, version }) = read else { return Decision::only(Answer::Done) };
    let open = aggregate.challenge().is_none_or(|it| it.state == State::Open);
    let ends_at = aggregate.challenge().map(|it| it.expires_at);
    // A receipt that was quicker than the answer has told both.
    let arrived = aggregate.challenge().is_some_and(|it| has_arrived(it, id));
    let Some(delivery) = aggregate.deliveries_mut().iter_mut().find(|it| it.id == id) else {
        return Decision::only(Answer::Done);
    };
    let waiting = delivery.status.due().is_some();
    let step = match outcome {
        Outcome::Accepted { provider_id } => {
            delivery.status = Status::Accepted { at: draw.now, provider_id: provider_id.clone() };
            (!arrived).then_some((Act::MsgSent, "The carrier took the message."))
        }
        _ if !waiting => return Decision::only(Answer::Done),
        Outcome::Refused { .. } => {
            delivery.status = Status::Undeliverable { at: draw.now };
            Some((Act::MsgUndeliverable, "The carrier refused the message."))
        }
        Outcome::Later { after, .. } => {
            later(delivery, *after, ends_at.filter(|_| open), draw);
            None
        }
    };
    let asks = delivery.purpose == Purpose::Challenge;
    if let (Some((act, feedback)), Aggregate::Challenge(challenge), true) = (step, &mut aggregate, asks) {
        record(challenge, act, feedback, Some(id), draw);
    }
    let expects = vec![Expect::Aggregate(aggregate.id(), version), Expect::Lease(lease)];
    Decision { answer: Answer::Done, writes: vec![Write::Aggregate(aggregate)], expects }
}

// Not now: again after a growing, jittered wait, as long as it can still be of use.
fn later(delivery: &mut Delivery, after: Option<Duration>, ends_at: Option<Timestamp>, draw: &Draw) {
    delivery.tries = delivery.tries.saturating_add(1);
    let next_at = draw.now.plus(after.unwrap_or_default().max(wait(delivery.tries, draw.seed)));
    delivery.status = match (&delivery.purpose, ends_at) {
        (Purpose::Answer(_), _) if delivery.tries >= ANSWER_TRIES => Status::Undeliverable { at: draw.now },
        // The session ends first: its timer will drop the message and say so.
        (Purpose::Challenge, Some(ends_at)) => Status::Queued { next_at: next_at.min(ends_at) },
        _ => Status::Queued { next_at },
    };
}

/// Half a second, doubled each try, up to [`LONGEST_WAIT`]; of that, between half and all.
pub fn wait(tries: u16, seed: u128) -> Duration {
    let full = Duration::from_millis(500).saturating_mul(1 << tries.min(10)).min(LONGEST_WAIT);
    let share = u32::try_from(seed % 1000).unwrap_or(0);
    full / 2 + full / 2 * share / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_bounded_and_differ() {
        for (tries, low, high) in [(1, 500, 1_000), (2, 1_000, 2_000), (5, 8_000, 16_000), (30, 30_000, 60_000)] {
            for seed in [0, 1, 499, 999, u128::MAX] {
                let wait = wait(tries, seed).as_millis();
                assert!((low..=high).contains(&wait), "try {tries}, seed {seed}: {wait} ms");
            }
        }
        assert_ne!(wait(3, 1), wait(3, 2));
    }
}
