//! What comes from another store: records with the feed numbers that they had there. Nothing of it goes through `commit`, which
//! would give new ones; what follows from aggregates (addresses, slots, keys) is planned as for a commit.

use super::after::{After, Taken};
use super::committer::attempt;
use super::desk::Read;
use super::keep;
use super::node;
use super::numbered::{Told, statements};
use super::options::Options;
use super::place::{Place, Places};
use super::settings::Settings;
use super::shared::Shared;
use super::store::{PostgresStore, ready};
use super::trouble::Trouble;
use super::wish::{Record, Wish};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::snapshot::Write;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::given::Given;
use crate::store::key::{Key, Keys, kind};
use crate::store::prepare::encode_note;
use crate::store::transfer::item::{Ident, Item};
use crate::store::{row, rows};
use crate::vault::{ROOM, Vault, day_of};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The note of a database that a copy has begun to fill, and not finished: no server starts on it.
const UNFINISHED: &str = "transfer/unfinished";
/// How often the same is tried again.
const TRIES: usize = 5;
/// The node that counts of another store's challenges are put down to.
const NOBODY: i64 = 0;

/// How a database is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) enum Found {
    /// There is nothing in it.
    Empty,
    /// A copy has begun, and was not finished.
    Unfinished,
    /// Somebody's data.
    Taken,
}

/// A database that is being filled.
pub(in crate::store) struct Incoming {
    pub(super) store: PostgresStore,
    days: tokio::sync::Mutex<BTreeSet<u32>>,
    /// What ended before is no longer found by idempotency key and provider's message.
    forgotten: Timestamp,
}

impl Incoming {
    /// Connects, makes or checks the schema, and looks what is there. The vault is this copy's alone: it learns the data keys that
    /// come. What ended before `forgotten` is not to be found by key.
    pub(in crate::store) async fn open(
        settings: &Settings,
        options: Options,
        vault: Arc<Vault>,
        forgotten: Timestamp,
    ) -> Result<(Self, Found), StoreError> {
        let pool = ready(settings, NOBODY).await?;
        let store = PostgresStore::bare(pool, options, vault, NOBODY);
        let found = look(&store.shared).await?;
        Ok((Self { store, days: tokio::sync::Mutex::default(), forgotten }, found))
    }

