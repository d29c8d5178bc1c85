//! Deliveries that wait to be handed over, in the order they are due, and who works on which (decision 8). Leases live in
//! memory only: they are void after a restart.

use super::keyed::Keyed;
use crate::domain::id::{AggregateId, DeliveryId};
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What waits, and what is leased.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: BTreeMap<(Timestamp, DeliveryId), AggregateId>,
    leased: Keyed<DeliveryId, Held>,
    ends: BTreeSet<(Timestamp, DeliveryId)>,
    /// How many leases were given.
    fence: u64,
}

/// A delivery that somebody works on.
#[derive(Clone, Copy)]
struct Held {
    fence: u64,
    until: Timestamp,
    due: Timestamp,
    aggregate: AggregateId,
}

impl Outbox {
    /// Whether [`Outbox::lease`] would hand out any.
    pub(crate) fn has_due(&self, now: Timestamp) -> bool {
        let waiting = self.waiting.first_key_value().is_some_and(|(it, _)| it.0 <= now);
        waiting || self.ends.first().is_some_and(|it| it.0 <= now)
    }

    /// Hands out at most `max` that are due at `now`, soonest first, each for `span`. Leases that ended are handed out again.
    pub(crate) fn lease(&mut self, now: Timestamp, span: Duration, max: usize) -> Vec<Lease> {
        while let Some(&(until, id)) = self.ends.first().filter(|it| it.0 <= now) {
            self.ends.remove(&(until, id));
            if let Some(held) = self.leased.remove(&id) {
                self.waiting.insert((held.due, id), held.aggregate);
            }
        }
        let last = DeliveryId(uuid::Uuid::max());
        let due: Vec<_> = self.waiting.range(..=(now, last)).take(max).map(|(key, of)| (key.0, key.1, *of)).collect();
        let until = now.plus(span);
        let hand_out = |(at, delivery, aggregate)| {
            self.fence += 1;
            self.waiting.remove(&(at, delivery));
            self.leased.insert(delivery, Held { fence: self.fence, until, due: at, aggregate });
            self.ends.insert((until, delivery));
            Lease { aggregate, delivery, fence: self.fence, until }
        };
        due.into_iter().map(hand_out).collect()
    }

    /// Whether somebody has a delivery under another lease than this one.
    pub(crate) fn is_anothers(&self, id: DeliveryId, fence: u64) -> bool {
        self.leased.get(&id).is_some_and(|it| it.fence != fence)
    }

    /// A delivery waits from `at` on. One that is leased stays so.
    pub(crate) fn insert(&mut self, at: Timestamp, id: DeliveryId, of: AggregateId) {
        if !self.leased.contains_key(&id) {
            self.waiting.insert((at, id), of);
        }
    }

    /// A delivery no longer waits, and its lease ends.
    pub(crate) fn remove(&mut self, at: Timestamp, id: DeliveryId) {
        match self.leased.remove(&id) {
            Some(held) => drop(self.ends.remove(&(held.until, id))),
            None => drop(self.waiting.remove(&(at, id))),
        }
    }

    /// How many there are, leased or not.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.leased.len()
    }

    /// How many are leased.
    pub(crate) fn leased(&self) -> usize {
        self.leased.len()
    }

    /// When the one that waits longest became due, or will.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let waiting = self.waiting.keys().next().map(|it| it.0);
        self.leased.values().map(|it| it.due).chain(waiting).min()
    }
}
