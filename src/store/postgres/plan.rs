//! From what a commit wants, and what is there, to what it does. Pure.

use super::drafts::Drafts;
use super::known::{Kept, Known};
use super::ops::{Ops, PutAggregate, Tell};
use super::place::Place;
use super::rec::Rec;
use super::wish::{Body, Wish};
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::form::Form;
use crate::store::row::Opener;
use crate::vault::day_of;
use std::collections::HashMap;
use std::sync::Arc;

/// The bits of a version that tell nodes apart. A record that is removed and made anew could have its old version otherwise, where two
/// nodes began to count at the same moment; whoever read the first would take it for what it read.
pub(super) const NODES: u64 = (1 << 10) - 1;

/// Why there is no plan yet, or none at all.
pub(super) enum Gap {
    /// These must be read first.
    Missing(Vec<AggregateId>, Vec<Place>),
    /// What is expected does not hold.
    Conflict,
    /// A stored value can't be read.
    Unreadable(StoreError),
}

/// What was read for this commit.
#[derive(Default)]
pub(super) struct Read {
    pub(super) aggregates: HashMap<AggregateId, Option<Kept>>,
    pub(super) records: HashMap<Place, Option<Arc<Rec>>>,
}

/// What a plan is made with.
pub(super) struct Desk<'a> {
    pub(super) opener: Opener<'a>,
    /// The form that is written.
    pub(super) form: Form,
    pub(super) known: &'a Known,
    pub(super) read: &'a Read,
    /// Versions that are given are at least this.
    pub(super) stamp: u64,
    pub(super) now: Timestamp,
}

impl Desk<'_> {
    /// What `wish` does.
    pub(super) fn plan(&self, wish: &Wish) -> Result<Ops, Gap> {
        if wish.contradicts {
            return Err(Gap::Conflict);
        }
        let mut olds = Vec::with_capacity(wish.bodies.len());
        let mut missing = Vec::new();
        for body in &wish.bodies {
            match self.aggregate(body.id, wish.aggregates.get(&body.id).copied())? {
                Some(old) => olds.push(old),
                None => missing.push(body.id),
            }
        }
        if !missing.is_empty() {
            return Err(Gap::Missing(missing, Vec::new()));
        }
        let mut ops = Ops { duty: wish.duty, ..Ops::default() };
        for (body, old) in wish.bodies.iter().zip(&olds) {
            self.put_aggregate(wish, body, old.as_ref(), &mut ops);
        }
        let written = |id: &AggregateId| wish.bodies.iter().any(|it| it.id == *id);
        ops.checked_aggregates.extend(wish.aggregates.iter().filter(|it| !written(it.0)).map(|it| (*it.0, *it.1)));
        ops.leases.extend(wish.leases.iter().filter(|it| !written(&it.aggregate)));
        Drafts::new(self, wish).derive(&olds, &mut ops)?;
        Ok(ops)
    }

    // An aggregate as it is; `Ok(None)`: to be read first.
    fn aggregate(&self, id: AggregateId, expected: Option<u64>) -> Result<Option<Option<Kept>>, Gap> {
        if let Some(read) = self.read.aggregates.get(&id) {
            let version = read.as_ref().map_or(0, |it| it.version);
            return if expected.is_none_or(|it| it == version) { Ok(Some(read.clone())) } else { Err(Gap::Conflict) };
        }
        if expected == Some(0) {
            return Ok(Some(None));
        }
        Ok(self.known.aggregate(id).filter(|it| expected.is_none_or(|expected| expected == it.version)).map(Some))
    }

    /// A record as it is; `Ok(None)`: to be read first.
    pub(super) fn record(&self, place: &Place, expected: Option<u64>) -> Result<Option<Option<Arc<Rec>>>, Gap> {
        let version = |it: &Option<Arc<Rec>>| it.as_ref().map_or(0, |it| it.version);
        if let Some(read) = self.read.records.get(place) {
            return if expected.is_none_or(|it| it == version(read)) { Ok(Some(read.clone())) } else { Err(Gap::Conflict) };
        }
        if expected == Some(0) {
            return Ok(Some(None));
        }
        Ok(self.known.record(place).filter(|it| expected.is_none_or(|expected| expected == version(it))))
    }

    fn put_aggregate(&self, wish: &Wish, body: &Body, old: Option<&Kept>, ops: &mut Ops) {
        let (facts, live) = (&body.facts, &body.facts.live);
        let before = old.map_or(&[][..], |it| &*it.facts.live.due);
        let fresh: Vec<_> = live.due.iter().filter(|it| !before.contains(it)).map(|it| (it.0, it.1)).collect();
        let gone = before.iter().filter(|it| !live.due.contains(it));
        let told = old.map_or(0, |it| it.events);
        ops.aggregates.push(PutAggregate {
            id: body.id,
            was: old.map_or(0, |it| it.version),
            version: self.version(old.map_or(0, |it| it.version)),
            sealed: body.sealed.clone(),
            events: body.events,
            also: body.also.clone(),
            timer: live.timer,
            send_at: live.due.iter().map(|it| it.0).min(),
            keep: live.due.iter().any(|it| before.contains(it)),
            take: fresh.iter().any(|it| it.0 <= self.now),
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

    /// A version that no other node gives: its last bits are this node's.
    pub(super) fn version(&self, was: u64) -> u64 {
        if self.stamp > was { self.stamp } else { (was | NODES) + 1 + (self.stamp & NODES) }
    }
}
