//! Answers queries: from the published state, and after that from what history says of those who moved there (`past`).

mod address;
mod opening;

use super::contract::StoreError;
use super::form::Form;
use super::key::{Key, Keys, Route, kind};
use super::keyed::Keyed;
use super::past::Search;
use super::prepare::decode_note;
use super::published::{Entry, Published, Row};
use super::{row, rows};
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Verdict;
use crate::domain::budget::{Budget, BudgetKey};
use crate::domain::challenge::Challenge;
use crate::domain::contact::Address;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{AddressView, Lease, Query, Versioned, View};
use crate::domain::time::Timestamp;
use crate::vault::Vault;
use address::{Glance, Look};
pub(crate) use opening::addresses;
use parking_lot::RwLock;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Duration;

/// A value found by an index, to be opened without the lock.
struct Hit {
    id: AggregateId,
    /// When it was opened, or came.
    at: Timestamp,
    version: u64,
    bytes: Option<Arc<[u8]>>,
}

impl Hit {
    fn of(id: AggregateId, entry: &Entry) -> Self {
        Self { id, at: entry.facts.at, version: entry.version, bytes: entry.bytes.clone() }
    }
}

/// What an event is told of: one of the latest, or to be opened without the lock.
enum Told {
    Known(Arc<Aggregate>),
    Sealed(Arc<[u8]>),
}

/// Reads the published state.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) published: &'a RwLock<Published>,
    pub(crate) vault: &'a Vault,
}

