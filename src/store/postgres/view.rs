//! From rows to what a decision looks at.

use super::fetch::{Fetched, Stored, Wanted};
use super::known::{Kept, Known};
use super::place::{Place, Places};
use super::rec::{AddressRow, Rec, SlotRow, decode_repeat, decode_seen, ids};
use crate::domain::aggregate::Aggregate;
use crate::domain::budget::{Budget, BudgetKey};
use crate::domain::challenge::{Challenge, Slot, State};
use crate::domain::contact::Address;
use crate::domain::id::AggregateId;
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{AddressView, Prior, Query, Versioned, View};
use crate::domain::time::Timestamp;
use crate::store::codec::Unread;
use crate::store::contract::StoreError;
use crate::store::facts::Facts;
use crate::store::form::Form;
use crate::store::key::Key;
use crate::store::row::Opener;
use crate::store::{read, rows};
use crate::vault::{Vault, day_of};
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST_ENDED: usize = 5;

/// What a query wants to be read.
pub(super) fn wanted(vault: &Vault, query: &Query) -> Wanted {
    let places = Places(vault);
    match query {
        Query::Open { publisher, institution, repeat, recipient, phone, slot, now } => {
            let mut all = vec![places.slot(slot).0];
            all.extend(repeat.iter().map(|it| places.repeat(publisher, institution, it)));
            if let Some(it) = recipient {
                // The budget outlives the recipient, who would name it otherwise.
                let budget = BudgetKey::Recipient(it.institution.clone(), it.publisher.clone(), it.id.clone());
                all.extend([places.recipient(it), places.budget(&budget)]);
            }
            if let Some(phone) = phone {
                all.push(places.address(phone));
                all.push(places.budget(&BudgetKey::Address(institution.clone(), phone.clone())));
            }
            let opened = vec![(places.publisher(publisher), day_of(*now))];
            Wanted { places: all, around: recipient.is_some(), held: true, opened, ..Wanted::default() }
        }
        Query::Call { id, key, again } => {
            let mut all: Vec<Place> = key.iter().map(|it| places.seen(it)).collect();
            all.extend(again.iter().map(|(address, _)| places.address(address)));
            Wanted { places: all, ids: vec![*id], held: again.is_some(), beside: true, ..Wanted::default() }
        }
        Query::Slot { slot, key } => {
            let mut all = vec![places.slot(slot).0];
            all.extend(key.iter().map(|it| places.seen(it)));
            Wanted { places: all, held: true, beside: true, ..Wanted::default() }
        }
        Query::Reply { from, provider_id, .. } => {
            let mut all = vec![places.address(from)];
            all.extend(provider_id.iter().map(|it| places.seen(it)));
            Wanted { places: all, held: true, beside: true, ..Wanted::default() }
        }
        Query::Recipient(key) => Wanted { places: vec![places.recipient(key)], ..Wanted::default() },
        Query::Budget(key) => Wanted { places: vec![places.budget(key)], ..Wanted::default() },
        Query::One(id) | Query::Leased(id) => Wanted { ids: vec![*id], ..Wanted::default() },
    }
}

/// Makes views of what was read.
pub(super) struct Viewer<'a> {
    pub(super) opener: Opener<'a>,
    pub(super) known: &'a Known,
    pub(super) fetched: &'a Fetched,
}

