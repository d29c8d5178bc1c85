//! What this node read or wrote of late, so that a commit need not read again what its decision was made of. Never trusted: every
//! write is bound to the version it was derived from, and what is missing here is read.

use super::ops::Ops;
use super::place::Place;
use super::rec::Rec;
use crate::domain::id::AggregateId;
use crate::store::facts::Facts;
use crate::store::keyed::Keyed;
use parking_lot::Mutex;
use std::hash::Hash;
use std::mem;
use std::sync::Arc;

/// Entries of a generation: two thousand requests at once, and some more.
const PLACES: usize = 8192;

/// What is known of a stored aggregate.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) version: u64,
    pub(super) facts: Arc<Facts>,
    /// How many of its events have numbers.
    pub(super) events: usize,
}

/// The two generations of what is known. Bounded: a full one becomes the old one, and what was old is forgotten.
#[derive(Default)]
pub(super) struct Known {
    aggregates: Mutex<Generations<AggregateId, Kept>>,
    records: Mutex<Generations<Place, Option<Arc<Rec>>>>,
}

impl Known {
    pub(super) fn aggregate(&self, id: AggregateId) -> Option<Kept> {
        self.aggregates.lock().get(&id).cloned()
    }

    /// A record, or that there is none; `None`: not known.
    pub(super) fn record(&self, place: &Place) -> Option<Option<Arc<Rec>>> {
        self.records.lock().get(place).cloned()
    }

    /// Whether something that a commit relies on is newer already. What is not known here says nothing.
    pub(super) fn outdates(&self, ops: &Ops) -> bool {
        let aggregates = ops.aggregates.iter().map(|it| (it.id, it.was)).chain(ops.checked_aggregates.iter().copied());
        let records = ops.records.iter().map(|it| (it.place, it.was)).chain(ops.removed.iter().chain(&ops.checked).copied());
        let newer = |it: (AggregateId, u64)| self.aggregate(it.0).is_some_and(|known| known.version > it.1);
        let replaced = |it: (Place, u64)| self.record(&it.0).flatten().is_some_and(|known| known.version > it.1);
        aggregates.into_iter().any(newer) || records.into_iter().any(replaced)
    }

    pub(super) fn learn(&self, id: AggregateId, kept: Kept) {
        self.aggregates.lock().put(id, kept);
    }

    pub(super) fn note(&self, place: Place, rec: Option<Arc<Rec>>) {
        self.records.lock().put(place, rec);
    }
}

struct Generations<K, V> {
    young: Keyed<K, V>,
    old: Keyed<K, V>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { young: Keyed::default(), old: Keyed::default() }
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= PLACES {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}
