//! Puts commits together into one durable step: checks what they expect, gives versions and feed numbers, and says what to
//! put where and what to show once it is durable.

use super::codec::Encoder;
use super::contract::StoreError;
use super::form::Form;
use super::key::{Key, Keys, kind};
use super::keyed::{Keyed, Spread};
use super::past::{Grave, Past};
use super::prepare::{Change, Check, Commit, Want};
use super::published::{Aside, Entry, Published, Row, Shown};
use super::row;
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId};
use crate::domain::time::Timestamp;
use crate::vault::{SealedRow, Vault};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// How a commit fits a step.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Fit {
    /// It is in.
    In,
    /// What it expects does not hold.
    Conflict,
    /// Another worker has the delivery that it settles.
    Fenced,
    /// It touches what another in this step changes: it must see that first.
    Next,
    /// Whether it fits is not known: history could not be read.
    Unread,
}

type Touched = HashSet<Key, BuildHasherDefault<Spread>>;

/// One durable step in the making.
pub(crate) struct Step<'a> {
    published: &'a Published,
    past: &'a dyn Past,
    vault: &'a Vault,
    /// The number of its last commit.
    pub(crate) sequence: u64,
    /// Records after it, without the meta record.
    pub(crate) records: u64,
    /// Values to put (or with `None` to remove), all in one batch.
    pub(crate) puts: Vec<(Key, Option<Arc<[u8]>>)>,
    /// What to show afterwards, each with its commit's number.
    pub(crate) shown: Vec<(u64, Shown)>,
    /// What was written, as it was before it was sealed, and how long it is.
    latest: Vec<(AggregateId, Arc<Aggregate>, usize)>,
    touched: Touched,
    /// What the commit that is looked at touches.
    touches: Vec<Key>,
    feeds: HashMap<InstitutionId, u64>,
    /// Where a value is put together.
    value: Vec<u8>,
}

/// Commits that a step has room for at first.
const USUAL: usize = 16;

impl<'a> Step<'a> {
    pub(crate) fn new(published: &'a Published, past: &'a dyn Past, vault: &'a Vault) -> Self {
        Self {
            published,
            past,
            vault,
            sequence: published.sequence,
            records: published.records,
            puts: Vec::with_capacity(2 * USUAL),
            shown: Vec::with_capacity(2 * USUAL),
            latest: Vec::with_capacity(USUAL),
            touched: Touched::with_capacity_and_hasher(4 * USUAL, Default::default()),
            touches: Vec::with_capacity(USUAL),
            feeds: HashMap::new(),
            value: Vec::new(),
        }
    }

    /// Takes a commit in, if it fits.
    pub(crate) fn add(&mut self, commit: &Commit) -> Fit {
        self.touches.clear();
        commit.changes.iter().for_each(|it| it.touches(self.published, |key| self.touches.push(key)));
        let wanted = commit.checks.iter().map(|it| &it.key);
        if !self.touched.is_empty() && wanted.chain(&self.touches).any(|key| self.touched.contains(key)) {
            return Fit::Next;
        }
        for check in &commit.checks {
            match (self.holds(check), check.want) {
                (Ok(true), _) => {}
                (Ok(false), Want::Fence(_)) => return Fit::Fenced,
                (Ok(false), _) => return Fit::Conflict,
                (Err(_), _) => return Fit::Unread,
            }
        }
        let Ok(graves) = self.graves(commit) else { return Fit::Unread };
        self.sequence += 1;
        commit.changes.iter().for_each(|it| self.stage(it, &graves));
        self.touched.extend(self.touches.drain(..));
        Fit::In
    }

