use super::committer::{Job, Taken};
use super::connect;
use super::fetch::{Eyes, Fetched, Stored, Wanted};
use super::known::Kept;
use super::migrate::{self, Turn};
use super::ops::Ops;
use super::options::Options;
use super::place::{Place, Places};
use super::plan::{Desk, Gap, Read};
use super::rec::Rec;
use super::settings::Settings;
use super::shared::Shared;
use super::trouble::Trouble;
use super::view::Viewer;
use super::wish::Wish;
use super::{committer, fetch, keep, ops, schema, view, wish};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::store::contract::{Later, Notes, Status, Store, StoreError};
use crate::store::facts::Facts;
use crate::store::key::kind;
use crate::store::prepare::decode_note;
use crate::store::rows;
use crate::vault::Vault;
use deadpool_postgres::Pool;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often what a commit derives from is read anew, when nobody said what it must be.
const TRIES: usize = 16;
/// Recipients read at a time.
const PAGE: i64 = 500;

/// The store on PostgreSQL.
pub struct PostgresStore {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    reads: Semaphore,
    stop: CancellationToken,
}

impl PostgresStore {
    /// Opens the store in the database that `settings` name, as node `node`: a number that no other process has.
    ///
    /// # Errors
    /// The settings can't hold, the database can't be reached, is not as it must be, or was begun with another root key. The text
    /// says what to do.
    pub async fn open(settings: &Settings, options: Options, vault: Arc<Vault>, node: i64) -> Result<Arc<Self>, StoreError> {
        let pool = ready(settings, node).await?;
        let (jobs, waiting) = mpsc::channel(options.queue);
        let reads = Semaphore::new(options.reads);
        let shared = Arc::new(Shared::new(options, vault, pool, node));
        keep::check_root(&shared).await?;
        keep::prepare(&shared).await?;
        keep::count(&shared).await?;
        let stop = CancellationToken::new();
        tokio::spawn(committer::run(shared.clone(), waiting));
        tokio::spawn(keep::run(shared.clone(), stop.clone()));
        Ok(Arc::new(Self { shared, jobs, reads, stop }))
    }

