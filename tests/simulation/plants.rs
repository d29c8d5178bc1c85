//! Planted faults: what each does to a decision or to the store, as a wrapper between the engine and the store. The product has none
//! of this. A fault's memory is lost with the process, as a real one's would be.
#![allow(clippy::ptr_arg, reason = "a fault may add and remove, so all of them get the whole list")]

use crate::mutant::{Memory, Mutant, Plant, planted};
use crate::slips;
use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::Budget;
use countersign::domain::challenge::{Challenge, State};
use countersign::domain::delivery::{Purpose, Status};
use countersign::domain::event::{Act, Event};
use countersign::domain::id::{DeliveryId, EventId};
use countersign::domain::snapshot::{Expect, Query, View, Write};
use countersign::domain::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3_600);

/// A name, and the fault.
pub const PLANTS: &[(&str, Plant)] = &[
    ("attempts are not counted", |it| planted(it, Mutant { commit: |_, w, _| open(w, |it| it.attempts = 0), ..Mutant::NONE })),
    ("attempts are counted per code", |it| planted(it, Mutant { commit: per_code, ..Mutant::NONE })),
    ("what has expired is still accepted", |it| planted(it, Mutant { view: later, commit: sooner })),
    ("the outcome's event is forgotten", |it| planted(it, Mutant { commit: |_, w, _| ended(w, forget_outcome), ..Mutant::NONE })),
    ("the outcome's event is told twice", |it| planted(it, Mutant { commit: |_, w, _| ended(w, double_outcome), ..Mutant::NONE })),
    ("a OneWay session's end is told", |it| planted(it, Mutant { commit: |_, w, _| ended(w, tell_one_way), ..Mutant::NONE })),
    ("a superseded session's message goes out", |it| planted(it, Mutant { commit: |_, w, _| ended(w, send_superseded), ..Mutant::NONE })),
    ("nothing is superseded", |it| planted(it, Mutant { view: |_, _, v| v.holder = None, commit: no_slot })),
    ("STOP counts as a wrong answer", |it| planted(it, Mutant { commit: stop_is_wrong, ..Mutant::NONE })),
    ("STOP does not opt out", |it| {
        planted(it, Mutant { commit: |_, w, _| w.retain(|it| !matches!(it, Write::OptOut(..))), ..Mutant::NONE })
    }),
    ("failures are not kept", |it| {
        planted(it, Mutant { commit: |_, w, _| w.retain(|it| !matches!(it, Write::Budget(..))), ..Mutant::NONE })
    }),
    ("a success forgets the day's failures", |it| planted(it, Mutant { commit: forget_day, ..Mutant::NONE })),
    ("the failure budget does not block", |it| planted(it, Mutant { view: unblocked, ..Mutant::NONE })),
    ("a repeated request opens again", |it| planted(it, Mutant { view: |_, _, v| v.prior = None, commit: no_repeat })),
    ("an ended session's code is given again", |it| planted(it, Mutant { view: keep_material, commit: keep_code })),
    ("who opted out gets messages", |it| {
        planted(it, Mutant { view: |_, q, v| at_opening(q, v, |it| it.opt_outs.clear()), ..Mutant::NONE })
    }),
    ("open sessions are not limited", |it| {
        planted(it, Mutant { view: |_, q, v| at_opening(q, v, |it| it.open.truncate(1)), ..Mutant::NONE })
    }),
    ("messages are not limited", |it| planted(it, Mutant { view: |_, q, v| at_opening(q, v, |it| it.sends.clear()), ..Mutant::NONE })),
    ("a message sent again has a new id", |it| planted(it, Mutant { commit: |_, w, _| open(w, new_ids), ..Mutant::NONE })),
    ("a reply posted twice counts twice", |it| planted(it, Mutant { view: |_, _, v| v.seen = None, commit: unmarked })),
    ("a reply to another's number counts", |it| planted(it, Mutant { view: any_number, commit: own_number })),
    ("a match settles every session", |it| planted(it, Mutant { view: remember_open, commit: settle_all })),
    ("de-duplication is only in memory", |it| planted(it, Mutant { view: remembered_only, commit: remember_repeat })),
    ("a feed number is given before the commit", slips::early),
    ("what was expected is checked, and then written", slips::check_then_write),
    ("what is not durable yet is answered", slips::answered_early),
];

