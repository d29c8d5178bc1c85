//! How often each publisher asks, in a second: what its limit `per_second` is held against.
//!
//! A second is over before others could tell what they counted in it. So nodes tell how often they were asked in the last one, and
//! each takes the part of the limit that it had of all requests: together they take as many as one. A limit divided by the number
//! of nodes would refuse a publisher whose few connections happen to end at one node.

use super::tally::{Kind, Tally};
use crate::domain::id::PublisherId;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// How long what was told of a second counts: until the next can have been told.
const COUNTS: Duration = Duration::from_secs(2);
/// Less than this part of its limit is not told: most publishers are far below it, and cost nothing.
const TOLD: u32 = 20;

/// Requests of publishers, by second.
pub struct Rates {
    tally: Tally,
    seconds: Mutex<HashMap<PublisherId, Second>>,
}

#[derive(Clone, Copy)]
struct Second {
    second: i64,
    asked: u32,
    // In the second before it.
    before: u32,
}

impl Rates {
    /// Nothing counted yet.
    pub fn new(tally: Tally) -> Self {
        Self { tally, seconds: Mutex::default() }
    }

    /// Counts a request: how many those of this second are, this one included, with the part of `limit` that other nodes take.
    pub fn asked(&self, publisher: &PublisherId, limit: u32, now: Timestamp) -> u32 {
        let (second, is_new) = self.count(publisher, now.millis().div_euclid(1_000));
        let name = [publisher.as_str().as_bytes()];
        if is_new && second.before > limit / TOLD {
            self.tally.tell(Kind::Requests, &name, second.before, COUNTS);
        }
        second.asked.saturating_add(share(limit, second.asked.max(second.before), self.tally.others(Kind::Requests, &name)))
    }

    fn count(&self, publisher: &PublisherId, now: i64) -> (Second, bool) {
        let mut seconds = self.seconds.lock();
        let it = seconds.entry(publisher.clone()).or_insert(Second { second: now, asked: 0, before: 0 });
        let is_new = it.second != now;
        if is_new {
            let before = if it.second + 1 == now { it.asked } else { 0 };
            *it = Second { second: now, asked: 0, before };
        }
        it.asked = it.asked.saturating_add(1);
        (*it, is_new)
    }
}

// What others take of a limit, when they are asked so often and we so often: what they are asked for, while all of it is within
// the limit; else their part of it.
fn share(limit: u32, ours: u32, others: u32) -> u32 {
    let all = (u64::from(ours) + u64::from(others)).max(1);
    // Rounded up: nodes that round in their own favour would take more than one does.
    let part = (u64::from(limit) * u64::from(others)).div_ceil(all);
    u32::try_from(part).unwrap_or(u32::MAX).min(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Vault;
    use std::sync::Arc;

    fn alone() -> Tally {
        Tally::alone(1, Arc::new(Vault::from_root(&[1; 32])))
    }

    #[test]
    fn one_node_counts_the_requests_of_each_second() {
        let rates = Rates::new(alone());
        for (publisher, millis, expected) in [("a", 0, 1), ("a", 999, 2), ("b", 999, 1), ("a", 1_000, 1), ("a", 5_000, 1), ("a", 5_001, 2)]
        {
            assert_eq!(rates.asked(&publisher.into(), 10, Timestamp::from_millis(millis)), expected, "{publisher} at {millis} ms");
        }
    }

    #[test]
    fn nodes_take_a_limit_together() {
        // The limit, how often each node is asked in a second, and how many each takes of that.
        let check = |limit: u32, asked: &[u32], expected: &[u32]| {
            let all: u32 = asked.iter().sum();
            let takes = |mine: u32| (1..=mine).filter(|nth| nth + share(limit, mine.max(*nth), all - mine) <= limit).count() as u32;
            assert_eq!(asked.iter().map(|it| takes(*it)).collect::<Vec<_>>(), expected, "{limit} {asked:?}");
        };
        check(100, &[100], &[100]);
        check(100, &[150], &[100]);
        check(100, &[50, 50], &[50, 50]);
        check(100, &[99, 1], &[99, 1]);
        check(100, &[200, 200], &[50, 50]);
        check(100, &[300, 100], &[75, 25]);
        check(100, &[1_000, 0], &[100, 0]);
        check(100, &[60, 60, 60], &[33, 33, 33]);
        check(0, &[5, 5], &[0, 0]);
    }
}