    /// Counts what is open and what waits now, not only when the next count is due.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        keep::count(&self.shared).await
    }

    /// Ends housekeeping; commits that wait are still made.
    pub fn close(&self) {
        self.stop.cancel();
    }

    // Nobody waits for the database without bound.
    async fn bounded<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let Ok(_place) = self.reads.try_acquire() else { return Err(StoreError::Busy) };
        let done = tokio::time::timeout(self.shared.options.read_timeout, work).await;
        done.unwrap_or_else(|_| Err(StoreError::Away("a read took too long".to_owned())))
    }

    fn eyes(&self) -> Eyes<'_> {
        Eyes { pool: &self.shared.pool, today: self.shared.today() }
    }

    async fn read(&self, query: &Query) -> Result<View, StoreError> {
        let mut fetched = match query {
            Query::One(id) => Fetched { aggregates: self.eyes().aggregates(&[*id]).await?, ..Fetched::default() },
            _ => self.eyes().read(&view::wanted(&self.shared.vault, query)).await?,
        };
        self.learn_days(fetched.aggregates.values()).await?;
        // A slot's or a key's holder may be gone with its day.
        fetched.aggregates.retain(|_, it| self.shared.vault.knows_day(it.day));
        Viewer { vault: &self.shared.vault, known: &self.shared.known, fetched: &fetched }.view(query)
    }

    async fn learn_days<'a>(&self, all: impl Iterator<Item = &'a Stored>) -> Result<(), StoreError> {
        let mut days: Vec<u32> = all.map(|it| it.day).filter(|it| !self.shared.vault.knows_day(*it)).collect();
        days.sort_unstable();
        days.dedup();
        for day in days {
            keep::learn(&self.shared, day).await?;
        }
        Ok(())
    }

    async fn write(&self, wish: Wish) -> Result<(), StoreError> {
        let mut read = Read::default();
        for _ in 0..TRIES {
            let ops = self.planned(&wish, &mut read).await?;
            if ops.is_empty() {
                return Ok(());
            }
            for it in &ops.told {
                self.shared.make_feed(&it.institution, Places(&self.shared.vault).feed(&it.institution)).await?;
            }
            let after = After::of(&wish, &ops);
            match self.send(ops).await {
                Ok(taken) => {
                    after.remember(&self.shared, &taken);
                    return Ok(());
                }
                Err(StoreError::Conflict) => {
                    if self.lost(&wish).await? {
                        return Err(StoreError::Fenced);
                    }
                    // What it was derived from is read again; what the caller expects may hold all the same.
                    read = self.reread(&wish, &after).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    // Asks the database for what is not known here, at most twice: aggregates, then the records that follow from them.
    async fn planned(&self, wish: &Wish, read: &mut Read) -> Result<Ops, StoreError> {
        loop {
            let desk =
                Desk { vault: &self.shared.vault, known: &self.shared.known, read, stamp: self.shared.stamp(), now: self.shared.now() };
            match desk.plan(wish) {
                Ok(ops) => return Ok(ops),
                Err(Gap::Conflict) => return Err(self.conflict(wish).await),
                Err(Gap::Unreadable(cause)) => return Err(StoreError::Failed(format!("a stored value can't be read: {cause}"))),
                Err(Gap::Missing(ids, places)) => self.bounded(self.fill(ids, places, read)).await?,
            }
        }
    }

    async fn conflict(&self, wish: &Wish) -> StoreError {
        match self.lost(wish).await {
            Ok(true) => StoreError::Fenced,
            Ok(false) => StoreError::Conflict,
            Err(error) => error,
        }
    }

    async fn fill(&self, ids: Vec<AggregateId>, places: Vec<Place>, read: &mut Read) -> Result<(), StoreError> {
        let found = self.eyes().aggregates(&ids).await?;
        self.learn_days(found.values()).await?;
        for id in ids {
            let kept = match found.get(&id) {
                Some(it) => Some(view::kept(&self.shared.vault, it, &view::aggregate(&self.shared.vault, id, it)?)),
                None => None,
            };
            read.aggregates.insert(id, kept);
        }
        if !places.is_empty() {
            let wanted = Wanted { places: places.clone(), ..Wanted::default() };
            let found: Fetched = self.eyes().read(&wanted).await?;
            read.records.extend(places.into_iter().map(|it| (it, found.records.get(&it).cloned())));
        }
        Ok(())
    }

    async fn reread(&self, wish: &Wish, after: &After) -> Result<Read, StoreError> {
        let mut read = Read::default();
        let ids = wish.bodies.iter().map(|it| it.id).collect();
        self.bounded(self.fill(ids, after.places(), &mut read)).await?;
        Ok(read)
    }

    // Whether another worker has the delivery that is to be settled.
    async fn lost(&self, wish: &Wish) -> Result<bool, StoreError> {
        for lease in &wish.leases {
            let (id, day) = (lease.aggregate, lease.aggregate.day());
            let text = format!("SELECT fence FROM aggregate_d{day} WHERE shard = $1 AND day = {day} AND id = $2 AND node IS NOT NULL");
            let client = self.shared.pool.get().await.map_err(Trouble::from)?;
            let found = client.query_opt(&text, &[&i32::from(id.shard()), &&id.0.as_bytes()[..]]).await.map_err(Trouble::from)?;
            if found.is_some_and(|it| it.get::<_, i64>(0) != lease.fence as i64) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn send(&self, ops: Ops) -> Result<Taken, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(Job { ops, done }).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        outcome.await.unwrap_or_else(|_| Err(StoreError::Away("the committer is gone".to_owned())))
    }

    // Takes deliveries over that nobody has: those of nodes that are gone, and those that are to be tried again.
    async fn take_over(&self, now: Timestamp, span: Duration, max: usize) -> Result<(), StoreError> {
        let text = "WITH d AS (SELECT shard, day, id FROM aggregate WHERE wake <= $1 AND send_at <= $1 AND (day = 0 OR day >= $2) \
                    ORDER BY wake LIMIT $3 FOR UPDATE SKIP LOCKED) \
                    UPDATE aggregate a SET send_at = $4, node = $5, fence = a.fence + 1 FROM d \
                    WHERE a.shard = d.shard AND a.day = d.day AND a.id = d.id AND (a.day = 0 OR a.day >= $2) \
                    RETURNING 1, a.events, a.id, a.version, a.data_day, a.also, a.value, a.fence";
        let (first, until) = (self.shared.today().saturating_sub(keep::LONGEST) as i32, now.plus(span));
        let client = self.shared.pool.get().await.map_err(Trouble::from)?;
        let statement = client.prepare_cached(text).await.map_err(Trouble::from)?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&now.millis(), &first, &(max as i64), &until.millis(), &self.shared.node];
        let rows = client.query(&statement, &values).await.map_err(Trouble::from)?;
        drop(client);
        for row in rows {
            let (id, stored) = fetch::stored(&row)?;
            let fence = u64::try_from(row.get::<_, i64>(7)).unwrap_or(0);
            self.learn_days([&stored].into_iter()).await?;
            let value = view::aggregate(&self.shared.vault, id, &stored)?;
            let facts = Facts::of(&value, &self.shared.vault);
            self.shared.leases.forget(id);
            for (due, delivery, _) in facts.live.due.iter().filter(|it| it.0 <= now) {
                self.shared.leases.put(*due, Lease { aggregate: id, delivery: *delivery, fence, until });
            }
        }
        Ok(())
    }

    async fn due_now(&self, now: Timestamp, max: usize) -> Result<Vec<AggregateId>, StoreError> {
        let text = "WITH d AS (SELECT shard, day, id, timer FROM aggregate WHERE wake <= $1 AND timer <= $1 AND (day = 0 OR day >= $2) \
                    ORDER BY wake LIMIT $3 FOR UPDATE SKIP LOCKED) \
                    UPDATE aggregate a SET timer = $4 FROM d WHERE a.shard = d.shard AND a.day = d.day AND a.id = d.id \
                    AND (a.day = 0 OR a.day >= $2) RETURNING d.timer, a.id";
        let first = self.shared.today().saturating_sub(keep::LONGEST) as i32;
        let until = now.plus(self.shared.options.timer_lease).millis();
        let client = self.shared.pool.get().await.map_err(Trouble::from)?;
        let statement = client.prepare_cached(text).await.map_err(Trouble::from)?;
        let rows = client.query(&statement, &[&now.millis(), &first, &(max as i64), &until]).await.map_err(Trouble::from)?;
        let due = |row: &tokio_postgres::Row| Some((row.get::<_, i64>(0), AggregateId(Uuid::from_slice(row.get(1)).ok()?)));
        let mut due: Vec<(i64, AggregateId)> = rows.iter().filter_map(due).collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|it| it.1).collect())
    }

    async fn numbers(&self, institution: &InstitutionId, after: u64, max: usize) -> Result<Vec<(u64, AggregateId, usize)>, StoreError> {
        let Ok(from) = i64::try_from(after) else { return Ok(Vec::new()) };
        let feed = Places(&self.shared.vault).feed(institution);
        // Numbers rise with the days, but for nodes whose clocks differ at midnight.
        let known = self.shared.read_upto.lock().get(&feed).copied();
        let first = known.filter(|it| it.0 <= after).map_or(0, |it| it.1 - 1);
        let text = "SELECT seq, id, which, day FROM event WHERE shard = $1 AND feed = $2 AND seq > $3 AND day >= $4 ORDER BY seq LIMIT $5";
        let client = self.shared.pool.get().await.map_err(Trouble::from)?;
        let statement = client.prepare_cached(text).await.map_err(Trouble::from)?;
        let shard = i32::from(institution.shard());
        let rows = client.query(&statement, &[&shard, &feed, &from, &first, &(max as i64)]).await.map_err(Trouble::from)?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let Ok(id) = Uuid::from_slice(row.get(1)) else { continue };
            let seq = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            all.push((seq, AggregateId(id), usize::try_from(row.get::<_, i32>(2)).unwrap_or(0)));
        }
        if let (Some(last), Some(row)) = (all.last(), rows.last()) {
            self.shared.read_upto.lock().insert(feed, (last.0, row.get(3)));
        }
        Ok(all)
    }

    async fn events(&self, institution: &InstitutionId, after: u64, max: usize) -> Result<Vec<(u64, Aggregate, usize)>, StoreError> {
        let numbers = self.numbers(institution, after, max).await?;
        let mut ids: Vec<AggregateId> = numbers.iter().map(|it| it.1).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = self.eyes().aggregates(&ids).await?;
        self.learn_days(found.values()).await?;
        let mut opened: HashMap<AggregateId, Aggregate> = HashMap::with_capacity(found.len());
        for (id, it) in &found {
            opened.insert(*id, view::aggregate(&self.shared.vault, *id, it)?);
        }
        Ok(numbers.into_iter().filter_map(|(seq, id, which)| Some((seq, opened.get(&id)?.clone(), which))).collect())
    }

    // Names are sealed, so all are read, and the first in their order are kept.
    async fn people(
        &self,
        publisher: &PublisherId,
        after: Option<&RecipientKey>,
        max: usize,
    ) -> Result<Vec<Versioned<Recipient>>, StoreError> {
        let mut first: BTreeMap<RecipientKey, Versioned<Recipient>> = BTreeMap::new();
        let (mut shard, mut key): (i32, Vec<u8>) = (-1, Vec::new());
        let text = "SELECT 0, shard, key, version, data_day, holds, value FROM record WHERE get_byte(key, 0) = 82 AND (shard, key) > ($1, $2) \
                    ORDER BY shard, key LIMIT $3";
        loop {
            let client = self.shared.pool.get().await.map_err(Trouble::from)?;
            let statement = client.prepare_cached(text).await.map_err(Trouble::from)?;
            let rows = client.query(&statement, &[&shard, &key, &PAGE]).await.map_err(Trouble::from)?;
            for row in &rows {
                let place = fetch::place(row)?;
                let rec = fetch::rec(row);
                (shard, key) = (i32::from(place.shard), place.key.0.to_vec());
                let value = view::open(&self.shared.vault, &place.key, &rec, rows::decode_recipient)?;
                if value.key.publisher == *publisher && after.is_none_or(|it| value.key > *it) {
                    first.insert(value.key.clone(), Versioned { value, version: rec.version });
                    if first.len() > max {
                        first.pop_last();
                    }
                }
            }
            if (rows.len() as i64) < PAGE {
                return Ok(first.into_values().collect());
            }
        }
    }

    async fn noted(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let client = self.shared.pool.get().await.map_err(Trouble::from)?;
        let text = "SELECT 0, shard, key, version, data_day, holds, value FROM record WHERE shard = 0 AND key >= $1 AND key < $2";
        let statement = client.prepare_cached(text).await.map_err(Trouble::from)?;
        let rows = client.query(&statement, &[&&[kind::NOTE][..], &&[kind::NOTE + 1][..]]).await.map_err(Trouble::from)?;
        let mut notes = Vec::new();
        for row in &rows {
            let place = fetch::place(row)?;
            let (name, value) = view::open(&self.shared.vault, &place.key, &fetch::rec(row), note)?;
            if name.starts_with(prefix) {
                notes.push((name, value));
            }
        }
        notes.sort();
        Ok(notes)
    }

    async fn one_note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let place = Places(&self.shared.vault).note(name);
        let found = self.eyes().read(&Wanted { places: vec![place], ..Wanted::default() }).await?;
        let rec = found.records.get(&place);
        rec.map(|it| view::open(&self.shared.vault, &place.key, it, note).map(|it| it.1)).transpose()
    }
}

