//! What is asked of history: who had a key. A [`Past`] says at once when nobody had it, and else has to be asked on disk.

use super::contract::StoreError;
use super::facts::Facts;
use super::key::{Key, kind};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// An aggregate found in history.
#[derive(Clone, Debug)]
pub(crate) struct Grave {
    pub(crate) id: AggregateId,
    /// The commit that wrote it.
    pub(crate) version: u64,
    /// Feed numbers of its events, in order.
    pub(crate) seqs: Arc<[u64]>,
    pub(crate) facts: Facts,
    pub(crate) aggregate: Aggregate,
}

/// History as look-ups see it.
///
/// A reader looks into the published state first and asks history then. What moves is in history before it leaves the
/// published state, so it is seen in one of the two, or in both.
pub(crate) trait Past: Send + Sync {
    /// Whether history may know a key. `false` is certain, and costs no look at the disk.
    fn may_know(&self, key: &Key) -> bool;

    /// Changes whenever something comes into history: an answer of [`Past::find`] from before may lack that.
    fn epoch(&self) -> u64;

    /// Aggregates with a key that ended within the time of tombstones, newest first, each once. Reads the disk.
    fn find(&self, key: &Key) -> Result<Vec<Grave>, StoreError>;
}

/// A history that never had anything.
pub(crate) struct Nothing;

impl Past for Nothing {
    fn may_know(&self, _: &Key) -> bool {
        false
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn find(&self, _: &Key) -> Result<Vec<Grave>, StoreError> {
        Ok(Vec::new())
    }
}

/// What history knows an aggregate by.
pub(crate) fn keys_of(id: AggregateId, facts: &Facts) -> Vec<Key> {
    let mut keys = vec![Key::aggregate(id)];
    keys.extend(facts.repeat.iter().map(|it| Key::new(kind::REPEAT, it.0)));
    keys.extend(facts.seen.iter().map(|it| Key::new(kind::SEEN, it.0)));
    keys.extend(facts.deliveries.iter().map(|it| Key::delivery(*it)));
    keys.extend(facts.addresses().map(|it| Key::new(kind::ADDRESS, it)));
    keys
}

/// Answers of history, each with the epoch in which it was asked.
pub(crate) type Known = HashMap<Key, (u64, Vec<Grave>)>;

/// One try of a query: what history said so far, and what else it must be asked.
pub(crate) struct Search<'a> {
    past: &'a dyn Past,
    known: &'a Known,
    wanted: RefCell<Vec<Key>>,
}

impl<'a> Search<'a> {
    /// A try with the answers so far.
    pub(crate) fn new(past: &'a dyn Past, known: &'a Known) -> Self {
        Self { past, known, wanted: RefCell::default() }
    }

    /// Who had `key`. Empty, and noted as wanted, when that must be asked on disk first. To be called after the published
    /// state was looked into: an answer counts only when nothing moved since.
    pub(crate) fn ask(&self, key: Key) -> &'a [Grave] {
        if !self.past.may_know(&key) {
            return &[];
        }
        match self.known.get(&key) {
            Some((epoch, graves)) if *epoch == self.past.epoch() => graves,
            _ => {
                self.wanted.borrow_mut().push(key);
                &[]
            }
        }
    }

    /// What must be asked before the try counts.
    pub(crate) fn wanted(self) -> Vec<Key> {
        self.wanted.into_inner()
    }
}
