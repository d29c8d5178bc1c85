//! Stores whose upkeep follows every commit, so that a test sees what would come later by itself.

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

/// The store on sled, whose housekeeping follows every commit: whatever is over is in history when a test looks.
pub struct Moved(pub Arc<SledStore>);

impl Store for Moved {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        self.0.load(query)
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move {
            self.0.commit(writes, expects).await?;
            self.0.sweep().await
        })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.0.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.0.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>> {
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

impl Notes for Moved {
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

/// The store on PostgreSQL, whose counts are made after every change.
pub struct Counted(pub Arc<PostgresStore>);

impl Store for Counted {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        self.0.load(query)
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move {
            self.0.commit(writes, expects).await?;
            self.0.refresh().await
        })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.0.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.0.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>> {
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

impl Notes for Counted {
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
