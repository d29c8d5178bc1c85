//! Deliveries that this node has to itself, until it hands them to its workers: those that it took with a commit, and those that
//! it took over from the database (decision 8).

use crate::domain::id::{AggregateId, DeliveryId};
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What waits here, in the order it is due.
#[derive(Default)]
pub(super) struct Leases(Mutex<BTreeMap<(Timestamp, DeliveryId), Lease>>);

impl Leases {
    /// A delivery that is due at `at`.
    pub(super) fn put(&self, at: Timestamp, lease: Lease) {
        self.0.lock().insert((at, lease.delivery), lease);
    }

    /// Hands out at most `max` that are due at `now`. Those whose lease is over are forgotten: another node may have them.
    pub(super) fn take(&self, now: Timestamp, max: usize) -> Vec<Lease> {
        let mut waiting = self.0.lock();
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some(first) = waiting.first_entry().filter(|it| it.key().0 <= now) else { break };
            let lease = first.remove();
            if lease.until > now {
                taken.push(lease);
            }
        }
        taken
    }

    /// Takes all out.
    pub(super) fn drain(&self) -> Vec<Lease> {
        std::mem::take(&mut *self.0.lock()).into_values().collect()
    }

    /// A delivery does not wait any more as it did.
    pub(super) fn remove(&self, at: Timestamp, id: DeliveryId) {
        self.0.lock().remove(&(at, id));
    }

    /// Those of an aggregate are no longer this node's.
    pub(super) fn forget(&self, id: AggregateId) {
        self.0.lock().retain(|_, it| it.aggregate != id);
    }
}
