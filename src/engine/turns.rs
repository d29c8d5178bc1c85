//! Requests on one address or recipient wait for each other here, so that conflicts remain only between nodes (decision 5).

use std::hash::{BuildHasher, Hash, RandomState};
use tokio::sync::{Mutex, MutexGuard};

const PLACES: usize = 4096;

/// A fixed number of queues; two keys seldom share one, and then merely wait a little longer.
pub struct Turns {
    queues: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { queues: (0..PLACES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }
}

impl Turns {
    /// Waits for this key's turn; the turn ends when the guard is dropped.
    pub async fn wait(&self, key: impl Hash) -> MutexGuard<'_, ()> {
        let place = usize::try_from(self.hasher.hash_one(key)).unwrap_or(0) % PLACES;
        self.queues[place].lock().await
    }
}
