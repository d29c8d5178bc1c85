//! What was committed last, as it was before it was sealed: for the feed, whose readers come moments after a commit and would open
//! again what had been at hand.
//!
//! It is bounded: at most [`MOST`], and none for longer than two rounds of a keeper, where there is one. Only the feed reads it; what a
//! decision needs is opened from what is durable.

use super::keyed::Keyed;
use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use std::collections::VecDeque;
use std::sync::Arc;

/// As many as are committed between two rounds of a pusher under load, and some more.
const MOST: usize = 2_048;

/// The latest aggregates, each in its newest version.
#[derive(Default)]
pub(crate) struct Latest {
    known: Keyed<AggregateId, (u64, Arc<Aggregate>)>,
    /// In order; what was put again or removed since stands here, too.
    order: VecDeque<(u64, AggregateId)>,
    count: u64,
    /// How many there were at the last round.
    aged: u64,
}

impl Latest {
    /// An aggregate, if it is one of the latest.
    pub(crate) fn get(&self, id: &AggregateId) -> Option<&Arc<Aggregate>> {
        self.known.get(id).map(|it| &it.1)
    }

    /// An aggregate was committed so. The oldest goes.
    pub(crate) fn put(&mut self, id: AggregateId, it: Arc<Aggregate>) {
        self.count += 1;
        self.known.insert(id, (self.count, it));
        self.order.push_back((self.count, id));
        if self.order.len() > MOST {
            self.pop();
        }
    }

    /// It is another now, or none.
    pub(crate) fn remove(&mut self, id: &AggregateId) {
        self.known.remove(id);
    }

    /// Lets go of all that was there when this was called last.
    pub(crate) fn age(&mut self) {
        while self.order.front().is_some_and(|it| it.0 <= self.aged) {
            self.pop();
        }
        self.aged = self.count;
    }

    fn pop(&mut self) {
        if let Some((count, id)) = self.order.pop_front()
            && self.known.get(&id).is_some_and(|it| it.0 == count)
        {
            self.known.remove(&id);
        }
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
        (0..MOST + 2).for_each(|nth| latest.put(id(nth), aggregate(nth, 0)));
        latest.put(id(2), aggregate(2, 1));
        let there = |latest: &Latest| (0..MOST + 2).filter(|nth| latest.get(&id(*nth)).is_some()).collect::<Vec<_>>();
        assert_eq!(there(&latest), (2..MOST + 2).collect::<Vec<_>>(), "what was put again is not gone with its older form");
        assert_eq!(latest.get(&id(2)), Some(&aggregate(2, 1)));
        latest.remove(&id(2));
        latest.age();
        assert_eq!(there(&latest).len(), MOST - 1);
        latest.put(id(0), aggregate(0, 2));
        latest.age();
        assert_eq!(there(&latest), [0]);
        latest.age();
        assert!(there(&latest).is_empty() && latest.order.is_empty() && latest.known.is_empty());
    }
}
