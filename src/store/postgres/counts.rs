//! What a node counted and has not told yet, and what it knows that others counted.
//!
//! Every node tells, of each thing, how many it counted itself; the count of all is the sum. So what is told twice harms nothing, and
//! nobody waits for a row of another's. A node numbers its rounds of telling in rising order; whoever read a node up to a round asks
//! for what came after it. Nothing depends on which commit is seen first, or on a clock.

use crate::domain::time::Timestamp;
use crate::store::contract::{Kind, Mark};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// What one round of telling takes, at most.
pub(super) const AT_ONCE: usize = 512;
/// What is heard of a node at once, at most: more than a round has.
pub(super) const HEARD_AT_ONCE: usize = 4 * AT_ONCE;
/// What may wait to be told.
const WAITING: usize = 20_000;
/// Things whose counts by others are known at once.
const KNOWN: usize = 200_000;
/// All kinds that are counted.
const KINDS: [Kind; 6] = [Kind::Failures, Kind::Proved, Kind::Guesses, Kind::Messages, Kind::Requests, Kind::Quota];

/// A mark as it is stored: the kind's byte, then the MAC.
pub(super) type Key = [u8; 17];

/// How many, and until when they count, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    pub(super) count: u32,
    pub(super) until: i64,
}

/// What another node told.
pub(super) struct Heard {
    pub(super) node: i64,
    pub(super) round: i64,
    /// `None` in the row that tells no more than the round.
    pub(super) key: Option<Key>,
    pub(super) count: Count,
}

/// The counts of a node.
#[derive(Default)]
pub(super) struct Counts {
    /// Only one exchange at a time: rounds are told in order.
    pub(super) turn: tokio::sync::Mutex<Turn>,
    /// Since when the database remembers what was taken.
    pub(super) since: OnceLock<Timestamp>,
    waiting: Mutex<HashMap<Key, Count>>,
    heard: RwLock<HashMap<Key, Vec<(i64, Count)>>>,
    /// For each kind, until when anything counts that another told.
    ends: [AtomicI64; KINDS.len()],
}

/// What exchanges go by.
#[derive(Default)]
pub(super) struct Turn {
    /// The nodes that were heard, each up to which round, and until when it has anything that counts.
    pub(super) nodes: HashMap<i64, (i64, i64)>,
    /// Until when anything counts that this node told.
    pub(super) until: i64,
    /// When it was last looked for what is over.
    pub(super) swept_at: i64,
}

impl Counts {
    /// This is to be told.
    pub(super) fn put(&self, key: Key, count: Count) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < WAITING || waiting.contains_key(&key) {
            waiting.insert(key, count);
        }
    }

    /// Some of what waits. It waits on until it was told.
    pub(super) fn some(&self) -> Vec<(Key, Count)> {
        self.waiting.lock().iter().take(AT_ONCE).map(|(key, count)| (*key, *count)).collect()
    }

    /// These were told: they wait no more, unless there is newer.
    pub(super) fn told(&self, all: &[(Key, Count)]) {
        let mut waiting = self.waiting.lock();
        for (key, count) in all {
            if waiting.get(key) == Some(count) {
                waiting.remove(key);
            }
        }
    }

    /// This was told by others.
    pub(super) fn learn(&self, turn: &mut Turn, all: Vec<Heard>) {
        turn.come_to(&all);
        let mut heard = self.heard.write();
        for it in all {
            let Some(key) = it.key else { continue };
            if heard.len() >= KNOWN && !heard.contains_key(&key) {
                continue;
            }
            let told = heard.entry(key).or_default();
            told.retain(|(node, _)| *node != it.node);
            told.push((it.node, it.count));
            if let Some(nth) = KINDS.iter().position(|kind| *kind as u8 == key[0]) {
                self.ends[nth].fetch_max(it.count.until, Ordering::Relaxed);
            }
        }
    }

    /// What others told of it that still counts.
    pub(super) fn others(&self, key: &Key, now: i64) -> u32 {
        let heard = self.heard.read();
        let live = heard.get(key).into_iter().flatten().filter(|(_, it)| it.until > now);
        live.fold(0, |sum, (_, it)| sum.saturating_add(it.count))
    }

    /// Whether others told nothing of this kind that still counts.
    pub(super) fn is_quiet(&self, kind: Kind, now: impl Fn() -> i64) -> bool {
        let Some(nth) = KINDS.iter().position(|it| *it == kind) else { return true };
        match self.ends[nth].load(Ordering::Relaxed) {
            0 => true,
            until => until <= now(),
        }
    }

    /// Forgets what counts no more.
    pub(super) fn prune(&self, turn: &mut Turn, now: i64) {
        turn.nodes.retain(|_, (_, until)| *until > now);
        self.heard.write().retain(|_, told| {
            told.retain(|(_, it)| it.until > now);
            !told.is_empty()
        });
    }
}

