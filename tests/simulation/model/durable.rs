//! Compares what is durable with what the model says must be.

use super::open::{Draft, channel};
use super::{Effect, Letter, Model, Session, Stands, Tally, Touched};
use crate::bank::{NUMBERS, PUBLISHERS};
use crate::errand::{Errand, Value};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::challenge::{Challenge, State};
use countersign::domain::delivery::{Delivery, Purpose, Status};
use countersign::domain::event::Act;
use countersign::domain::id::AggregateId;
use countersign::domain::inbound::Inbound;
use countersign::domain::material::Material;
use countersign::domain::snapshot::{Query, View};
use countersign::store::contract::Store;
use countersign::vault::Vault;
use futures_util::FutureExt;
use std::time::Duration;

/// The durable store, looked at from below everything that is tested.
pub struct Durable<'a> {
    pub store: &'a dyn Store,
    pub vault: &'a Vault,
}

impl Durable<'_> {
    pub fn find(&self, id: AggregateId) -> Option<Aggregate> {
        let found = self.store.find(id).now_or_never().expect("a store in memory answers at once");
        found.expect("it can be read").map(|it| it.value)
    }

    fn load(&self, query: &Query) -> View {
        self.store.load(query).now_or_never().expect("a store in memory answers at once").expect("it can be read")
    }
}

macro_rules! same {
    ($what:expr, $durable:expr, $expected:expr) => {
        if $durable != $expected {
            return Err(format!("{}: durable is {:?}, expected {:?}", $what, $durable, $expected));
        }
    };
}

impl Model {
    /// Whether exactly `effect` has become durable; gives it back with what was drawn.
    pub(super) fn agrees(&self, errand: &Errand, mut effect: Effect, touched: &Touched, durable: &Durable<'_>) -> Result<Effect, String> {
        let known = |it: &AggregateId| self.by_id.contains_key(it) || self.notes.contains(it);
        let new: Vec<_> = touched.aggregates.iter().filter(|it| !known(it)).copied().collect();
        let wanted = usize::from(effect.opens.is_some()) + usize::from(effect.noted);
        same!(format!("new records of {}", errand.told()), new.len(), wanted);
        if let Some(draft) = effect.opens.take() {
            let session = self.opened(draft, &*challenge(durable, new[0])?, durable)?;
            effect.changed.push(session);
        }
        if effect.noted {
            note(errand, new[0], durable)?;
        }
        for id in &touched.aggregates {
            if let (Some(session), false) = (self.session(*id), effect.changed.iter().any(|it| it.id == *id)) {
                self.compare(session, durable)?;
            }
        }
        for session in &effect.changed {
            self.compare(session, durable)?;
        }
        self.budgets_agree(&effect, touched, durable)?;
        self.opt_outs_agree(&effect, durable)?;
        Ok(effect)
    }

    /// One session against its record.
    pub fn compare(&self, session: &Session, durable: &Durable<'_>) -> Result<(), String> {
        let it = challenge(durable, session.id)?;
        let say = |what: &str| format!("{} of {}", what, session.id);
        let outcome = match it.state {
            State::Open => None,
            State::Ended { outcome, at } => Some((outcome, at)),
        };
        same!(say("outcome"), outcome, session.outcome);
        same!(say("attempts"), it.attempts, session.attempts);
        same!(say("end of its time"), it.expires_at, session.expires);
        same!(say("events"), it.events.iter().map(|it| it.act).collect::<Vec<_>>(), session.acts);
        same!(say("whether the code is kept"), it.material.is_some(), session.is_open());
        let (letters, answers): (Vec<_>, Vec<_>) = it.deliveries.iter().partition(|it| it.purpose == Purpose::Challenge);
        same!(say("messages"), letters.len(), session.letters.len());
        for (letter, expected) in letters.into_iter().zip(&session.letters) {
            same_letter(session, letter, expected)?;
        }
        if answers.len() > usize::from(self.policy.answers) {
            return Err(say("too many answers"));
        }
        let tells =
            |it: &&&Delivery| matches!((&it.purpose, &session.code), (Purpose::Answer(text), Some(code)) if text.contains(code.as_str()));
        if answers.iter().any(|it| tells(&it)) {
            return Err(say("an answer tells the code"));
        }
        Ok(())
    }

