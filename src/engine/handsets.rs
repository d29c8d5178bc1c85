//! How often each handset wrote of late: two machines that answer each other are told from a person (decision 23).

use super::tally::{Kind, Tally};
use crate::domain::contact::Address;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::time::Duration;

/// How long a handset's messages are counted, from the first of them.
const SPAN: Duration = Duration::from_secs(3_600);
/// Handsets in a generation.
const PLACES: usize = 50_000;

/// Counts of the handsets that wrote in the last hour. Bounded: a full generation becomes the old one, and what was old is
/// forgotten. Holds no address, only its hash under a salt of ours.
pub struct Handsets {
    tally: Tally,
    salt: u64,
    places: usize,
    counts: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, Count>,
    old: HashMap<u64, Count>,
}

#[derive(Clone, Copy)]
struct Count {
    begun: Timestamp,
    messages: u32,
}

impl Handsets {
    /// Nothing counted yet. Nobody outside knows the `salt`, so nobody can choose numbers that are counted together.
    pub fn new(tally: Tally, salt: u64) -> Self {
        Self { tally, salt, places: PLACES, counts: Mutex::default() }
    }

    /// Counts a message of a handset: how many those of the last hour are at all nodes, this one included. One that was forgotten
    /// counts anew.
    pub fn wrote(&self, handset: &Address, now: Timestamp) -> u32 {
        let mut hasher = DefaultHasher::new();
        (self.salt, handset).hash(&mut hasher);
        let mine = self.counts.lock().wrote(hasher.finish(), now, self.places);
        let name = [handset.expose().as_bytes()];
        self.tally.tell(Kind::Messages, &name, mine.messages, SPAN.saturating_sub(now.since(mine.begun)));
        mine.messages.saturating_add(self.tally.others(Kind::Messages, &name))
    }
}

impl Generations {
    fn wrote(&mut self, handset: u64, now: Timestamp, places: usize) -> Count {
        if self.young.len() >= places {
            self.old = mem::take(&mut self.young);
        }
        let before = || self.old.remove(&handset).unwrap_or(Count { begun: now, messages: 0 });
        let count = self.young.entry(handset).or_insert_with(before);
        if now.since(count.begun) >= SPAN {
            *count = Count { begun: now, messages: 0 };
        }
        count.messages = count.messages.saturating_add(1);
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Vault;
    use std::sync::Arc;

    fn handsets() -> Handsets {
        Handsets::new(Tally::alone(1, Arc::new(Vault::from_root(&[1; 32]))), 7)
    }

    fn handset(n: u32) -> Address {
        Address::canonical(&format!("+1202555{n:04}"))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn messages_of_an_hour_are_counted_for_each_handset() {
        let handsets = handsets();
        for (who, when, expected) in [(1, 0, 1), (2, 10, 1), (1, 20, 2), (1, 3_599, 3), (1, 3_600, 1), (2, 3_609, 2), (2, 3_610, 1)] {
            assert_eq!(handsets.wrote(&handset(who), at(when)), expected, "handset {who} at {when} s");
        }
    }

    #[test]
    fn with_very_many_the_oldest_are_forgotten_and_no_more_are_kept() {
        let handsets = Handsets { places: 10, ..handsets() };
        for n in 0..1_000 {
            assert_eq!(handsets.wrote(&handset(n), at(1)), 1);
            let counts = handsets.counts.lock();
            assert!(counts.young.len() + counts.old.len() <= 20);
        }
        assert_eq!(handsets.wrote(&handset(991), at(2)), 2, "one of the last ten");
        assert_eq!(handsets.wrote(&handset(0), at(2)), 1, "long forgotten");
    }

    #[test]
    fn whoever_goes_on_writing_is_not_forgotten() {
        let handsets = Handsets { places: 10, ..handsets() };
        for n in 1..200 {
            handsets.wrote(&handset(n), at(1));
            assert_eq!(handsets.wrote(&handset(0), at(1)), n);
        }
    }
}
