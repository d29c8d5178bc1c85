//! A store whose upkeep follows every commit, so that a test sees what would come later by itself.

use countersign::domain::aggregate::Aggregate;
use countersign::domain::id::{AggregateId, InstitutionId, PublisherId};
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{self, Later, Notes, Store};
use countersign::store::postgres::PostgresStore;
use countersign::store::sled::SledStore;
use std::sync::Arc;
use std::time::Duration;

/// A store, and its upkeep after every commit.
pub struct Kept<S>(pub Arc<S>);

/// What comes later by itself.
pub trait Upkeep {
    fn keep_up(&self) -> Later<'_, ()>;
}

/// Whatever is over is in history.
impl Upkeep for SledStore {
    fn keep_up(&self) -> Later<'_, ()> {
        Box::pin(self.sweep())
    }
}

/// What is open and what waits is counted.
impl Upkeep for PostgresStore {
    fn keep_up(&self) -> Later<'_, ()> {
        Box::pin(self.refresh())
    }
}

impl<S: Store + Upkeep> Store for Kept<S> {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        self.0.load(query)
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move {
            self.0.commit(writes, expects).await?;
            self.0.keep_up().await
        })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.0.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.0.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        self.0.feed(institution, after, max)
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        self.0.find(id)
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        self.0.recipients(publisher, after, max)
    }

    fn status(&self) -> contract::Status {
        self.0.status()
    }
}

impl<S: Notes> Notes for Kept<S> {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        self.0.note(name)
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        self.0.set_notes(values)
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.0.notes(prefix)
    }
}
