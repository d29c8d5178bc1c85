//! Everything that is in the database, read back for a comparison with what was sent.

use super::fetch::{self, Stored};
use super::incoming::{Incoming, is_mark};
use super::place::{Place, Places};
use super::rec::{self, AddressRow, SlotRow};
use super::view;
use crate::domain::aggregate::Aggregate;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::codec::Unread;
use crate::store::contract::StoreError;
use crate::store::facts::Facts;
use crate::store::form::Form;
use crate::store::key::{Key, Route, kind};
use crate::store::prepare::decode_note;
use crate::store::rows;
use crate::store::transfer::item::{Ident, Item};
use crate::store::transfer::ledger::{Differences, Ledger, Off};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// How long before now `forgotten` is, and how long what was sent to a phone counts.
const TOMBSTONES: Duration = Duration::from_secs(72 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Rows read at a time.
const PAGE: i64 = 2000;

/// Numbers of an aggregate's events, each with the feed that it is in.
type Numbers = HashMap<AggregateId, BTreeMap<i32, (i32, i64, u64)>>;

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
        let mut arrived = Arrived::default();
        let mut numbers = self.numbers().await?;
        let mut lookups = HashSet::new();
        self.aggregates(&mut arrived, &mut numbers, |value| lookups.extend(self.lookups(value, forgotten))).await?;
        arrived.strays = numbers.values().map(|it| it.len() as u64).sum();
        self.records(&mut arrived, &mut lookups).await?;
        arrived.unfound = lookups.len() as u64;
        self.feeds(&mut arrived).await?;
        Ok(arrived)
    }

    async fn numbers(&self) -> Result<Numbers, StoreError> {
        let mut numbers = Numbers::new();
        let (mut shard, mut feed, mut seq, mut day) = (-1, i64::MIN, i64::MIN, -1);
        let text = "SELECT shard, feed, seq, day, id, which FROM event WHERE (shard, feed, seq, day) > ($1, $2, $3, $4) \
                    ORDER BY shard, feed, seq, day LIMIT $5";
        loop {
            let rows = self.store.shared.query(text, &[&shard, &feed, &seq, &day, &PAGE]).await?;
            for row in &rows {
                (shard, feed, seq, day) = (row.get(0), row.get(1), row.get(2), row.get(3));
                let Ok(id) = Uuid::from_slice(row.get(4)) else { continue };
                numbers.entry(AggregateId(id)).or_default().insert(row.get(5), (shard, feed, u64::try_from(seq).unwrap_or(0)));
            }
            if (rows.len() as i64) < PAGE {
                return Ok(numbers);
            }
        }
    }

    async fn aggregates(&self, arrived: &mut Arrived, numbers: &mut Numbers, mut each: impl FnMut(&Aggregate)) -> Result<(), StoreError> {
        let vault = &self.store.shared.vault;
        let (mut shard, mut day, mut last): (i32, i32, Vec<u8>) = (-1, -1, Vec::new());
        let text = "SELECT 1, events, id, version, data_day, also, value, shard, day FROM aggregate WHERE (shard, day, id) > ($1, $2, $3) \
                    ORDER BY shard, day, id LIMIT $4";
        loop {
            let rows = self.store.shared.query(text, &[&shard, &day, &last, &PAGE]).await?;
            for row in &rows {
                let (id, stored): (AggregateId, Stored) = fetch::stored(row)?;
                (shard, day, last) = (row.get(7), row.get(8), id.0.as_bytes().to_vec());
                let value = view::aggregate(self.store.shared.opener(), id, &stored)?;
                each(&value);
                let feed = (i32::from(value.institution().shard()), Places(vault).feed(value.institution()));
                let told = numbers.remove(&id).unwrap_or_default();
                // A number in another feed than its institution's is none.
                let seqs = told.into_values().map(|it| if (it.0, it.1) == feed { it.2 } else { 0 }).collect();
                let item = Item::Aggregate { value: Box::new(value), seqs, sealed: stored.day };
                arrived.ledger.put(Ident::Aggregate(id), item.digest());
            }
            if (rows.len() as i64) < PAGE {
                return Ok(());
            }
        }
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

    async fn records(&self, arrived: &mut Arrived, lookups: &mut HashSet<Lookup>) -> Result<(), StoreError> {
        let (mut shard, mut key): (i32, Vec<u8>) = (-1, Vec::new());
        let text =
            "SELECT 0, shard, key, version, data_day, holds, value FROM record WHERE (shard, key) > ($1, $2) ORDER BY shard, key LIMIT $3";
        // Of several with one idempotency key or provider's message the first has it; they are found by that one.
        let mut taken: HashMap<Place, AggregateId> = HashMap::new();
        loop {
            let rows = self.store.shared.query(text, &[&shard, &key, &PAGE]).await?;
            for row in &rows {
                let (place, rec) = (fetch::place(row)?, fetch::rec(row));
                (shard, key) = (i32::from(place.shard), place.key.0.to_vec());
                self.found(place, &rec, lookups)?;
                if matches!(place.key.kind(), kind::REPEAT | kind::SEEN) {
                    taken.extend(rec::ids(&rec.holds).map(|id| (place, id)));
                }
                for item in self.said(&place, &rec)? {
                    arrived.ledger.put(item.ident(&self.store.shared.vault), item.digest());
                }
            }
            if (rows.len() as i64) < PAGE {
                lookups.retain(|(place, _, _)| !taken.contains_key(place));
                return Ok(());
            }
        }
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

    fn said(&self, place: &Place, rec: &rec::Rec) -> Result<Vec<Item>, StoreError> {
        let (opener, key) = (self.store.shared.opener(), &place.key);
        let one = match key.kind() {
            kind::BUDGET => Item::Budget { key: key.rest(), budget: view::open(opener, key, rec, rows::decode_budget)? },
            kind::RECIPIENT => Item::Recipient(Box::new(view::open(opener, key, rec, rows::decode_recipient)?)),
            kind::NOTE => {
                let (name, value) = view::open(opener, key, rec, note)?;
                if is_mark(&name) {
                    return Ok(Vec::new());
                }
                Item::Note { name, value }
            }
            kind::DAY => Item::DataKey { day: key.as_day(), wrapped: view::open(opener, key, rec, |it, _| Ok(it.to_vec()))? },
            kind::ADDRESS => {
                let (address, row) = (key.rest(), view::open(opener, key, rec, AddressRow::decode)?);
                return Ok(row.opt_outs.into_iter().map(|publisher| Item::OptOut { address, publisher, key: None }).collect());
            }
            _ => return Ok(Vec::new()),
        };
        Ok(vec![one])
    }

    async fn feeds(&self, arrived: &mut Arrived) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        for row in shared.query("SELECT feed, last, value FROM feed", &[]).await? {
            let Some(institution) = shared.institution(row.get(0), row.get(2)) else { continue };
            let item = Item::Feed { institution, last: u64::try_from(row.get::<_, i64>(1)).unwrap_or(0) };
            arrived.ledger.put(item.ident(&shared.vault), item.digest());
        }
        let counts = "SELECT publisher, day, sum(count)::int8 FROM opened GROUP BY publisher, day";
        for row in shared.query(counts, &[]).await? {
            let (number, day) = (row.get(0), u32::try_from(row.get::<_, i32>(1)).unwrap_or(0));
            let count = u64::try_from(row.get::<_, i64>(2)).unwrap_or(0);
            // What it says is the count; who it is of is told by its number.
            let said = Item::Opened { publisher: "".into(), day, count };
            arrived.ledger.put(Ident::Opened(number, day), said.digest());
        }
        Ok(())
    }
}

fn strike(done: impl Iterator<Item = Lookup>, lookups: &mut HashSet<Lookup>) {
    for it in done {
        lookups.remove(&it);
    }
}

fn note(plain: &[u8], _: Form) -> Result<(String, Vec<u8>), Unread> {
    Ok(decode_note(plain).map(|(name, value)| (name.to_owned(), value.to_vec()))?)
}
