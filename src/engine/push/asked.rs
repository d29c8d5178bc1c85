//! For tests: events, and a ledger over a store in memory that counts what it is asked.

use super::ledger::Ledger;
use crate::domain::event::Act;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, EventId};
use crate::domain::time::Timestamp;
use crate::engine::draw::{SystemChance, SystemClock};
use crate::engine::tally::Tally;
use crate::engine::{Engine, Parts};
use crate::store::contract::{Duty, Later, Notes, StoreError};
use crate::store::memory::MemoryStore;
use crate::vault::Vault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Event `seq` of a session.
pub(super) fn event(seq: u64, session: u128) -> FeedEvent {
    FeedEvent {
        seq,
        id: EventId(Uuid::nil()),
        number: 90040,
        act: Act::Verified,
        at: Timestamp::default(),
        institution: "011001276".into(),
        product: String::new(),
        publisher: "".into(),
        aggregate: AggregateId(Uuid::from_u128(session)),
        data: Vec::new(),
    }
}

pub(super) struct Asked {
    store: Arc<MemoryStore>,
    pub duties: AtomicUsize,
    /// How often one note was read.
    pub single: AtomicUsize,
    /// How often notes were looked for by their beginning.
    pub all: AtomicUsize,
    /// Who has the duty: writes with another fence than this are refused.
    pub fence: AtomicU64,
    /// Writes nothing, and says that it is not known.
    pub away: AtomicBool,
}

impl Asked {
    /// The ledger of the subscriber `core`, its engine, and what counts.
    pub fn ledger() -> (Ledger, Arc<Engine>, Arc<Self>) {
        let vault = Arc::new(Vault::from_root(&[1; 32]));
        let store = Arc::new(MemoryStore::new(vault.clone()));
        let zero = AtomicUsize::default;
        let notes = Arc::new(Self {
            store: store.clone(),
            duties: zero(),
            single: zero(),
            all: zero(),
            fence: AtomicU64::default(),
            away: AtomicBool::default(),
        });
        let tally = Tally::alone(1, vault.clone());
        let parts = Parts { store, notes: notes.clone(), vault, clock: Arc::new(SystemClock), chance: Arc::new(SystemChance), tally };
        let engine = Arc::new(Engine::new(parts));
        (Ledger::new(engine.clone(), "core".to_owned()), engine, notes)
    }
}

impl Notes for Asked {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        self.single.fetch_add(1, Ordering::Relaxed);
        self.store.note(name)
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        if self.away.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Away("for a test".to_owned())) });
        }
        self.store.set_notes(values)
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.store.notes(prefix)
    }

    fn duty<'a>(&'a self, name: &'a str, span: Duration) -> Later<'a, Option<Duty>> {
        self.duties.fetch_add(1, Ordering::Relaxed);
        let duty = Duty { name: name.to_owned(), fence: self.fence.load(Ordering::Relaxed) };
        Box::pin(std::future::ready(Ok((!span.is_zero()).then_some(duty))))
    }

    fn set_notes_on(&self, duty: Duty, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        if duty.fence != self.fence.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Fenced) });
        }
        self.set_notes(values)
    }
}