impl Viewer<'_> {
    /// The view of `query`; what was read is remembered for the commit that may follow.
    pub(super) fn view(&self, query: &Query) -> Result<View, StoreError> {
        self.remember(query);
        match query {
            Query::Open { .. } => self.opening(query),
            Query::Reply { from, provider_id, now } => self.reply(from, provider_id.as_deref(), *now),
            Query::Call { id, key, again } => {
                let addresses = again.iter().map(|(address, now)| self.address(address.clone(), *now, false)).collect::<Result<_, _>>()?;
                Ok(View { addresses, ..self.call(Some(*id), key.as_deref())? })
            }
            Query::Slot { slot, key } => self.call(self.holder(slot)?, key.as_deref()),
            Query::One(id) | Query::Leased(id) => Ok(View { one: self.aggregate(*id)?, ..View::default() }),
            Query::Recipient(key) => Ok(View { recipient: self.recipient(key)?, ..View::default() }),
            Query::Budget(key) => Ok(View { budgets: vec![self.budget(key.clone())?], ..View::default() }),
        }
    }

    // Also what was looked for and is not there.
    fn remember(&self, query: &Query) {
        let absent = wanted(self.opener.vault, query).places.into_iter().filter(|it| !self.fetched.records.contains_key(it));
        absent.for_each(|it| self.known.note(it, None, self.fetched.as_of));
    }

    fn opening(&self, query: &Query) -> Result<View, StoreError> {
        let Query::Open { publisher, institution, repeat, recipient: key, phone, slot, now } = query else { return Ok(View::default()) };
        let places = Places(self.opener.vault);
        let recipient = key.as_ref().map(|key| self.recipient(key)).transpose()?.flatten();
        let addresses = read::addresses(phone.as_ref(), recipient.as_ref());
        let mut budgets = Vec::with_capacity(1 + addresses.len());
        if let Some(it) = key {
            budgets.push(self.budget(BudgetKey::Recipient(it.institution.clone(), it.publisher.clone(), it.id.clone()))?);
        }
        for it in &addresses {
            budgets.push(self.budget(BudgetKey::Address(institution.clone(), it.clone()))?);
        }
        let mut views = Vec::with_capacity(addresses.len());
        for it in addresses {
            views.push(self.address(it, *now, false)?);
        }
        let prior = repeat.as_ref().map(|it| self.prior(places.repeat(publisher, institution, it))).transpose()?.flatten();
        let holder = self.holder(slot)?;
        Ok(View {
            recipient,
            budgets,
            addresses: views,
            prior,
            holder: holder.map(|it| self.challenge(it)).transpose()?.flatten().map(Box::new),
            publisher_today: self.fetched.opened.get(&(places.publisher(publisher), day_of(*now))).copied().unwrap_or(0),
            ..View::default()
        })
    }

    fn reply(&self, from: &Address, provider_id: Option<&str>, now: Timestamp) -> Result<View, StoreError> {
        let address = self.address(from.clone(), now, true)?;
        let mut budgets: Vec<(BudgetKey, Versioned<Budget>)> = Vec::new();
        for challenge in address.open.iter().chain(&address.ended) {
            self.note(Places(self.opener.vault).slot(&challenge.value.slot()).0);
            for key in challenge.value.budgets(from) {
                if !budgets.iter().any(|(known, _)| *known == key) {
                    budgets.push(self.budget(key)?);
                }
            }
        }
        let place = provider_id.map(|it| Places(self.opener.vault).seen(it));
        let seen = place.map(|it| self.opened(it, decode_seen)).transpose()?.flatten().map(|it| it.1);
        Ok(View { addresses: vec![address], budgets, seen, ..View::default() })
    }

    // What a commit may need to know is noted: the slot, and the addresses.
    fn call(&self, id: Option<AggregateId>, key: Option<&str>) -> Result<View, StoreError> {
        let (places, one) = (Places(self.opener.vault), id.map(|id| self.aggregate(id)).transpose()?.flatten());
        let mut budgets = Vec::new();
        if let Some(challenge) = one.as_ref().and_then(|it| it.value.challenge()) {
            self.note(places.slot(&challenge.slot()).0);
            challenge.deliveries.iter().for_each(|it| self.note(places.address(&it.address)));
            for key in challenge.own_budgets() {
                budgets.push(self.budget(key)?);
            }
        }
        let seen = key.map(|it| self.opened(places.seen(it), decode_seen)).transpose()?.flatten().map(|it| it.1);
        Ok(View { one, budgets, seen, ..View::default() })
    }

    fn holder(&self, slot: &Slot) -> Result<Option<AggregateId>, StoreError> {
        let (place, route) = Places(self.opener.vault).slot(slot);
        Ok(match place.is_address() {
            true => self.opened(place, AddressRow::decode)?.and_then(|it| it.1.holder(&route)),
            false => self.opened(place, SlotRow::decode)?.and_then(|it| it.1.holder()),
        })
    }

    fn address(&self, address: Address, now: Timestamp, with_ended: bool) -> Result<AddressView, StoreError> {
        let (version, row) = self.opened(Places(self.opener.vault).address(&address), AddressRow::decode)?.unwrap_or_default();
        let mut open: Vec<Versioned<Challenge>> = Vec::new();
        let mut ended: Vec<(Timestamp, Versioned<Challenge>)> = Vec::new();
        let mut ids: Vec<AggregateId> = row.sent.iter().filter(|it| with_ended || it.ended.is_none()).map(|it| it.id).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let Some(it) = self.challenge(id)? else { continue };
            match it.value.state {
                State::Open => open.push(it),
                State::Ended { at, .. } if with_ended && at >= now.minus(HOUR) => ended.push((at, it)),
                State::Ended { .. } => {}
            }
        }
        open.sort_by_key(|it| Reverse((it.value.opened_at, it.value.id)));
        ended.sort_by_key(|it| Reverse((it.0, it.1.value.id)));
        ended.truncate(MOST_ENDED);
        let since = now.minus(DAY);
        let sends = row.sent.iter().map(|it| it.at).filter(|at| *at > since).collect();
        let ended = ended.into_iter().map(|it| it.1).collect();
        Ok(AddressView { address, version, open, ended, sends, opt_outs: row.opt_outs })
    }

    fn prior(&self, place: Place) -> Result<Option<Prior>, StoreError> {
        let Some((_, payload)) = self.opened(place, decode_repeat)? else { return Ok(None) };
        let Some(id) = self.fetched.records.get(&place).and_then(|it| ids(&it.holds).next()) else { return Ok(None) };
        let material = self.challenge(id)?.and_then(|it| it.value.material);
        Ok(Some(Prior { id, payload, material }))
    }

    fn recipient(&self, key: &RecipientKey) -> Result<Option<Versioned<Recipient>>, StoreError> {
        let found = self.opened(Places(self.opener.vault).recipient(key), rows::decode_recipient)?;
        Ok(found.map(|(version, value)| Versioned { value, version }))
    }

    fn budget(&self, key: BudgetKey) -> Result<(BudgetKey, Versioned<Budget>), StoreError> {
        let found = self.opened(Places(self.opener.vault).budget(&key), rows::decode_budget)?;
        let (version, value) = found.unwrap_or_default();
        Ok((key, Versioned { value, version }))
    }

    fn opened<T>(&self, place: Place, decode: fn(&[u8], Form) -> Result<T, Unread>) -> Result<Option<(u64, T)>, StoreError> {
        self.note(place);
        self.fetched.records.get(&place).map(|it| Ok((it.version, open(self.opener, &place.key, it, decode)?))).transpose()
    }

    fn note(&self, place: Place) {
        if let Some(it) = self.fetched.records.get(&place) {
            self.known.note(place, Some(it.clone()), self.fetched.as_of);
        }
    }

    fn challenge(&self, id: AggregateId) -> Result<Option<Versioned<Challenge>>, StoreError> {
        Ok(self.aggregate(id)?.and_then(|it| match it.value {
            Aggregate::Challenge(value) => Some(Versioned { value: *value, version: it.version }),
            Aggregate::Inbound(_) => None,
        }))
    }

    fn aggregate(&self, id: AggregateId) -> Result<Option<Versioned<Aggregate>>, StoreError> {
        // One whose data key is gone is over: its day was dropped.
        let stored = self.fetched.aggregates.get(&id).filter(|it| self.opener.vault.knows_day(it.day));
        let Some(stored) = stored else { return Ok(None) };
        let value = aggregate(self.opener, id, stored)?;
        self.known.learn(id, kept(self.opener.vault, stored, &value), self.fetched.as_of);
        Ok(Some(Versioned { value, version: stored.version }))
    }
}