    /// Empties the database, if a copy left something, and notes that one begins.
    pub(in crate::store) async fn begin(&self, found: Found) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        if found == Found::Unfinished {
            shared.execute("TRUNCATE record, aggregate, event, feed, opened, duty, node, counted, taken", &[]).await?;
        }
        keep::check_root(shared).await?;
        self.note(UNFINISHED, Some(b"1")).await?;
        node::begin(shared, shared.options.form).await?;
        self.partitions([0, shared.today().saturating_sub(1), shared.today(), shared.today() + 1].into()).await
    }

    /// From now on servers may start on it.
    pub(in crate::store) async fn finish(&self) -> Result<(), StoreError> {
        self.note(UNFINISHED, None).await
    }

    /// Whether it was finished.
    pub(in crate::store) async fn is_finished(&self) -> Result<bool, StoreError> {
        Ok(look(&self.store.shared).await? != Found::Unfinished)
    }

    /// Writes items, in the place of what they were, in one transaction. Data keys come before what they seal.
    pub(in crate::store) async fn put(&self, items: &[Item]) -> Result<(), StoreError> {
        let mut wish = Wish::new(self.store.shared.form());
        let mut told = HashMap::new();
        for item in items {
            self.wish(item, &mut wish, &mut told).await?;
        }
        self.write(wish, &told).await
    }

    /// Removes what is gone in the store that it comes from.
    pub(in crate::store) async fn remove(&self, gone: &[Ident]) -> Result<(), StoreError> {
        let places = Places(&self.store.shared.vault);
        let mut wish = Wish::new(self.store.shared.form());
        for ident in gone {
            let place = match ident {
                Ident::Recipient(key) => places.recipient(key),
                Ident::Note(name) => places.note(name),
                Ident::Budget(route) => Place::budget(Key::new(kind::BUDGET, *route)),
                Ident::DataKey(day) => Place::common(Key::day(*day)),
                Ident::OptOut(address, publisher) => {
                    wish.opt_outs.push((Place::address(*address), publisher.clone(), false));
                    continue;
                }
                Ident::Aggregate(_) | Ident::Feed(_) | Ident::Opened(..) => continue,
            };
            wish.put(Record { place, sealed: None, also: Vec::new() });
        }
        self.write(wish, &HashMap::new()).await
    }

    async fn wish(&self, item: &Item, wish: &mut Wish, told: &mut HashMap<AggregateId, Told>) -> Result<(), StoreError> {
        let vault = &self.store.shared.vault;
        match item {
            Item::DataKey { day, wrapped } => self.data_key(*day, wrapped).await?,
            Item::Aggregate { value, seqs, sealed } => {
                let days = value.events().iter().map(|it| day_of(it.at)).chain([u32::from(value.id().day())]).collect();
                self.partitions(days).await?;
                self.body(value, *sealed, wish)?;
                let days = value.events().iter().map(|it| day_of(it.at)).collect();
                let feed = Places(vault).feed(value.institution());
                told.insert(value.id(), Told { shard: value.institution().shard(), feed, seqs: seqs.clone(), days });
            }
            Item::Budget { key, budget } => {
                let place = Place::budget(Key::new(kind::BUDGET, *key));
                let sealed = row::seal_in_place(vault, &place.key, rows::encode_budget(budget, self.store.shared.form(), ROOM), true);
                wish.put(Record { place, sealed: Some(sealed), also: Vec::new() });
            }
            Item::OptOut { address, publisher, .. } => wish.opt_outs.push((Place::address(*address), publisher.clone(), true)),
            Item::Recipient(it) => {
                wish.write(vault, &Given::by(vault, &[]), Write::Recipient(it.key.clone(), Some((**it).clone())));
            }
            Item::Note { name, value } => {
                let place = Places(vault).note(name);
                let sealed = Some(row::seal_in_place(vault, &place.key, encode_note(name, value), true));
                wish.put(Record { place, sealed, also: Vec::new() });
            }
            Item::Feed { institution, last } => self.feed(institution, *last).await?,
            Item::Opened { publisher, day, count } => self.opened(publisher, *day, *count).await?,
        }
        Ok(())
    }

    fn body(&self, value: &Aggregate, sealed: u32, wish: &mut Wish) -> Result<(), StoreError> {
        let vault = &self.store.shared.vault;
        // Under its own day's key: so it is erased with that.
        if !vault.set_day(sealed) && sealed != crate::vault::STANDING {
            return Err(StoreError::Failed(format!("the data key of day {sealed} is missing")));
        }
        let mut body = wish.body(vault, &Given::by(vault, &[]), value);
        if let Some(facts) = Arc::get_mut(&mut body.facts).filter(|it| it.ended_at.is_some_and(|at| at < self.forgotten)) {
            facts.repeat = None;
            facts.seen = Box::default();
        }
        wish.bodies.retain(|it| it.id != body.id);
        wish.bodies.push(body);
        Ok(())
    }

    async fn write(&self, wish: Wish, told: &HashMap<AggregateId, Told>) -> Result<(), StoreError> {
        let (shared, mut read) = (&self.store.shared, Read::default());
        for _ in 0..TRIES {
            let mut ops = self.store.planned(&wish, &mut read).await?;
            let new = std::mem::take(&mut ops.told);
            ops.opened.clear();
            // Nobody takes them before a server starts here.
            ops.aggregates.iter_mut().for_each(|it| it.take = false);
            let statements = statements(shared, &ops, &new, told);
            if statements.is_empty() {
                return Ok(());
            }
            let after = After::of(&wish, &ops);
            let places = after.places();
            match attempt(shared, &statements).await {
                Ok(_) => {
                    after.remember(shared, &Taken { mine: Vec::new(), until: shared.now() });
                    return Ok(());
                }
                Err(Trouble::Again) => {}
                // What was sent in an earlier round, and is not known here any more, is there.
                Err(Trouble::Conflict) => read = self.store.reread(&wish, places).await?,
                Err(trouble) => return Err(trouble.into()),
            }
        }
        Err(StoreError::Conflict)
    }

    async fn data_key(&self, day: u32, wrapped: &[u8]) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        let key = Key::day(day);
        let body = row::seal(&shared.vault, &key, wrapped, true).bytes;
        let text = "INSERT INTO record (shard, key, version, data_day, holds, also, value) VALUES (0, $1, 1, -1, '', '', $2) \
                    ON CONFLICT (shard, key) DO UPDATE SET value = excluded.value";
        shared.execute(text, &[&&key.0[..], &body]).await?;
        shared.vault.learn_day(day, wrapped).map_err(|error| StoreError::Failed(format!("the data key of day {day}: {error}")))
    }

    async fn feed(&self, institution: &InstitutionId, last: u64) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        let number = Places(&shared.vault).feed(institution);
        shared.make_feed(institution, number).await?;
        let text = "UPDATE feed SET last = $3 WHERE shard = $1 AND feed = $2";
        shared.execute(text, &[&i32::from(institution.shard()), &number, &(last as i64)]).await?;
        Ok(())
    }

    async fn opened(&self, publisher: &PublisherId, day: u32, count: u64) -> Result<(), StoreError> {
        let shared = &self.store.shared;
        let text = "INSERT INTO opened (publisher, day, node, count) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT (publisher, day, node) DO UPDATE SET count = excluded.count";
        let number = Places(&shared.vault).publisher(publisher);
        shared.execute(text, &[&number, &(day as i32), &NOBODY, &(count as i64)]).await?;
        Ok(())
    }

    async fn note(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.write(Wish::notes(&self.store.shared.vault, &[(name.to_owned(), value.map(<[u8]>::to_vec))])?, &HashMap::new()).await
    }

    async fn partitions(&self, wanted: BTreeSet<u32>) -> Result<(), StoreError> {
        let mut made = self.days.lock().await;
        let new: BTreeSet<u32> = wanted.difference(&made).copied().collect();
        if !new.is_empty() {
            self.store.shared.make_partitions(new.clone(), keep::NEEDED).await?;
            made.extend(new);
        }
        Ok(())
    }
}

