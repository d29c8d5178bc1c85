//! Turns a decision's writes and expectations into sealed values and checks, on the caller's own time.

use super::codec::{Decoder, Encoder, Malformed};
use super::contract::StoreError;
use super::facts::Facts;
use super::form::Form;
use super::given::Given;
use super::key::{Key, Keys, Route, kind};
use super::published::{Aside, Published};
use super::{row, rows};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use crate::domain::snapshot::{Expect, Write};
use crate::vault::{ROOM, SealedRow, Vault};
use std::sync::Arc;

/// The most that one commit may write, sealed.
const LARGEST_COMMIT: usize = 1024 * 1024;

/// One change, sealed, without its version and numbers.
pub(crate) enum Change {
    /// An aggregate, new or changed.
    Aggregate {
        /// Which.
        id: AggregateId,
        /// Sealed.
        body: SealedRow,
        /// For the indexes.
        facts: Arc<Facts>,
        /// As it was before.
        plain: Arc<Aggregate>,
    },
    /// An aggregate is in history now, and leaves.
    Move(AggregateId),
    /// A tombstone's time is over.
    Forget(AggregateId),
    /// Any other record; `None` removes it.
    Record {
        /// Which.
        key: Key,
        /// Sealed.
        body: Option<SealedRow>,
        /// How it is found.
        aside: Aside,
    },
}

/// What must hold for a commit.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    pub(crate) key: Key,
    pub(crate) want: Want,
}

/// What a [`Check`] wants of its key.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// This version.
    Version(u64),
    /// This holder.
    Holder(Option<AggregateId>),
    /// Nothing there.
    Absent,
    /// This lease, or nobody's.
    Fence(u64),
}

/// A commit on its way.
#[derive(Default)]
pub(crate) struct Commit {
    pub(crate) changes: Vec<Change>,
    pub(crate) checks: Vec<Check>,
}

impl Commit {
    /// Seals what a decision wants. Of two writes of one record the last stands.
    pub(crate) fn prepare(vault: &Vault, form: Form, writes: Vec<Write>, expects: &[Expect]) -> Result<Self, StoreError> {
        written_in(form, &writes)?;
        let given = Given::by(vault, expects);
        let mut changes: Vec<Change> = Vec::with_capacity(writes.len());
        for write in writes {
            changes.extend(foreign_opt_out(vault, &write));
            let new = change((vault, form), write, &given);
            changes.retain(|it| it.key() != new.key());
            changes.push(new);
        }
        let checks = given.made().map(|(expect, key)| Check { key: *key, want: want(expect) }).collect();
        Self { changes, checks }.bounded()
    }

    /// Seals notes.
    pub(crate) fn notes(vault: &Vault, values: Vec<(String, Option<Vec<u8>>)>) -> Result<Self, StoreError> {
        let mut changes: Vec<Change> = Vec::with_capacity(values.len());
        for (name, value) in values {
            let key = Keys(vault).note(&name);
            let body = value.map(|value| row::seal_in_place(vault, &key, encode_note(&name, &value), true));
            changes.retain(|it| it.key() != key);
            changes.push(Change::Record { key, body, aside: Aside::Note(name) });
        }
        Self { changes, checks: Vec::new() }.bounded()
    }

    /// How many bytes it writes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.changes.iter().map(Change::bytes).sum()
    }

    fn bounded(self) -> Result<Self, StoreError> {
        let fits = self.changes.iter().all(|it| it.bytes() <= row::LARGEST) && self.bytes() <= LARGEST_COMMIT;
        if fits { Ok(self) } else { Err(StoreError::TooLarge) }
    }
}

impl Change {
    /// The record it is about.
    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Aggregate { id, .. } | Self::Move(id) | Self::Forget(id) => Key::aggregate(*id),
            Self::Record { key, .. } => *key,
        }
    }

    /// Tells what another commit may want that this one changes: the record, and what is no record of its own.
    pub(crate) fn touches(&self, published: &Published, mut each: impl FnMut(Key)) {
        each(self.key());
        match self {
            Self::Aggregate { id, facts, .. } => touched(facts, published.entries.get(id).map(|it| &*it.facts), each),
            Self::Record { aside: Aside::OptOut(address, _), .. } => each(Key::new(kind::ADDRESS, *address)),
            Self::Record { .. } | Self::Move(_) | Self::Forget(_) => {}
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Aggregate { body, plain, .. } => row::length(body, plain.events().len()),
            Self::Record { body: Some(body), .. } => row::length(body, 0),
            Self::Move(_) | Self::Forget(_) | Self::Record { body: None, .. } => 0,
        }
    }
}

