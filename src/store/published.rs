//! What everybody sees: the durable state, in memory, as sealed rows and the indexes that find them (decision 7).
//!
//! Only what is durable gets in. One thread changes it, after its durable step; readers hold the lock for a look-up only and
//! open what they found without it.

use super::facts::Facts;
use super::key::{Key, Route, kind};
use crate::domain::answer::Verdict;
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use crate::domain::recipient::RecipientKey;
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use crate::store::contract::Status;
use crate::vault::day_of;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A stored value and the commit that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) version: u64,
    pub(crate) bytes: Arc<[u8]>,
}

/// An aggregate: live with its row, or moved to history with none.
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
}

/// One change that is durable and to be shown.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// An aggregate is now this.
    Entry(AggregateId, Entry),
    /// A tombstone is gone.
    Forgotten(AggregateId),
    /// A record is now this, or gone.
    Record(Key, Option<Row>, Aside),
}

/// A delivery that somebody works on.
#[derive(Clone, Copy)]
struct Held {
    until: Timestamp,
    due: Timestamp,
    aggregate: AggregateId,
}

/// The feed of one institution, as far as it is in the hot store.
#[derive(Default)]
pub(crate) struct Feed {
    /// The last number given.
    pub(crate) last: u64,
    /// Which event each number is.
    pub(crate) hot: BTreeMap<u64, (AggregateId, u16)>,
}

/// The published state.
#[derive(Default)]
pub(crate) struct Published {
    /// The last commit.
    pub(crate) sequence: u64,
    /// Records, without the meta record.
    pub(crate) records: u64,
    pub(crate) entries: HashMap<AggregateId, Entry>,
    pub(crate) rows: HashMap<Key, Row>,
    pub(crate) recipients: BTreeMap<RecipientKey, Key>,
    pub(crate) notes: BTreeMap<String, Key>,
    pub(crate) feeds: HashMap<InstitutionId, Feed>,
    opt_outs: BTreeSet<(Route, PublisherId)>,
    addresses: HashMap<Route, u64>,
    open_on: BTreeSet<(Route, Timestamp, AggregateId)>,
    ended_on: BTreeSet<(Route, Timestamp, AggregateId)>,
    sent_on: BTreeSet<(Route, Timestamp, AggregateId, u16)>,
    slots: BTreeSet<(Route, Timestamp, AggregateId)>,
    repeats: HashMap<Route, AggregateId>,
    seen: HashMap<Route, (Verdict, AggregateId)>,
    deliveries: HashMap<DeliveryId, AggregateId>,
    timers: BTreeSet<(Timestamp, AggregateId)>,
    outbox: BTreeMap<(Timestamp, DeliveryId), AggregateId>,
    leases: HashMap<DeliveryId, Held>,
    lease_ends: BTreeSet<(Timestamp, DeliveryId)>,
    today: HashMap<(PublisherId, u32), u64>,
    finished: BTreeSet<(Timestamp, AggregateId)>,
    graves: BTreeSet<(Timestamp, AggregateId)>,
}

impl Published {
    /// An empty one that continues after commit `sequence`, with `records` to come.
    pub(crate) fn after(sequence: u64, records: u64) -> Self {
        Self { sequence, records, ..Self::default() }
    }

    /// Shows one durable change, written by commit `sequence`.
    pub(crate) fn show(&mut self, sequence: u64, shown: Shown) {
        match shown {
            Shown::Entry(id, entry) => self.put_entry(sequence, id, Some(entry)),
            Shown::Forgotten(id) => self.put_entry(sequence, id, None),
            Shown::Record(key, row, aside) => self.put_record(sequence, key, row, aside),
        }
    }

    /// Whether a record is there.
    pub(crate) fn has(&self, key: &Key) -> bool {
        match key.kind() {
            kind::AGGREGATE => self.entries.get(&key.id()).is_some_and(|it| it.bytes.is_some()),
            kind::TOMBSTONE => self.entries.get(&key.id()).is_some_and(|it| it.bytes.is_none()),
            _ => self.rows.contains_key(key),
        }
    }

