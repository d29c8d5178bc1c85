//! What opening a challenge needs: one look into the published state for everything, opened after that.

use super::address::{Glance, Look};
use super::{Hit, Reader};
use crate::domain::budget::BudgetKey;
use crate::domain::code::Tag;
use crate::domain::contact::Address;
use crate::domain::recipient::Recipient;
use crate::domain::snapshot::{Prior, Query, Versioned, View};
use crate::store::contract::StoreError;
use crate::store::key::{Key, Keys, Route, kind};
use crate::store::past::Search;
use crate::store::published::{Entry, Published, Row};
use crate::vault::day_of;

/// What is looked for.
struct Wanted {
    budgets: Vec<(Key, BudgetKey)>,
    addresses: Vec<(Route, Address)>,
    repeat: Option<Route>,
    slot: Route,
}

/// What the published state has of it, each in the same order.
struct Found {
    budgets: Vec<Option<Row>>,
    addresses: Vec<Look>,
    prior: Option<(Hit, Option<Tag>)>,
    holder: Option<Hit>,
    publisher_today: u64,
}

impl Reader<'_> {
    /// The view for [`Query::Open`]; the recipient first, whose contacts say where to look.
    pub(super) fn opening(&self, query: &Query, search: &Search<'_>) -> Result<View, StoreError> {
        let Query::Open { publisher, recipient, now, .. } = query else { return Ok(View::default()) };
        let recipient = recipient.as_ref().map(|key| self.recipient(key)).transpose()?.flatten();
        let Some(wanted) = self.wanted(query, recipient.as_ref()) else { return Ok(View::default()) };
        let glance = Glance { now: *now, with_ended: false };
        let found = {
            let published = self.published.read();
            Found { publisher_today: published.opened(publisher, day_of(*now)), ..wanted.look(&published, glance) }
        };
        let mut budgets = Vec::with_capacity(wanted.budgets.len());
        for ((key, name), row) in wanted.budgets.into_iter().zip(found.budgets) {
            budgets.push((name, self.open_budget(&key, row.as_ref())?));
        }
        let mut addresses = Vec::with_capacity(wanted.addresses.len());
        for ((_, it), look) in wanted.addresses.into_iter().zip(found.addresses) {
            addresses.push(self.address((it, look), glance, search)?);
        }
        Ok(View {
            recipient,
            budgets,
            addresses,
            prior: match wanted.repeat {
                Some(route) => self.prior(route, found.prior, search)?,
                None => None,
            },
            publisher_today: found.publisher_today,
            holder: found.holder.map(|it| self.challenge(it, search)).transpose()?.flatten().map(Box::new),
            ..View::default()
        })
    }

    fn wanted(&self, query: &Query, found: Option<&Versioned<Recipient>>) -> Option<Wanted> {
        let Query::Open { publisher, institution, repeat, recipient, phone, slot, .. } = query else { return None };
        let keys = Keys(self.vault);
        let addresses = addresses(phone.as_ref(), found);
        let keyed = |it: BudgetKey| (keys.budget(&it), it);
        let mut budgets = Vec::with_capacity(1 + addresses.len());
        budgets.extend(recipient.iter().map(|it| keyed(BudgetKey::Recipient(it.institution.clone(), it.publisher.clone(), it.id.clone()))));
        budgets.extend(addresses.iter().map(|it| keyed(BudgetKey::Address(institution.clone(), it.clone()))));
        Some(Wanted {
            budgets,
            addresses: addresses.into_iter().map(|it| (keys.address(&it), it)).collect(),
            repeat: repeat.as_ref().map(|it| keys.repeat(publisher, institution, it)),
            slot: keys.slot(slot),
        })
    }

    fn prior(&self, route: Route, hit: Option<(Hit, Option<Tag>)>, search: &Search<'_>) -> Result<Option<Prior>, StoreError> {
        let Some((hit, payload)) = hit else {
            let buried = search.ask(Key::new(kind::REPEAT, route)).first();
            return Ok(buried.and_then(|it| Some(Prior { id: it.id, payload: it.facts.repeat.as_ref()?.1, material: None })));
        };
        let Some(payload) = payload else { return Ok(None) };
        let aggregate = hit.bytes.map(|bytes| self.open_aggregate(hit.id, &bytes)).transpose()?;
        let material = aggregate.and_then(|it| it.challenge().and_then(|it| it.material.clone()));
        Ok(Some(Prior { id: hit.id, payload, material }))
    }
}

impl Wanted {
    fn look(&self, published: &Published, glance: Glance) -> Found {
        let hit = |id| published.entries.get(&id).map(|it| (Hit::of(id, it), it));
        let tag = |it: &Entry| it.facts.repeat.as_ref().map(|it| it.1);
        Found {
            budgets: self.budgets.iter().map(|(key, _)| published.rows.get(key).cloned()).collect(),
            addresses: self.addresses.iter().map(|(route, _)| Look::at(published, *route, glance)).collect(),
            prior: self.repeat.and_then(|it| published.repeated(&it)).and_then(hit).map(|(hit, entry)| (hit, tag(entry))),
            holder: published.holder(&self.slot).and_then(hit).map(|it| it.0),
            publisher_today: 0,
        }
    }
}

/// The addresses that opening a challenge concerns: the phone, or those of the recipient's contacts, each once.
pub(crate) fn addresses(phone: Option<&Address>, recipient: Option<&Versioned<Recipient>>) -> Vec<Address> {
    let contacts = recipient.into_iter().flat_map(|it| it.value.contacts.iter().map(|contact| &contact.address));
    let mut all: Vec<Address> = Vec::new();
    for address in phone.into_iter().chain(contacts) {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}
