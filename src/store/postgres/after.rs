//! What a commit leaves on its node: what is known, and the deliveries that are to be handed out here.

use super::known::Kept;
use super::ops::{self, Ops};
use super::place::Place;
use super::rec::Rec;
use super::shared::{Doubt, Shared};
use super::wish::{self, Wish};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, DeliveryId};
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use std::sync::Arc;

/// Aggregates that were there before and whose deliveries are this node's now.
pub(super) struct Taken {
    /// Which, the fence of its lease, and until when that lasts.
    pub(super) mine: Vec<(AggregateId, u64, Timestamp)>,
    /// Until when those last that were taken now.
    pub(super) until: Timestamp,
}

/// An aggregate that a commit leaves.
struct Written {
    id: AggregateId,
    plain: Option<Arc<Aggregate>>,
    /// Bytes of it, sealed.
    size: usize,
    kept: Kept,
    /// This node takes what waits, if nobody has it.
    take: bool,
    /// Deliveries that wait otherwise than before.
    fresh: Vec<(Timestamp, DeliveryId)>,
    /// All that wait.
    waiting: Vec<(Timestamp, DeliveryId)>,
    /// Deliveries that are no longer to be handed out as they were.
    gone: Vec<(Timestamp, DeliveryId)>,
    /// It was not there before: then its lease is the first.
    new: bool,
}

/// What a commit leaves, to be remembered when it is durable.
pub(super) struct After {
    aggregates: Vec<Written>,
    records: Vec<(Place, Option<Arc<Rec>>)>,
    checked: Vec<Place>,
}

impl After {
    pub(super) fn of(wish: &Wish, ops: &Ops) -> Self {
        let aggregate = |(put, body): (&ops::PutAggregate, &wish::Body)| {
            let kept = Kept { version: put.version, facts: body.facts.clone(), events: put.events };
            let (fresh, waiting, gone) = (put.fresh.clone(), put.waiting.clone(), put.gone.clone());
            Written {
                id: put.id,
                plain: body.plain.clone(),
                size: put.sealed.bytes.len(),
                kept,
                take: put.take,
                fresh,
                waiting,
                gone,
                new: put.was == 0,
            }
        };
        let put = ops.records.iter().map(|it| {
            let rec = Rec { version: it.version, day: it.sealed.day, holds: it.holds.clone(), value: it.sealed.bytes.clone() };
            (it.place, Some(Arc::new(rec)))
        });
        Self {
            aggregates: ops.aggregates.iter().zip(&wish.bodies).map(aggregate).collect(),
            records: put.chain(ops.removed.iter().map(|it| (it.0, None))).collect(),
            checked: ops.checked.iter().map(|it| it.0).collect(),
        }
    }

    pub(super) fn places(&self) -> Vec<Place> {
        self.records.iter().map(|it| it.0).chain(self.checked.iter().copied()).collect()
    }

    /// Whether it happened is not known. If it did, its deliveries are this node's.
    pub(super) fn doubt(self, shared: &Shared) {
        let until = shared.now().plus(shared.options.lease);
        let new = self.aggregates.into_iter().filter(|it| it.new && it.take);
        shared.doubts.lock().extend(new.map(|it| Doubt { id: it.id, version: it.kept.version, take: it.waiting, until }));
    }

    /// What this node knows from now on; and the deliveries that are its own: of an aggregate that it has, all that wait.
    pub(super) fn remember(self, shared: &Shared, taken: &Taken) {
        let written = shared.known.turn();
        let mine = self.aggregates.iter().filter(|it| it.take);
        shared.recent.put(mine.filter_map(|it| Some((it.kept.version, it.plain.clone()?, it.size))));
        for it in self.aggregates {
            shared.known.learn(it.id, it.kept, written);
            it.gone.into_iter().for_each(|(due, delivery)| shared.leases.remove(due, delivery));
            let held = match it.new {
                true => it.take.then_some((1, taken.until)),
                false => taken.mine.iter().find(|mine| mine.0 == it.id).map(|mine| (mine.1, mine.2)),
            };
            let Some((fence, until)) = held else { continue };
            // Those that it had before are here already, or under way.
            let anew = it.new || until == taken.until;
            for (due, delivery) in if anew { it.waiting } else { it.fresh } {
                shared.leases.put(due, Lease { aggregate: it.id, delivery, fence, until });
            }
        }
        self.records.into_iter().for_each(|(place, rec)| shared.known.note(place, rec, written));
    }
}
