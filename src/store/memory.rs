//! A store that keeps everything in memory: the reference, and what the simulation runs on. Nothing survives a restart, and
//! nothing moves to history.

use super::contract::{Later, Notes, Status, Store, StoreError};
use super::form::Form;
use super::past::{Known, Nothing, Search};
use super::prepare::Commit;
use super::published::Published;
use super::read::Reader;
use super::stage::{Fit, Step};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::vault::Vault;
use parking_lot::RwLock;
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
        let mut step = Step::new(&published, &Nothing, &self.vault);
        match step.add(commit) {
            Fit::In => {}
            Fit::Fenced => return Err(StoreError::Fenced),
            _ => return Err(StoreError::Conflict),
        }
        let sealed = step.seal();
        drop(sealed.publish(&mut published));
        Ok(())
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(async move { self.reader().load(query, &Search::new(&Nothing, &Known::new())) })
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move { Commit::prepare(&self.vault, Form::NEWEST, writes, &expects).and_then(|commit| self.apply(&commit)) })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        Box::pin(async move { Ok(self.reader().lease(now, span, max)) })
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        Box::pin(async move { Ok(self.published.read().due(now).take(max).collect()) })
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        Box::pin(async move { self.reader().feed(institution, after, max).map(|(events, _)| events) })
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        Box::pin(async move { self.reader().find(id, &Search::new(&Nothing, &Known::new())) })
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        Box::pin(async move { self.reader().recipients(publisher, after, max) })
    }

    fn status(&self) -> Status {
        let published = self.published.read();
        Status { ready: true, commits: published.sequence, syncs: published.sequence, ..published.status() }
    }
}

impl Notes for MemoryStore {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.reader().note(name) })
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        Box::pin(async move { Commit::notes(&self.vault, values).and_then(|commit| self.apply(&commit)) })
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        Box::pin(async move { self.reader().notes(prefix) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::answer::Verdict;
    use crate::domain::contact::Address;
    use crate::domain::event::{Act, Event};
    use crate::domain::id::EventId;
    use crate::domain::inbound::Inbound;
    use uuid::Uuid;

    fn event(nth: u128) -> Event {
        Event {
            id: EventId(Uuid::from_u128(nth)),
            at: Timestamp::default(),
            act: Act::RecipMsg,
            feedback: format!("{nth}"),
            delivery: None,
        }
    }

    #[tokio::test]
    async fn the_feed_tells_the_same_whether_or_not_it_must_be_opened() {
        let store = MemoryStore::new(Arc::new(Vault::from_root(&[1; 32])));
        for nth in 1..4 {
            let it = Inbound {
                id: AggregateId(Uuid::from_u128(nth)),
                publisher: "demo".into(),
                institution: "011001276".into(),
                product: "Demo".into(),
                from: Address::canonical("+12025550123"),
                at: Timestamp::default(),
                provider_id: Some(format!("sandbox/{nth}")),
                verdict: Verdict::Helped,
                deliveries: Vec::new(),
                events: vec![event(10 * nth), event(10 * nth + 1)],
            };
            store.commit(vec![Write::Aggregate(Aggregate::Inbound(Box::new(it)))], Vec::new()).await.unwrap();
        }
        let institution = InstitutionId::from("011001276");
        let fresh = store.feed(&institution, 0, 5).await.unwrap();
        let gone = (0..2).map(|_| store.published.write().latest.age().len()).sum::<usize>();
        let opened = store.feed(&institution, 0, 5).await.unwrap();
        assert_eq!((fresh.len(), gone), (5, 3));
        assert_eq!(fresh, opened);
    }
}
