//! Opening a challenge (contract `oobvalidate.md`, behaviour).

use super::Facts;
use super::limits;
use super::look_up::{Found, Place, look_up};
use super::rules::{Goal, Wish};
use super::session::{end, record};
use super::verify::{fresh, verifier};
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Answer;
use crate::domain::budget::BudgetKey;
use crate::domain::challenge::{Challenge, Level, State};
use crate::domain::code::{CodeKind, Sealed, Secret};
use crate::domain::contact::Channel;
use crate::domain::delivery::{Delivery, Purpose, Status};
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::fault::{Violation, own};
use crate::domain::id::AggregateId;
use crate::domain::limit::Limit;
use crate::domain::material;
use crate::domain::publisher::Publisher;
use crate::domain::snapshot::{AddressView, Decision, Expect, Write};
use std::time::Duration;

/// What is said of a challenge whose slot a newer one takes.
pub const SUPERSEDED: &str = "A newer challenge took its place.";

/// Opens a challenge, repeats an earlier answer, or refuses.
pub fn open(facts: &Facts<'_>, wish: &Wish, draw: &mut Draw) -> Decision {
    if let Some(answer) = repeated(facts, wish) {
        return Decision::only(answer);
    }
    let found = match look_up(facts, wish) {
        Ok(found) => found,
        Err(violations) => return Decision::only(Answer::Refused(violations)),
    };
    let refusals = limits(facts, wish, &found, draw);
    if !refusals.is_empty() {
        return Decision::only(Answer::Refused(refusals));
    }
    let candidates = |kind| if kind == CodeKind::Otp { &draw.otp } else { &draw.otpa };
    let code = found.code.map(|kind| (kind, fresh(facts, candidates(kind))));
    let challenge = build(facts, wish, &found, code.as_ref(), draw);
    let (mut writes, mut expects) = (Vec::with_capacity(2), expectations(facts, wish, &found));
    if found.publisher.supersede
        && let Some(older) = &facts.view.holder
    {
        let mut ended = older.value.clone();
        end(&mut ended, Act::Superseded, SUPERSEDED, draw);
        expects.push(Expect::Aggregate(ended.id, older.version));
        writes.push(Write::Aggregate(Aggregate::Challenge(Box::new(ended))));
    }
    let answer = Answer::Opened { id: challenge.id, otp: code.map(|(_, code)| code) };
    writes.push(Write::Aggregate(Aggregate::Challenge(Box::new(challenge))));
    Decision { answer, writes, expects }
}

// Decision 1: the same key and payload get the first answer; the same key with another payload is a fault.
fn repeated(facts: &Facts<'_>, wish: &Wish) -> Option<Answer> {
    let (prior, repeat) = (facts.view.prior.as_ref()?, wish.repeat.as_ref()?);
    if repeat.payload == prior.payload {
        return Some(Answer::Repeated { id: prior.id, material: prior.material.clone() });
    }
    let element = if repeat.key.starts_with("B:") { "BusCorrelId" } else { "jXLogTrackingId" };
    let text = "This correlation id was used before with a different request; give each challenge an id of its own.";
    Some(Answer::Refused(vec![Violation::new(own::DUPLICATE, element, text)]))
}

// Decisions 6 and 22: the failure budget, messages a phone, sessions a phone, challenges a day.
fn limits(facts: &Facts<'_>, wish: &Wish, found: &Found<'_>, draw: &Draw) -> Vec<Violation> {
    let (publisher, element) = (found.publisher, element_of(wish));
    let mut violations = Vec::new();
    let mut add = |limit| {
        let violation = violation(limit, element);
        if !violations.contains(&violation) {
            violations.push(violation);
        }
    };
    for (_, budget) in facts.view.budgets.iter().filter(|(key, _)| concerns(found, key)) {
        limits::of_failures(&budget.value, publisher.budget, draw.now).into_iter().for_each(&mut add);
    }
    let leaves = holder(facts).filter(|_| publisher.supersede);
    for place in found.places.iter().filter(|it| it.channel == Channel::Sms) {
        let Some(view) = address(facts, place) else { continue };
        // Two contacts may have one phone: each gets a message.
        let more = found.places.iter().filter(|it| it.address == place.address).count();
        limits::of_messages(view, more, &publisher.limits, draw.now).into_iter().for_each(&mut add);
        limits::of_open(view, leaves, &publisher.limits).into_iter().for_each(&mut add);
    }
    facts.view.quota.into_iter().for_each(&mut add);
    limits::of_publisher(&facts.view, &publisher.limits, draw.now).for_each(add);
    violations
}

