//! Faults that the comparison must see: a wrapper that lies about what its store does.

use super::Bench;
use super::lockstep::Engine;
use countersign::domain::aggregate::Aggregate;
use countersign::domain::id::{AggregateId, InstitutionId, PublisherId};
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Later, Notes, Status, Store};
use proptest::test_runner::TestError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// The last of several expectations is not checked.
    DroppedExpectation,
    /// STOP is heard, and not kept.
    ForgottenOptOut,
    /// The first version of an address is told again and again.
    StaleAddress,
    /// The second event of a page has the number of the first.
    NumberTwice,
}

/// A store with a fault, and what must go when it goes.
pub struct Planted {
    pub inner: Arc<dyn Engine>,
    pub fault: Fault,
    first: Mutex<HashMap<String, u64>>,
    end: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Planted {
    pub fn new(inner: Arc<dyn Engine>, fault: Fault, end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { inner, fault, first: Mutex::default(), end: Some(Box::new(end)) }
    }

    fn aged(&self, view: &mut View) {
        let mut first = self.first.lock().unwrap();
        for it in &mut view.addresses {
            let version = first.entry(it.address.expose().to_owned()).or_insert(it.version);
            *version = if *version == 0 { it.version } else { *version };
            it.version = *version;
        }
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.end.take().into_iter().for_each(|it| it());
    }
}

impl Store for Planted {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(async move {
            let mut view = self.inner.load(query).await?;
            if self.fault == Fault::StaleAddress {
                self.aged(&mut view);
            }
            Ok(view)
        })
    }

    fn commit(&self, mut writes: Vec<Write>, mut expects: Vec<Expect>) -> Later<'_, ()> {
        match self.fault {
            Fault::DroppedExpectation if expects.len() > 1 => drop(expects.pop()),
            Fault::ForgottenOptOut => writes.retain(|it| !matches!(it, Write::OptOut(_, _, true))),
            _ => {}
        }
        self.inner.commit(writes, expects)
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.inner.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.inner.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        Box::pin(async move {
            let mut page = self.inner.feed(institution, after, max).await?;
            if let (Fault::NumberTwice, [first, second, ..]) = (self.fault, &mut page[..]) {
                second.0 = first.0;
            }
            Ok(page)
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

impl Notes for Planted {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        self.inner.note(name)
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        self.inner.set_notes(values)
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.inner.notes(prefix)
    }
}

/// Cases within which a fault must show.
const CASES: u32 = 40;

fn notices(fault: Fault) {
    match Bench::postgres(1, fault).draw(7, CASES, 0) {
        Err(TestError::Fail(..)) => {}
        other => panic!("{fault:?} went unnoticed: {other:?}"),
    }
}

#[test]
fn a_dropped_expectation_is_noticed() {
    notices(Fault::DroppedExpectation);
}

#[test]
fn a_forgotten_opt_out_is_noticed() {
    notices(Fault::ForgottenOptOut);
}

#[test]
fn a_stale_version_of_an_address_is_noticed() {
    notices(Fault::StaleAddress);
}

#[test]
fn a_number_given_twice_is_noticed() {
    notices(Fault::NumberTwice);
}
