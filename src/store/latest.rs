//! What was committed last, as it was before it was sealed: for the feed, whose readers come moments after a commit and would open
//! again what had been at hand.
//!
//! It is bounded: at most [`MOST`] with [`MOST_BYTES`], and none for longer than two rounds of a keeper, where there is one. Only the feed
//! reads it; what a decision needs is opened from what is durable.

use super::keyed::Keyed;
use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use std::collections::VecDeque;
use std::sync::Arc;

/// As many as are committed between two rounds of a pusher under load, and some more.
const MOST: usize = 2_048;
/// Bytes of them, sealed: those of 2,048 usual ones several times over.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The latest aggregates, each in its newest version.
#[derive(Default)]
pub(crate) struct Latest {
    known: Keyed<AggregateId, (u64, Arc<Aggregate>)>,
    /// In order, each with its size; what was put again or removed since stands here, too.
    order: VecDeque<(u64, AggregateId, usize)>,
    /// What these sizes come to.
    bytes: usize,
    count: u64,
    /// How many there were at the last round.
    aged: u64,
}

impl Latest {
    /// An aggregate, if it is one of the latest.
    pub(crate) fn get(&self, id: &AggregateId) -> Option<&Arc<Aggregate>> {
        self.known.get(id).map(|it| &it.1)
    }

    /// An aggregate was committed so, in this many bytes. The oldest go.
    pub(crate) fn put(&mut self, id: AggregateId, it: Arc<Aggregate>, size: usize) {
        self.count += 1;
        self.known.insert(id, (self.count, it));
        self.order.push_back((self.count, id, size));
        self.bytes += size;
        while self.order.len() > MOST || self.bytes > MOST_BYTES {
            self.pop();
        }
    }

    /// It is another now, or none.
    pub(crate) fn remove(&mut self, id: &AggregateId) {
        self.known.remove(id);
    }

    /// Gives back all that was there when this was called last: whoever holds a lock drops it afterwards.
    #[must_use]
    pub(crate) fn age(&mut self) -> Vec<Arc<Aggregate>> {
        let mut old = Vec::new();
        while self.order.front().is_some_and(|it| it.0 <= self.aged) {
            old.extend(self.pop());
        }
        self.aged = self.count;
        old
    }

    fn pop(&mut self) -> Option<Arc<Aggregate>> {
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
    use crate::domain::answer::Verdict;
    use crate::domain::contact::Address;
    use crate::domain::inbound::Inbound;
    use crate::domain::time::Timestamp;
    use uuid::Uuid;

    fn id(nth: usize) -> AggregateId {
        AggregateId(Uuid::from_u128(nth as u128))
    }

    fn aggregate(nth: usize, at: i64) -> Arc<Aggregate> {
        Arc::new(Aggregate::Inbound(Box::new(Inbound {
            id: id(nth),
            publisher: "demo".into(),
            institution: "011001276".into(),
            product: String::new(),
            from: Address::canonical("+12025550123"),
            at: Timestamp::from_millis(at),
            provider_id: None,
            verdict: Verdict::Helped,
            deliveries: Vec::new(),
            events: Vec::new(),
        })))
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_two_rounds_have_passed() {
        let mut latest = Latest::default();
        (0..MOST + 2).for_each(|nth| latest.put(id(nth), aggregate(nth, 0), 1));
        latest.put(id(2), aggregate(2, 1), 1);
        let there = |latest: &Latest| (0..MOST + 2).filter(|nth| latest.get(&id(*nth)).is_some()).collect::<Vec<_>>();
        assert_eq!(there(&latest), (2..MOST + 2).collect::<Vec<_>>(), "what was put again is not gone with its older form");
        assert_eq!(latest.get(&id(2)), Some(&aggregate(2, 1)));
        latest.remove(&id(2));
        assert!(latest.age().is_empty());
        assert_eq!(there(&latest).len(), MOST - 1);
        latest.put(id(0), aggregate(0, 2), MOST_BYTES - MOST);
        assert_eq!(latest.age().len(), MOST - 2);
        assert_eq!(there(&latest), [0]);
        latest.put(id(1), aggregate(1, 3), MOST);
        latest.put(id(3), aggregate(3, 3), 1);
        assert_eq!(there(&latest), [1, 3], "too many bytes");
        assert!(latest.age().is_empty());
        assert_eq!(latest.age().len(), 2);
        assert!(latest.order.is_empty() && latest.known.is_empty() && latest.bytes == 0);
    }
}
