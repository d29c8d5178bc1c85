//! What must follow from a request (behaviour 1–7, decisions 1, 2, 6, 16, 17, 22).

use super::session::{recipient_budget, slot};
use super::{DAY, Effect, Model, Says, Session};
use crate::bank::RECIPIENTS;
use crate::errand::{Ask, To};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::event::Act;
use countersign::domain::fault::own;
use countersign::domain::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// A session that is about to be: what is not drawn yet is missing.
#[derive(Clone, Debug)]
pub struct Draft {
    pub ask: Ask,
    pub opened: Timestamp,
    pub places: Vec<Address>,
    /// Codes that its own must differ from.
    pub taken: Vec<String>,
}

impl Model {
    pub(super) fn open(&self, ask: &Ask, now: Timestamp) -> Effect {
        if let Some(first) = self.first(ask) {
            let code = first.code.clone().filter(|_| first.is_open());
            return Effect::only(match first.ask.same_body(ask) {
                true => Says::Repeats(first.id, code),
                false => refuses([own::DUPLICATE]),
            });
        }
        let Some(places) = self.places(ask) else { return Effect::only(refuses([own::OPTED_OUT])) };
        let refusals = self.limits(ask, &places, now);
        if !refusals.is_empty() {
            return Effect::only(Says::Refuses(refusals));
        }
        let mut effect = Effect::only(Says::Opens);
        if let Some(holder) = self.holder(ask) {
            let mut older = holder.clone();
            older.end(Act::Superseded, now);
            effect.changed.push(older);
        }
        let concerned = |it: &&Session| it.is_open() && places.iter().any(|place| it.letters.iter().any(|letter| letter.address == *place));
        let taken = self.sessions.iter().filter(concerned).filter_map(|it| it.code.clone()).collect();
        effect.opens = Some(Draft { ask: ask.clone(), opened: now, places, taken });
        effect
    }

    fn first(&self, ask: &Ask) -> Option<&Session> {
        let key = ask.key.as_ref()?;
        let same =
            |it: &&Session| it.ask.key.as_ref() == Some(key) && it.ask.publisher == ask.publisher && it.ask.institution == ask.institution;
        self.sessions.iter().find(same)
    }

    fn places(&self, ask: &Ask) -> Option<Vec<Address>> {
        let inside = |address: &Address| !self.opt_outs.contains(&(ask.publisher.clone(), address.clone()));
        match &ask.to {
            To::Phone(phone) => inside(phone).then(|| vec![phone.clone()]),
            To::Recipient { id, contacts } => {
                let known = RECIPIENTS.iter().find(|it| it.0 == *id).map_or(&[][..], |it| it.1);
                let address = |name: &&str| known.iter().find(|it| it.0 == *name).map(|it| Address::canonical(it.1));
                let sms_only = matches!(ask.value, crate::errand::Value::Static(_));
                let all = || known.iter().filter(|it| !sms_only || !it.1.contains('@')).map(|it| Address::canonical(it.1)).collect();
                let wanted: Vec<Address> = if contacts.is_empty() { all() } else { contacts.iter().filter_map(address).collect() };
                let kept: Vec<Address> = wanted.iter().filter(|it| inside(it)).cloned().collect();
                let none_left = kept.is_empty() || (!contacts.is_empty() && kept.len() < wanted.len());
                (!none_left).then_some(kept)
            }
        }
    }

    fn limits(&self, ask: &Ask, places: &[Address], now: Timestamp) -> BTreeSet<u32> {
        let mut refusals = BTreeSet::new();
        let addresses = places.iter().map(|it| BudgetKey::Address(ask.institution.clone(), it.clone()));
        if addresses.chain(recipient_budget(ask)).any(|key| self.blocks(&key, now)) {
            refusals.insert(own::BLOCKED);
        }
        for phone in places.iter().filter(|it| channel(it) == Channel::Sms) {
            let more = places.iter().filter(|it| *it == phone).count();
            let sent = |span| self.sent(phone, now, span) + more;
            if sent(Duration::from_secs(600)) > self.policy.ten_minutes as usize || sent(DAY) > self.policy.day as usize {
                refusals.insert(own::RATE_LIMITED);
            }
            let holder = self.holder(ask).map(|it| it.id);
            let open = self.sessions.iter().filter(|it| it.is_open() && it.ask.two_way && it.writes_to(phone) && Some(it.id) != holder);
            if open.count() >= self.policy.open as usize {
                refusals.insert(own::TOO_MANY_OPEN);
            }
        }
        refusals
    }

    /// Messages queued to a phone in the `span` before `now`.
    pub fn sent(&self, phone: &Address, now: Timestamp, span: Duration) -> usize {
        let lately = self.sessions.iter().filter(|it| it.opened > now.minus(span));
        lately.flat_map(|it| &it.letters).filter(|it| it.address == *phone).count()
    }

    fn holder(&self, ask: &Ask) -> Option<&Session> {
        let mine = slot(ask);
        self.sessions.iter().rev().find(|it| self.policy.supersede && it.is_open() && it.slot() == mine)
    }
}

pub fn channel(address: &Address) -> Channel {
    if address.expose().contains('@') { Channel::Mail } else { Channel::Sms }
}

fn refuses<const N: usize>(codes: [u32; N]) -> Says {
    Says::Refuses(codes.into_iter().collect())
}
