//! Puts commits together into one durable step: checks what they expect, gives versions and feed numbers, and says what to
//! put where and what to show once it is durable.

use super::codec::Encoder;
use super::facts::Facts;
use super::key::{Key, Keys, kind};
use super::prepare::{Change, Check, Commit, Want};
use super::published::{Aside, Entry, Published, Row, Shown};
use super::row;
use crate::domain::id::{AggregateId, InstitutionId};
use crate::vault::{SealedRow, Vault};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How a commit fits a step.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Fit {
    /// It is in.
    In,
    /// What it expects does not hold.
    Conflict,
    /// It touches what another in this step changes: it must see that first.
    Next,
}

/// One durable step in the making.
pub(crate) struct Step<'a> {
    published: &'a Published,
    vault: &'a Vault,
    /// The number of its last commit.
    pub(crate) sequence: u64,
    /// Records after it, without the meta record.
    pub(crate) records: u64,
    /// Values to put (or with `None` to remove), all in one batch.
    pub(crate) puts: Vec<(Key, Option<Vec<u8>>)>,
    /// What to show afterwards, each with its commit's number.
    pub(crate) shown: Vec<(u64, Shown)>,
    touched: HashSet<Key>,
    feeds: HashMap<InstitutionId, u64>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(published: &'a Published, vault: &'a Vault) -> Self {
        Self {
            published,
            vault,
            sequence: published.sequence,
            records: published.records,
            puts: Vec::new(),
            shown: Vec::new(),
            touched: HashSet::new(),
            feeds: HashMap::new(),
        }
    }

    /// Takes a commit in, if it fits.
    pub(crate) fn add(&mut self, commit: &Commit) -> Fit {
        let touches: Vec<Key> = commit.changes.iter().flat_map(|it| it.touches(self.published)).collect();
        let wanted = commit.checks.iter().map(|it| &it.key);
        if wanted.chain(&touches).any(|key| self.touched.contains(key)) {
            return Fit::Next;
        }
        if !commit.checks.iter().all(|it| self.holds(it)) {
            return Fit::Conflict;
        }
        self.sequence += 1;
        commit.changes.iter().for_each(|it| self.stage(it));
        self.touched.extend(touches);
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
        self.puts.push((Key::META, Some(meta_value(self.vault, self.sequence, self.records))));
        Sealed { sequence: self.sequence, records: self.records, puts: self.puts, shown: self.shown }
    }

    fn holds(&self, check: &Check) -> bool {
        let rest = check.key.rest();
        match check.want {
            Want::Version(version) => self.published.version(&check.key) == version,
            Want::Holder(holder) => self.published.holder(&rest) == holder,
            Want::Absent if check.key.kind() == kind::SEEN => self.published.seen(&rest).is_none(),
            Want::Absent => self.published.repeated(&rest).is_none(),
        }
    }

    fn stage(&mut self, change: &Change) {
        match change {
            Change::Aggregate { id, body, facts, events } => self.aggregate(*id, body, facts, *events),
            Change::Bury { id, body, facts } => self.bury(*id, body, facts),
            Change::Forget(id) => {
                self.remove(Key::tombstone(*id));
                self.shown.push((self.sequence, Shown::Forgotten(*id)));
            }
            Change::Record { key, body, aside } => self.record(*key, body.as_ref(), aside),
        }
    }

    fn aggregate(&mut self, id: AggregateId, body: &SealedRow, facts: &Arc<Facts>, events: usize) {
        let had = self.published.entries.get(&id).map_or(&[][..], |it| &it.seqs);
        let mut seqs = had[..had.len().min(events)].to_vec();
        if seqs.len() < events {
            let known = self.published.feeds.get(&facts.institution).map_or(0, |it| it.last);
            let last = self.feeds.entry(facts.institution.clone()).or_insert(known);
            seqs.extend((seqs.len()..events).map(|_| {
                *last += 1;
                *last
            }));
        }
        let key = Key::aggregate(id);
        let value = row::assemble(&key, self.sequence, facts.live.timer, &seqs, body);
        let bytes = Some(Arc::from(value.as_slice()));
        self.remove(Key::tombstone(id));
        self.put(key, value);
        let entry = Entry { version: self.sequence, bytes, facts: facts.clone(), seqs: seqs.into() };
        self.shown.push((self.sequence, Shown::Entry(id, entry)));
    }

    // The version stays: what a decision read from history is still what it read.
    fn bury(&mut self, id: AggregateId, body: &SealedRow, facts: &Arc<Facts>) {
        let Some(old) = self.published.entries.get(&id) else { return };
        let key = Key::tombstone(id);
        let value = row::assemble(&key, old.version, None, &old.seqs, body);
        self.remove(Key::aggregate(id));
        self.put(key, value);
        let entry = Entry { version: old.version, bytes: None, facts: facts.clone(), seqs: old.seqs.clone() };
        self.shown.push((self.sequence, Shown::Entry(id, entry)));
    }

    fn record(&mut self, key: Key, body: Option<&SealedRow>, aside: &Aside) {
        let row = body.map(|body| {
            let value = row::assemble(&key, self.sequence, None, &[], body);
            let bytes = Arc::from(value.as_slice());
            self.put(key, value);
            Row { version: self.sequence, bytes }
        });
        if row.is_none() {
            self.remove(key);
        }
        self.shown.push((self.sequence, Shown::Record(key, row, aside.clone())));
    }

    fn put(&mut self, key: Key, value: Vec<u8>) {
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
    pub(crate) puts: Vec<(Key, Option<Vec<u8>>)>,
    pub(crate) shown: Vec<(u64, Shown)>,
}

