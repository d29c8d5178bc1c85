//! Answers queries from the published state. Rows that have moved to history are asked of whoever has them.

use super::codec::Decoder;
use super::contract::StoreError;
use super::key::{Key, Keys, Route};
use super::published::{Entry, Published};
use super::{row, rows};
use crate::domain::aggregate::Aggregate;
use crate::domain::budget::{Budget, BudgetKey};
use crate::domain::challenge::Challenge;
use crate::domain::contact::Address;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{AddressView, Prior, Query, Versioned, View};
use crate::domain::time::Timestamp;
use crate::vault::{Vault, day_of};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST_ENDED: usize = 5;

/// Values fetched from history; `None` for what is not there either.
pub(crate) type Fetched = HashMap<AggregateId, Option<Arc<[u8]>>>;

/// Why a query could not be answered yet.
pub(crate) enum Unread {
    /// These are in the history of these days: fetch them and ask again.
    Elsewhere(Vec<(AggregateId, u32)>),
    /// It can't be.
    Failed(StoreError),
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// A value found by an index, to be opened without the lock.
struct Hit {
    id: AggregateId,
    version: u64,
    bytes: Option<Arc<[u8]>>,
    day: u32,
}

impl Hit {
    fn of(id: AggregateId, entry: &Entry) -> Self {
        let facts = &entry.facts;
        Self { id, version: entry.version, bytes: entry.bytes.clone(), day: facts.day() }
    }
}

/// Reads the published state.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) published: &'a RwLock<Published>,
    pub(crate) vault: &'a Vault,
}