/// The fault of this name.
#[allow(dead_code, reason = "the races ask for some by name")]
pub fn named(name: &str) -> Plant {
    PLANTS.iter().find(|it| it.0 == name).map(|it| it.1).expect("a planted fault has this name")
}

fn challenges(writes: &mut [Write], mut change: impl FnMut(&mut Challenge)) {
    for write in writes {
        if let Write::Aggregate(Aggregate::Challenge(it)) = write {
            change(it);
        }
    }
}

fn open(writes: &mut [Write], change: impl Fn(&mut Challenge)) {
    challenges(writes, |it| {
        if it.state == State::Open {
            change(it);
        }
    });
}

fn ended(writes: &mut [Write], change: impl Fn(&mut Challenge, Act)) {
    challenges(writes, |it| {
        if let State::Ended { outcome, .. } = it.state {
            change(it, outcome);
        }
    });
}

fn at_opening(query: &Query, view: &mut View, change: impl Fn(&mut countersign::domain::snapshot::AddressView)) {
    if matches!(query, Query::Open { .. }) {
        view.addresses.iter_mut().for_each(change);
    }
}

// A new code, and all that was typed before it is forgotten.
fn per_code(_: &mut Memory, writes: &mut Vec<Write>, expects: &mut Vec<Expect>) {
    let opens = expects.iter().any(|it| matches!(it, Expect::Slot(..) | Expect::Unrepeated(..)));
    let counted = expects.iter().filter_map(|it| match it {
        Expect::Budget(key, version) if opens && *version > 0 => Some(Write::Budget(key.clone(), Budget::default())),
        _ => None,
    });
    writes.extend(counted.collect::<Vec<_>>());
}

fn later(memory: &mut Memory, query: &Query, view: &mut View) {
    if matches!(query, Query::Reply { .. }) {
        for it in view.addresses.iter_mut().flat_map(|it| &mut it.open) {
            memory.expiries.insert(it.value.id, it.value.expires_at);
            it.value.expires_at = it.value.expires_at.plus(HOUR);
        }
    }
}

fn sooner(memory: &mut Memory, writes: &mut Vec<Write>, _: &mut Vec<Expect>) {
    challenges(writes, |it| it.expires_at = memory.expiries.get(&it.id).copied().unwrap_or(it.expires_at));
}

fn forget_outcome(it: &mut Challenge, outcome: Act) {
    it.events.retain(|it| it.act != outcome);
}

fn double_outcome(it: &mut Challenge, outcome: Act) {
    let again = it.events.iter().find(|it| it.act == outcome).cloned();
    it.events.extend(again.map(|event| Event { id: EventId(Uuid::from_u128(event.id.0.as_u128() ^ 1)), ..event }));
}

fn tell_one_way(it: &mut Challenge, outcome: Act) {
    if let (false, Some(first)) = (it.events.iter().any(|it| it.act == outcome), it.events.first().cloned()) {
        it.events.push(Event { id: EventId(Uuid::from_u128(first.id.0.as_u128() ^ 1)), act: outcome, ..first });
    }
}

fn send_superseded(it: &mut Challenge, outcome: Act) {
    for delivery in it.deliveries.iter_mut().filter(|_| outcome == Act::Superseded) {
        if let Status::Cancelled { at } = delivery.status {
            delivery.status = Status::Queued { next_at: at };
        }
    }
}

fn no_slot(_: &mut Memory, _: &mut Vec<Write>, expects: &mut Vec<Expect>) {
    expects.retain(|it| !matches!(it, Expect::Slot(..)));
}

fn stop_is_wrong(_: &mut Memory, writes: &mut Vec<Write>, _: &mut Vec<Expect>) {
    let stops = |it: &Write| matches!(it, Write::Aggregate(Aggregate::Inbound(it)) if it.verdict == Verdict::Stopped);
    if writes.iter().any(stops) {
        challenges(writes, |it| it.attempts += 1);
    }
}