    /// Adds what every step carries: the feeds' last numbers, and sequence and record count.
    pub(crate) fn seal(mut self) -> Sealed {
        for (institution, last) in std::mem::take(&mut self.feeds) {
            let key = Keys(self.vault).feed(&institution);
            let mut out = Encoder::with_capacity(32);
            out.text(institution.as_str());
            out.number(last);
            let body = row::seal(self.vault, &key, &out.finish(), true);
            self.record(key, Some(&body), &Aside::Feed(institution, last));
        }
        self.puts.push((Key::META, Some(meta_value(self.vault, self.published.form, (self.sequence, self.records)).into())));
        Sealed { sequence: self.sequence, records: self.records, puts: self.puts, shown: self.shown, latest: self.latest }
    }

    // What moved is in history before it leaves the published state, and this thread is the one that takes it from there: what
    // is in neither is nowhere.
    fn holds(&self, check: &Check) -> Result<bool, StoreError> {
        let rest = check.key.rest();
        Ok(match check.want {
            Want::Version(version) => match self.published.version(&check.key) {
                0 if check.key.kind() == kind::AGGREGATE => self.grave(&check.key)?.map_or(0, |it| it.version) == version,
                found => found == version,
            },
            Want::Fence(fence) => !self.published.outbox.is_anothers(check.key.delivery_id(), fence),
            Want::Holder(holder) => self.published.holder(&rest) == holder,
            Want::Absent if check.key.kind() == kind::SEEN => self.published.seen(&rest).is_none() && self.grave(&check.key)?.is_none(),
            Want::Absent => self.published.repeated(&rest).is_none() && self.grave(&check.key)?.is_none(),
        })
    }

    fn grave(&self, key: &Key) -> Result<Option<Grave>, StoreError> {
        if !self.past.may_know(key) {
            return Ok(None);
        }
        let found = self.past.find(key).inspect_err(|error| tracing::error!(%error, "a commit could not be checked against history"))?;
        Ok(found.into_iter().next())
    }

    // Those aggregates of a commit that are in history and live again.
    fn graves(&self, commit: &Commit) -> Result<Keyed<AggregateId, Grave>, StoreError> {
        let mut graves = Keyed::default();
        for change in &commit.changes {
            if let Change::Aggregate { id, .. } = change
                && !self.published.entries.contains_key(id)
            {
                graves.extend(self.grave(&Key::aggregate(*id))?.map(|it| (*id, it)));
            }
        }
        Ok(graves)
    }

    fn stage(&mut self, change: &Change, graves: &Keyed<AggregateId, Grave>) {
        match change {
            Change::Aggregate { id, .. } => self.aggregate(change, graves.get(id)),
            Change::Move(id) => {
                self.remove(Key::aggregate(*id));
                self.shown.push((self.sequence, Shown::Moved(*id)));
            }
            Change::Forget(id) => {
                self.remove(Key::tombstone(*id));
                self.shown.push((self.sequence, Shown::Forgotten(*id)));
            }
            Change::Record { key, body, aside } => self.record(*key, body.as_ref(), aside),
        }
    }

    fn aggregate(&mut self, change: &Change, grave: Option<&Grave>) {
        let Change::Aggregate { id, body, facts, plain } = change else { return };
        let (id, events, old) = (*id, plain.events().len(), self.published.entries.get(id));
        let had = old.map(|it| &it.seqs).or(grave.map(|it| &it.seqs));
        let seqs = match had.filter(|it| it.len() == events) {
            Some(had) => had.clone(),
            None => self.numbers(&facts.institution, had.map_or(&[], |it| it), events),
        };
        let key = Key::aggregate(id);
        let bytes = self.value((&key, facts.live.timer), &seqs, body);
        self.records += u64::from(old.is_none());
        if old.is_some_and(|it| it.bytes.is_none()) {
            self.puts.push((Key::tombstone(id), None));
        }
        self.puts.push((key, Some(bytes.clone())));
        self.latest.push((id, plain.clone(), bytes.len()));
        let entry = Entry { version: self.sequence, bytes: Some(bytes), facts: facts.clone(), seqs };
        let shown = if grave.is_some() { Shown::Revived(id, entry) } else { Shown::Entry(id, entry) };
        self.shown.push((self.sequence, shown));
    }

