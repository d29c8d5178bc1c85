//! What all nodes count together. Whoever limits something counts for itself, decides at once, tells its count here, and adds what
//! other nodes told: `handsets`, `guesses`, `rates`, and the failed logins and nonces of `http`. What each may miss of the others
//! is what came to them within the last moment, and their first of each (`TOLD_FROM`).

use crate::domain::time::Timestamp;
use crate::store::alone::Alone;
use crate::store::contract::{Counters, Mark, StoreError};
use crate::vault::Vault;
use std::sync::Arc;
use std::time::Duration;

pub use crate::store::contract::{Kind, Taken};

/// A count from which on it is told: most things that are counted happen once, and need not cost a row.
pub const TOLD_FROM: u32 = 2;

/// Counts of this node and of the others. Clones are the same one.
#[derive(Clone)]
pub struct Tally {
    counters: Arc<dyn Counters>,
    vault: Arc<Vault>,
}

impl Tally {
    /// Over a store's counters; the vault makes MACs of what is counted.
    pub fn new(counters: Arc<dyn Counters>, vault: Arc<Vault>) -> Self {
        Self { counters, vault }
    }

    /// One of a process that shares nothing, and remembers at most `most` of what was taken.
    pub fn alone(most: u64, vault: Arc<Vault>) -> Self {
        Self::new(Arc::new(Alone::new(most)), vault)
    }

    /// One beside it that shares nothing.
    pub fn apart(&self, most: u64) -> Self {
        Self::alone(most, self.vault.clone())
    }

    /// Since when nodes share what is taken; `None`: there is one, and it forgets it with its end.
    pub fn shared_since(&self) -> Option<Timestamp> {
        self.counters.shared_since()
    }

    /// This node counted `count` of what `parts` name, for `left` from now: in place of what it told before.
    pub fn tell(&self, kind: Kind, parts: &[&[u8]], count: u32, left: Duration) {
        // Quotas know themselves from when on they matter.
        if (count >= TOLD_FROM || kind == Kind::Quota) && self.counters.keeps(kind) {
            self.counters.tell(Mark::of(&self.vault, kind, parts), count, left);
        }
    }

    /// What this node counted, and told as `count`, counts no more.
    pub fn forget(&self, kind: Kind, parts: &[&[u8]], (count, left): (u32, Duration)) {
        if count >= TOLD_FROM && self.counters.keeps(kind) {
            self.counters.tell(Mark::of(&self.vault, kind, parts), 0, left);
        }
    }

    /// What the other nodes counted.
    pub fn others(&self, kind: Kind, parts: &[&[u8]]) -> u32 {
        if self.is_quiet(kind) { 0 } else { self.counters.others(&Mark::of(&self.vault, kind, parts)) }
    }

    /// Whether the other nodes counted nothing of this kind. Costs next to nothing.
    pub fn is_quiet(&self, kind: Kind) -> bool {
        self.counters.is_quiet(kind)
    }

    /// Takes what `parts` name, for `left`; nodes that share a store agree on who was the first.
    pub async fn take(&self, kind: Kind, parts: &[&[u8]], (content, left): (&[u8], Duration)) -> Result<Taken, StoreError> {
        let content = Mark::of(&self.vault, kind, &[content]).route;
        self.counters.take(Mark::of(&self.vault, kind, parts), content, left).await
    }
}
