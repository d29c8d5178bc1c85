//! Requests on one address or recipient wait for each other here, so that conflicts remain only between nodes (decision 5).

use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::{Mutex, MutexGuard};

const PLACES: usize = 4096;

/// A fixed number of queues; two keys seldom share one, and then merely wait a little longer.
pub struct Turns {
    queues: Box<[Mutex<()>]>,
    salt: u64,
}

impl Turns {
    /// Empty queues. Nobody outside knows the `salt`, so nobody can choose keys that share a queue.
    pub fn new(salt: u64) -> Self {
        Self { queues: (0..PLACES).map(|_| Mutex::new(())).collect(), salt }
    }

    /// Waits for this key's turn; the turn ends when the guard is dropped.
    pub async fn wait(&self, key: impl Hash) -> MutexGuard<'_, ()> {
        self.queue(key).lock().await
    }

    /// This key's turn if nobody has it; `Err`: its turn after it was waited for, so that what was read before may not be so any more.
    pub async fn now_or_later(&self, key: impl Hash) -> Result<MutexGuard<'_, ()>, MutexGuard<'_, ()>> {
        let queue = self.queue(key);
        match queue.try_lock() {
            Ok(turn) => Ok(turn),
            Err(_) => Err(queue.lock().await),
        }
    }

    fn queue(&self, key: impl Hash) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        (self.salt, key).hash(&mut hasher);
        let place = usize::try_from(hasher.finish()).unwrap_or(0) % PLACES;
        &self.queues[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_had_to_wait_is_told() {
        let turns = Turns::new(7);
        let first = turns.now_or_later("a").await;
        assert!(first.is_ok(), "nobody has it");
        let second = turns.now_or_later("a");
        let ends = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(second, ends);
        assert!(second.is_err(), "what was read before may be old");
        drop(second);
        assert!(turns.now_or_later("a").await.is_ok());
    }
}