fn violation(limit: Limit, element: &'static str) -> Violation {
    let (code, text) = match limit {
        Limit::Failures { until: Some(at) } => (own::BLOCKED, format!("Too many failed replies: blocked until {at}.")),
        Limit::Failures { until: None } => (own::BLOCKED, "Too many failed replies: locked until an operator unlocks.".to_owned()),
        Limit::Messages { .. } => (own::RATE_LIMITED, "Too many messages to this phone; try again later.".to_owned()),
        Limit::Open { .. } => (own::TOO_MANY_OPEN, "Too many open sessions on this phone; wait until one ends.".to_owned()),
        Limit::Network { .. } | Limit::Key { .. } => {
            (own::RATE_LIMITED, "Too many messages asked for from here; try again later.".to_owned())
        }
        Limit::Prefix { .. } => (own::RATE_LIMITED, "Too many messages to numbers like this one; try again later.".to_owned()),
        Limit::Country { .. } => (own::RATE_LIMITED, "Too many messages to this country; try again later.".to_owned()),
        Limit::Money { .. } => (own::RATE_LIMITED, "This publisher's money for today is spent.".to_owned()),
        Limit::Rate => (own::RATE_LIMITED, "This publisher asks for too many challenges a second; slow down.".to_owned()),
        Limit::Day { .. } => (own::RATE_LIMITED, "This publisher's challenges for today are used up.".to_owned()),
    };
    Violation::new(code, element, text)
}

fn element_of(wish: &Wish) -> &'static str {
    match wish.target {
        Goal::Native { .. } => "ConsmRecipId",
        Goal::Explicit { .. } => "PhoneNum",
    }
}

fn holder(facts: &Facts<'_>) -> Option<AggregateId> {
    facts.view.holder.as_ref().map(|it| it.value.id)
}

fn address<'a>(facts: &'a Facts<'_>, place: &Place) -> Option<&'a AddressView> {
    facts.view.addresses.iter().find(|it| it.address == place.address)
}

fn build(facts: &Facts<'_>, wish: &Wish, found: &Found<'_>, code: Option<&(CodeKind, Secret)>, draw: &mut Draw) -> Challenge {
    let id = draw.aggregate(&wish.institution);
    let text = match &wish.target {
        Goal::Explicit { text, .. } => text.as_ref().map(|(text, _)| text),
        Goal::Native { .. } => None,
    };
    let of_kind = |wanted| code.filter(|(kind, _)| *kind == wanted).map(|(_, code)| code);
    let parameters: &[_] = if found.native.is_some() { &wish.parameters } else { &[] };
    let plain = material::write([of_kind(CodeKind::Otp), of_kind(CodeKind::Otpa), text], parameters);
    let sealed: Sealed = facts.keyring.seal(id, draw.nonce, &plain);
    let mut challenge = Challenge {
        id,
        publisher: wish.origin.publisher.clone(),
        institution: wish.institution.clone(),
        product: wish.product.clone(),
        level: level(wish, found),
        mode: wish.mode,
        test: wish.test,
        tracking_id: wish.tracking_id.clone(),
        bus_correl_id: wish.bus_correl_id.clone(),
        repeat: wish.repeat.clone(),
        opened_at: draw.now,
        expires_at: wish.origin.received_at.plus(Duration::from_secs(wish.seconds.into())),
        verifier: verifier(facts.keyring, id, code.map(|(kind, code)| (*kind, code)), wish.own_value.as_ref()),
        attempts: 0,
        attempts_allowed: found.publisher.attempts.clamp(1, 10),
        state: State::Open,
        material: Some(sealed),
        deliveries: deliveries(found, draw),
        events: Vec::new(),
        seen: Vec::new(),
    };
    for delivery in challenge.deliveries.iter().map(|it| it.id).collect::<Vec<_>>() {
        record(&mut challenge, Act::MsgAccepted, "The message is accepted for sending.", Some(delivery), draw);
    }
    challenge
}

