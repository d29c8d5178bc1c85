//! What this node read or wrote of late, so that a commit need not read again what its decision was made of. Never trusted: every
//! write is bound to the version it was derived from, and what is missing here is read.
//!
//! A read that was under way while something was learned may have seen what was there before: it does not stand against that.

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
use std::sync::atomic::{AtomicU64, Ordering};

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
    turns: AtomicU64,
}

/// A moment in the order in which things were learned. What is written is known as of a turn that is taken when it is durable, what is read as
/// of one that is taken before the database is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Turn(u64);

impl Known {
    /// A moment of its own, after all that were taken before.
    pub(super) fn turn(&self) -> Turn {
        Turn(self.turns.fetch_add(1, Ordering::SeqCst))
    }

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

    pub(super) fn learn(&self, id: AggregateId, kept: Kept, as_of: Turn) {
        self.aggregates.lock().put(id, kept, as_of);
    }

    pub(super) fn note(&self, place: Place, rec: Option<Arc<Rec>>, as_of: Turn) {
        self.records.lock().put(place, rec, as_of);
    }
}

struct Generations<K, V> {
    young: Keyed<K, (Turn, V)>,
    old: Keyed<K, (Turn, V)>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { young: Keyed::default(), old: Keyed::default() }
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.entry(key).map(|it| &it.1)
    }

    fn entry(&self, key: &K) -> Option<&(Turn, V)> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn put(&mut self, key: K, value: V, as_of: Turn) {
        if self.entry(&key).is_some_and(|it| it.0 > as_of) {
            return;
        }
        if self.young.len() >= PLACES {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, (as_of, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What is learned in turn, and what is known then.
    fn check(learned: &[(Turn, u8)], expected: u8) {
        let mut known = Generations::default();
        learned.iter().for_each(|(as_of, value)| known.put((), *value, *as_of));
        assert_eq!(known.get(&()), Some(&expected));
    }

    #[test]
    fn a_read_does_not_stand_against_what_was_written_meanwhile() {
        let known = Known::default();
        let [asked, written, asked_later] = [(); 3].map(|()| known.turn());
        check(&[(asked, 1)], 1);
        check(&[(written, 2), (asked, 1)], 2);
        check(&[(written, 2), (asked_later, 3)], 3);
        check(&[(asked, 1), (written, 2), (asked, 1)], 2);
    }
}
