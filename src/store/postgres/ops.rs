//! What a commit does to the tables: every write is bound to what was there, so that it happens to that or not at all.

use super::place::Place;
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use crate::store::key::Route;
use crate::vault::SealedRow;

/// A record to insert, or (with the version that it has now) to replace.
pub(super) struct PutRecord {
    pub(super) place: Place,
    /// The version that it replaces; 0: it must not be there.
    pub(super) was: u64,
    pub(super) version: u64,
    pub(super) sealed: SealedRow,
    pub(super) holds: Vec<u8>,
    pub(super) also: Vec<u8>,
    /// The day after which it may go.
    pub(super) until: Option<u32>,
}

/// An aggregate to insert, or to replace.
pub(super) struct PutAggregate {
    pub(super) id: AggregateId,
    pub(super) was: u64,
    pub(super) version: u64,
    pub(super) sealed: SealedRow,
    pub(super) events: usize,
    pub(super) also: Vec<u8>,
    pub(super) timer: Option<Timestamp>,
    /// When the first of its deliveries is due that waits.
    pub(super) send_at: Option<Timestamp>,
    /// A delivery that was waiting before still waits as it did: whoever has it keeps it.
    pub(super) keep: bool,
    /// A new delivery is due already: this node takes all that waits, unless another has it.
    pub(super) take: bool,
    /// Deliveries that wait otherwise than before.
    pub(super) fresh: Vec<(Timestamp, DeliveryId)>,
    /// All that wait.
    pub(super) waiting: Vec<(Timestamp, DeliveryId)>,
    /// Deliveries that waited before, and don't any more as they did: who has them has nothing.
    pub(super) gone: Vec<(Timestamp, DeliveryId)>,
    pub(super) lease: Option<Lease>,
}

/// Events that get numbers.
pub(super) struct Tell {
    pub(super) institution: InstitutionId,
    pub(super) id: AggregateId,
    /// The first of its events without a number, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
}

/// All that a commit does.
#[derive(Default)]
pub(super) struct Ops {
    pub(super) records: Vec<PutRecord>,
    pub(super) removed: Vec<(Place, u64)>,
    /// Records that must be as they are; 0: not there.
    pub(super) checked: Vec<(Place, u64)>,
    pub(super) aggregates: Vec<PutAggregate>,
    pub(super) checked_aggregates: Vec<(AggregateId, u64)>,
    /// Leases that must not be another's, of aggregates that are not written.
    pub(super) leases: Vec<Lease>,
    pub(super) told: Vec<Tell>,
    /// The duty that this node must have, by its routing MAC, and its fence.
    pub(super) duty: Option<(Route, i64)>,
    /// Challenges that were opened, by publisher and UTC day.
    pub(super) opened: Vec<(PublisherId, u32)>,
}

impl Ops {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.removed.is_empty()
            && self.checked.is_empty()
            && self.aggregates.is_empty()
            && self.checked_aggregates.is_empty()
            && self.leases.is_empty()
    }

    /// What it writes or relies on: of two commits that name the same, one must come after the other.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        let places = self.records.iter().map(|it| it.place).chain(self.removed.iter().chain(&self.checked).map(|it| it.0));
        let ids = self.aggregates.iter().map(|it| it.id).chain(self.checked_aggregates.iter().map(|it| it.0));
        let ids = ids.chain(self.leases.iter().map(|it| it.aggregate));
        places.map(Name::Record).chain(ids.map(Name::Aggregate))
    }
}

/// A row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Name {
    Record(Place),
    Aggregate(AggregateId),
}