    // Numbers for so many events, of which there are more or fewer than before: those they had, and the next ones of the feed.
    fn numbers(&mut self, institution: &InstitutionId, had: &[u64], events: usize) -> Arc<[u64]> {
        let Some(more) = events.checked_sub(had.len()) else { return had[..events].into() };
        let known = || self.published.feeds.get(institution).map_or(0, |it| it.last);
        let last = self.feeds.entry(institution.clone()).or_insert_with(known);
        let first = *last + 1;
        *last += more as u64;
        had.iter().copied().chain(first..=*last).collect()
    }

    fn record(&mut self, key: Key, body: Option<&SealedRow>, aside: &Aside) {
        let row = body.map(|body| {
            let bytes = self.value((&key, None), &[], body);
            self.put(key, bytes.clone());
            Row { version: self.sequence, bytes }
        });
        if row.is_none() {
            self.remove(key);
        }
        self.shown.push((self.sequence, Shown::Record(key, row, aside.clone())));
    }

    fn value(&mut self, (key, due): (&Key, Option<Timestamp>), seqs: &[u64], body: &SealedRow) -> Arc<[u8]> {
        row::write(&mut self.value, (key, self.sequence, due), seqs, body);
        self.value.as_slice().into()
    }

    fn put(&mut self, key: Key, value: Arc<[u8]>) {
        self.records += u64::from(!self.published.has(&key));
        self.puts.push((key, Some(value)));
    }

    fn remove(&mut self, key: Key) {
        if self.published.has(&key) {
            self.records -= 1;
            self.puts.push((key, None));
        }
    }
}

/// A step ready to be made durable, then shown.
pub(crate) struct Sealed {
    pub(crate) sequence: u64,
    pub(crate) records: u64,
    pub(crate) puts: Vec<(Key, Option<Arc<[u8]>>)>,
    pub(crate) shown: Vec<(u64, Shown)>,
    latest: Vec<(AggregateId, Arc<Aggregate>, usize)>,
}

/// What a step took the place of. To drop it takes a while: not under the lock, and best not by the one that writes.
pub(crate) struct Gone {
    entries: Vec<Entry>,
    latest: Vec<Arc<Aggregate>>,
}

/// A part of a [`Gone`]: mostly one of each.
#[derive(Default)]
pub(crate) struct Share {
    _entries: SmallVec<[Entry; 1]>,
    _latest: SmallVec<[Arc<Aggregate>; 1]>,
}

impl Gone {
    /// Takes away the part of one of so many.
    pub(crate) fn share(&mut self, of: usize) -> Share {
        let from = |length: usize| length - length.div_ceil(of.max(1));
        let (entries, latest) = (from(self.entries.len()), from(self.latest.len()));
        Share { _entries: self.entries.drain(entries..).collect(), _latest: self.latest.drain(latest..).collect() }
    }
}

impl Sealed {
    /// Shows it: only after it is durable.
    #[must_use]
    pub(crate) fn publish(self, published: &mut Published) -> Gone {
        let mut gone = Gone { entries: Vec::with_capacity(self.shown.len()), latest: Vec::with_capacity(self.latest.len()) };
        for (sequence, shown) in self.shown {
            gone.entries.extend(published.show(sequence, shown));
        }
        self.latest.into_iter().for_each(|(id, it, size)| published.latest.put(id, it, size, &mut gone.latest));
        published.sequence = self.sequence;
        published.records = self.records;
        gone
    }
}

/// The meta record's value: the last commit, and how many records there are.
pub(crate) fn meta_value(vault: &Vault, form: Form, (sequence, records): (u64, u64)) -> Vec<u8> {
    let mut meta = Encoder::with_capacity(24);
    meta.number(sequence);
    meta.number(records);
    meta.number(form.number().into());
    let body = row::seal(vault, &Key::META, &meta.finish(), true);
    row::assemble(&Key::META, sequence, None, &[], &body)
}

#[cfg(test)]
mod tests;