// Connections to a database whose schema is this program's.
async fn ready(settings: &Settings, node: i64) -> Result<Pool, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
    let pool = connect::pool(settings).map_err(|error| failed(&error))?;
    let mut client = pool.get().await.map_err(|error| failed(&super::reason(&error)))?;
    if settings.migrate {
        let turn = Turn::of(format!("node {node}"));
        migrate::apply(&mut client, schema::STEPS, &turn).await.map_err(|error| failed(&error))?;
    }
    migrate::check(&client, schema::STEPS).await.map_err(|error| failed(&error))?;
    drop(client);
    Ok(pool)
}

fn note(plain: &[u8]) -> Result<(String, Vec<u8>), crate::store::codec::Malformed> {
    decode_note(plain).map(|(name, value)| (name.to_owned(), value.to_vec()))
}

/// An aggregate that a commit leaves.
struct Written {
    id: AggregateId,
    kept: Kept,
    /// Deliveries that this node takes.
    take: Vec<(Timestamp, DeliveryId)>,
    /// Deliveries that are no longer to be handed out as they were.
    gone: Vec<(Timestamp, DeliveryId)>,
    /// It was not there before: then its lease is the first.
    new: bool,
}

/// What a commit leaves, to be remembered when it is durable.
struct After {
    aggregates: Vec<Written>,
    records: Vec<(Place, Option<Arc<Rec>>)>,
    checked: Vec<Place>,
}