fn forget_day(_: &mut Memory, writes: &mut Vec<Write>, _: &mut Vec<Expect>) {
    for write in writes {
        if let Write::Budget(_, budget) = write
            && budget.consecutive == 0
        {
            budget.recent.clear();
        }
    }
}

fn unblocked(_: &mut Memory, query: &Query, view: &mut View) {
    if matches!(query, Query::Open { .. }) {
        view.budgets.clear();
    }
}

fn no_repeat(_: &mut Memory, _: &mut Vec<Write>, expects: &mut Vec<Expect>) {
    expects.retain(|it| !matches!(it, Expect::Unrepeated(..)));
}

fn keep_material(memory: &mut Memory, _: &Query, view: &mut View) {
    let open = view.addresses.iter().flat_map(|it| &it.open).map(|it| &it.value);
    let one = view.one.iter().filter_map(|it| it.value.challenge());
    for it in open.chain(one).chain(view.holder.iter().map(|it| &it.value)) {
        memory.materials.extend(it.material.clone().map(|material| (it.id, material)));
    }
}

fn keep_code(memory: &mut Memory, writes: &mut Vec<Write>, _: &mut Vec<Expect>) {
    challenges(writes, |it| it.material = it.material.take().or(memory.materials.get(&it.id).cloned()));
}

fn new_ids(it: &mut Challenge) {
    for delivery in it.deliveries.iter_mut().filter(|it| it.tries > 0 && it.purpose == Purpose::Challenge && it.status.due().is_some()) {
        delivery.id = DeliveryId(Uuid::from_u128(delivery.id.0.as_u128() ^ (1 << delivery.tries)));
    }
}

fn unmarked(_: &mut Memory, _: &mut Vec<Write>, expects: &mut Vec<Expect>) {
    expects.retain(|it| !matches!(it, Expect::Unseen(_)));
}

fn any_number(memory: &mut Memory, query: &Query, view: &mut View) {
    if matches!(query, Query::Reply { .. }) {
        for it in view.addresses.iter_mut().flat_map(|it| &mut it.open) {
            for delivery in &mut it.value.deliveries {
                memory.senders.insert(delivery.id, delivery.sender.take());
            }
        }
    }
}

fn own_number(memory: &mut Memory, writes: &mut Vec<Write>, _: &mut Vec<Expect>) {
    challenges(writes, |it| {
        for delivery in &mut it.deliveries {
            delivery.sender = memory.senders.get(&delivery.id).cloned().unwrap_or(delivery.sender.take());
        }
    });
}

fn remember_open(memory: &mut Memory, query: &Query, view: &mut View) {
    if matches!(query, Query::Reply { .. }) {
        memory.open = view.addresses.iter().flat_map(|it| &it.open).map(|it| it.value.clone()).collect();
    }
}

fn settle_all(memory: &mut Memory, writes: &mut Vec<Write>, _: &mut Vec<Expect>) {
    let verified = writes.iter().find_map(|it| match it {
        Write::Aggregate(Aggregate::Challenge(it)) => match it.state {
            State::Ended { outcome: Act::Verified, at } => Some((it.id, at, it.events.last().cloned())),
            _ => None,
        },
        _ => None,
    });
    let Some((first, at, Some(event))) = verified else { return };
    for mut other in memory.open.drain(..).filter(|it| it.id != first && it.awaits_reply()) {
        end_too(&mut other, at, &event);
        writes.push(Write::Aggregate(Aggregate::Challenge(Box::new(other))));
    }
}

fn end_too(it: &mut Challenge, at: Timestamp, event: &Event) {
    it.state = State::Ended { outcome: Act::Verified, at };
    it.material = None;
    it.events.push(Event { id: EventId(Uuid::from_u128(it.id.0.as_u128() ^ 7)), ..event.clone() });
}

fn remembered_only(memory: &mut Memory, query: &Query, view: &mut View) {
    if let Query::Open { repeat: Some(key), .. } = query
        && !memory.repeats.contains(key)
    {
        view.prior = None;
    }
}

fn remember_repeat(memory: &mut Memory, _: &mut Vec<Write>, expects: &mut Vec<Expect>) {
    expects.retain(|it| match it {
        Expect::Unrepeated(_, _, key) => {
            memory.repeats.insert(key.clone());
            false
        }
        _ => true,
    });
}
