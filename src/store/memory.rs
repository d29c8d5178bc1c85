//! A store that keeps everything in memory: the reference, and what the simulation runs on. Nothing survives a restart, and
//! nothing moves to history.

use super::contract::{Later, Notes, Status, Store, StoreError};
use super::prepare::Commit;
use super::published::Published;
use super::read::{Fetched, Reader, Unread};
use super::stage::{Fit, Step};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::vault::Vault;
use parking_lot::RwLock;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

/// The store in memory.
pub struct MemoryStore {
    vault: Arc<Vault>,
    published: RwLock<Published>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, published: RwLock::default() }
    }

    fn reader(&self) -> Reader<'_> {
        Reader { published: &self.published, vault: &self.vault }
    }

    fn apply(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut published = self.published.write();
        let mut step = Step::new(&published, &self.vault);
        if step.add(commit) != Fit::In {
            return Err(StoreError::Conflict);
        }
        let sealed = step.seal();
        sealed.publish(&mut published);
        Ok(())
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        done(settled(self.reader().load(query, &Fetched::new())))
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        done(Commit::prepare(&self.vault, &writes, &expects).and_then(|commit| self.apply(&commit)))
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        done(Ok(self.published.write().lease(now, span, max)))
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        done(Ok(self.published.read().due(now).take(max).collect()))
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>> {
        done(self.reader().feed(institution, after, max).map(|(events, _)| events))
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        done(settled(self.reader().find(id, &Fetched::new())))
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        done(self.reader().recipients(publisher, after, max))
    }

    fn status(&self) -> Status {
        let published = self.published.read();
        Status { ready: true, commits: published.sequence, syncs: published.sequence, ..published.status() }
    }
}

impl Notes for MemoryStore {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        done(self.reader().note(name))
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        done(Commit::notes(&self.vault, values).and_then(|commit| self.apply(&commit)))
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        done(self.reader().notes(prefix))
    }
}

fn done<'a, T: Send + 'a>(value: Result<T, StoreError>) -> Later<'a, T> {
    Box::pin(ready(value))
}

fn settled<T>(read: Result<T, Unread>) -> Result<T, StoreError> {
    read.map_err(|unread| match unread {
        Unread::Failed(error) => error,
        Unread::Elsewhere(_) => StoreError::Failed("a store in memory has no history".into()),
    })
}