/// What a commit needs to know of an aggregate that is there.
pub(super) fn kept(vault: &Vault, stored: &Stored, value: &Aggregate) -> Kept {
    Kept { version: stored.version, facts: Arc::new(Facts::of(value, vault)), events: stored.events }
}

/// Opens a record.
pub(super) fn open<T>(opener: Opener<'_>, key: &Key, it: &Rec, decode: fn(&[u8], Form) -> Result<T, Unread>) -> Result<T, StoreError> {
    let plain = opener.vault.open_row(it.day, &key.0, &it.value).map_err(unreadable)?;
    decode(&plain, opener.newest).map_err(unread)
}

/// Opens an aggregate.
pub(super) fn aggregate(opener: Opener<'_>, id: AggregateId, stored: &Stored) -> Result<Aggregate, StoreError> {
    let plain = opener.vault.open_row(stored.day, &Key::aggregate(id).0, &stored.value).map_err(unreadable)?;
    rows::decode_aggregate(&plain, opener.newest).map_err(unread)
}

/// What a newer program wrote is whole: this node is no longer one of those that share the database.
pub(super) fn unread(error: Unread) -> StoreError {
    match error {
        Unread::Newer(..) => StoreError::Outdated(error.to_string()),
        Unread::Malformed(_) => unreadable(error),
    }
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("a stored value can't be read: {error}"))
}
