//! What a plan is made with: what this node knows, what was read for it, and how versions are given. Pure.

use super::known::{Kept, Known};
use super::place::Place;
use super::rec::Rec;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::form::Form;
use crate::store::keyed::Keyed;
use crate::store::row::Opener;
use std::sync::Arc;

/// The bits of a version that tell nodes apart. A record that is removed and made anew could have its old version otherwise, where two
/// nodes began to count at the same moment; whoever read the first would take it for what it read.
pub(super) const NODES: u64 = (1 << 10) - 1;

/// Why there is no plan yet, or none at all.
pub(super) enum Gap {
    /// These must be read first.
    Missing(Vec<AggregateId>, Vec<Place>),
    /// What is expected does not hold.
    Conflict,
    /// A stored value can't be read.
    Unreadable(StoreError),
}

/// What was read for this commit.
#[derive(Default)]
pub(super) struct Read {
    pub(super) aggregates: Keyed<AggregateId, Option<Kept>>,
    pub(super) records: Keyed<Place, Option<Arc<Rec>>>,
}

/// What a plan is made with.
pub(super) struct Desk<'a> {
    pub(super) opener: Opener<'a>,
    /// The form that is written.
    pub(super) form: Form,
    pub(super) known: &'a Known,
    pub(super) read: &'a Read,
    /// Versions that are given are at least this.
    pub(super) stamp: u64,
    pub(super) now: Timestamp,
}

impl Desk<'_> {
    /// An aggregate as it is; `Ok(None)`: to be read first. One of which nothing is expected, known or read is taken for new, as it mostly
    /// is: should it be there, it can't be written so, and is read then.
    pub(super) fn aggregate(&self, id: AggregateId, expected: Option<u64>) -> Result<Option<Option<Kept>>, Gap> {
        if let Some(read) = self.read.aggregates.get(&id) {
            let version = read.as_ref().map_or(0, |it| it.version);
            return if expected.is_none_or(|it| it == version) { Ok(Some(read.clone())) } else { Err(Gap::Conflict) };
        }
        if expected == Some(0) {
            return Ok(Some(None));
        }
        match (self.known.aggregate(id), expected) {
            (None, None) => Ok(Some(None)),
            // Versions of an aggregate rise.
            (Some(known), Some(expected)) if known.version > expected => Err(Gap::Conflict),
            (known, _) => Ok(known.filter(|it| expected.is_none_or(|expected| expected == it.version)).map(Some)),
        }
    }

    /// A record as it is; `Ok(None)`: to be read first.
    pub(super) fn record(&self, place: &Place, expected: Option<u64>) -> Result<Option<Option<Arc<Rec>>>, Gap> {
        let version = |it: &Option<Arc<Rec>>| it.as_ref().map_or(0, |it| it.version);
        if let Some(read) = self.read.records.get(place) {
            return if expected.is_none_or(|it| it == version(read)) { Ok(Some(read.clone())) } else { Err(Gap::Conflict) };
        }
        if expected == Some(0) {
            return Ok(Some(None));
        }
        Ok(self.known.record(place).filter(|it| expected.is_none_or(|expected| expected == version(it))))
    }

    /// A version that no other node gives: its last bits are this node's.
    pub(super) fn version(&self, was: u64) -> u64 {
        if self.stamp > was { self.stamp } else { (was | NODES) + 1 + (self.stamp & NODES) }
    }
}
