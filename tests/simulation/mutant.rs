//! A wrapper of the store that changes what a decision sees, or what it wants.

use countersign::domain::aggregate::Aggregate;
use countersign::domain::challenge::Challenge;
use countersign::domain::code::Sealed;
use countersign::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Later, Status, Store};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Puts something between the engine and the store; what it holds is lost with the process.
pub type Plant = fn(Arc<dyn Store>) -> Arc<dyn Store>;

/// What a fault does.
pub struct Mutant {
    pub view: fn(&mut Memory, &Query, &mut View),
    pub commit: fn(&mut Memory, &mut Vec<Write>, &mut Vec<Expect>),
}

impl Mutant {
    pub const NONE: Self = Self { view: |_, _, _| {}, commit: |_, _, _| {} };
}

/// What a fault remembers, until the process ends.
#[derive(Default)]
pub struct Memory {
    pub expiries: HashMap<AggregateId, Timestamp>,
    pub materials: HashMap<AggregateId, Sealed>,
    pub senders: HashMap<DeliveryId, Option<String>>,
    pub repeats: HashSet<String>,
    pub open: Vec<Challenge>,
}

struct Planted {
    inner: Arc<dyn Store>,
    mutant: Mutant,
    memory: Mutex<Memory>,
}

/// The store with a fault before it.
pub fn planted(inner: Arc<dyn Store>, mutant: Mutant) -> Arc<dyn Store> {
    Arc::new(Planted { inner, mutant, memory: Mutex::default() })
}

impl Store for Planted {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(async move {
            let mut view = self.inner.load(query).await?;
            (self.mutant.view)(&mut self.memory.lock(), query, &mut view);
            Ok(view)
        })
    }

    fn commit(&self, mut writes: Vec<Write>, mut expects: Vec<Expect>) -> Later<'_, ()> {
        (self.mutant.commit)(&mut self.memory.lock(), &mut writes, &mut expects);
        self.inner.commit(writes, expects)
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.inner.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.inner.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        self.inner.feed(institution, after, max)
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