impl Sealed {
    /// Shows it: only after it is durable.
    pub(crate) fn publish(self, published: &mut Published) {
        for (sequence, shown) in self.shown {
            published.show(sequence, shown);
        }
        published.sequence = self.sequence;
        published.records = self.records;
    }
}

/// The meta record's value: the last commit, and how many records there are.
pub(crate) fn meta_value(vault: &Vault, sequence: u64, records: u64) -> Vec<u8> {
    let mut meta = Encoder::with_capacity(24);
    meta.number(sequence);
    meta.number(records);
    let body = row::seal(vault, &Key::META, &meta.finish(), true);
    row::assemble(&Key::META, sequence, None, &[], &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::aggregate::Aggregate;
    use crate::domain::answer::Verdict;
    use crate::domain::inbound::Inbound;
    use crate::domain::snapshot::Write;
    use crate::domain::time::Timestamp;
    use uuid::Uuid;

    const ID: AggregateId = AggregateId(Uuid::from_u128(1));

    fn apply(published: &mut Published, vault: &Vault, commit: &Commit) -> Fit {
        let mut step = Step::new(published, vault);
        let fit = step.add(commit);
        if fit == Fit::In {
            step.seal().publish(published);
        }
        fit
    }

    fn writing(vault: &Vault) -> Commit {
        let it = Inbound {
            id: ID,
            publisher: "demo".into(),
            institution: "011001276".into(),
            product: "Demo".into(),
            from: crate::domain::contact::Address::canonical("+12025550123"),
            at: Timestamp::default(),
            provider_id: Some("sandbox/1".into()),
            verdict: Verdict::Helped,
            deliveries: Vec::new(),
            events: Vec::new(),
        };
        Commit::prepare(vault, &[Write::Aggregate(Aggregate::Inbound(Box::new(it)))], &[]).unwrap()
    }

    fn guarded(change: Change, version: u64) -> Commit {
        Commit { changes: vec![change], checks: vec![Check { key: Key::aggregate(ID), want: Want::Version(version) }] }
    }

    #[test]
    fn what_meets_in_one_step_waits_for_the_next() {
        let (vault, published) = (Vault::from_root(&[1; 32]), Published::default());
        let mut step = Step::new(&published, &vault);
        assert_eq!(step.add(&writing(&vault)), Fit::In);
        assert_eq!(step.add(&writing(&vault)), Fit::Next);
        let other = Commit::notes(&vault, vec![("name".into(), Some(vec![1]))]).unwrap();
        assert_eq!(step.add(&other), Fit::In);
        assert_eq!((step.sequence, step.records), (2, 2));
    }

    #[test]
    fn a_tombstone_is_not_forgotten_once_its_aggregate_lives_again() {
        let (vault, mut published) = (Vault::from_root(&[1; 32]), Published::default());
        apply(&mut published, &vault, &writing(&vault));
        let entry = published.entries[&ID].clone();
        let key = Key::tombstone(ID);
        let body = row::seal(&vault, &key, &entry.facts.encode(), false);
        let bury = Change::Bury { id: ID, body, facts: Arc::new(entry.facts.buried()) };
        assert_eq!(apply(&mut published, &vault, &guarded(bury, entry.version)), Fit::In);
        assert!(published.has(&key) && !published.has(&Key::aggregate(ID)));
        assert_eq!((published.version(&Key::aggregate(ID)), published.records), (entry.version, 1));
        assert_eq!(apply(&mut published, &vault, &writing(&vault)), Fit::In);
        assert_eq!(apply(&mut published, &vault, &guarded(Change::Forget(ID), entry.version)), Fit::Conflict);
        assert!(published.has(&Key::aggregate(ID)) && !published.has(&key));
        assert_eq!(published.records, 1);
    }
}
