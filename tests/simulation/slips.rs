//! Planted faults of a store: what is shown, checked or answered at the wrong moment.

use crate::pause::Pause;
use countersign::domain::aggregate::Aggregate;
use countersign::domain::id::{AggregateId, InstitutionId, PublisherId};
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Later, Status, Store, StoreError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slip {
    /// Events have their numbers, and are shown, before they are durable.
    Early,
    /// What is expected is checked first, and then it is written whatever has happened between.
    CheckThenWrite,
    /// A commit is answered when it is taken; it becomes durable with the next look at the store, or never.
    AnsweredEarly,
}

struct Slipping {
    inner: Arc<dyn Store>,
    slip: Slip,
    shown: Mutex<Vec<(u64, Arc<Aggregate>, usize)>>,
    taken: Mutex<Vec<Vec<Write>>>,
}

/// Events are shown before they are durable.
pub fn early(inner: Arc<dyn Store>) -> Arc<dyn Store> {
    slipping(inner, Slip::Early)
}

/// Check, then write.
pub fn check_then_write(inner: Arc<dyn Store>) -> Arc<dyn Store> {
    slipping(inner, Slip::CheckThenWrite)
}

/// Answered, then written.
pub fn answered_early(inner: Arc<dyn Store>) -> Arc<dyn Store> {
    slipping(inner, Slip::AnsweredEarly)
}

fn slipping(inner: Arc<dyn Store>, slip: Slip) -> Arc<dyn Store> {
    Arc::new(Slipping { inner, slip, shown: Mutex::default(), taken: Mutex::default() })
}

impl Slipping {
    async fn show(&self, writes: &[Write]) -> Result<(), StoreError> {
        for write in writes {
            let Write::Aggregate(it) = write else { continue };
            let told = self.inner.find(it.id()).await?.map_or(0, |it| it.value.events().len());
            let feeds = self.inner.status().feed;
            let last = feeds.iter().find(|feed| feed.0 == *it.institution()).map_or(0, |feed| feed.1);
            let mut shown = self.shown.lock();
            for index in told..it.events().len() {
                let next = last + 1 + shown.iter().filter(|other| other.1.institution() == it.institution()).count() as u64;
                shown.push((next, Arc::new(it.clone()), index));
            }
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let taken = std::mem::take(&mut *self.taken.lock());
        for writes in taken {
            self.inner.commit(writes, Vec::new()).await?;
        }
        Ok(())
    }

    async fn slip(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Result<(), StoreError> {
        match self.slip {
            Slip::Early => {
                self.show(&writes).await?;
                let done = self.inner.commit(writes, expects).await;
                self.shown.lock().clear();
                done
            }
            Slip::CheckThenWrite => {
                self.inner.commit(Vec::new(), expects).await?;
                Pause::default().await;
                self.inner.commit(writes, Vec::new()).await
            }
            Slip::AnsweredEarly => {
                self.inner.commit(Vec::new(), expects).await?;
                self.taken.lock().push(writes);
                Ok(())
            }
        }
    }
}

impl Store for Slipping {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(async move {
            self.catch_up().await?;
            self.inner.load(query).await
        })
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(self.slip(writes, expects))
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.inner.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.inner.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        Box::pin(async move {
            let mut events = self.inner.feed(institution, after, max).await?;
            let early =
                self.shown.lock().iter().filter(|it| it.1.institution() == institution && it.0 > after).cloned().collect::<Vec<_>>();
            events.extend(early);
            Ok(events)
        })
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        self.inner.find(id)
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        self.inner.recipients(publisher, after, max)
    }

    fn status(&self) -> Status {
        self.inner.status()
    }
}