impl Reader<'_> {
    /// What a decision needs.
    pub(crate) fn load(&self, query: &Query, fetched: &Fetched) -> Result<View, Unread> {
        match query {
            Query::Open { .. } => Ok(self.open(query)?),
            Query::Reply { from, provider_id, now } => self.reply(from, provider_id.as_deref(), *now, fetched),
            Query::One(id) => {
                let hit = self.published.read().entries.get(id).map(|it| Hit::of(*id, it));
                let mut found = self.aggregates(hit.into_iter().collect(), fetched)?;
                Ok(View { one: found.pop(), ..View::default() })
            }
            Query::Budget(key) => Ok(View { budgets: vec![(key.clone(), self.budget(key)?)], ..View::default() }),
            Query::Recipient(key) => Ok(View { recipient: self.recipient(key)?, ..View::default() }),
        }
    }

    /// An aggregate that is live or has a tombstone.
    pub(crate) fn find(&self, id: AggregateId, fetched: &Fetched) -> Result<Option<Versioned<Aggregate>>, Unread> {
        Ok(self.load(&Query::One(id), fetched)?.one)
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
            let bytes = |id| published.entries.get(id).and_then(|it| it.bytes.clone());
            let hits: Vec<_> = from.filter_map(|(seq, (id, index))| Some((*seq, *id, *index, bytes(id)?))).collect();
            (hits, feed.last)
        };
        let unbroken = hits.iter().zip(after.saturating_add(1)..).all(|(hit, seq)| hit.0 == seq);
        let complete = unbroken && (hits.len() == max || after.saturating_add(hits.len() as u64) >= last);
        let mut opened: HashMap<AggregateId, Aggregate> = HashMap::new();
        let mut events = Vec::with_capacity(hits.len());
        for (seq, id, index, bytes) in hits {
            let aggregate = match opened.get(&id) {
                Some(known) => known.clone(),
                None => opened.entry(id).or_insert(self.open_aggregate(id, &bytes)?).clone(),
            };
            events.push((seq, aggregate, usize::from(index)));
        }
        Ok((events, complete))
    }

    /// Opens an aggregate's value, from wherever it was kept.
    pub(crate) fn open_aggregate(&self, id: AggregateId, bytes: &[u8]) -> Result<Aggregate, StoreError> {
        let (_, plain) = row::open(self.vault, &Key::aggregate(id), bytes).map_err(unreadable)?;
        rows::decode_aggregate(&plain).map_err(unreadable)
    }

    fn open(&self, query: &Query) -> Result<View, StoreError> {
        let Query::Open { publisher, institution, repeat, recipient, phone, slot, now } = query else { return Ok(View::default()) };
        let keys = Keys(self.vault);
        let mut view = View::default();
        if let Some(key) = recipient {
            view.recipient = self.recipient(key)?;
            let budget = BudgetKey::Recipient(key.institution.clone(), key.publisher.clone(), key.id.clone());
            view.budgets.push((budget.clone(), self.budget(&budget)?));
        }
        for address in addresses(phone.as_ref(), view.recipient.as_ref()) {
            let budget = BudgetKey::Address(institution.clone(), address.clone());
            view.budgets.push((budget.clone(), self.budget(&budget)?));
            view.addresses.push(self.address(address, false, *now, &Fetched::new()).map_err(failed)?);
        }
        if let Some(key) = repeat {
            view.prior = self.prior(&keys.repeat(publisher, institution, key))?;
        }
        let slot = keys.slot(slot);
        let holder = {
            let published = self.published.read();
            view.publisher_today = published.opened(publisher, day_of(*now));
            published.holder(&slot).and_then(|id| Some(Hit::of(id, published.entries.get(&id)?)))
        };
        view.holder = self.challenges(holder.into_iter().collect(), &Fetched::new()).map_err(failed)?.pop();
        Ok(view)
    }

    fn reply(&self, from: &Address, provider_id: Option<&str>, now: Timestamp, fetched: &Fetched) -> Result<View, Unread> {
        let seen = provider_id.map(|id| Keys(self.vault).seen(id));
        let seen = seen.and_then(|route| self.published.read().seen(&route));
        let address = self.address(from.clone(), true, now, fetched)?;
        let mut budgets: Vec<(BudgetKey, Versioned<Budget>)> = Vec::new();
        for challenge in address.open.iter().chain(&address.ended) {
            for key in challenge.value.budgets(from) {
                if !budgets.iter().any(|(known, _)| *known == key) {
                    budgets.push((key.clone(), self.budget(&key)?));
                }
            }
        }
        Ok(View { addresses: vec![address], budgets, seen, ..View::default() })
    }

    // What has ended matters only for judging a reply.
    fn address(&self, address: Address, with_ended: bool, now: Timestamp, fetched: &Fetched) -> Result<AddressView, Unread> {
        let route = Keys(self.vault).address(&address);
        let (mut seen, open, ended) = self.look(route, with_ended, now);
        seen.open = self.challenges(open, fetched)?;
        seen.ended = self.challenges(ended, fetched)?;
        Ok(AddressView { address, ..seen })
    }

    fn look(&self, route: Route, with_ended: bool, now: Timestamp) -> (AddressView, Vec<Hit>, Vec<Hit>) {
        let published = self.published.read();
        let open = published.open_on(route).map(|(id, entry)| Hit::of(id, entry)).collect();
        let ended = published.ended_on(route, now.minus(HOUR)).take(if with_ended { MOST_ENDED } else { 0 });
        let ended = ended.map(|(id, entry)| Hit::of(id, entry)).collect();
        let view = AddressView {
            address: Address::canonical(""),
            version: published.version(&Key::new(super::key::kind::ADDRESS, route)),
            open: Vec::new(),
            ended: Vec::new(),
            sends: published.sent_on(route, now.minus(DAY)).collect(),
            opt_outs: published.opted_out_of(route).cloned().collect(),
        };
        (view, open, ended)
    }

    fn prior(&self, route: &Route) -> Result<Option<Prior>, StoreError> {
        let hit = {
            let published = self.published.read();
            published.repeated(route).and_then(|id| published.entries.get(&id).map(|it| (id, it.clone())))
        };
        let Some((id, entry)) = hit else { return Ok(None) };
        let Some((_, payload)) = entry.facts.repeat else { return Ok(None) };
        let aggregate = entry.bytes.map(|bytes| self.open_aggregate(id, &bytes)).transpose()?;
        let material = aggregate.and_then(|it| it.challenge().and_then(|it| it.material.clone()));
        Ok(Some(Prior { id, payload, material }))
    }

    fn budget(&self, key: &BudgetKey) -> Result<Versioned<Budget>, StoreError> {
        let key = Keys(self.vault).budget(key);
        let Some(row) = self.published.read().rows.get(&key).cloned() else {
            return Ok(Versioned { value: Budget::default(), version: 0 });
        };
        let (_, plain) = row::open(self.vault, &key, &row.bytes).map_err(unreadable)?;
        Ok(Versioned { value: rows::decode_budget(&plain).map_err(unreadable)?, version: row.version })
    }

    fn recipient(&self, key: &RecipientKey) -> Result<Option<Versioned<Recipient>>, StoreError> {
        let key = Keys(self.vault).recipient(key);
        let row = self.published.read().rows.get(&key).cloned();
        row.map(|row| self.open_recipient(&key, row.version, &row.bytes)).transpose()
    }

    fn open_recipient(&self, key: &Key, version: u64, bytes: &[u8]) -> Result<Versioned<Recipient>, StoreError> {
        let (_, plain) = row::open(self.vault, key, bytes).map_err(unreadable)?;
        Ok(Versioned { value: rows::decode_recipient(&plain).map_err(unreadable)?, version })
    }

    fn open_note(&self, key: &Key, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (_, plain) = row::open(self.vault, key, bytes).map_err(unreadable)?;
        decode_note(&plain).map(|(_, value)| value.to_vec()).map_err(unreadable)
    }

    fn challenges(&self, hits: Vec<Hit>, fetched: &Fetched) -> Result<Vec<Versioned<Challenge>>, Unread> {
        let all = self.aggregates(hits, fetched)?.into_iter();
        Ok(all
            .filter_map(|it| match it.value {
                Aggregate::Challenge(value) => Some(Versioned { value: *value, version: it.version }),
                Aggregate::Inbound(_) => None,
            })
            .collect())
    }

    // A fetched value of another version than the index says is an older copy: it is fetched again.
    fn aggregates(&self, hits: Vec<Hit>, fetched: &Fetched) -> Result<Vec<Versioned<Aggregate>>, Unread> {
        let (mut found, mut elsewhere) = (Vec::with_capacity(hits.len()), Vec::new());
        for hit in hits {
            let bytes = match (&hit.bytes, fetched.get(&hit.id)) {
                (Some(bytes), _) => bytes,
                (None, Some(Some(bytes))) if row::head(bytes).is_ok_and(|it| it.version == hit.version) => bytes,
                (None, Some(None)) => continue,
                (None, _) => {
                    elsewhere.push((hit.id, hit.day));
                    continue;
                }
            };
            found.push(Versioned { value: self.open_aggregate(hit.id, bytes)?, version: hit.version });
        }
        if elsewhere.is_empty() { Ok(found) } else { Err(Unread::Elsewhere(elsewhere)) }
    }
}

/// Events with their numbers, what they are about, and which of its events they are.
pub(crate) type FeedPart = Vec<(u64, Aggregate, usize)>;

/// A note's name and value.
pub(crate) fn decode_note(plain: &[u8]) -> Result<(&str, &[u8]), super::codec::Malformed> {
    let mut from = Decoder::new(plain);
    let note = (from.str()?, from.bytes()?);
    from.end()?;
    Ok(note)
}

// A value that was verified when the store was opened can't be read: memory or a key is gone.
fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

// Where nothing is asked of history, nothing is elsewhere.
fn failed(unread: Unread) -> StoreError {
    match unread {
        Unread::Failed(error) => error,
        Unread::Elsewhere(_) => StoreError::Conflict,
    }
}

fn addresses(phone: Option<&Address>, recipient: Option<&Versioned<Recipient>>) -> Vec<Address> {
    let contacts = recipient.into_iter().flat_map(|it| it.value.contacts.iter().map(|contact| &contact.address));
    let mut all: Vec<Address> = Vec::new();
    for address in phone.into_iter().chain(contacts) {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}
