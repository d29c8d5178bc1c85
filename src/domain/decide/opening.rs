//! Opening a challenge that was asked for over REST or Kafka. What keeps it from being sent, and what it does to the older one of
//! its slot, is as in `challenge`.

use super::Facts;
use super::challenge::{SUPERSEDED, sender};
use super::limits;
use super::order::Order;
use super::session::{end, record};
use super::verify::{fresh, of_code};
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Answer;
use crate::domain::challenge::{Challenge, Level, State};
use crate::domain::code::Secret;
use crate::domain::delivery::{Delivery, Purpose, Status};
use crate::domain::direct::Direct;
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::id::AggregateId;
use crate::domain::limit::Limit;
use crate::domain::material;
use crate::domain::publisher::Publisher;
use crate::domain::snapshot::{Decision, Expect, Write};
use crate::domain::summary::Summary;
use crate::domain::told::{Created, Refusal};
use std::time::Duration;

/// Opens it, repeats an earlier answer, or refuses.
pub fn create(facts: &Facts<'_>, order: &Order, draw: &mut Draw) -> Decision {
    let told = |created| Decision::only(Answer::Created(created));
    if let Some(created) = repeated(facts, order) {
        return told(created);
    }
    // An order was checked against this publisher's registration; one that is gone since opens nothing.
    let Some(publisher) = facts.registry.publishers.get(&order.origin.publisher) else {
        return told(Created::Refused(Refusal::Limit(Limit::Rate)));
    };
    if let Some(refusal) = refusal(facts, order, publisher, draw) {
        return told(Created::Refused(refusal));
    }
    let code = fresh(facts, &draw.chosen);
    let challenge = build(facts, order, &code, draw);
    let expects = expectations(facts, order);
    let mut writes = Vec::with_capacity(2);
    if let Some(older) = &facts.view.holder {
        let mut ended = older.value.clone();
        end(&mut ended, Act::Superseded, SUPERSEDED, draw);
        writes.push(Write::Aggregate(Aggregate::Challenge(Box::new(ended))));
    }
    let summary = Box::new(Summary::of(&challenge, draw.now));
    writes.push(Write::Aggregate(Aggregate::Challenge(Box::new(challenge))));
    Decision { answer: Answer::Created(Created::Opened { summary, code }), writes, expects }
}

/// A message of a direct challenge, to be handed over at once.
pub fn message(direct: &Direct, sender: Option<String>, draw: &mut Draw) -> Delivery {
    Delivery {
        id: draw.delivery(),
        channel: direct.channel,
        address: direct.address.clone(),
        contact: None,
        sender,
        purpose: Purpose::Challenge,
        status: Status::Queued { next_at: draw.now },
        tries: 0,
    }
}

// Decision 1.
fn repeated(facts: &Facts<'_>, order: &Order) -> Option<Created> {
    let (prior, repeat) = (facts.view.prior.as_ref()?, order.repeat.as_ref()?);
    Some(match repeat.payload == prior.payload {
        true => Created::Repeated { id: prior.id, material: prior.material.clone() },
        false => Created::Refused(Refusal::KeyReused),
    })
}

fn refusal(facts: &Facts<'_>, order: &Order, publisher: &Publisher, draw: &Draw) -> Option<Refusal> {
    let (view, now) = (facts.view.addresses.iter().find(|it| it.address == order.direct.address), draw.now);
    if view.is_some_and(|it| it.opt_outs.contains(&publisher.id)) {
        return Some(Refusal::OptedOut);
    }
    let budgets = facts.view.budgets.iter().filter(|(key, _)| order.concerns(key));
    let of_failures = budgets.filter_map(|(_, it)| limits::of_failures(&it.value, publisher.budget, now)).next();
    let of_messages = || limits::of_messages(view?, 1, &publisher.limits, now);
    let of_open = || limits::of_open(view?, holder(facts), &publisher.limits);
    let of_publisher = || limits::of_publisher(&facts.view, &publisher.limits, now).next();
    of_failures.or_else(of_messages).or_else(of_open).or_else(of_publisher).or(facts.view.quota).map(Refusal::Limit)
}

fn holder(facts: &Facts<'_>) -> Option<AggregateId> {
    facts.view.holder.as_ref().map(|it| it.value.id)
}

fn build(facts: &Facts<'_>, order: &Order, code: &Secret, draw: &mut Draw) -> Challenge {
    let id = draw.aggregate(&order.institution);
    let plain = material::write([Some(code), None, order.text.as_ref()], &order.parameters);
    let sender = facts.registry.publishers.get(&order.origin.publisher).and_then(|it| sender(it, order.direct.channel));
    let message = message(&order.direct, sender, draw);
    let delivery = message.id;
    let mut challenge = Challenge {
        id,
        publisher: order.origin.publisher.clone(),
        institution: order.institution.clone(),
        product: order.product.clone(),
        level: Level::Direct(order.direct.clone()),
        mode: order.mode,
        test: order.test,
        tracking_id: None,
        bus_correl_id: None,
        repeat: order.repeat.clone(),
        opened_at: draw.now,
        expires_at: order.origin.received_at.plus(Duration::from_secs(order.seconds.into())),
        verifier: Some(of_code(facts.keyring, id, order.shape, code)),
        attempts: 0,
        attempts_allowed: order.attempts,
        state: State::Open,
        material: Some(facts.keyring.seal(id, draw.nonce, &plain)),
        deliveries: vec![message],
        events: Vec::new(),
        seen: Vec::new(),
    };
    record(&mut challenge, Act::MsgAccepted, "The message is accepted for sending.", Some(delivery), draw);
    challenge
}

fn expectations(facts: &Facts<'_>, order: &Order) -> Vec<Expect> {
    let view = &facts.view;
    let mut expects = Vec::with_capacity(6);
    // A client that is a registered recipient, too, has contacts that this has nothing to do with.
    let address = view.addresses.iter().filter(|it| it.address == order.direct.address);
    expects.extend(address.map(|it| Expect::Address(it.address.clone(), it.version)));
    let budgets = view.budgets.iter().filter(|(key, _)| order.concerns(key));
    expects.extend(budgets.map(|(key, budget)| Expect::Budget(key.clone(), budget.version)));
    if let Some(repeat) = &order.repeat {
        let (publisher, institution) = (order.origin.publisher.clone(), order.institution.clone());
        expects.push(Expect::Unrepeated(publisher, institution, repeat.key.clone()));
    }
    expects.push(Expect::Slot(order.slot(), holder(facts)));
    expects.extend(view.holder.as_ref().map(|it| Expect::Aggregate(it.value.id, it.version)));
    expects
}
