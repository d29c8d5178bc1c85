//! What leaves for another store: everything, as of one moment, as items.

use super::fetch::{self, Stored};
use super::incoming::is_mark;
use super::moment::Moment;
use super::place::{Place, Places};
use super::rec::{AddressRow, Rec};
use super::shared::Shared;
use super::store::PostgresStore;
use super::view;
use crate::domain::id::{AggregateId, PublisherId};
use crate::store::codec::Unread;
use crate::store::contract::StoreError;
use crate::store::form::Form;
use crate::store::key::kind;
use crate::store::prepare::decode_note;
use crate::store::row::Opener;
use crate::store::rows;
use crate::store::transfer::item::Item;
use crate::vault::Vault;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio_postgres::Row;

/// All records.
pub(super) const RECORDS: &str = "SELECT 0, shard, key, version, data_day, holds, value FROM record";
/// All feeds.
pub(super) const FEEDS: &str = "SELECT feed, last, value FROM feed";
/// What publishers opened, with the counts of all nodes together.
pub(super) const OPENED: &str = "SELECT publisher, day, sum(count)::int8 FROM opened GROUP BY publisher, day";

/// All aggregates, with the numbers of their events. The database brings the two together: no memory of ours has room for them.
const AGGREGATES: &str = "SELECT 1, a.events, a.id, a.version, a.data_day, a.also, a.value, e.which, e.seq FROM aggregate a LEFT JOIN \
                          (SELECT id, array_agg(which) AS which, array_agg(seq) AS seq FROM event GROUP BY id) e ON e.id = a.id";

/// The first page comes when all events are sorted.
const PATIENCE: Duration = Duration::from_secs(3600);

impl PostgresStore {
    /// Sends all there is, as of one moment, page by page: data keys first, then what they seal. `vault` has the same root key, and learns the
    /// data keys. Daily counts are told of those `publishers`; of others only a number is known.
    pub(in crate::store) async fn leave(
        &self,
        vault: &Vault,
        publishers: &[PublisherId],
        to: &Sender<Vec<Item>>,
    ) -> Result<(), StoreError> {
        self.shared.check_form()?;
        let moment = self.shared.moment(PATIENCE).await?;
        self.read_out(&moment, vault, publishers, to).await?;
        Ok(moment.end().await?)
    }

    async fn read_out(&self, moment: &Moment, vault: &Vault, publishers: &[PublisherId], to: &Sender<Vec<Item>>) -> Result<(), StoreError> {
        let shared = &self.shared;
        let opener = Opener { vault, newest: shared.options.form };
        let send = async |items: Vec<Item>| to.send(items).await.map_err(|_| StoreError::Failed("writing stopped".to_owned()));
        let mut keys = moment.read(&format!("{RECORDS} WHERE shard = 0 AND get_byte(key, 0) = {}", kind::DAY)).await?;
        while let Some(page) = keys.next().await? {
            let items = records(opener, &page, true)?;
            for item in &items {
                let Item::DataKey { day, wrapped } = item else { continue };
                vault.learn_day(*day, wrapped).map_err(|error| StoreError::Failed(format!("the data key of day {day}: {error}")))?;
            }
            send(items).await?;
        }
        let mut all = moment.read(AGGREGATES).await?;
        while let Some(page) = all.next().await? {
            let items = page.iter().filter_map(|row| aggregate(opener, row).transpose()).collect::<Result<_, StoreError>>()?;
            send(items).await?;
        }
        let mut rest = moment.read(RECORDS).await?;
        while let Some(page) = rest.next().await? {
            send(records(opener, &page, false)?).await?;
        }
        let mut feeds = moment.read(FEEDS).await?;
        while let Some(page) = feeds.next().await? {
            send(page.iter().filter_map(|row| feed(shared, row)).collect()).await?;
        }
        let names: HashMap<i64, &PublisherId> = publishers.iter().map(|it| (Places(vault).publisher(it), it)).collect();
        let mut counts = moment.read(OPENED).await?;
        while let Some(page) = counts.next().await? {
            let named = |(number, day, count)| Some(Item::Opened { publisher: (*names.get(&number)?).clone(), day, count });
            send(page.iter().map(opened).filter_map(named).collect()).await?;
        }
        Ok(())
    }
}

// Data keys, or all else.
fn records(opener: Opener<'_>, page: &[Row], keys: bool) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::with_capacity(page.len());
    for row in page {
        let place = fetch::place(row)?;
        if (place.key.kind() == kind::DAY) == keys {
            items.extend(said(opener, &place, &fetch::rec(row))?);
        }
    }
    Ok(items)
}

// None: its data key was destroyed with the history of its day.
fn aggregate(opener: Opener<'_>, row: &Row) -> Result<Option<Item>, StoreError> {
    let (id, stored): (AggregateId, Stored) = fetch::stored(row)?;
    if !opener.vault.knows_day(stored.day) {
        return Ok(None);
    }
    let value = view::aggregate(opener, id, &stored)?;
    // One whose number went with the history of its day has none.
    let mut seqs = vec![0; value.events().len()];
    let (which, numbers) = (row.get::<_, Option<Vec<i32>>>(7).unwrap_or_default(), row.get::<_, Option<Vec<i64>>>(8).unwrap_or_default());
    for (which, number) in which.into_iter().zip(numbers) {
        if let Some(seq) = usize::try_from(which).ok().and_then(|it| seqs.get_mut(it)) {
            *seq = u64::try_from(number).unwrap_or(0);
        }
    }
    Ok(Some(Item::Aggregate { value: Box::new(value), seqs, sealed: stored.day }))
}

/// What a record says; nothing, if it follows from aggregates, or is this store's own.
pub(super) fn said(opener: Opener<'_>, place: &Place, rec: &Rec) -> Result<Vec<Item>, StoreError> {
    let key = &place.key;
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

fn note(plain: &[u8], _: Form) -> Result<(String, Vec<u8>), Unread> {
    Ok(decode_note(plain).map(|(name, value)| (name.to_owned(), value.to_vec()))?)
}

/// A row of [`FEEDS`].
pub(super) fn feed(shared: &Shared, row: &Row) -> Option<Item> {
    let institution = shared.institution(row.get(0), row.get(2))?;
    Some(Item::Feed { institution, last: u64::try_from(row.get::<_, i64>(1)).unwrap_or(0) })
}

/// A row of [`OPENED`]: the publisher's number, the day, the count.
pub(super) fn opened(row: &Row) -> (i64, u32, u64) {
    (row.get(0), u32::try_from(row.get::<_, i32>(1)).unwrap_or(0), u64::try_from(row.get::<_, i64>(2)).unwrap_or(0))
}
