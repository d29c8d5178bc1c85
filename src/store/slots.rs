//! Who holds a slot: the newest open challenge, where several do (decision 16).

use super::key::Route;
use super::wide::Wide;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use std::collections::BTreeSet;

/// Open challenges by their slots.
#[derive(Default)]
pub(crate) struct Slots {
    newest: Wide<Route, (Timestamp, AggregateId)>,
    /// Older ones, where a publisher lets them stand beside each other: mostly none.
    older: BTreeSet<(Route, Timestamp, AggregateId)>,
}

impl Slots {
    /// The newest of a slot.
    pub(crate) fn holder(&self, slot: &Route) -> Option<AggregateId> {
        self.newest.get(slot).map(|it| it.1)
    }

    /// A challenge opened at `at` takes a slot.
    pub(crate) fn insert(&mut self, slot: Route, at: Timestamp, id: AggregateId) {
        let holder = self.newest.entry(slot).or_insert((at, id));
        if *holder != (at, id) {
            let (older, newest) = ((at, id).min(*holder), (at, id).max(*holder));
            *holder = newest;
            self.older.insert((slot, older.0, older.1));
        }
    }

    /// It leaves its slot to the newest of those that are still there.
    pub(crate) fn remove(&mut self, slot: Route, at: Timestamp, id: AggregateId) {
        if self.older.remove(&(slot, at, id)) || self.newest.get(&slot) != Some(&(at, id)) {
            return;
        }
        match self.older.range(..=(slot, at, id)).next_back().copied().filter(|it| it.0 == slot) {
            Some(next) => {
                self.older.remove(&next);
                self.newest.insert(slot, (next.1, next.2));
            }
            None => drop(self.newest.remove(&slot)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_newest_that_is_still_there_holds_its_slot_whatever_the_order() {
        let id = |n| AggregateId(Uuid::from_u128(n));
        let (mine, other) = ([1; 16], [2; 16]);
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [2, 1, 3]] {
            for gone in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [3, 1, 2]] {
                let mut slots = Slots::default();
                slots.insert(other, Timestamp::from_millis(2), id(9));
                for n in order {
                    slots.insert(mine, Timestamp::from_millis(n), id(n as u128));
                    slots.insert(mine, Timestamp::from_millis(n), id(n as u128));
                }
                let mut left = vec![1, 2, 3];
                for n in gone {
                    assert_eq!(slots.holder(&mine), left.last().map(|it| id(*it as u128)), "{order:?} {gone:?}");
                    slots.remove(mine, Timestamp::from_millis(n), id(n as u128));
                    slots.remove(mine, Timestamp::from_millis(n), id(n as u128));
                    left.retain(|it| *it != n);
                }
                assert_eq!((slots.holder(&mine), slots.holder(&other)), (None, Some(id(9))));
            }
        }
    }
}