impl After {
    fn of(wish: &Wish, ops: &Ops) -> Self {
        let aggregate = |(put, body): (&ops::PutAggregate, &wish::Body)| {
            let kept = Kept { version: put.version, facts: body.facts.clone(), events: put.events };
            Written { id: put.id, kept, take: put.take.clone(), gone: put.gone.clone(), new: put.was == 0 }
        };
        let put = ops.records.iter().map(|it| {
            let rec = Rec { version: it.version, day: it.sealed.day, holds: it.holds.clone(), value: it.sealed.bytes.clone() };
            (it.place, Some(Arc::new(rec)))
        });
        Self {
            aggregates: ops.aggregates.iter().zip(&wish.bodies).map(aggregate).collect(),
            records: put.chain(ops.removed.iter().map(|it| (it.0, None))).collect(),
            checked: ops.checked.iter().map(|it| it.0).collect(),
        }
    }

    fn places(&self) -> Vec<Place> {
        self.records.iter().map(|it| it.0).chain(self.checked.iter().copied()).collect()
    }

    fn remember(self, shared: &Shared, taken: &Taken) {
        let until = shared.now().plus(shared.options.lease);
        for Written { id, kept, take, gone, new } in self.aggregates {
            shared.known.learn(id, kept);
            gone.into_iter().for_each(|(due, delivery)| shared.leases.remove(due, delivery));
            let fence = if new { Some(1) } else { taken.iter().find(|it| it.0 == id).map(|it| it.1) };
            for (due, delivery) in fence.iter().flat_map(|_| &take) {
                let fence = fence.unwrap_or_default();
                shared.leases.put(*due, Lease { aggregate: id, delivery: *delivery, fence, until });
            }
        }
        self.records.into_iter().for_each(|(place, rec)| shared.known.note(place, rec));
    }
}

