//! Reads: everything that a decision needs comes with one statement, so it is of one moment.

use super::known::Turn;
use super::place::Place;
use super::rec::{Rec, ids};
use super::trouble::Trouble;
use super::write::stored_day;
use crate::domain::id::AggregateId;
use crate::store::key::Key;
use crate::store::keyed::Keyed;
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A stored aggregate.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) version: u64,
    /// The day whose data key seals it.
    pub(super) day: u32,
    /// How many of its events have numbers.
    pub(super) events: usize,
    pub(super) value: Vec<u8>,
}

/// What was read: for several queries at once.
#[derive(Default)]
pub(super) struct Fetched {
    /// When it was asked for.
    pub(super) as_of: Turn,
    pub(super) records: Keyed<Place, Arc<Rec>>,
    pub(super) aggregates: Keyed<AggregateId, Stored>,
    /// Challenges that publishers opened on days.
    pub(super) opened: HashMap<(i64, u32), u64>,
}

/// What is wanted.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) places: Vec<Place>,
    /// Aggregates by id.
    pub(super) ids: Vec<AggregateId>,
    /// With what these records name: a recipient's addresses and budgets.
    pub(super) around: bool,
    /// With the aggregates that the records hold.
    pub(super) held: bool,
    /// With what those name: budgets and slots.
    pub(super) beside: bool,
    /// With the counts of publishers' challenges on UTC days.
    pub(super) opened: Vec<(i64, u32)>,
}

impl Wanted {
    /// Wants what another wants, too.
    pub(super) fn join(&mut self, other: Self) {
        self.places.extend(other.places);
        self.ids.extend(other.ids);
        self.opened.extend(other.opened);
        self.around |= other.around;
        self.held |= other.held;
        self.beside |= other.beside;
    }
}

/// Who reads.
pub(super) struct Eyes {
    /// The UTC day, on which most of what is held was opened.
    pub(super) today: u32,
    /// Before what they see.
    pub(super) as_of: Turn,
}

impl Eyes {
    /// Reads what is wanted: one statement; more, when something held is older than yesterday.
    pub(super) async fn read(&self, client: &Object, wanted: &Wanted) -> Result<Fetched, Trouble> {
        let mut found = Fetched { as_of: self.as_of, ..Fetched::default() };
        self.look(client, wanted, &mut found).await?;
        if wanted.held || !wanted.ids.is_empty() {
            let held = found.records.values().filter(|_| wanted.held).flat_map(|it| ids(&it.holds).collect::<Vec<_>>());
            let all = held.chain(wanted.ids.iter().copied());
            let older: HashSet<AggregateId> = all.filter(|it| !found.aggregates.contains_key(it) && !self.is_recent(*it)).collect();
            if !older.is_empty() {
                let older: Vec<AggregateId> = older.into_iter().collect();
                let named = aggregates(client, &older, &mut found.aggregates).await?;
                let places = named.iter().flat_map(|it| unpacked(it)).filter(|it| !found.records.contains_key(it));
                let beside = Wanted { places: if wanted.beside { places.collect() } else { Vec::new() }, ..Wanted::default() };
                if !beside.places.is_empty() {
                    self.look(client, &beside, &mut found).await?;
                }
            }
        }
        Ok(found)
    }

    fn is_recent(&self, id: AggregateId) -> bool {
        self.days().contains(&u32::from(id.day()))
    }

    fn days(&self) -> [u32; 2] {
        [self.today, self.today.saturating_sub(1)]
    }

