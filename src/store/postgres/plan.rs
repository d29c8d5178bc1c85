//! From what a commit wants, and what is there, to what it does. Pure.

use super::desk::{Desk, Gap};
use super::drafts::Drafts;
use super::known::Kept;
use super::ops::{Ops, PutAggregate, Tell};
use super::wish::{Body, Wish};
use crate::domain::id::AggregateId;
use crate::vault::day_of;

/// What `wish` does.
pub(super) fn plan(desk: &Desk<'_>, wish: &Wish) -> Result<Ops, Gap> {
    if wish.contradicts {
        return Err(Gap::Conflict);
    }
    let mut olds = Vec::with_capacity(wish.bodies.len());
    let mut missing = Vec::new();
    for body in &wish.bodies {
        match desk.aggregate(body.id, wish.aggregates.get(&body.id).copied())? {
            Some(old) => olds.push(old),
            None => missing.push(body.id),
        }
    }
    if !missing.is_empty() {
        return Err(Gap::Missing(missing, Vec::new()));
    }
    let mut ops = Ops { duty: wish.duty, ..Ops::default() };
    for (body, old) in wish.bodies.iter().zip(&olds) {
        put_aggregate(desk, wish, body, old.as_ref(), &mut ops);
    }
    let written = |id: &AggregateId| wish.bodies.iter().any(|it| it.id == *id);
    ops.checked_aggregates.extend(wish.aggregates.iter().filter(|it| !written(it.0)).map(|it| (*it.0, *it.1)));
    ops.leases.extend(wish.leases.iter().filter(|it| !written(&it.aggregate)));
    Drafts::new(desk, wish).derive(&olds, &mut ops)?;
    Ok(ops)
}

fn put_aggregate(desk: &Desk<'_>, wish: &Wish, body: &Body, old: Option<&Kept>, ops: &mut Ops) {
    let (facts, live) = (&body.facts, &body.facts.live);
    let before = old.map_or(&[][..], |it| &*it.facts.live.due);
    let fresh: Vec<_> = live.due.iter().filter(|it| !before.contains(it)).map(|it| (it.0, it.1)).collect();
    let gone = before.iter().filter(|it| !live.due.contains(it));
    let told = old.map_or(0, |it| it.events);
    ops.aggregates.push(PutAggregate {
        id: body.id,
        was: old.map_or(0, |it| it.version),
        version: desk.version(old.map_or(0, |it| it.version)),
        sealed: body.sealed.clone(),
        events: body.events,
        also: body.also.clone(),
        timer: live.timer,
        send_at: live.due.iter().map(|it| it.0).min(),
        keep: live.due.iter().any(|it| before.contains(it)),
        take: fresh.iter().any(|it| it.0 <= desk.now),
        fresh,
        waiting: live.due.iter().map(|it| (it.0, it.1)).collect(),
        gone: gone.map(|it| (it.0, it.1)).collect(),
        lease: wish.leases.iter().find(|it| it.aggregate == body.id).copied(),
    });
    if body.events > told {
        let (institution, count) = (facts.institution.clone(), body.events - told);
        ops.told.push(Tell { institution, id: body.id, first: told, count });
    }
    if old.is_none() && facts.challenge {
        ops.opened.push((facts.publisher.clone(), day_of(facts.at)));
    }
}