fn level(wish: &Wish, found: &Found<'_>) -> Level {
    match (&wish.target, &found.native) {
        (Goal::Native { recipient, account, .. }, Some(native)) => Level::Native {
            alert: native.alert.name.clone(),
            version: native.alert.version.clone(),
            recipient: recipient.clone(),
            recipient_uid: native.recipient.uid.clone(),
            account: account.clone(),
            name: native.recipient.name.clone(),
            utc_offset_minutes: native.subscription.utc_offset_minutes,
        },
        (Goal::Explicit { phone, .. }, _) => Level::Explicit { phone: phone.clone() },
        // `look_up` gives a native finding for every native goal; an empty alert can't be rendered and would be reported.
        (Goal::Native { alert, recipient, account, .. }, None) => Level::Native {
            alert: alert.clone(),
            version: String::new(),
            recipient: recipient.clone(),
            recipient_uid: String::new(),
            account: account.clone(),
            name: None,
            utc_offset_minutes: None,
        },
    }
}

fn deliveries(found: &Found<'_>, draw: &mut Draw) -> Vec<Delivery> {
    let now = draw.now;
    found
        .places
        .iter()
        .map(|place| Delivery {
            id: draw.delivery(),
            channel: place.channel,
            address: place.address.clone(),
            contact: place.contact.clone(),
            sender: sender(found.publisher, place.channel),
            purpose: Purpose::Challenge,
            status: Status::Queued { next_at: now },
            tries: 0,
        })
        .collect()
}

/// The publisher's own number or mailbox for a channel.
pub fn sender(publisher: &Publisher, channel: Channel) -> Option<String> {
    match channel {
        Channel::Sms => publisher.sms_sender.as_ref().map(|it| it.expose().to_owned()),
        Channel::Mail => publisher.mail_sender.clone(),
        Channel::Push => None,
    }
}

// Contacts that were not chosen have budgets of their own, which say nothing here.
fn concerns(found: &Found<'_>, key: &BudgetKey) -> bool {
    match key {
        BudgetKey::Address(_, address) => found.places.iter().any(|it| it.address == *address),
        BudgetKey::Recipient(..) => true,
    }
}

fn expectations(facts: &Facts<'_>, wish: &Wish, found: &Found<'_>) -> Vec<Expect> {
    let mut expects = Vec::with_capacity(6);
    for view in &facts.view.addresses {
        // One that gets nothing since it opted out counts as well: it may opt in meanwhile.
        if found.places.iter().any(|it| it.address == view.address) || view.opt_outs.contains(&wish.origin.publisher) {
            expects.push(Expect::Address(view.address.clone(), view.version));
        }
    }
    if let Some(recipient) = &facts.view.recipient {
        expects.push(Expect::Recipient(recipient.value.key.clone(), recipient.version));
    }
    let budgets = facts.view.budgets.iter().filter(|(key, _)| concerns(found, key));
    expects.extend(budgets.map(|(key, budget)| Expect::Budget(key.clone(), budget.version)));
    if let Some(repeat) = &wish.repeat {
        let (publisher, institution) = (wish.origin.publisher.clone(), wish.institution.clone());
        expects.push(Expect::Unrepeated(publisher, institution, repeat.key.clone()));
    }
    if found.publisher.supersede {
        expects.push(Expect::Slot(wish.slot(), holder(facts)));
    }
    expects
}
