//! Queries.

use super::fetch::{Fetched, Stored, Wanted};
use super::place::Places;
use super::reader::Ask;
use super::store::PostgresStore;
use super::view::Viewer;
use super::{fetch, keep, view};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Query, Versioned, View};
use crate::store::codec::Unread;
use crate::store::contract::StoreError;
use crate::store::form::Form;
use crate::store::key::kind;
use crate::store::keyed::Keyed;
use crate::store::prepare::decode_note;
use crate::store::rows;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Recipients read at a time.
const PAGE: i64 = 500;

impl PostgresStore {
    pub(super) async fn read(&self, query: &Query) -> Result<View, StoreError> {
        if let Query::Leased(id) = query
            && let Some(one) = self.shared.recent.just_now(*id, self.shared.options.moment)
            && self.shared.known.aggregate(*id).is_some_and(|it| it.version == one.version)
        {
            return Ok(View { one: Some(one), ..View::default() });
        }
        let fetched = self.ask(view::wanted(&self.shared.vault, query)).await?;
        self.learn_days(fetched.aggregates.values()).await?;
        Viewer { opener: self.shared.opener(), known: &self.shared.known, fetched: &fetched }.view(query)
    }

    /// Reads, with what others want at the same time.
    pub(super) async fn ask(&self, wanted: Wanted) -> Result<Arc<Fetched>, StoreError> {
        let (done, answer) = oneshot::channel();
        self.asks.try_send(Ask { wanted, done }).map_err(|_| StoreError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Away("the reader is gone".to_owned())))
    }

    pub(super) async fn learn_days<'a>(&self, all: impl Iterator<Item = &'a Stored>) -> Result<(), StoreError> {
        let mut days: Vec<u32> = all.map(|it| it.day).filter(|it| !self.shared.vault.knows_day(*it)).collect();
        days.sort_unstable();
        days.dedup();
        for day in days {
            keep::learn(&self.shared, day).await?;
        }
        Ok(())
    }

    async fn numbers(&self, institution: &InstitutionId, after: u64, max: usize) -> Result<Vec<(u64, AggregateId, usize)>, StoreError> {
        let Ok(from) = i64::try_from(after) else { return Ok(Vec::new()) };
        let feed = Places(&self.shared.vault).feed(institution);
        // Numbers rise with the days, but for nodes whose clocks differ at midnight.
        let known = self.shared.read_upto.lock().get(&feed).copied();
        let first = known.filter(|it| it.0 <= after).map_or(0, |it| it.1 - 1);
        let text = "SELECT seq, id, which, day FROM event WHERE shard = $1 AND feed = $2 AND seq > $3 AND day >= $4 ORDER BY seq LIMIT $5";
        let shard = i32::from(institution.shard());
        let rows = self.shared.query(text, &[&shard, &feed, &from, &first, &(max as i64)]).await?;
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

    pub(super) async fn events(
        &self,
        institution: &InstitutionId,
        after: u64,
        max: usize,
    ) -> Result<Vec<(u64, Arc<Aggregate>, usize)>, StoreError> {
        let numbers = self.numbers(institution, after, max).await?;
        let mut ids: Vec<AggregateId> = numbers.iter().map(|it| it.1).collect();
        ids.sort_unstable();
        ids.dedup();
        let fetched = self.ask(Wanted { ids, ..Wanted::default() }).await?;
        let found = &fetched.aggregates;
        self.learn_days(found.values()).await?;
        let mut opened: Keyed<AggregateId, Arc<Aggregate>> = Keyed::default();
        for id in numbers.iter().map(|it| it.1) {
            let (Some(it), Entry::Vacant(place)) = (found.get(&id), opened.entry(id)) else { continue };
            place.insert(Arc::new(view::aggregate(self.shared.opener(), id, it)?));
        }
        Ok(numbers.into_iter().filter_map(|(seq, id, which)| Some((seq, opened.get(&id)?.clone(), which))).collect())
    }

    // Names are sealed, so all are read, and the first in their order are kept.
    pub(super) async fn people(
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
            let rows = self.shared.query(text, &[&shard, &key, &PAGE]).await?;
            for row in &rows {
                let place = fetch::place(row)?;
                let rec = fetch::rec(row);
                (shard, key) = (i32::from(place.shard), place.key.0.to_vec());
                let value = view::open(self.shared.opener(), &place.key, &rec, rows::decode_recipient)?;
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

    pub(super) async fn noted(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let text = "SELECT 0, shard, key, version, data_day, holds, value FROM record WHERE shard = 0 AND key >= $1 AND key < $2";
        let rows = self.shared.query(text, &[&&[kind::NOTE][..], &&[kind::NOTE + 1][..]]).await?;
        let mut notes = Vec::new();
        for row in &rows {
            let place = fetch::place(row)?;
            let (name, value) = view::open(self.shared.opener(), &place.key, &fetch::rec(row), note)?;
            if name.starts_with(prefix) {
                notes.push((name, value));
            }
        }
        notes.sort();
        Ok(notes)
    }

    pub(super) async fn one_note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let place = Places(&self.shared.vault).note(name);
        let found = self.ask(Wanted { places: vec![place], ..Wanted::default() }).await?;
        let rec = found.records.get(&place);
        rec.map(|it| view::open(self.shared.opener(), &place.key, it, note).map(|it| it.1)).transpose()
    }
}

fn note(plain: &[u8], _: Form) -> Result<(String, Vec<u8>), Unread> {
    Ok(decode_note(plain).map(|(name, value)| (name.to_owned(), value.to_vec()))?)
}
