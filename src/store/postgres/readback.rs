//! Everything that is in the database, read back for a comparison with what was sent.

use super::fetch::{self, Stored};
use super::incoming::Incoming;
use super::moment::Moment;
use super::outgoing::{FEEDS, OPENED, RECORDS, feed, opened, said};
use super::place::{Place, Places};
use super::rec::{self, AddressRow, SlotRow};
use super::view;
use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::facts::Facts;
use crate::store::key::{Key, Route, kind};
use crate::store::keyed::Keyed;
use crate::store::transfer::item::{Ident, Item};
use crate::store::transfer::ledger::{Differences, Ledger, Off};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// How long before now `forgotten` is, and how long what was sent to a phone counts.
const TOMBSTONES: Duration = Duration::from_secs(72 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The number of an aggregate's event.
struct Number {
    which: i32,
    /// Shard and feed that it is in.
    feed: (i32, i64),
    seq: u64,
}

/// Numbers of aggregates' events: mostly one each.
type Numbers = Keyed<AggregateId, SmallVec<[Number; 1]>>;

/// What was found.
#[derive(Default)]
pub(in crate::store) struct Arrived {
    /// All records.
    pub(in crate::store) ledger: Ledger,
    /// Events of aggregates that are not there.
    pub(in crate::store) strays: u64,
    /// By what else aggregates must be found, and are not.
    pub(in crate::store) unfound: u64,
}

impl Arrived {
    /// What is not as it was sent.
    pub(in crate::store) fn compare(&self, sent: &Ledger) -> Differences {
        let mut off = sent.compare(&self.ledger);
        if self.strays + self.unfound > 0 {
            let index = Off { missing: self.unfound, extra: self.strays, changed: 0 };
            off.0.insert(crate::store::transfer::item::Kind::Index, index);
        }
        off
    }
}

/// A look-up that must lead to an aggregate.
type Lookup = (Place, Option<Route>, AggregateId);

impl Incoming {
    /// Reads everything. What ended before `forgotten` need not be found by key.
    pub(in crate::store) async fn read_back(&self, forgotten: Timestamp) -> Result<Arrived, StoreError> {
        let shared = &self.store.shared;
        let moment = shared.moment(shared.options.read_timeout).await?;
        let mut arrived = Arrived::default();
        let mut numbers = self.numbers(&moment).await?;
        let mut lookups = HashSet::new();
        self.aggregates(&moment, &mut arrived, &mut numbers, |value| lookups.extend(self.lookups(value, forgotten))).await?;
        arrived.strays = numbers.values().map(|it| it.len() as u64).sum();
        self.records(&moment, &mut arrived, &mut lookups).await?;
        arrived.unfound = lookups.len() as u64;
        self.rest(&moment, &mut arrived).await?;
        moment.end().await?;
        Ok(arrived)
    }

    async fn numbers(&self, moment: &Moment) -> Result<Numbers, StoreError> {
        let mut numbers = Numbers::default();
        let mut pages = moment.read("SELECT shard, feed, seq, id, which FROM event").await?;
        while let Some(page) = pages.next().await? {
            for row in &page {
                let Ok(id) = Uuid::from_slice(row.get(3)) else { continue };
                let seq = u64::try_from(row.get::<_, i64>(2)).unwrap_or(0);
                let number = Number { which: row.get(4), feed: (row.get(0), row.get(1)), seq };
                numbers.entry(AggregateId(id)).or_default().push(number);
            }
        }
        Ok(numbers)
    }

    async fn aggregates(
        &self,
        moment: &Moment,
        arrived: &mut Arrived,
        numbers: &mut Numbers,
        mut each: impl FnMut(&Aggregate),
    ) -> Result<(), StoreError> {
        let vault = &self.store.shared.vault;
        let mut pages = moment.read("SELECT 1, events, id, version, data_day, also, value FROM aggregate").await?;
        while let Some(page) = pages.next().await? {
            for row in &page {
                let (id, stored): (AggregateId, Stored) = fetch::stored(row)?;
                let value = view::aggregate(self.store.shared.opener(), id, &stored)?;
                each(&value);
                let feed = (i32::from(value.institution().shard()), Places(vault).feed(value.institution()));
                let mut seqs = vec![0; value.events().len()];
                for it in numbers.remove(&id).unwrap_or_default() {
                    match usize::try_from(it.which).ok().and_then(|which| seqs.get_mut(which)) {
                        Some(seq) if *seq == 0 && it.feed == feed => *seq = it.seq,
                        // A second number, one of an event that is not there, or in another feed than its institution's: a difference.
                        _ => seqs.push(it.seq),
                    }
                }
                let item = Item::Aggregate { value: Box::new(value), seqs, sealed: stored.day };
                arrived.ledger.put(Ident::Aggregate(id), item.digest());
            }
        }
        Ok(())
    }

    // By what else an aggregate is found.
    fn lookups(&self, value: &Aggregate, forgotten: Timestamp) -> Vec<Lookup> {
        let vault = &self.store.shared.vault;
        let facts = Facts::of(value, vault);
        let mut all = Vec::new();
        if let Some(challenge) = value.challenge().filter(|_| facts.live.slot.is_some()) {
            let (place, route) = Places(vault).slot(&challenge.slot());
            all.push((place, Some(route), value.id()));
        }
        // What was sent to a phone counts for a day, whatever became of it.
        let (open, since) = (facts.ended_at.is_none(), forgotten.plus(TOMBSTONES - DAY));
        let counts = facts.sent.iter().filter(|it| open || it.1 > since);
        all.extend(counts.map(|it| (Place::address(it.0), None, value.id())));
        if facts.ended_at.is_none_or(|at| at >= forgotten) {
            all.extend(facts.seen.iter().map(|it| (Place::seen(it.0), None, value.id())));
            all.extend(facts.repeat.iter().map(|it| (Place::of(&facts.institution, Key::new(kind::REPEAT, it.0)), None, value.id())));
        }
        all
    }

    async fn records(&self, moment: &Moment, arrived: &mut Arrived, lookups: &mut HashSet<Lookup>) -> Result<(), StoreError> {
        // Of several with one idempotency key or provider's message the first has it; they are found by that one.
        let mut taken: HashMap<Place, AggregateId> = HashMap::new();
        let mut pages = moment.read(RECORDS).await?;
        while let Some(page) = pages.next().await? {
            for row in &page {
                let (place, rec) = (fetch::place(row)?, fetch::rec(row));
                self.found(place, &rec, lookups)?;
                if matches!(place.key.kind(), kind::REPEAT | kind::SEEN) {
                    taken.extend(rec::ids(&rec.holds).map(|id| (place, id)));
                }
                for item in said(self.store.shared.opener(), &place, &rec)? {
                    arrived.ledger.put(item.ident(&self.store.shared.vault), item.digest());
                }
            }
        }
        lookups.retain(|(place, _, _)| !taken.contains_key(place));
        Ok(())
    }

    fn found(&self, place: Place, rec: &rec::Rec, lookups: &mut HashSet<Lookup>) -> Result<(), StoreError> {
        let opener = self.store.shared.opener();
        match place.key.kind() {
            kind::ADDRESS => {
                let row = view::open(opener, &place.key, rec, AddressRow::decode)?;
                strike(row.sent.iter().map(|it| (place, None, it.id)), lookups);
                strike(row.slots.iter().map(|it| (place, Some(it.0), it.2)), lookups);
            }
            kind::SLOT => {
                let row = view::open(opener, &place.key, rec, SlotRow::decode)?;
                strike(row.0.iter().map(|it| (place, Some(place.key.rest()), it.1)), lookups);
            }
            _ => strike(rec::ids(&rec.holds).map(|id| (place, None, id)), lookups),
        }
        Ok(())
    }

    async fn rest(&self, moment: &Moment, arrived: &mut Arrived) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        let mut feeds = moment.read(FEEDS).await?;
        while let Some(page) = feeds.next().await? {
            for item in page.iter().filter_map(|row| feed(shared, row)) {
                arrived.ledger.put(item.ident(&shared.vault), item.digest());
            }
        }
        let mut counts = moment.read(OPENED).await?;
        while let Some(page) = counts.next().await? {
            for row in &page {
                // What it says is the count; who it is of is told by its number.
                let (number, day, count) = opened(row);
                let said = Item::Opened { publisher: "".into(), day, count };
                arrived.ledger.put(Ident::Opened(number, day), said.digest());
            }
        }
        Ok(())
    }
}

fn strike(done: impl Iterator<Item = Lookup>, lookups: &mut HashSet<Lookup>) {
    for it in done {
        lookups.remove(&it);
    }
}
