//! The counters of a process that shares its store with nobody: there is nobody to tell, and what is taken is in memory.

use super::contract::{Counters, Kind, Later, Mark, Taken};
use crate::domain::time::Timestamp;
use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::future::ready;
use std::time::{Duration, Instant};

/// Counters of one process.
pub struct Alone {
    taken: Cache<Mark, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    content: [u8; 16],
    left: Duration,
}

impl Alone {
    /// Counters that know at most `most` of what was taken; beyond them what was asked for longest ago is free again.
    pub fn new(most: u64) -> Self {
        // The default policy may turn new entries away when it is full; what is taken now must always be remembered.
        Self { taken: Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru()).expire_after(Ends).build() }
    }
}

impl Counters for Alone {
    fn shared_since(&self) -> Option<Timestamp> {
        None
    }

    fn tell(&self, _: Mark, _: u32, _: Duration) {}

    fn others(&self, _: &Mark) -> u32 {
        0
    }

    fn is_quiet(&self, _: Kind) -> bool {
        true
    }

    fn exchange(&self) -> Later<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn take(&self, mark: Mark, content: [u8; 16], left: Duration) -> Later<'_, Taken> {
        let entry = self.taken.entry(mark).or_insert(Entry { content, left });
        let taken = match entry.value() {
            _ if entry.is_fresh() => Taken::First,
            it if it.content == content => Taken::Same,
            _ => Taken::Other,
        };
        Box::pin(ready(Ok(taken)))
    }
}

struct Ends;

impl Expiry<Mark, Entry> for Ends {
    fn expire_after_create(&self, _: &Mark, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_is_taken_now_is_remembered_however_much_there_was() {
        let alone = Alone::new(10);
        for n in 0..1_000_u32 {
            let mut route = [0; 16];
            route[..4].copy_from_slice(&n.to_be_bytes());
            let mark = Mark { kind: Kind::Nonce, route };
            let take = || alone.take(mark, [1; 16], Duration::from_secs(60)).now_or_never().expect("it waits for nobody").unwrap();
            assert_eq!((take(), take()), (Taken::First, Taken::Same), "{n}");
            alone.taken.run_pending_tasks();
            assert!(alone.taken.entry_count() <= 10);
        }
    }
}
