//! Stored forms of the records: written by hand, versioned by their first byte, read strictly.

mod direct;

use super::codec::{Decoder, Encoder, Malformed, Unread, whole};
use super::form::Form;
use super::parts;
use crate::domain::aggregate::Aggregate;
use crate::domain::budget::Budget;
use crate::domain::challenge::{Challenge, Level, Mode, RepeatKey, Seen, State};
use crate::domain::code::Sealed;
use crate::domain::contact::Address;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::inbound::Inbound;
use crate::domain::recipient::{Contact, Recipient, RecipientKey, Subscription};
pub(crate) use direct::oldest;

// Bytes of an aggregate, mostly less: growing would copy it.
const USUAL: usize = 1536;

/// The stored form of an aggregate, with `room` bytes before it: `form`, or the oldest that has words for it.
pub(crate) fn encode_aggregate(it: &Aggregate, form: Form, room: usize) -> Vec<u8> {
    let mut out = Encoder::of(form.max(oldest(it)), room, USUAL);
    match it {
        Aggregate::Challenge(it) => {
            out.byte(0);
            put_challenge(&mut out, it);
        }
        Aggregate::Inbound(it) => {
            out.byte(1);
            put_inbound(&mut out, it);
        }
    }
    out.finish()
}

/// Reads what [`encode_aggregate`] wrote, in any form up to `newest`.
pub(crate) fn decode_aggregate(bytes: &[u8], newest: Form) -> Result<Aggregate, Unread> {
    whole(bytes, newest, |from| match from.byte()? {
        0 => challenge(from).map(|it| Aggregate::Challenge(Box::new(it))),
        1 => inbound(from).map(|it| Aggregate::Inbound(Box::new(it))),
        _ => Err(Malformed),
    })
}

/// The stored form of a budget, with `room` bytes before it.
pub(crate) fn encode_budget(it: &Budget, form: Form, room: usize) -> Vec<u8> {
    let mut out = Encoder::of(form, room, 64);
    out.list(&it.recent, |out, at| out.time(*at));
    out.number(it.consecutive.into());
    out.finish()
}

/// Reads what [`encode_budget`] wrote, in any form up to `newest`.
pub(crate) fn decode_budget(bytes: &[u8], newest: Form) -> Result<Budget, Unread> {
    whole(bytes, newest, |from| Ok(Budget { recent: from.list(Decoder::time)?, consecutive: from.small()? }))
}

/// The stored form of a recipient, with `room` bytes before it.
pub(crate) fn encode_recipient(it: &Recipient, form: Form, room: usize) -> Vec<u8> {
    let mut out = Encoder::of(form, room, 256);
    out.text(it.key.publisher.as_str());
    out.text(it.key.institution.as_str());
    out.text(&it.key.id);
    out.text(&it.uid);
    out.flag(it.active);
    out.option(it.name.as_deref(), Encoder::text);
    out.list(&it.contacts, put_contact);
    out.list(&it.subscriptions, put_subscription);
    out.finish()
}

/// Reads what [`encode_recipient`] wrote, in any form up to `newest`.
pub(crate) fn decode_recipient(bytes: &[u8], newest: Form) -> Result<Recipient, Unread> {
    whole(bytes, newest, |from| {
        let (publisher, institution) = (from.str()?.into(), from.str()?.into());
        Ok(Recipient {
            key: RecipientKey { publisher, institution, id: from.text()? },
            uid: from.text()?,
            active: from.flag()?,
            name: from.option(Decoder::text)?,
            contacts: from.list(contact)?,
            subscriptions: from.list(subscription)?,
        })
    })
}

fn put_contact(out: &mut Encoder, it: &Contact) {
    out.text(&it.id);
    parts::put_channel(out, it.channel);
    out.text(it.address.expose());
    out.flag(it.opted_in);
}

fn contact(from: &mut Decoder<'_>) -> Result<Contact, Malformed> {
    Ok(Contact { id: from.text()?, channel: parts::channel(from)?, address: from.str().map(Address::canonical)?, opted_in: from.flag()? })
}

fn put_subscription(out: &mut Encoder, it: &Subscription) {
    out.option(it.account.as_deref(), Encoder::text);
    out.text(&it.alert);
    out.flag(it.active);
    out.option(it.utc_offset_minutes, put_offset);
    out.list(&it.contacts, |out, id| out.text(id));
}

fn subscription(from: &mut Decoder<'_>) -> Result<Subscription, Malformed> {
    Ok(Subscription {
        account: from.option(Decoder::text)?,
        alert: from.text()?,
        active: from.flag()?,
        utc_offset_minutes: from.option(offset)?,
        contacts: from.list(Decoder::text)?,
    })
}