    /// The version of what `key` names; 0 when it is not there.
    pub(crate) fn version(&self, key: &Key) -> u64 {
        match key.kind() {
            kind::AGGREGATE => self.entries.get(&key.id()).map_or(0, |it| it.version),
            kind::ADDRESS => self.addresses.get(&key.rest()).copied().unwrap_or(0),
            _ => self.rows.get(key).map_or(0, |it| it.version),
        }
    }

    /// Who holds a slot: the newest open challenge, where several do.
    pub(crate) fn holder(&self, slot: &Route) -> Option<AggregateId> {
        self.slots.range(of(*slot)).next_back().map(|it| it.2)
    }

    /// The challenge with this idempotency key.
    pub(crate) fn repeated(&self, repeat: &Route) -> Option<AggregateId> {
        self.repeats.get(repeat).copied()
    }

    /// What was answered to a provider's message.
    pub(crate) fn seen(&self, seen: &Route) -> Option<Verdict> {
        self.seen.get(seen).map(|it| it.0)
    }

    /// The aggregate of a delivery.
    pub(crate) fn by_delivery(&self, id: DeliveryId) -> Option<AggregateId> {
        self.deliveries.get(&id).copied()
    }

    /// Open TwoWay challenges on an address, newest first.
    pub(crate) fn open_on(&self, address: Route) -> impl Iterator<Item = (AggregateId, &Entry)> + '_ {
        self.open_on.range(of(address)).rev().filter_map(|it| Some((it.2, self.entries.get(&it.2)?)))
    }

    /// Challenges that ended on an address since `from`, newest first.
    pub(crate) fn ended_on(&self, address: Route, from: Timestamp) -> impl Iterator<Item = (AggregateId, &Entry)> + '_ {
        let range = (address, from, FIRST)..=(address, END, LAST);
        self.ended_on.range(range).rev().filter_map(|it| Some((it.2, self.entries.get(&it.2)?)))
    }

    /// When challenge messages were queued to an address after `from`, oldest first.
    pub(crate) fn sent_on(&self, address: Route, from: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        self.sent_on.range((address, from, FIRST, 0)..=(address, END, LAST, u16::MAX)).map(|it| it.1).filter(move |at| *at > from)
    }

    /// Publishers that an address opted out of.
    pub(crate) fn opted_out_of(&self, address: Route) -> impl Iterator<Item = &PublisherId> + '_ {
        self.opt_outs.range((address, PublisherId::from(""))..).take_while(move |it| it.0 == address).map(|it| &it.1)
    }

    /// Challenges that a publisher opened in a UTC day.
    pub(crate) fn opened(&self, publisher: &PublisherId, day: u32) -> u64 {
        self.today.get(&(publisher.clone(), day)).copied().unwrap_or(0)
    }

    /// Open challenges whose timer is due, soonest first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.timers.range(..=(now, LAST)).map(|it| it.1)
    }

    /// Live aggregates with nothing left to do since `until`, oldest first.
    pub(crate) fn finished(&self, until: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.finished.range(..=(until, LAST)).map(|it| it.1)
    }

    /// Tombstones of what ended before `until`, oldest first.
    pub(crate) fn graves(&self, until: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.graves.range(..=(until, LAST)).map(|it| it.1)
    }

    /// Hands deliveries out (contract, `lease`).
    pub(crate) fn lease(&mut self, now: Timestamp, span: Duration, max: usize) -> Vec<Lease> {
        while let Some(&(until, id)) = self.lease_ends.first().filter(|it| it.0 <= now) {
            self.lease_ends.remove(&(until, id));
            if let Some(held) = self.leases.remove(&id) {
                self.outbox.insert((held.due, id), held.aggregate);
            }
        }
        let due: Vec<_> = self.outbox.range(..=(now, DeliveryId(uuid::Uuid::max()))).take(max).map(|(key, id)| (*key, *id)).collect();
        let until = now.plus(span);
        for ((at, id), aggregate) in &due {
            self.outbox.remove(&(*at, *id));
            self.leases.insert(*id, Held { until, due: *at, aggregate: *aggregate });
            self.lease_ends.insert((until, *id));
        }
        due.into_iter().map(|((_, delivery), aggregate)| Lease { aggregate, delivery }).collect()
    }

    /// The part of [`Status`] that is the state's.
    pub(crate) fn status(&self) -> Status {
        let waiting = self.outbox.keys().next().map(|it| it.0);
        Status {
            open: self.timers.len() as u64,
            records: self.records,
            outbox: (self.outbox.len() + self.leases.len()) as u64,
            outbox_oldest: self.leases.values().map(|it| it.due).chain(waiting).min(),
            feed: self.feeds.iter().map(|(institution, feed)| (institution.clone(), feed.last)).collect(),
            ..Status::default()
        }
    }

    fn put_entry(&mut self, sequence: u64, id: AggregateId, new: Option<Entry>) {
        let old = self.entries.remove(&id);
        let changed = match (&old, &new) {
            (Some(old), Some(new)) => !old.facts.looks_like(&new.facts),
            _ => true,
        };
        if let Some(old) = &old {
            self.unindex(id, old, new.as_ref());
        }
        let Some(new) = new else {
            self.prune(old.iter().flat_map(|it| it.facts.addresses()));
            return;
        };
        if changed {
            let before = old.iter().flat_map(|it| it.facts.addresses());
            self.addresses.extend(before.chain(new.facts.addresses()).map(|it| (it, sequence)));
        }
        if old.is_none() && new.facts.challenge {
            *self.today.entry((new.facts.publisher.clone(), day_of(new.facts.at))).or_default() += 1;
        }
        self.index(id, &new);
        self.entries.insert(id, new);
    }

    fn index(&mut self, id: AggregateId, it: &Entry) {
        let facts = &it.facts;
        for (at, (route, sent_at)) in facts.sent.iter().enumerate() {
            self.sent_on.insert((*route, *sent_at, id, at as u16));
        }
        if let (true, Some(ended_at)) = (facts.challenge, facts.ended_at) {
            self.ended_on.extend(facts.addresses().map(|route| (route, ended_at, id)));
        }
        if let Some((route, _)) = &facts.repeat {
            self.repeats.entry(*route).or_insert(id);
        }
        self.seen.extend(facts.seen.iter().map(|(route, verdict)| (*route, (*verdict, id))));
        self.deliveries.extend(facts.deliveries.iter().map(|delivery| (*delivery, id)));
        if it.bytes.is_some() {
            self.index_live(id, it);
        } else {
            self.graves.insert((facts.over_at(), id));
        }
    }

    fn index_live(&mut self, id: AggregateId, it: &Entry) {
        let (facts, live) = (&it.facts, &it.facts.live);
        if live.listens {
            self.open_on.extend(facts.addresses().map(|route| (route, facts.at, id)));
        }
        self.slots.extend(live.slot.map(|route| (route, facts.at, id)));
        self.timers.extend(live.timer.map(|at| (at, id)));
        for (at, delivery, _) in &live.due {
            if !self.leases.contains_key(delivery) {
                self.outbox.insert((*at, *delivery), id);
            }
        }
        if live.finished {
            self.finished.insert((facts.over_at(), id));
        }
        let feed = self.feeds.entry(facts.institution.clone()).or_default();
        for (index, seq) in it.seqs.iter().enumerate() {
            feed.last = feed.last.max(*seq);
            feed.hot.insert(*seq, (id, index as u16));
        }
    }

    fn unindex(&mut self, id: AggregateId, it: &Entry, new: Option<&Entry>) {
        let facts = &it.facts;
        for (at, (route, sent_at)) in facts.sent.iter().enumerate() {
            self.sent_on.remove(&(*route, *sent_at, id, at as u16));
        }
        for route in facts.addresses() {
            self.open_on.remove(&(route, facts.at, id));
            facts.ended_at.map(|at| self.ended_on.remove(&(route, at, id)));
        }
        if let Some((route, _)) = facts.repeat.as_ref().filter(|it| self.repeats.get(&it.0) == Some(&id)) {
            self.repeats.remove(route);
        }
        for (route, _) in &facts.seen {
            if self.seen.get(route).is_some_and(|it| it.1 == id) {
                self.seen.remove(route);
            }
        }
        for delivery in &facts.deliveries {
            self.deliveries.remove(delivery);
        }
        self.graves.remove(&(facts.over_at(), id));
        self.unindex_live(id, it, new);
    }

    fn unindex_live(&mut self, id: AggregateId, it: &Entry, new: Option<&Entry>) {
        let (facts, live) = (&it.facts, &it.facts.live);
        live.slot.map(|route| self.slots.remove(&(route, facts.at, id)));
        live.timer.map(|at| self.timers.remove(&(at, id)));
        self.finished.remove(&(facts.over_at(), id));
        for due in &live.due {
            self.outbox.remove(&(due.0, due.1));
            if !new.is_some_and(|new| new.facts.live.due.contains(due)) {
                self.end_lease(due.1);
            }
        }
        if let Some(feed) = self.feeds.get_mut(&facts.institution).filter(|_| it.bytes.is_some()) {
            for seq in &*it.seqs {
                feed.hot.remove(seq);
            }
        }
    }

    fn end_lease(&mut self, delivery: DeliveryId) {
        if let Some(held) = self.leases.remove(&delivery) {
            self.lease_ends.remove(&(held.until, delivery));
        }
    }

    fn put_record(&mut self, sequence: u64, key: Key, row: Option<Row>, aside: Aside) {
        let there = row.is_some();
        match row {
            Some(row) => drop(self.rows.insert(key, row)),
            None => drop(self.rows.remove(&key)),
        }
        match aside {
            Aside::None => {}
            Aside::Recipient(name) if there => drop(self.recipients.insert(name, key)),
            Aside::Recipient(name) => drop(self.recipients.remove(&name)),
            Aside::Note(name) if there => drop(self.notes.insert(name, key)),
            Aside::Note(name) => drop(self.notes.remove(&name)),
            Aside::OptOut(address, publisher) => {
                self.addresses.insert(address, sequence);
                let _ = if there { self.opt_outs.insert((address, publisher)) } else { self.opt_outs.remove(&(address, publisher)) };
            }
            Aside::Feed(institution, last) => {
                let feed = self.feeds.entry(institution).or_default();
                feed.last = feed.last.max(last);
            }
        }
    }

    // Drops the counters of addresses that nothing is known of any more, and of days that are over.
    fn prune(&mut self, routes: impl Iterator<Item = Route>) {
        for route in routes {
            let open = self.open_on.range(of(route)).next().is_some();
            let sent = self.sent_on.range((route, START, FIRST, 0)..=(route, END, LAST, u16::MAX)).next().is_some();
            let stopped = self.opted_out_of(route).next().is_some();
            if !(open || sent || stopped) {
                self.addresses.remove(&route);
            }
        }
    }

    /// Forgets the daily counts before `day`.
    pub(crate) fn forget_counts(&mut self, day: u32) {
        self.today.retain(|(_, of), _| *of >= day);
    }
}

const START: Timestamp = Timestamp::from_millis(i64::MIN);
const END: Timestamp = Timestamp::from_millis(i64::MAX);
const FIRST: AggregateId = AggregateId(uuid::Uuid::nil());
const LAST: AggregateId = AggregateId(uuid::Uuid::max());

fn of(route: Route) -> std::ops::RangeInclusive<(Route, Timestamp, AggregateId)> {
    (route, START, FIRST)..=(route, END, LAST)
}