/// Refuses a database that a copy has not finished.
pub(super) async fn check_whole(shared: &Shared) -> Result<(), StoreError> {
    if look(shared).await? != Found::Unfinished {
        return Ok(());
    }
    Err(StoreError::Failed(
        "a copy into this database was begun and not finished: run `countersign copy` again with --restart, or name another database"
            .to_owned(),
    ))
}

/// Whether a note is the mark of an unfinished copy, which is no item.
pub(super) fn is_mark(name: &str) -> bool {
    name == UNFINISHED
}

async fn look(shared: &Shared) -> Result<Found, StoreError> {
    let mark = Keys(&shared.vault).note(UNFINISHED);
    let text = "SELECT EXISTS (SELECT 1 FROM record WHERE shard = 0 AND key = $1), \
                EXISTS (SELECT 1 FROM record WHERE key <> $2) OR EXISTS (SELECT 1 FROM aggregate) OR EXISTS (SELECT 1 FROM feed)";
    let rows = shared.query(text, &[&&mark.0[..], &&Key::META.0[..]]).await?;
    let said = |at| rows.first().is_some_and(|it| it.get(at));
    Ok(match (said(0), said(1)) {
        (true, _) => Found::Unfinished,
        (false, true) => Found::Taken,
        (false, false) => Found::Empty,
    })
}
