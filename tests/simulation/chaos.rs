//! The store between the engine and what is durable: it lets others go first at every step, refuses, fails, and loses
//! acknowledgements. It sees every commit at the moment it becomes durable, and has the model judge it.

use crate::errand::Errand;
use crate::model::Touched;
use crate::pause::Pause;
use crate::scene::{NOBODY, Scene};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::id::{AggregateId, InstitutionId, PublisherId};
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Later, Notes, Status, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub struct Chaos(pub Arc<Scene>);

/// What a commit meets.
enum Fate {
    Done,
    Conflict,
    Busy,
    /// The durable step fails; whether it was written is unknown to whoever waits.
    Fails {
        written: bool,
    },
}

impl Chaos {
    // Others go first, sometimes.
    async fn gate(&self) {
        if self.0.turn() != NOBODY {
            let times = self.0.dice.lock().weighed(&[60, 25, 10, 5]);
            for _ in 0..times {
                Pause::default().await;
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.0.turn() != NOBODY && self.0.broken.load(Ordering::Relaxed)
    }

    fn fate(&self) -> Fate {
        if self.0.turn() == NOBODY || self.0.is_calm() {
            return Fate::Done;
        }
        match self.0.dice.lock().weighed(&[957, 20, 10, 5, 8]) {
            0 => Fate::Done,
            1 => Fate::Conflict,
            2 => Fate::Busy,
            3 => Fate::Fails { written: false },
            _ => Fate::Fails { written: true },
        }
    }

    fn excuse(&self) {
        let turn = self.0.turn();
        if let Some(it) = self.0.state().under_way.get_mut(&turn) {
            it.excused = true;
        }
    }

    // Fails all who wait from now on (decision 7).
    fn breaks(&self) -> StoreError {
        self.0.broken.store(true, Ordering::Relaxed);
        self.excuse();
        StoreError::Failed("a planned failure".to_owned())
    }

    async fn write(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Result<(), StoreError> {
        let (touched, fate) = (Touched::by(&writes), self.fate());
        match fate {
            Fate::Conflict => return Err(StoreError::Conflict),
            Fate::Busy => {
                self.excuse();
                return Err(StoreError::Busy);
            }
            Fate::Fails { written: false } => return Err(self.breaks()),
            Fate::Done | Fate::Fails { written: true } => {}
        }
        self.0.durable.commit(writes, expects).await?;
        if !touched.aggregates.is_empty() || !touched.budgets.is_empty() || !touched.opt_outs.is_empty() {
            self.0.has_committed(&touched);
        }
        match fate {
            Fate::Fails { .. } => Err(self.breaks()),
            _ => Ok(()),
        }
    }
}

impl Store for Chaos {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(async move {
            self.gate().await;
            if self.is_broken() {
                return Err(self.breaks());
            }
            let view = self.0.durable.load(query).await?;
            self.0.has_read(match query {
                Query::One(id) => Some(*id),
                _ => None,
            });
            Ok(view)
        })
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move {
            self.gate().await;
            if self.is_broken() {
                return Err(self.breaks());
            }
            self.write(writes, expects).await?;
            self.gate().await;
            Ok(())
        })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.0.durable.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.0.durable.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        Box::pin(async move {
            self.gate().await;
            self.0.durable.feed(institution, after, max).await
        })
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        self.0.durable.find(id)
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        self.0.durable.recipients(publisher, after, max)
    }

    fn status(&self) -> Status {
        self.0.durable.status()
    }
}

impl Notes for Chaos {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        self.0.durable.note(name)
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        Box::pin(async move {
            self.gate().await;
            if self.is_broken() {
                return Err(self.breaks());
            }
            self.check_cursors(&values).await?;
            match self.fate() {
                Fate::Done | Fate::Conflict => self.0.durable.set_notes(values).await,
                Fate::Busy => Err(StoreError::Busy),
                Fate::Fails { written } => {
                    if written {
                        self.0.durable.set_notes(values).await?;
                    }
                    Err(self.breaks())
                }
            }
        })
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.0.durable.notes(prefix)
    }
}

impl Chaos {
    // A subscriber's cursor never goes back.
    async fn check_cursors(&self, values: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let number = |it: &[u8]| std::str::from_utf8(it).ok().and_then(|it| it.parse::<u64>().ok());
        for (name, value) in values.iter().filter(|it| it.0.starts_with("cursor/")) {
            let before = self.0.durable.note(name).await?.as_deref().and_then(number).unwrap_or(0);
            let after = value.as_deref().and_then(number);
            if after.is_none_or(|after| after < before) {
                self.0.violated(format!("{name} goes from {before} to {after:?}"));
            }
        }
        Ok(())
    }
}

/// The errand of a turn, to change.
pub fn errand_of(scene: &Scene, turn: u64, change: impl FnOnce(&mut Errand)) {
    if let Some(it) = scene.state().under_way.get_mut(&turn) {
        change(&mut it.errand);
    }
}
