//! The life of a session: how it ends, and what that does to its messages. Exactly one outcome (decision 14).

use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Answer;
use crate::domain::challenge::{Challenge, Mode, State};
use crate::domain::delivery::{Purpose, Status};
use crate::domain::draw::Draw;
use crate::domain::event::{Act, Event};
use crate::domain::id::DeliveryId;
use crate::domain::snapshot::{Decision, Expect, Versioned, Write};

/// Ends a session: its code is destroyed, its unsent messages are taken back, and its one outcome becomes an event. A
/// session that has ended stays as it is.
pub fn end(challenge: &mut Challenge, outcome: Act, feedback: &str, draw: &mut Draw) {
    if challenge.state != State::Open {
        return;
    }
    challenge.state = State::Ended { outcome, at: draw.now };
    challenge.material = None;
    take_back(challenge, outcome, draw);
    // OneWay opens no session for replies, so its time just passes (decision 13).
    if outcome == Act::Expired && !challenge.is_judged() {
        return;
    }
    let replied = only_delivery(challenge);
    record(challenge, outcome, feedback, replied, draw);
}

fn take_back(challenge: &mut Challenge, outcome: Act, draw: &mut Draw) {
    let mut late = Vec::new();
    for delivery in &mut challenge.deliveries {
        if delivery.status.due().is_none() || delivery.purpose != Purpose::Challenge {
            continue;
        }
        if outcome == Act::Expired {
            delivery.status = Status::Expired { at: draw.now };
            late.push(delivery.id);
        } else {
            delivery.status = Status::Cancelled { at: draw.now };
        }
    }
    for id in late {
        record(challenge, Act::MsgExpired, "The message could not be handed over before its session ended.", Some(id), draw);
    }
}

/// Adds an event. `delivery` names the message that it is about.
pub fn record(challenge: &mut Challenge, act: Act, feedback: &str, delivery: Option<DeliveryId>, draw: &mut Draw) {
    challenge.events.push(Event { id: draw.event(), at: draw.now, act, feedback: feedback.to_owned(), delivery });
}

fn only_delivery(challenge: &Challenge) -> Option<DeliveryId> {
    let mut sent = challenge.deliveries.iter().filter(|it| it.purpose == Purpose::Challenge);
    match (sent.next(), sent.next()) {
        (Some(one), None) => Some(one.id),
        _ => None,
    }
}

/// A session's time is up, or its timer came too early: then nothing happens.
pub fn tick(read: Option<Versioned<Aggregate>>, draw: &mut Draw) -> Decision {
    let Some(Versioned { value: Aggregate::Challenge(mut challenge), version }) = read else { return Decision::only(Answer::Done) };
    if challenge.state != State::Open || draw.now < challenge.expires_at {
        return Decision::only(Answer::Done);
    }
    let feedback = match challenge.mode {
        Mode::TwoWay => "No reply received.",
        Mode::OneWay | Mode::OnCall => "The time to answer has passed.",
    };
    end(&mut challenge, Act::Expired, feedback, draw);
    let expects = vec![Expect::Aggregate(challenge.id, version)];
    Decision { answer: Answer::Done, writes: vec![Write::Aggregate(Aggregate::Challenge(challenge))], expects }
}