impl Reader<'_> {
    /// What a decision needs; it counts only when `search` wants nothing more.
    pub(crate) fn load(&self, query: &Query, search: &Search<'_>) -> Result<View, StoreError> {
        match query {
            Query::Open { .. } => self.opening(query, search),
            Query::Reply { from, provider_id, now } => self.reply((from, provider_id.as_deref()), *now, search),
            Query::Call { id, key, again } => {
                let view =
                    self.call((Some(*id), |published| published.entries.get(id).map(|it| Hit::of(*id, it))), key.as_deref(), search)?;
                let glance = again.as_ref().map(|(address, now)| (address, Glance { now: *now, with_ended: false }));
                let addresses = glance.map(|(it, glance)| self.looked_at(it, glance, search)).transpose()?;
                Ok(View { addresses: addresses.into_iter().collect(), ..view })
            }
            Query::Slot { slot, key } => {
                let route = Keys(self.vault).slot(slot);
                let held = |published: &Published| {
                    let id = published.holder(&route)?;
                    published.entries.get(&id).map(|it| Hit::of(id, it))
                };
                self.call((None, held), key.as_deref(), search)
            }
            Query::One(id) | Query::Leased(id) => Ok(View { one: self.find(*id, search)?, ..View::default() }),
            Query::Budget(key) => Ok(View { budgets: vec![(key.clone(), self.budget(key)?)], ..View::default() }),
            Query::Recipient(key) => Ok(View { recipient: self.recipient(key)?, ..View::default() }),
        }
    }

    /// An aggregate that is live, or ended within the time of tombstones.
    pub(crate) fn find(&self, id: AggregateId, search: &Search<'_>) -> Result<Option<Versioned<Aggregate>>, StoreError> {
        let hit = self.published.read().entries.get(&id).map(|it| Hit::of(id, it));
        match hit {
            Some(hit) => self.aggregate(hit, search),
            None => Ok(self.buried(id, search)),
        }
    }

    /// Hands out deliveries that are due at `now`. Nobody waits for those who read while nothing is.
    pub(crate) fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Vec<Lease> {
        if !self.published.read().outbox.has_due(now) {
            return Vec::new();
        }
        self.published.write().outbox.lease(now, span, max)
    }

    /// Recipients of a publisher in key order.
    pub(crate) fn recipients(
        &self,
        publisher: &PublisherId,
        after: Option<&RecipientKey>,
        max: usize,
    ) -> Result<Vec<Versioned<Recipient>>, StoreError> {
        let first = RecipientKey { publisher: publisher.clone(), institution: InstitutionId::from(""), id: String::new() };
        let hits: Vec<_> = {
            let published = self.published.read();
            let from = published.recipients.range(after.unwrap_or(&first)..);
            let ours = from.take_while(|(key, _)| key.publisher == *publisher).filter(|(key, _)| Some(*key) != after);
            ours.take(max).filter_map(|(_, key)| Some((*key, published.rows.get(key)?.clone()))).collect()
        };
        hits.iter().map(|(key, row)| self.open_recipient(key, row.version, &row.bytes)).collect()
    }

    /// The value of a note.
    pub(crate) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = Keys(self.vault).note(name);
        let row = self.published.read().rows.get(&key).cloned();
        row.map(|row| self.open_note(&key, &row.bytes)).transpose()
    }

    /// Notes whose names begin with `prefix`.
    pub(crate) fn notes(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let hits: Vec<_> = {
            let published = self.published.read();
            let from = published.notes.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
            from.filter_map(|(name, key)| Some((name.clone(), *key, published.rows.get(key)?.bytes.clone()))).collect()
        };
        hits.into_iter().map(|(name, key, bytes)| Ok((name, self.open_note(&key, &bytes)?))).collect()
    }

    /// Events in the hot store after `after`, and whether nothing can be missing before the last of them.
    pub(crate) fn feed(&self, institution: &InstitutionId, after: u64, max: usize) -> Result<(FeedPart, bool), StoreError> {
        let (hits, last) = {
            let published = self.published.read();
            let Some(feed) = published.feeds.get(institution) else { return Ok((Vec::new(), true)) };
            let from = feed.hot.range(after.saturating_add(1)..).take(max);
            let told = |id| match published.latest.get(id) {
                Some(known) => Some(Told::Known(known.clone())),
                None => published.entries.get(id).and_then(|it| it.bytes.clone()).map(Told::Sealed),
            };
            let hits: Vec<_> = from.filter_map(|(seq, (id, index))| Some((*seq, *id, *index, told(id)?))).collect();
            (hits, feed.last)
        };
        let unbroken = hits.iter().zip(after.saturating_add(1)..).all(|(hit, seq)| hit.0 == seq);
        let complete = unbroken && (hits.len() == max || after.saturating_add(hits.len() as u64) >= last);
        Ok((self.events(hits)?, complete))
    }

    // Each aggregate is opened once.
    fn events(&self, hits: Vec<(u64, AggregateId, u16, Told)>) -> Result<FeedPart, StoreError> {
        let mut opened: Keyed<AggregateId, Arc<Aggregate>> = Keyed::default();
        let event = |(seq, id, index, told)| {
            let aggregate = match told {
                Told::Known(known) => known,
                Told::Sealed(bytes) => match opened.entry(id) {
                    Slot::Occupied(it) => it.get().clone(),
                    Slot::Vacant(it) => it.insert(Arc::new(self.open_aggregate(id, &bytes)?)).clone(),
                },
            };
            Ok((seq, aggregate, usize::from(index)))
        };
        hits.into_iter().map(event).collect()
    }

    /// Opens an aggregate's value, from wherever it was kept.
    pub(crate) fn open_aggregate(&self, id: AggregateId, bytes: &[u8]) -> Result<Aggregate, StoreError> {
        let plain = row::plain(self.vault, &Key::aggregate(id), bytes).map_err(unreadable)?;
        rows::decode_aggregate(&plain, Form::NEWEST).map_err(unreadable)
    }

    fn reply(&self, (from, provider_id): (&Address, Option<&str>), now: Timestamp, search: &Search<'_>) -> Result<View, StoreError> {
        let keys = Keys(self.vault);
        let (seen, route) = (provider_id.map(|id| keys.seen(id)), keys.address(from));
        let glance = Glance { now, with_ended: true };
        let (here, look) = {
            let published = self.published.read();
            (seen.and_then(|route| published.seen(&route)), Look::at(&published, route, glance))
        };
        let address = self.address((from.clone(), look), glance, search)?;
        let mut budgets: Vec<(BudgetKey, Versioned<Budget>)> = Vec::new();
        for challenge in address.open.iter().chain(&address.ended) {
            for key in challenge.value.budgets(from) {
                if !budgets.iter().any(|(known, _)| *known == key) {
                    let budget = self.budget(&key)?;
                    budgets.push((key, budget));
                }
            }
        }
        let seen = here.or_else(|| seen.and_then(|route| seen_before(route, search)));
        Ok(View { addresses: vec![address], budgets, seen, ..View::default() })
    }

    // What was answered before, and the challenge, are of one moment: else a duplicate might find it ended, and not why.
    fn call(
        &self,
        (id, find): (Option<AggregateId>, impl FnOnce(&Published) -> Option<Hit>),
        key: Option<&str>,
        search: &Search<'_>,
    ) -> Result<View, StoreError> {
        let seen = key.map(|it| Keys(self.vault).seen(it));
        let (here, hit) = {
            let published = self.published.read();
            (seen.and_then(|route| published.seen(&route)), find(&published))
        };
        let one = match (hit, id) {
            (Some(hit), _) => self.aggregate(hit, search)?,
            (None, Some(id)) => self.buried(id, search),
            (None, None) => None,
        };
        let mut budgets = Vec::new();
        for key in one.as_ref().and_then(|it| it.value.challenge()).map(Challenge::own_budgets).unwrap_or_default() {
            let budget = self.budget(&key)?;
            budgets.push((key, budget));
        }
        let seen = here.or_else(|| seen.and_then(|route| seen_before(route, search)));
        Ok(View { one, budgets, seen, ..View::default() })
    }

    fn looked_at(&self, address: &Address, glance: Glance, search: &Search<'_>) -> Result<AddressView, StoreError> {
        let route = Keys(self.vault).address(address);
        let look = Look::at(&self.published.read(), route, glance);
        self.address((address.clone(), look), glance, search)
    }

    // As history has it.
    fn buried(&self, id: AggregateId, search: &Search<'_>) -> Option<Versioned<Aggregate>> {
        search.ask(Key::aggregate(id)).first().map(|it| Versioned { value: it.aggregate.clone(), version: it.version })
    }

    fn budget(&self, key: &BudgetKey) -> Result<Versioned<Budget>, StoreError> {
        let key = Keys(self.vault).budget(key);
        let row = self.published.read().rows.get(&key).cloned();
        self.open_budget(&key, row.as_ref())
    }

    fn open_budget(&self, key: &Key, row: Option<&Row>) -> Result<Versioned<Budget>, StoreError> {
        let Some(row) = row else { return Ok(Versioned { value: Budget::default(), version: 0 }) };
        let plain = row::plain(self.vault, key, &row.bytes).map_err(unreadable)?;
        Ok(Versioned { value: rows::decode_budget(&plain, Form::NEWEST).map_err(unreadable)?, version: row.version })
    }

    fn recipient(&self, key: &RecipientKey) -> Result<Option<Versioned<Recipient>>, StoreError> {
        let key = Keys(self.vault).recipient(key);
        let row = self.published.read().rows.get(&key).cloned();
        row.map(|row| self.open_recipient(&key, row.version, &row.bytes)).transpose()
    }

    fn open_recipient(&self, key: &Key, version: u64, bytes: &[u8]) -> Result<Versioned<Recipient>, StoreError> {
        let plain = row::plain(self.vault, key, bytes).map_err(unreadable)?;
        Ok(Versioned { value: rows::decode_recipient(&plain, Form::NEWEST).map_err(unreadable)?, version })
    }

    fn open_note(&self, key: &Key, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let plain = row::plain(self.vault, key, bytes).map_err(unreadable)?;
        decode_note(&plain).map(|(_, value)| value.to_vec()).map_err(unreadable)
    }

    fn challenges(&self, hits: Vec<Hit>, search: &Search<'_>) -> Result<Vec<Versioned<Challenge>>, StoreError> {
        let mut found = Vec::with_capacity(hits.len());
        for hit in hits {
            found.extend(self.challenge(hit, search)?);
        }
        Ok(found)
    }

    fn challenge(&self, hit: Hit, search: &Search<'_>) -> Result<Option<Versioned<Challenge>>, StoreError> {
        Ok(self.aggregate(hit, search)?.and_then(|it| match it.value {
            Aggregate::Challenge(value) => Some(Versioned { value: *value, version: it.version }),
            Aggregate::Inbound(_) => None,
        }))
    }

    // A tombstone of the store's earlier form has its value in history.
    fn aggregate(&self, hit: Hit, search: &Search<'_>) -> Result<Option<Versioned<Aggregate>>, StoreError> {
        let value = match &hit.bytes {
            Some(bytes) => Some(self.open_aggregate(hit.id, bytes)?),
            None => search.ask(Key::aggregate(hit.id)).first().map(|it| it.aggregate.clone()),
        };
        Ok(value.map(|value| Versioned { value, version: hit.version }))
    }
}

// What was answered to a provider's message, as history tells.
fn seen_before(route: Route, search: &Search<'_>) -> Option<Verdict> {
    let graves = search.ask(Key::new(kind::SEEN, route)).iter();
    graves.flat_map(|it| it.facts.seen.iter()).find(|it| it.0 == route).map(|it| it.1)
}

/// Events with their numbers, what they are about, and which of its events they are.
pub(crate) type FeedPart = Vec<(u64, Arc<Aggregate>, usize)>;

// A value that was verified when the store was opened can't be read: memory or a key is gone.
fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}