fn put_challenge(out: &mut Encoder, it: &Challenge) {
    out.uuid(it.id.0);
    out.text(it.publisher.as_str());
    out.text(it.institution.as_str());
    out.text(&it.product);
    put_level(out, &it.level);
    out.byte(match it.mode {
        Mode::OneWay => 0,
        Mode::TwoWay => 1,
        Mode::OnCall => 2,
    });
    out.flag(it.test);
    out.option(it.tracking_id.as_deref(), Encoder::text);
    out.option(it.bus_correl_id.as_deref(), Encoder::text);
    out.option(it.repeat.as_ref(), |out, repeat| {
        out.text(&repeat.key);
        out.tag(&repeat.payload);
    });
    out.time(it.opened_at);
    out.time(it.expires_at);
    out.option(it.verifier.as_ref(), parts::put_verifier);
    out.byte(it.attempts);
    out.byte(it.attempts_allowed);
    let ended = match it.state {
        State::Open => None,
        State::Ended { outcome, at } => Some((outcome, at)),
    };
    out.option(ended, |out, (outcome, at)| {
        parts::put_act(out, outcome);
        out.time(at);
    });
    out.option(it.material.as_ref(), |out, sealed| out.bytes(&sealed.0));
    out.list(&it.deliveries, parts::put_delivery);
    out.list(&it.events, |out, event| parts::put_event(out, event, &it.deliveries));
    out.list(&it.seen, |out, seen| {
        out.text(&seen.provider_id);
        out.time(seen.at);
        parts::put_verdict(out, seen.verdict);
    });
}

fn challenge(from: &mut Decoder<'_>) -> Result<Challenge, Malformed> {
    let mut it = Challenge {
        id: AggregateId(from.uuid()?),
        publisher: PublisherId::from(from.str()?),
        institution: InstitutionId::from(from.str()?),
        product: from.text()?,
        level: level(from)?,
        mode: mode(from)?,
        test: from.flag()?,
        tracking_id: from.option(Decoder::text)?,
        bus_correl_id: from.option(Decoder::text)?,
        repeat: from.option(|from| Ok(RepeatKey { key: from.text()?, payload: from.tag()? }))?,
        opened_at: from.time()?,
        expires_at: from.time()?,
        verifier: from.option(parts::verifier)?,
        attempts: from.byte()?,
        attempts_allowed: from.byte()?,
        state: from.option(|from| Ok(State::Ended { outcome: parts::act(from)?, at: from.time()? }))?.unwrap_or(State::Open),
        material: from.option(|from| from.bytes().map(|it| Sealed(it.into())))?,
        deliveries: from.list(parts::delivery)?,
        events: Vec::new(),
        seen: Vec::new(),
    };
    it.events = from.list(|from| parts::event(from, &it.deliveries))?;
    it.seen = from.list(|from| Ok(Seen { provider_id: from.text()?, at: from.time()?, verdict: parts::verdict(from)? }))?;
    Ok(it)
}

fn mode(from: &mut Decoder<'_>) -> Result<Mode, Malformed> {
    match from.byte()? {
        0 => Ok(Mode::OneWay),
        1 => Ok(Mode::TwoWay),
        2 => from.since(Form::Three).map(|()| Mode::OnCall),
        _ => Err(Malformed),
    }
}

fn put_level(out: &mut Encoder, it: &Level) {
    match it {
        Level::Native { alert, version, recipient, recipient_uid, account, name, utc_offset_minutes } => {
            out.byte(0);
            [alert, version, recipient, recipient_uid].into_iter().for_each(|text| out.text(text));
            out.option(account.as_deref(), Encoder::text);
            out.option(name.as_deref(), Encoder::text);
            out.option(*utc_offset_minutes, put_offset);
        }
        Level::Explicit { phone } => {
            out.byte(1);
            out.address(phone);
        }
        Level::Direct(it) => {
            out.byte(2);
            direct::put_direct(out, it);
        }
    }
}

fn level(from: &mut Decoder<'_>) -> Result<Level, Malformed> {
    match from.byte()? {
        0 => Ok(Level::Native {
            alert: from.text()?,
            version: from.text()?,
            recipient: from.text()?,
            recipient_uid: from.text()?,
            account: from.option(Decoder::text)?,
            name: from.option(Decoder::text)?,
            utc_offset_minutes: from.option(offset)?,
        }),
        1 => Ok(Level::Explicit { phone: from.address()? }),
        2 => direct::direct(from).map(Level::Direct),
        _ => Err(Malformed),
    }
}

fn put_inbound(out: &mut Encoder, it: &Inbound) {
    out.uuid(it.id.0);
    out.text(it.publisher.as_str());
    out.text(it.institution.as_str());
    out.text(&it.product);
    out.address(&it.from);
    out.time(it.at);
    out.option(it.provider_id.as_deref(), Encoder::text);
    parts::put_verdict(out, it.verdict);
    out.list(&it.deliveries, parts::put_delivery);
    out.list(&it.events, |out, event| parts::put_event(out, event, &it.deliveries));
}

fn inbound(from: &mut Decoder<'_>) -> Result<Inbound, Malformed> {
    let mut it = Inbound {
        id: AggregateId(from.uuid()?),
        publisher: PublisherId::from(from.str()?),
        institution: InstitutionId::from(from.str()?),
        product: from.text()?,
        from: from.address()?,
        at: from.time()?,
        provider_id: from.option(Decoder::text)?,
        verdict: parts::verdict(from)?,
        deliveries: from.list(parts::delivery)?,
        events: Vec::new(),
    };
    it.events = from.list(|from| parts::event(from, &it.deliveries))?;
    Ok(it)
}

fn put_offset(out: &mut Encoder, minutes: i32) {
    out.fixed(&minutes.to_be_bytes());
}

fn offset(from: &mut Decoder<'_>) -> Result<i32, Malformed> {
    from.array().map(i32::from_be_bytes)
}

#[cfg(test)]
mod tests;