impl Store for PostgresStore {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(self.bounded(self.read(query)))
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move { self.write(Wish::of(&self.shared.vault, &writes, &expects)?).await })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        Box::pin(async move {
            let mut leases = self.shared.leases.take(now, max);
            let last = self.shared.looked_at.load(Ordering::Relaxed);
            let look = self.shared.options.look_every.as_millis() as i64;
            if leases.len() < max && (now.millis() >= last.saturating_add(look) || now.millis() < last) {
                self.shared.looked_at.store(now.millis(), Ordering::Relaxed);
                self.bounded(self.take_over(now, span, max - leases.len())).await?;
                leases.extend(self.shared.leases.take(now, max - leases.len()));
            }
            Ok(leases)
        })
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        Box::pin(self.bounded(self.due_now(now, max)))
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>> {
        Box::pin(self.bounded(self.events(institution, after, max)))
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        Box::pin(async move { Ok(self.bounded(self.read(&Query::One(id))).await?.one) })
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        Box::pin(self.people(publisher, after, max))
    }

    fn status(&self) -> Status {
        self.shared.status()
    }
}

impl Notes for PostgresStore {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        Box::pin(self.bounded(self.one_note(name)))
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        Box::pin(async move { self.write(Wish::notes(&self.shared.vault, &values)?).await })
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        Box::pin(self.bounded(self.noted(prefix)))
    }
}
