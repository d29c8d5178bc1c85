//! What everybody sees: the durable state, in memory, as sealed rows and the indexes that find them (decision 7),
//! and the latest aggregates as they were before (`latest`).
//!
//! Only what is durable gets in. One thread changes it, after its durable step; readers hold the lock for a look-up only and
//! open what they found without it.

mod index;

use super::addresses::Addresses;
use super::form::Form;
use super::key::{Key, Route, kind};
use super::latest::Latest;
use super::outbox::Outbox;
pub(crate) use super::shown::{Aside, Entry, Row, Shown};
use super::slots::Slots;
use super::wide::Wide;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Verdict;
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use crate::domain::recipient::RecipientKey;
use crate::domain::time::Timestamp;
use crate::store::contract::Status;
use crate::vault::day_of;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

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
    /// The form that values are written in.
    pub(crate) form: Form,
    /// Bytes of their values.
    pub(crate) bytes: u64,
    pub(crate) entries: Wide<AggregateId, Entry>,
    pub(crate) rows: Wide<Key, Row>,
    pub(crate) recipients: BTreeMap<RecipientKey, Key>,
    pub(crate) notes: BTreeMap<String, Key>,
    pub(crate) feeds: HashMap<InstitutionId, Feed>,
    /// How many aggregates each day of history has, at least: what tells a loss there.
    pub(crate) history: BTreeMap<u32, u64>,
    /// What is known of each address.
    pub(crate) addresses: Addresses,
    slots: Slots,
    repeats: Wide<Route, AggregateId>,
    seen: Wide<Route, (Verdict, AggregateId)>,
    deliveries: Wide<DeliveryId, AggregateId>,
    timers: BTreeSet<(Timestamp, AggregateId)>,
    /// Deliveries that wait, and who works on them.
    pub(crate) outbox: Outbox,
    /// Challenges that each publisher opened in a UTC day.
    today: HashMap<PublisherId, BTreeMap<u32, u64>>,
    finished: BTreeSet<(Timestamp, AggregateId)>,
    graves: BTreeSet<(Timestamp, AggregateId)>,
    /// What was committed last, unsealed.
    pub(crate) latest: Latest<Arc<Aggregate>>,
}

impl Published {
    /// An empty one that continues after commit `sequence`, with `records` to come.
    pub(crate) fn after(sequence: u64, records: u64) -> Self {
        Self { sequence, records, ..Self::default() }
    }

    /// Shows one durable change, written by commit `sequence`. Gives back the aggregate that was there before.
    pub(crate) fn show(&mut self, sequence: u64, shown: Shown) -> Option<Entry> {
        match shown {
            Shown::Entry(id, entry) => {
                let facts = entry.facts.clone();
                let old = self.put_entry(sequence, id, Some(entry));
                if old.is_none() && facts.challenge {
                    self.count(&facts.publisher, day_of(facts.at), 1);
                }
                old
            }
            Shown::Revived(id, entry) => self.put_entry(sequence, id, Some(entry)),
            Shown::Moved(id) => self.put_entry(sequence, id, None),
            Shown::Forgotten(id) => {
                let old = self.put_entry(sequence, id, None);
                self.addresses.prune(old.iter().flat_map(|it| it.facts.addresses()));
                old
            }
            Shown::Record(key, row, aside) => {
                self.put_record(sequence, key, row, aside);
                None
            }
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
            kind::ADDRESS => self.addresses.version(&key.rest()),
            _ => self.rows.get(key).map_or(0, |it| it.version),
        }
    }

    /// Who holds a slot: the newest open challenge, where several do.
    pub(crate) fn holder(&self, slot: &Route) -> Option<AggregateId> {
        self.slots.holder(slot)
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

    /// Challenges that a publisher opened in a UTC day.
    pub(crate) fn opened(&self, publisher: &PublisherId, day: u32) -> u64 {
        self.today.get(publisher).and_then(|it| it.get(&day)).copied().unwrap_or(0)
    }

    /// Challenges that each publisher opened in each UTC day that is counted.
    pub(crate) fn opened_all(&self) -> impl Iterator<Item = (PublisherId, u32, u64)> + '_ {
        self.today.iter().flat_map(|(publisher, days)| days.iter().map(|(day, count)| (publisher.clone(), *day, *count)))
    }

    /// Counts so many challenges more that a publisher opened in a UTC day.
    pub(crate) fn count(&mut self, publisher: &PublisherId, day: u32, more: u64) {
        match self.today.get_mut(publisher) {
            Some(days) => *days.entry(day).or_default() += more,
            None => drop(self.today.insert(publisher.clone(), BTreeMap::from([(day, more)]))),
        }
    }

    /// Takes one of these back.
    pub(crate) fn uncount(&mut self, publisher: &PublisherId, day: u32) {
        if let Some(count) = self.today.get_mut(publisher).and_then(|it| it.get_mut(&day)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Open challenges whose timer is due, soonest first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.timers.range(..=(now, LAST)).map(|it| it.1)
    }

    /// Live aggregates with nothing left to do since `until`, oldest first.
    pub(crate) fn finished(&self, until: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.finished.range(..=(until, LAST)).map(|it| it.1)
    }

    /// Tombstones of an earlier form, of what ended before `until`, oldest first.
    pub(crate) fn graves(&self, until: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.graves.range(..=(until, LAST)).map(|it| it.1)
    }

    /// The part of [`Status`] that is the state's.
    pub(crate) fn status(&self) -> Status {
        Status {
            open: self.timers.len() as u64,
            records: self.records,
            outbox: self.outbox.len() as u64,
            outbox_oldest: self.outbox.oldest(),
            feed: self.feeds.iter().map(|(institution, feed)| (institution.clone(), feed.last)).collect(),
            ..Status::default()
        }
    }

    fn put_record(&mut self, sequence: u64, key: Key, row: Option<Row>, aside: Aside) {
        let there = row.is_some();
        let length = |it: &Option<Row>| it.as_ref().map_or(0, |it| it.bytes.len() as u64);
        let more = length(&row);
        let old = match row {
            Some(row) => self.rows.insert(key, row),
            None => self.rows.remove(&key),
        };
        self.bytes = (self.bytes + more).saturating_sub(length(&old));
        match aside {
            Aside::None => {}
            Aside::Recipient(name) if there => drop(self.recipients.insert(name, key)),
            Aside::Recipient(name) => drop(self.recipients.remove(&name)),
            Aside::Note(name) if there => drop(self.notes.insert(name, key)),
            Aside::Note(name) => drop(self.notes.remove(&name)),
            Aside::OptOut(address, publisher) => {
                self.addresses.opt_out(address, publisher, there);
                self.addresses.touch([address], sequence);
            }
            Aside::History(day, count) if there => drop(self.history.insert(day, count)),
            Aside::History(day, _) => drop(self.history.remove(&day)),
            Aside::Feed(institution, last) => {
                let feed = self.feed_of(&institution);
                feed.last = feed.last.max(last);
            }
        }
    }

    fn feed_of(&mut self, institution: &InstitutionId) -> &mut Feed {
        self.feeds.entry(institution.clone()).or_default()
    }

    /// Forgets the daily counts before `day`.
    pub(crate) fn forget_counts(&mut self, day: u32) {
        self.today.values_mut().for_each(|days| days.retain(|of, _| *of >= day));
        self.today.retain(|_, days| !days.is_empty());
    }
}

const LAST: AggregateId = AggregateId(uuid::Uuid::max());

#[cfg(test)]
mod tests;