    async fn look(&self, client: &Object, wanted: &Wanted, found: &mut Fetched) -> Result<(), Trouble> {
        let places: BTreeSet<&Place> = wanted.places.iter().collect();
        let shards: Vec<i32> = places.iter().map(|it| i32::from(it.shard)).collect();
        let keys: Vec<&[u8]> = places.iter().map(|it| &it.key.0[..]).collect();
        let ids: Vec<&[u8]> = wanted.ids.iter().map(|it| &it.0.as_bytes()[..]).collect();
        let counts: BTreeSet<(i64, u32)> = wanted.opened.iter().copied().collect();
        let publishers: Vec<i64> = counts.iter().map(|it| it.0).collect();
        let days: Vec<i32> = counts.iter().map(|it| stored_day(it.1)).collect();
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&shards, &keys];
        if wanted.held || !ids.is_empty() {
            values.push(&ids);
        }
        if !counts.is_empty() {
            values.extend([&publishers as &(dyn ToSql + Sync), &days]);
        }
        let statement = client.prepare_cached(&self.text(wanted)).await?;
        for row in client.query(&statement, &values).await? {
            match row.get::<_, i32>(0) {
                0 => drop(found.records.insert(place(&row)?, Arc::new(rec(&row)))),
                1 => {
                    let (id, it) = stored(&row)?;
                    found.aggregates.insert(id, it);
                }
                _ => {
                    let publisher = row.get::<_, Option<&[u8]>>(2).and_then(|it| it.try_into().ok()).map(i64::from_be_bytes);
                    found.opened.extend(publisher.map(|it| ((it, day(&row)), number(&row, 3))));
                }
            }
        }
        Ok(())
    }

    // Columns: what it is, shard or events, key or id, version or count, day, holds or beside, value.
    fn text(&self, wanted: &Wanted) -> String {
        let columns = "r.shard, r.key, r.version, r.data_day, r.holds, r.also, r.value";
        // A plan that was made while a table was small must still be the right one when it is large: row by row, by the key.
        let by_place = "CROSS JOIN LATERAL (SELECT * FROM record r WHERE r.shard = q.shard AND r.key = q.key LIMIT 1) r";
        let mut text =
            format!("WITH r0 AS MATERIALIZED (SELECT {columns} FROM unnest($1::int4[], $2::bytea[]) AS q(shard, key) {by_place})");
        // The places that rows name, each once: many of one handset's challenges name the same budget.
        let named = |of: &str| {
            format!(
                "SELECT DISTINCT get_byte(also, i) * 256 + get_byte(also, i + 1) AS shard, substr(also, i + 3, 17) AS key \
                 FROM (SELECT also, generate_series(0, octet_length(also) - 19, 19) AS i FROM {of} WHERE also <> '') o"
            )
        };
        let mut records = "r0";
        if wanted.around {
            records = "r";
            let named = named("r0");
            text += &format!(", r AS MATERIALIZED (SELECT * FROM r0 UNION ALL SELECT {columns} FROM ({named}) q {by_place})");
        }
        let mut all = format!("SELECT 0 AS what, shard, key, version, data_day, holds, value FROM {records}");
        let mut values = 2;
        if wanted.held || !wanted.ids.is_empty() {
            values += 1;
            text += ", h AS MATERIALIZED (SELECT unnest($3::bytea[]) AS id";
            if wanted.held {
                text += &format!(
                    " UNION ALL SELECT substr(holds, i, 16) \
                     FROM (SELECT holds, generate_series(1, octet_length(holds) - 15, 16) AS i FROM {records} WHERE holds <> '') o"
                );
            }
            text += ")";
            // An id tells its day: the other day's table need not be looked at.
            let of_day = |day: u32| {
                format!(
                    "SELECT a.shard, a.id, a.version, a.data_day, a.events, a.also, a.value FROM h CROSS JOIN LATERAL \
                     (SELECT * FROM aggregate_d{day} a WHERE get_byte(h.id, 2) * 256 + get_byte(h.id, 3) = {day} \
                     AND a.shard = get_byte(h.id, 0) * 256 + get_byte(h.id, 1) AND a.id = h.id LIMIT 1) a"
                )
            };
            let [today, yesterday] = self.days().map(of_day);
            text += &format!(", a AS MATERIALIZED ({today} UNION ALL {yesterday})");
            all += " UNION ALL SELECT 1, events, id, version, data_day, also, value FROM a";
            if wanted.beside {
                let named = named("a");
                all += &format!(" UNION ALL SELECT 0, r.shard, r.key, r.version, r.data_day, r.holds, r.value FROM ({named}) q {by_place}");
            }
        }
        if !wanted.opened.is_empty() {
            let (publishers, days) = (values + 1, values + 2);
            all += &format!(
                " UNION ALL SELECT 2, 0, int8send(o.publisher), sum(o.count)::int8, o.day, NULL, NULL \
                 FROM unnest(${publishers}::int8[], ${days}::int4[]) AS q(publisher, day) \
                 JOIN opened o ON o.publisher = q.publisher AND o.day = q.day GROUP BY o.publisher, o.day"
            );
        }
        format!("{text} {all}")
    }
}

