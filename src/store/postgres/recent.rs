//! What this node wrote a moment ago and is about to hand over, as it was before it was sealed.

use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use crate::domain::snapshot::Versioned;
use crate::store::latest::Latest;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An aggregate as it was written.
struct Written {
    version: u64,
    value: Arc<Aggregate>,
    at: Instant,
}

/// Aggregates as they were written.
#[derive(Default)]
pub(super) struct Recent(Mutex<Latest<Written>>);

impl Recent {
    /// These were written, each with its version and its bytes, sealed.
    pub(super) fn put(&self, all: impl Iterator<Item = (u64, Arc<Aggregate>, usize)>) {
        let (at, mut gone) = (Instant::now(), Vec::new());
        let mut latest = self.0.lock();
        all.for_each(|(version, value, size)| latest.put(value.id(), Written { version, value, at }, size, &mut gone));
        drop(latest);
    }

    /// An aggregate that was written no longer ago than `moment`.
    pub(super) fn just_now(&self, id: AggregateId, moment: Duration) -> Option<Versioned<Aggregate>> {
        let (version, value) = {
            let latest = self.0.lock();
            let it = latest.get(&id).filter(|it| it.at.elapsed() < moment)?;
            (it.version, it.value.clone())
        };
        Some(Versioned { value: (*value).clone(), version })
    }

    /// Another node has written it since.
    pub(super) fn forget(&self, id: AggregateId) {
        self.0.lock().remove(&id);
    }

    /// Forgets what was there when this was called last.
    pub(super) fn age(&self) {
        let old = self.0.lock().age();
        drop(old);
    }
}
