//! The books of one consumer: which records are in work, which wait behind another of their key, and up to where a partition is done.
//! Pure bookkeeping; whoever holds it says what happened.

use super::record::{Flow, Record};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A partition of one of the two topics.
pub type Part = (Flow, i32);

/// The right to work on one record. Given back with [`Desk::finish`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    part: Part,
    offset: i64,
    turn: u64,
    lane: u64,
}

/// The books.
#[derive(Default)]
pub struct Desk {
    parts: HashMap<Part, Progress>,
    /// One for each key that has a record in work: what waits behind it.
    lanes: HashMap<u64, VecDeque<(Ticket, Record)>>,
    running: HashMap<Part, usize>,
    taken: usize,
    turns: u64,
}

// A partition as long as it is ours.
struct Progress {
    // A partition that comes back is another: what was begun before does not count for it.
    turn: u64,
    // Records not yet covered by `done`, in their order, each with whether it is finished.
    open: VecDeque<(i64, bool)>,
    // The newest that was taken.
    last: i64,
    // The first that isn't done, once one is.
    done: Option<i64>,
    told: Option<i64>,
    // Lanes of which a record was given up: nothing behind it is begun any more, or it would overtake it.
    barred: HashSet<u64>,
}

impl Desk {
    /// Takes a record. It is given back when it may be worked on at once; else it waits behind another of its key.
    pub fn take(&mut self, record: Record) -> Option<(Ticket, Record)> {
        let part = (record.flow, record.partition);
        // Places only grow, unless the broker sent us back: then it all begins anew.
        if self.parts.get(&part).is_none_or(|it| it.last >= record.offset) {
            self.turns += 1;
            self.parts.insert(part, Progress::new(self.turns));
        }
        let progress = self.parts.get_mut(&part)?;
        progress.last = record.offset;
        progress.open.push_back((record.offset, false));
        let ticket = Ticket { part, offset: record.offset, turn: progress.turn, lane: lane(&record) };
        if progress.barred.contains(&ticket.lane) {
            return None;
        }
        self.taken += 1;
        if let Some(waiting) = self.lanes.get_mut(&ticket.lane) {
            waiting.push_back((ticket, record));
            return None;
        }
        self.lanes.insert(ticket.lane, VecDeque::new());
        *self.running.entry(part).or_default() += 1;
        Some((ticket, record))
    }

    /// A record is worked on no more: `done`, its answer is durable; else it is given up, and with it all of its key behind it, which
    /// come again after it. Gives the next of its key.
    pub fn finish(&mut self, ticket: Ticket, done: bool) -> Option<(Ticket, Record)> {
        self.taken -= 1;
        if let Some(count) = self.running.get_mut(&ticket.part) {
            *count -= 1;
        }
        if let Some(progress) = self.parts.get_mut(&ticket.part).filter(|it| it.turn == ticket.turn) {
            if done {
                progress.mark(ticket.offset);
            } else {
                progress.barred.insert(ticket.lane);
            }
        }
        if !done && let Some(waiting) = self.lanes.get_mut(&ticket.lane) {
            let before = waiting.len();
            waiting.retain(|(it, _)| it.turn != ticket.turn);
            self.taken -= before - waiting.len();
        }
        let next = self.lanes.get_mut(&ticket.lane).and_then(VecDeque::pop_front);
        match &next {
            Some((next, _)) => *self.running.entry(next.part).or_default() += 1,
            None => drop(self.lanes.remove(&ticket.lane)),
        }
        next
    }

    /// Whether the record's partition is still ours.
    pub fn is_ours(&self, ticket: Ticket) -> bool {
        self.parts.get(&ticket.part).is_some_and(|it| it.turn == ticket.turn)
    }

    /// Records that were taken and are not finished.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// How many records of these partitions are being worked on.
    pub fn running(&self, parts: &[Part]) -> usize {
        parts.iter().filter_map(|it| self.running.get(it)).sum()
    }

    /// What waits in these partitions is given up: it comes again, here or elsewhere.
    pub fn drop_waiting(&mut self, parts: &[Part]) {
        for waiting in self.lanes.values_mut() {
            let before = waiting.len();
            waiting.retain(|(ticket, _)| !parts.contains(&ticket.part));
            self.taken -= before - waiting.len();
        }
    }

    /// These partitions are ours no more.
    pub fn revoke(&mut self, parts: &[Part]) {
        self.drop_waiting(parts);
        self.parts.retain(|it, _| !parts.contains(it));
    }

    /// Every partition of which a record was taken.
    pub fn parts(&self) -> Vec<Part> {
        self.parts.keys().copied().collect()
    }

    /// Where each partition is done up to, of those that got further since this was last asked: the place of the first that isn't.
    pub fn news(&mut self) -> Vec<(Part, i64)> {
        let news = self.parts.iter_mut().filter(|(_, it)| it.done.is_some() && it.done != it.told);
        news.filter_map(|(part, it)| {
            it.told = it.done;
            it.done.map(|done| (*part, done))
        })
        .collect()
    }

    /// What was told last was not heard: all of it is news again.
    pub fn unheard(&mut self) {
        self.parts.values_mut().for_each(|it| it.told = None);
    }
}

impl Progress {
    fn new(turn: u64) -> Self {
        Self { turn, open: VecDeque::new(), last: -1, done: None, told: None, barred: HashSet::new() }
    }