// Reads aggregates of any day; gives the packed places that they name.
async fn aggregates(client: &Object, ids: &[AggregateId], found: &mut Keyed<AggregateId, Stored>) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut days: BTreeMap<u16, Vec<AggregateId>> = BTreeMap::new();
    ids.iter().for_each(|it| days.entry(it.day()).or_default().push(*it));
    let mut named = Vec::new();
    for (day, ids) in days {
        let text = format!(
            "SELECT 1, a.events, a.id, a.version, a.data_day, a.also, a.value FROM unnest($1::int4[], $2::bytea[]) AS q(shard, id) \
             CROSS JOIN LATERAL (SELECT * FROM aggregate_d{day} a WHERE a.shard = q.shard AND a.id = q.id LIMIT 1) a"
        );
        let shards: Vec<i32> = ids.iter().map(|it| i32::from(it.shard())).collect();
        let keys: Vec<&[u8]> = ids.iter().map(|it| &it.0.as_bytes()[..]).collect();
        let rows = match client.prepare_cached(&text).await {
            Ok(statement) => client.query(&statement, &[&shards, &keys]).await,
            Err(error) => Err(error),
        };
        let rows = match rows.map_err(Trouble::from) {
            // A day that is over, or that never was.
            Err(Trouble::NoTable) => continue,
            rows => rows?,
        };
        for row in rows {
            let (id, it) = stored(&row)?;
            named.push(bytes(&row, 5));
            found.insert(id, it);
        }
    }
    Ok(named)
}

pub(super) fn place(row: &Row) -> Result<Place, Trouble> {
    let key = row.get::<_, Option<&[u8]>>(2).and_then(Key::from_slice);
    let shard = u16::try_from(row.get::<_, i32>(1)).ok();
    key.zip(shard).map(|(key, shard)| Place { shard, key }).ok_or_else(malformed)
}

pub(super) fn rec(row: &Row) -> Rec {
    Rec { version: number(row, 3), day: day(row), holds: bytes(row, 5), value: bytes(row, 6) }
}

pub(super) fn stored(row: &Row) -> Result<(AggregateId, Stored), Trouble> {
    let id = row.get::<_, Option<&[u8]>>(2).and_then(|it| Uuid::from_slice(it).ok()).map(AggregateId).ok_or_else(malformed)?;
    let events = usize::try_from(row.get::<_, i32>(1)).unwrap_or(0);
    Ok((id, Stored { version: number(row, 3), day: day(row), events, value: bytes(row, 6) }))
}

fn number(row: &Row, at: usize) -> u64 {
    u64::try_from(row.get::<_, i64>(at)).unwrap_or(0)
}

fn day(row: &Row) -> u32 {
    u32::from_be_bytes(row.get::<_, i32>(4).to_be_bytes())
}

fn bytes(row: &Row, at: usize) -> Vec<u8> {
    row.get::<_, Option<&[u8]>>(at).unwrap_or_default().to_vec()
}

fn malformed() -> Trouble {
    Trouble::Failed("a row's key is not one of ours".to_owned())
}

fn unpacked(list: &[u8]) -> Vec<Place> {
    let places = list.as_chunks::<19>().0.iter();
    places.filter_map(|it| Some(Place { shard: u16::from_be_bytes([it[0], it[1]]), key: Key::from_slice(&it[2..])? })).collect()
}
