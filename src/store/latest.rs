//! What was committed last, as it was before it was sealed: for the feed, whose readers come moments after a commit and would open
//! again what had been at hand.
//!
//! It is bounded: at most [`MOST`] with [`MOST_BYTES`], and none for longer than two rounds of a keeper, where there is one. Only the feed
//! reads it, and on PostgreSQL whoever hands over what was committed a moment ago; what else a decision needs is opened from what is
//! durable.

use super::keyed::Keyed;
use crate::domain::id::AggregateId;
use std::collections::VecDeque;

/// As many as are committed between two rounds of a pusher under load, and some more.
const MOST: usize = 2_048;
/// Bytes of them, sealed: those of 2,048 usual ones several times over.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The latest aggregates, each in its newest version, with what is to be known of it.
pub(crate) struct Latest<T> {
    known: Keyed<AggregateId, (u64, T)>,
    /// In order, each with its size; what was put again or removed since stands here, too.
    order: VecDeque<(u64, AggregateId, usize)>,
    /// What these sizes come to.
    bytes: usize,
    count: u64,
    /// How many there were at the last round.
    aged: u64,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { known: Keyed::default(), order: VecDeque::new(), bytes: 0, count: 0, aged: 0 }
    }
}

impl<T> Latest<T> {
    /// An aggregate, if it is one of the latest.
    pub(crate) fn get(&self, id: &AggregateId) -> Option<&T> {
        self.known.get(id).map(|it| &it.1)
    }

    /// An aggregate was committed so, in this many bytes. What it was and the oldest go into `gone`.
    pub(crate) fn put(&mut self, id: AggregateId, it: T, size: usize, gone: &mut Vec<T>) {
        self.count += 1;
        gone.extend(self.known.insert(id, (self.count, it)).map(|it| it.1));
        self.order.push_back((self.count, id, size));
        self.bytes += size;
        while self.order.len() > MOST || self.bytes > MOST_BYTES {
            gone.extend(self.pop());
        }
    }

    /// It is none any more.
    pub(crate) fn remove(&mut self, id: &AggregateId) {
        self.known.remove(id);
    }

    /// Gives back all that was there when this was called last: whoever holds a lock drops it afterwards.
    #[must_use]
    pub(crate) fn age(&mut self) -> Vec<T> {
        let mut old = Vec::new();
        while self.order.front().is_some_and(|it| it.0 <= self.aged) {
            old.extend(self.pop());
        }
        self.aged = self.count;
        old
    }

    fn pop(&mut self) -> Option<T> {
        let (count, id, size) = self.order.pop_front()?;
        self.bytes -= size;
        if self.known.get(&id)?.0 != count {
            return None;
        }
        self.known.remove(&id).map(|it| it.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(nth: usize) -> AggregateId {
        AggregateId(Uuid::from_u128(nth as u128))
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_two_rounds_have_passed() {
        let (mut latest, mut gone) = (Latest::default(), Vec::new());
        let mut put = |latest: &mut Latest<i64>, nth, at, size| latest.put(id(nth), at, size, &mut gone);
        (0..MOST + 2).for_each(|nth| put(&mut latest, nth, 0, 1));
        put(&mut latest, 2, 1, 1);
        let there = |latest: &Latest<i64>| (0..MOST + 2).filter(|nth| latest.get(&id(*nth)).is_some()).collect::<Vec<_>>();
        assert_eq!(there(&latest), (2..MOST + 2).collect::<Vec<_>>(), "what was put again is not gone with its older form");
        assert_eq!(latest.get(&id(2)), Some(&1));
        latest.remove(&id(2));
        assert!(latest.age().is_empty());
        assert_eq!(there(&latest).len(), MOST - 1);
        put(&mut latest, 0, 2, MOST_BYTES - MOST);
        assert_eq!(latest.age().len(), MOST - 2);
        assert_eq!(there(&latest), [0]);
        put(&mut latest, 1, 3, MOST);
        put(&mut latest, 3, 3, 1);
        assert_eq!(there(&latest), [1, 3], "too many bytes");
        assert!(latest.age().is_empty());
        assert_eq!(latest.age().len(), 2);
        assert!(latest.order.is_empty() && latest.known.is_empty() && latest.bytes == 0);
    }
}