/// Whether a form has words for all that is to be written. If not, nodes of an older version are still there: come again.
pub(crate) fn written_in(form: Form, writes: &[Write]) -> Result<(), StoreError> {
    let lacks = |it: &Write| matches!(it, Write::Aggregate(it) if rows::oldest(it) > form);
    if writes.iter().any(lacks) { Err(StoreError::Busy) } else { Ok(()) }
}

// What is found otherwise than before: by an address, in a slot, by an idempotency key, by a provider's message.
fn touched(new: &Facts, old: Option<&Facts>, mut each: impl FnMut(Key)) {
    let both = || [Some(new), old].into_iter().flatten();
    if old.is_none_or(|old| !old.looks_like(new)) {
        both().flat_map(Facts::addresses).for_each(|it| each(Key::new(kind::ADDRESS, it)));
    }
    if old.is_none_or(|old| (old.live.slot, old.at) != (new.live.slot, new.at)) {
        both().filter_map(|it| it.live.slot).for_each(|it| each(Key::new(kind::SLOT, it)));
    }
    let repeat = |it: &Facts| it.repeat.as_ref().map(|it| it.0);
    if old.is_none_or(|old| repeat(old) != repeat(new)) {
        both().filter_map(repeat).for_each(|it| each(Key::new(kind::REPEAT, it)));
    }
    if old.is_none_or(|old| old.seen != new.seen) {
        both().flat_map(|it| &it.seen).for_each(|it| each(Key::new(kind::SEEN, it.0)));
    }
}

fn change((vault, form): (&Vault, Form), write: Write, given: &Given<'_>) -> Change {
    let keys = Keys(vault);
    match write {
        Write::Aggregate(it) => aggregate((vault, form), it, given),
        Write::Budget(key, budget) => {
            let key = keys.budget(&key);
            let body = row::seal_in_place(vault, &key, rows::encode_budget(&budget, form, ROOM), true);
            Change::Record { key, body: Some(body), aside: Aside::None }
        }
        Write::OptOut(publisher, address, stopped) => {
            let (key, route) = (keys.opt_out(&publisher, &address), keys.address(&address));
            let body = stopped.then(|| row::seal_in_place(vault, &key, encode_opt_out(&route, publisher.as_str()), true));
            Change::Record { key, body, aside: Aside::OptOut(route, publisher) }
        }
        Write::Recipient(name, recipient) => {
            let key = keys.recipient(&name);
            let body = recipient.as_ref().map(|it| row::seal_in_place(vault, &key, rows::encode_recipient(it, form, ROOM), true));
            Change::Record { key, body, aside: Aside::Recipient(name) }
        }
    }
}

// Whoever wants messages again is rid of what was imported, too.
fn foreign_opt_out(vault: &Vault, write: &Write) -> Option<Change> {
    let Write::OptOut(publisher, address, false) = write else { return None };
    let route = Keys(vault).address(address);
    let key = Keys(vault).foreign_opt_out(publisher.as_str(), &route);
    Some(Change::Record { key, body: None, aside: Aside::OptOut(route, publisher.clone()) })
}

fn aggregate((vault, form): (&Vault, Form), it: Aggregate, given: &Given<'_>) -> Change {
    let key = Key::aggregate(it.id());
    let body = row::seal_in_place(vault, &key, rows::encode_aggregate(&it, form, ROOM), false);
    Change::Aggregate { id: it.id(), body, facts: Arc::new(Facts::given(&it, given)), plain: Arc::new(it) }
}

fn want(expect: &Expect) -> Want {
    match expect {
        Expect::Aggregate(_, version) | Expect::Budget(_, version) | Expect::Recipient(_, version) | Expect::Address(_, version) => {
            Want::Version(*version)
        }
        Expect::Slot(_, holder) => Want::Holder(*holder),
        Expect::Unrepeated(..) | Expect::Unseen(_) => Want::Absent,
        Expect::Lease(lease) => Want::Fence(lease.fence),
    }
}

/// A note's stored form, to be sealed in place: its name, then its value.
pub(crate) fn encode_note(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Encoder::after(ROOM, name.len() + value.len() + 8);
    out.text(name);
    out.bytes(value);
    out.finish()
}

/// A note's name and value.
pub(crate) fn decode_note(plain: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let mut from = Decoder::new(plain);
    let note = (from.str()?, from.bytes()?);
    from.end()?;
    Ok(note)
}

/// An opt-out's stored form, to be sealed in place: the address's route, then the publisher.
fn encode_opt_out(route: &Route, publisher: &str) -> Vec<u8> {
    let mut out = Encoder::after(ROOM, 48);
    out.fixed(route);
    out.text(publisher);
    out.finish()
}