    fn opened(&self, draft: Draft, it: &Challenge, durable: &Durable<'_>) -> Result<Session, String> {
        let say = |what: &str| format!("{} of new {}", what, it.id);
        let material = it.material.as_ref().and_then(|sealed| durable.vault.open(it.id, sealed).ok());
        let material = material.and_then(|it| Material::from_bytes(&it)).ok_or_else(|| say("no material"))?;
        let code = material.code().map(|it| it.expose().to_owned());
        same!(say("when it was opened"), it.opened_at, draft.opened);
        same!(say("whether there is a code"), code.is_some(), !matches!(draft.ask.value, Value::Static(_)));
        if let Some(code) = &code {
            same!(say("length of the code"), (code.len(), code.bytes().all(|b| b.is_ascii_digit())), (6, true));
            same!(say("whether its code is open elsewhere"), draft.taken.contains(code), false);
        }
        let addresses: Vec<_> = it.deliveries.iter().map(|it| it.address.clone()).collect();
        same!(say("places"), addresses, draft.places);
        let letter = |it: &Delivery| Letter {
            id: it.id,
            channel: channel(&it.address),
            address: it.address.clone(),
            stands: Stands::Waits,
            tries: 0,
        };
        let owner = PUBLISHERS.iter().position(|it| *it == draft.ask.publisher.as_str()).expect("a known publisher");
        Ok(Session {
            id: it.id,
            sender: countersign::domain::contact::Address::canonical(NUMBERS[owner]),
            code,
            opened: draft.opened,
            expires: draft.ask.received_at.plus(Duration::from_secs(draft.ask.seconds.into())),
            attempts: 0,
            outcome: None,
            acts: vec![Act::MsgAccepted; draft.places.len()],
            letters: it.deliveries.iter().map(letter).collect(),
            blocked_told: false,
            ask: draft.ask,
        })
    }

    fn budgets_agree(&self, effect: &Effect, touched: &Touched, durable: &Durable<'_>) -> Result<(), String> {
        for (key, tally) in &effect.budgets {
            let view = durable.load(&Query::Budget(key.clone()));
            let now = tally.failures.last().copied().unwrap_or_default();
            let kept = &view.budgets[0].1.value;
            let kept = Tally { failures: kept.recent.clone(), consecutive: kept.consecutive };
            same!(format!("failures of {key:?}"), (kept.of_day(now), kept.consecutive), (tally.of_day(now), tally.consecutive));
        }
        match touched.budgets.iter().find(|key| !effect.budgets.iter().any(|it| it.0 == **key)) {
            Some(key) => Err(format!("{key:?} is written, and nothing was counted")),
            None => Ok(()),
        }
    }

    fn opt_outs_agree(&self, effect: &Effect, durable: &Durable<'_>) -> Result<(), String> {
        for (publisher, address, out) in &effect.opt_outs {
            let query = Query::Reply { from: address.clone(), provider_id: None, now: Default::default() };
            let kept = durable.load(&query).addresses[0].opt_outs.contains(publisher);
            same!(format!("opt-out of {publisher}"), kept, *out);
        }
        Ok(())
    }
}

fn same_letter(session: &Session, it: &Delivery, expected: &Letter) -> Result<(), String> {
    let say = |what: &str| format!("{} of message {} of {}", what, expected.id, session.id);
    same!(say("id"), it.id, expected.id);
    same!(say("tries"), it.tries, expected.tries);
    let stands = match &it.status {
        Status::Queued { .. } => Stands::Waits,
        Status::Accepted { .. } => Stands::Taken,
        Status::Undeliverable { .. } => Stands::Refused,
        Status::Expired { .. } => Stands::Late,
        Status::Cancelled { .. } => Stands::TakenBack,
    };
    same!(say("state"), stands, expected.stands);
    let late = it.tries > 0 && it.status.due().is_some_and(|at| at > session.expires);
    same!(say("whether it is to be tried again after its session"), late, false);
    Ok(())
}

fn challenge(durable: &Durable<'_>, id: AggregateId) -> Result<Box<Challenge>, String> {
    match durable.find(id) {
        Some(Aggregate::Challenge(it)) => Ok(it),
        _ => Err(format!("{id} is no durable challenge")),
    }
}

fn note(errand: &Errand, id: AggregateId, durable: &Durable<'_>) -> Result<Box<Inbound>, String> {
    let (Errand::Reply(word), Some(Aggregate::Inbound(it))) = (errand, durable.find(id)) else {
        return Err(format!("{id} is no durable message"));
    };
    same!("whose message it is", it.from, word.from);
    same!("how it is told again", it.provider_id, word.mark());
    same!("its events", it.events.iter().map(|it| it.act).collect::<Vec<_>>(), [Act::RecipMsg]);
    Ok(it)
}