impl Turn {
    fn come_to(&mut self, all: &[Heard]) {
        let mut heard: HashMap<i64, (usize, i64)> = HashMap::new();
        for it in all {
            let (rows, last) = heard.entry(it.node).or_default();
            (*rows, *last) = (*rows + 1, it.round.max(*last));
            let until = &mut self.nodes.entry(it.node).or_default().1;
            *until = it.count.until.max(*until);
        }
        for (node, (rows, last)) in heard {
            // Of the last round not all may have been among so many: it is asked for again.
            self.nodes.entry(node).or_default().0 = if rows < HEARD_AT_ONCE { last } else { last - 1 };
        }
    }
}

/// A mark's key.
pub(super) fn key(mark: &Mark) -> Key {
    let mut key = [mark.kind as u8; 17];
    key[1..].copy_from_slice(&mark.route);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(kind: Kind, n: u8) -> Key {
        key(&Mark { kind, route: [n; 16] })
    }

    fn told(node: i64, round: i64, key: Key, (count, until): (u32, i64)) -> Heard {
        Heard { node, round, key: Some(key), count: Count { count, until } }
    }

    #[test]
    fn what_others_told_adds_up_until_it_ends() {
        let (counts, mut turn, one) = (Counts::default(), Turn::default(), mark(Kind::Failures, 1));
        let quiet = |kind, now| counts.is_quiet(kind, || now);
        assert!(quiet(Kind::Failures, 0) && quiet(Kind::Nonce, 0));
        counts.learn(&mut turn, vec![told(2, 7, one, (5, 100)), told(3, 9, one, (4, 200))]);
        counts.learn(&mut turn, vec![told(2, 8, one, (6, 100))]);
        for (now, expected) in [(0, 10), (99, 10), (100, 4), (199, 4), (200, 0)] {
            assert_eq!(counts.others(&one, now), expected, "at {now}");
        }
        assert!(!quiet(Kind::Failures, 199) && quiet(Kind::Failures, 200) && quiet(Kind::Messages, 0));
        assert_eq!(counts.others(&mark(Kind::Failures, 2), 0) + counts.others(&mark(Kind::Guesses, 1), 0), 0);
        assert_eq!(turn.nodes, HashMap::from([(2, (8, 100)), (3, (9, 200))]));
        counts.prune(&mut turn, 100);
        assert_eq!((turn.nodes.len(), counts.others(&one, 0)), (1, 4));
        counts.prune(&mut turn, 200);
        assert!(turn.nodes.is_empty() && counts.heard.read().is_empty());
    }

    #[test]
    fn a_round_that_may_be_cut_off_is_asked_for_again() {
        let check = |rows: usize, expected: i64| {
            let (counts, mut turn) = (Counts::default(), Turn::default());
            let round = |nth: usize| if nth < rows - 10 { 7 } else { 8 };
            counts.learn(&mut turn, (0..rows).map(|nth| told(2, round(nth), mark(Kind::Failures, 1), (2, 100))).collect());
            assert_eq!(turn.nodes[&2], (expected, 100), "{rows} rows");
        };
        check(HEARD_AT_ONCE - 1, 8);
        check(HEARD_AT_ONCE, 7);
    }

    #[test]
    fn what_was_told_waits_no_more_unless_there_is_newer() {
        let (counts, one, two) = (Counts::default(), mark(Kind::Failures, 1), mark(Kind::Failures, 2));
        let count = |count| Count { count, until: 100 };
        counts.put(one, count(1));
        counts.put(two, count(1));
        let under_way = counts.some();
        counts.put(one, count(2));
        assert_eq!(HashMap::from_iter(counts.some()), HashMap::from([(one, count(2)), (two, count(1))]), "it may not have been told");
        counts.told(&under_way);
        assert_eq!(counts.some(), [(one, count(2))]);
        counts.told(&counts.some());
        assert!(counts.some().is_empty());
    }

    #[test]
    fn neither_what_waits_nor_what_is_known_grows_without_end() {
        let (counts, mut turn) = (Counts::default(), Turn::default());
        let nth = |n: usize| {
            let mut key = mark(Kind::Failures, 0);
            key[1..9].copy_from_slice(&n.to_be_bytes());
            key
        };
        (0..WAITING + 10).for_each(|n| counts.put(nth(n), Count { count: 2, until: 100 }));
        counts.put(nth(0), Count { count: 3, until: 100 });
        assert_eq!(counts.waiting.lock().len(), WAITING);
        assert_eq!(counts.waiting.lock()[&nth(0)].count, 3);
        assert_eq!(counts.some().len(), AT_ONCE);
        counts.learn(&mut turn, (0..KNOWN + 10).map(|n| told(2, 1, nth(n), (2, 100))).collect());
        counts.learn(&mut turn, vec![told(2, 2, nth(0), (3, 100))]);
        assert_eq!(counts.others(&nth(0), 0), 3);
        assert_eq!(counts.heard.read().len(), KNOWN);
    }
}
