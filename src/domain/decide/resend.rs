//! Sending a challenge's message again, with the same code or a new one (contract `dialog-flow.md`).

use super::Facts;
use super::call::{rule, seen};
use super::challenge::sender;
use super::session::record;
use super::verify::{fresh, of_code};
use super::{limits, opening};
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::{Answer, Verdict};
use crate::domain::challenge::{CODES_A_SESSION, Challenge, Check, Seen, State, Verifier};
use crate::domain::code::Secret;
use crate::domain::delivery::{Purpose, Status};
use crate::domain::direct::Direct;
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::material;
use crate::domain::publisher::Publisher;
use crate::domain::request::{Policy, Resend};
use crate::domain::snapshot::{Decision, Expect, Write};
use crate::domain::summary::Summary;
use crate::domain::time::Timestamp;
use crate::domain::told::{Refusal, Resent};

/// Queues another message, or says why not. The session stays the same: its time, its attempts, its one outcome.
pub fn resend(facts: &Facts<'_>, wish: &Resend, draw: &mut Draw) -> Decision {
    let told = |resent| Decision::only(Answer::Resent(resent));
    if facts.view.seen.is_some() {
        return told(Resent::Repeated);
    }
    let Some(one) = &facts.view.one else { return told(Resent::Unknown) };
    let found = one.value.challenge().filter(|it| it.publisher == wish.publisher);
    let direct = found.and_then(|it| Some((it, it.level.direct()?, facts.registry.publishers.get(&it.publisher)?)));
    let Some((challenge, direct, publisher)) = direct else { return told(Resent::Unknown) };
    let refused = over(challenge, wish).or_else(|| refusal(facts, (challenge, direct), publisher, draw.now));
    if let Some(no) = refused.or_else(|| often(challenge, wish, draw.now)) {
        return told(no);
    }
    let mut challenge = challenge.clone();
    let code = match wish.policy {
        Policy::SameCode => None,
        policy => match renewed(facts, &mut challenge, policy, draw) {
            Some(code) => Some(code),
            None => return told(Resent::TooMany),
        },
    };
    queue(&mut challenge, publisher, draw);
    if let Some(key) = &wish.key {
        seen(&mut challenge, Seen { provider_id: key.clone(), at: wish.received_at, verdict: Verdict::Unread });
    }
    let mut expects = vec![Expect::Aggregate(challenge.id, one.version)];
    expects.extend(wish.key.clone().map(Expect::Unseen));
    expects.extend(facts.view.addresses.iter().map(|it| Expect::Address(it.address.clone(), it.version)));
    expects.extend(facts.view.budgets.iter().map(|(key, budget)| Expect::Budget(key.clone(), budget.version)));
    let summary = Box::new(Summary::of(&challenge, draw.now));
    let writes = vec![Write::Aggregate(Aggregate::Challenge(Box::new(challenge)))];
    Decision { answer: Answer::Resent(Resent::Sent { summary, code }), writes, expects }
}

fn over(challenge: &Challenge, wish: &Resend) -> Option<Resent> {
    match challenge.state {
        State::Open if wish.received_at < challenge.expires_at => None,
        State::Open => Some(Resent::Ended { outcome: Act::Expired }),
        State::Ended { outcome, .. } => Some(Resent::Ended { outcome }),
    }
}

// What would refuse a new challenge for the same, too.
fn refusal(facts: &Facts<'_>, (challenge, direct): (&Challenge, &Direct), publisher: &Publisher, now: Timestamp) -> Option<Resent> {
    let rule = rule(facts, challenge);
    let mut of_failures = facts.view.budgets.iter().filter_map(|(_, it)| limits::of_failures(&it.value, rule, now));
    let view = facts.view.addresses.iter().find(|it| it.address == direct.address);
    let opted_out = view.is_some_and(|it| it.opt_outs.contains(&publisher.id)).then_some(Refusal::OptedOut);
    let of_messages = || view.and_then(|it| limits::of_messages(it, 1, &publisher.limits, now));
    let limit = of_failures.next().or_else(of_messages).or(facts.view.quota).map(Refusal::Limit);
    opted_out.or(limit).map(Resent::Refused)
}

// Its own limits: a pause between two messages, and an end.
fn often(challenge: &Challenge, wish: &Resend, now: Timestamp) -> Option<Resent> {
    let messages = challenge.deliveries.iter().filter(|it| it.purpose == Purpose::Challenge).count();
    if messages > usize::from(wish.pace.most) {
        return Some(Resent::TooMany);
    }
    let queued = challenge.events.iter().filter(|it| it.act == Act::MsgAccepted).map(|it| it.at).max();
    let until = queued.unwrap_or(challenge.opened_at).plus(wish.pace.gap);
    (now < until).then_some(Resent::TooSoon { until })
}

// A new code of the same shape, in place of the older ones or beside them. `None`: there can't be one more.
fn renewed(facts: &Facts<'_>, challenge: &mut Challenge, policy: Policy, draw: &Draw) -> Option<Secret> {
    let (old, material) = (challenge.verifier.as_ref()?, facts.view.material.as_ref()?);
    let shape = old.code_shape()?;
    let code = fresh(facts, &draw.chosen);
    let new = of_code(facts.keyring, challenge.id, shape, &code);
    let new = if policy == Policy::AnyOfSession { beside(old, new)? } else { new };
    let plain = material::write([Some(&code), None, material.text.as_ref()], &material.parameters);
    challenge.material = Some(facts.keyring.seal(challenge.id, draw.nonce, &plain));
    challenge.verifier = Some(new);
    Some(code)
}

fn beside(old: &Verifier, new: Verifier) -> Option<Verifier> {
    let Check::Value { tag, fold } = new.check else { return None };
    let mut tags = match &old.check {
        Check::Value { tag, .. } => vec![*tag],
        Check::Any { tags, .. } => tags.clone(),
        Check::Hashed { .. } => return None,
    };
    tags.push(tag);
    (tags.len() <= CODES_A_SESSION).then_some(Verifier { shape: new.shape, check: Check::Any { tags, fold } })
}

// A message that still waits would say the same: the new one goes in its place.
fn queue(challenge: &mut Challenge, publisher: &Publisher, draw: &mut Draw) {
    for waiting in challenge.deliveries.iter_mut().filter(|it| it.purpose == Purpose::Challenge && it.status.due().is_some()) {
        waiting.status = Status::Cancelled { at: draw.now };
    }
    let Some(direct) = challenge.level.direct() else { return };
    let delivery = opening::message(direct, sender(publisher, direct.channel), draw);
    let id = delivery.id;
    challenge.deliveries.push(delivery);
    record(challenge, Act::MsgAccepted, "The message is accepted for sending again.", Some(id), draw);
}
