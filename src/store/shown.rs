//! What a durable step changes in the published state: the records, and how each is found.

use super::facts::Facts;
use super::key::{Key, Route};
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::RecipientKey;
use std::sync::Arc;

/// A stored value and the commit that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) version: u64,
    pub(crate) bytes: Arc<[u8]>,
}

/// An aggregate: live with its row, or the tombstone of an earlier form with none.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) version: u64,
    /// The value; `None` when it is in history and this is its tombstone.
    pub(crate) bytes: Option<Arc<[u8]>>,
    pub(crate) facts: Arc<Facts>,
    /// Feed numbers of its events, in order.
    pub(crate) seqs: Arc<[u64]>,
}

/// How a record that is no aggregate is found by more than its key.
#[derive(Clone, Debug)]
pub(crate) enum Aside {
    /// By its key only.
    None,
    /// In the order of recipients.
    Recipient(RecipientKey),
    /// By the address.
    OptOut(Route, PublisherId),
    /// In the order of names.
    Note(String),
    /// The last feed number of an institution.
    Feed(InstitutionId, u64),
    /// How many aggregates a day of history has, at least.
    History(u32, u64),
}

/// One change that is durable and to be shown.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// An aggregate is now this.
    Entry(AggregateId, Entry),
    /// An aggregate that was in history is live again, as this.
    Revived(AggregateId, Entry),
    /// An aggregate is in history now.
    Moved(AggregateId),
    /// A tombstone is gone.
    Forgotten(AggregateId),
    /// A record is now this, or gone.
    Record(Key, Option<Row>, Aside),
}