    fn mark(&mut self, offset: i64) {
        if let Ok(at) = self.open.binary_search_by_key(&offset, |it| it.0) {
            self.open[at].1 = true;
        }
        while let Some((offset, _)) = self.open.pop_front_if(|it| it.1) {
            self.done = Some(offset + 1);
        }
    }
}

// Records of one key go one after the other; those without a key need no order.
fn lane(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    (record.flow, record.partition).hash(&mut hasher);
    match &record.key {
        Some(key) => key.hash(&mut hasher),
        None => record.offset.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::Wiped;
    use crate::domain::time::Timestamp;

    const PART: Part = (Flow::Generate, 0);

    fn record(offset: i64, key: Option<&str>) -> Record {
        Record {
            flow: Flow::Generate,
            topic: "in".into(),
            partition: 0,
            offset,
            produced_at: None,
            key: key.map(|it| it.as_bytes().to_vec()),
            headers: Vec::new(),
            value: Wiped::default(),
            received_at: Timestamp::default(),
        }
    }

    fn begin(desk: &mut Desk, offset: i64, key: Option<&str>) -> Option<Ticket> {
        desk.take(record(offset, key)).map(|it| it.0)
    }

    #[test]
    fn a_place_is_told_only_when_all_before_it_is_done() {
        let mut desk = Desk::default();
        let tickets: Vec<_> = (10..14).map(|it| begin(&mut desk, it, None).unwrap()).collect();
        let mut check = |finished: usize, expected: &[(Part, i64)]| {
            assert!(desk.finish(tickets[finished], true).is_none());
            assert_eq!(desk.news(), expected, "after {finished}");
        };
        check(1, &[]);
        check(3, &[]);
        check(0, &[(PART, 12)]);
        check(2, &[(PART, 14)]);
        assert_eq!((desk.taken(), desk.news()), (0, vec![]));
        desk.unheard();
        assert_eq!(desk.news(), [(PART, 14)]);
    }

    #[test]
    fn records_of_a_key_go_one_after_the_other() {
        let mut desk = Desk::default();
        let first = begin(&mut desk, 0, Some("a")).unwrap();
        assert!(begin(&mut desk, 1, Some("a")).is_none() && begin(&mut desk, 2, Some("a")).is_none());
        let other = begin(&mut desk, 3, Some("b")).unwrap();
        assert!(desk.finish(other, true).is_none());
        let second = desk.finish(first, true).unwrap().0;
        let third = desk.finish(second, true).unwrap().0;
        assert_eq!((second.offset, third.offset), (1, 2));
        assert!(desk.finish(third, true).is_none());
        assert_eq!(desk.news(), [(PART, 4)]);
        assert!(begin(&mut desk, 4, Some("a")).is_some());
    }

    #[test]
    fn what_was_begun_before_a_partition_left_counts_no_more() {
        let mut desk = Desk::default();
        let begun = begin(&mut desk, 0, Some("a")).unwrap();
        assert!(begin(&mut desk, 1, Some("a")).is_none());
        desk.revoke(&[PART]);
        assert!(!desk.is_ours(begun));
        assert_eq!((desk.taken(), desk.running(&[PART])), (1, 1));
        // It comes back with the same record, which waits for the one that is still in work.
        assert!(begin(&mut desk, 0, Some("a")).is_none());
        let again = desk.finish(begun, true).unwrap().0;
        assert_eq!(desk.news(), []);
        assert!(desk.is_ours(again));
        desk.finish(again, true);
        assert_eq!((desk.news(), desk.taken(), desk.running(&[PART])), (vec![(PART, 1)], 0, 0));
    }

    #[test]
    fn a_partition_that_the_broker_sends_back_begins_anew() {
        let mut desk = Desk::default();
        let before = begin(&mut desk, 5, None).unwrap();
        let again = begin(&mut desk, 2, None).unwrap();
        desk.finish(before, true);
        assert_eq!(desk.news(), []);
        desk.finish(again, true);
        assert_eq!(desk.news(), [(PART, 3)]);
    }

    #[test]
    fn what_is_given_up_is_overtaken_by_nothing_of_its_key() {
        let mut desk = Desk::default();
        let (one, other) = (begin(&mut desk, 0, Some("a")).unwrap(), begin(&mut desk, 1, Some("b")).unwrap());
        assert!(begin(&mut desk, 2, Some("a")).is_none());
        assert!(desk.finish(one, false).is_none());
        assert!(begin(&mut desk, 3, Some("a")).is_none());
        assert!(desk.finish(other, true).is_none());
        assert!(begin(&mut desk, 4, Some("b")).is_some());
        assert_eq!((desk.taken(), desk.news()), (1, vec![]));
        // It comes back, and all of it is begun anew.
        desk.revoke(&[PART]);
        let again = begin(&mut desk, 0, Some("a")).unwrap();
        assert!(begin(&mut desk, 2, Some("a")).is_none());
        assert_eq!(desk.finish(again, true).unwrap().0.offset, 2);
    }

    #[test]
    fn what_is_given_up_holds_its_partition_back() {
        let mut desk = Desk::default();
        let (one, two) = (begin(&mut desk, 0, None).unwrap(), begin(&mut desk, 1, None).unwrap());
        desk.finish(one, false);
        desk.finish(two, true);
        assert_eq!(desk.news(), []);
    }
}
