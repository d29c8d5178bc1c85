//! Stored forms of what aggregates are made of: deliveries, events, verdicts, verifiers.

use super::codec::{Decoder, Encoder, Malformed};
use super::form::Form;
use crate::domain::answer::Verdict;
use crate::domain::challenge::{Check, Shape, Verifier};
use crate::domain::code::{CodeKind, HashKind, Tag};
use crate::domain::contact::Channel;
use crate::domain::delivery::{Delivery, Purpose, Status};
use crate::domain::event::{Act, Event};
use crate::domain::id::{DeliveryId, EventId};

pub(crate) fn put_delivery(out: &mut Encoder, it: &Delivery) {
    out.uuid(it.id.0);
    put_channel(out, it.channel);
    out.address(&it.address);
    out.option(it.contact.as_deref(), Encoder::text);
    out.option(it.sender.as_deref(), Encoder::text);
    let answer = match &it.purpose {
        Purpose::Challenge => None,
        Purpose::Answer(text) => Some(text.as_str()),
    };
    out.option(answer, Encoder::text);
    put_status(out, &it.status);
    out.number(it.tries.into());
}

pub(crate) fn delivery(from: &mut Decoder<'_>) -> Result<Delivery, Malformed> {
    Ok(Delivery {
        id: DeliveryId(from.uuid()?),
        channel: channel(from)?,
        address: from.address()?,
        contact: from.option(Decoder::text)?,
        sender: from.option(Decoder::text)?,
        purpose: from.option(Decoder::text)?.map_or(Purpose::Challenge, Purpose::Answer),
        status: status(from)?,
        tries: from.small()?,
    })
}

fn put_status(out: &mut Encoder, it: &Status) {
    let (kind, at) = match it {
        Status::Queued { next_at } => (0, next_at),
        Status::Accepted { at, .. } => (1, at),
        Status::Undeliverable { at } => (2, at),
        Status::Expired { at } => (3, at),
        Status::Cancelled { at } => (4, at),
    };
    out.byte(kind);
    out.time(*at);
    if let Status::Accepted { provider_id, .. } = it {
        out.option(provider_id.as_deref(), Encoder::text);
    }
}

fn status(from: &mut Decoder<'_>) -> Result<Status, Malformed> {
    let (kind, at) = (from.byte()?, from.time()?);
    match kind {
        0 => Ok(Status::Queued { next_at: at }),
        1 => Ok(Status::Accepted { at, provider_id: from.option(Decoder::text)? }),
        2 => Ok(Status::Undeliverable { at }),
        3 => Ok(Status::Expired { at }),
        4 => Ok(Status::Cancelled { at }),
        _ => Err(Malformed),
    }
}

pub(crate) fn put_channel(out: &mut Encoder, it: Channel) {
    out.byte(match it {
        Channel::Sms => 0,
        Channel::Mail => 1,
        Channel::Push => 2,
    });
}

pub(crate) fn channel(from: &mut Decoder<'_>) -> Result<Channel, Malformed> {
    match from.byte()? {
        0 => Ok(Channel::Sms),
        1 => Ok(Channel::Mail),
        2 => from.since(Form::Three).map(|()| Channel::Push),
        _ => Err(Malformed),
    }
}

// What events say: the first 16 as of form 2, all as of form 3. Never changed: where what they say is another text now, that is
// written out until a form has it.
const SAID: [&str; 21] = [
    "The message is accepted for sending.",
    "The carrier took the message.",
    "The recipient verified by reply.",
    "No reply received.",
    "The time to answer has passed.",
    "A newer challenge took its place.",
    "The carrier refused the message.",
    "The message could not be handed over before its session ended.",
    "The allowed attempts are used up.",
    "The recipient answered that it was not them.",
    "The recipient opted out.",
    "Too many failed replies: this reply was not judged.",
    "STOP",
    "HELP",
    "START",
    "(no open session)",
    "The recipient's answer was verified.",
    "The message is accepted for sending again.",
    "Too many failed answers: this answer was not judged.",
    "The publisher cancelled it.",
    "The publisher verified the answer itself.",
];

fn said(form: Form) -> &'static [&'static str] {
    if form < Form::Three { &SAID[..16] } else { &SAID }
}

/// An event of an aggregate with these deliveries.
pub(crate) fn put_event(out: &mut Encoder, it: &Event, deliveries: &[Delivery]) {
    out.uuid(it.id.0);
    out.time(it.at);
    put_act(out, it.act);
    out.usual(&it.feedback, said(out.form()));
    out.option(it.delivery, |out, id| out.known(id.0, deliveries.iter().map(|it| it.id.0)));
}

pub(crate) fn event(from: &mut Decoder<'_>, deliveries: &[Delivery]) -> Result<Event, Malformed> {
    Ok(Event {
        id: EventId(from.uuid()?),
        at: from.time()?,
        act: act(from)?,
        feedback: from.usual(said(from.form()))?,
        delivery: from.option(|from| from.known(deliveries.iter().map(|it| it.id.0)))?.map(DeliveryId),
    })
}

// Numbers of our own, so that the stored form does not depend on the order of the enumeration.
const ACTS: [(Act, u8); 13] = [
    (Act::Verified, 1),
    (Act::Failed, 2),
    (Act::Expired, 3),
    (Act::Superseded, 4),
    (Act::Cancelled, 5),
    (Act::MsgAccepted, 6),
    (Act::MsgSent, 7),
    (Act::MsgDelivered, 8),
    (Act::MsgUndeliverable, 9),
    (Act::MsgExpired, 10),
    (Act::OptedOut, 11),
    (Act::Blocked, 12),
    (Act::RecipMsg, 13),
];

pub(crate) fn put_act(out: &mut Encoder, it: Act) {
    let number = ACTS.iter().find(|(act, _)| *act == it).map(|(_, number)| *number);
    out.byte(number.expect("every act has a number; a test holds it"));
}

pub(crate) fn act(from: &mut Decoder<'_>) -> Result<Act, Malformed> {
    let number = from.byte()?;
    ACTS.iter().find(|(_, it)| *it == number).map(|(act, _)| *act).ok_or(Malformed)
}

pub(crate) fn put_verdict(out: &mut Encoder, it: Verdict) {
    let (kind, left) = match it {
        Verdict::Verified => (0, 0),
        Verdict::Wrong { left } => (1, left),
        Verdict::Failed => (2, 0),
        Verdict::Denied => (3, 0),
        Verdict::Expired => (4, 0),
        Verdict::Superseded => (5, 0),
        Verdict::Unread => (6, 0),
        Verdict::Stopped => (7, 0),
        Verdict::Helped => (8, 0),
        Verdict::Started => (9, 0),
        Verdict::NoSession => (10, 0),
        Verdict::Blocked => (11, 0),
    };
    out.byte(kind);
    out.byte(left);
}

pub(crate) fn verdict(from: &mut Decoder<'_>) -> Result<Verdict, Malformed> {
    match (from.byte()?, from.byte()?) {
        (1, left) => Ok(Verdict::Wrong { left }),
        (0, 0) => Ok(Verdict::Verified),
        (2, 0) => Ok(Verdict::Failed),
        (3, 0) => Ok(Verdict::Denied),
        (4, 0) => Ok(Verdict::Expired),
        (5, 0) => Ok(Verdict::Superseded),
        (6, 0) => Ok(Verdict::Unread),
        (7, 0) => Ok(Verdict::Stopped),
        (8, 0) => Ok(Verdict::Helped),
        (9, 0) => Ok(Verdict::Started),
        (10, 0) => Ok(Verdict::NoSession),
        (11, 0) => Ok(Verdict::Blocked),
        _ => Err(Malformed),
    }
}

pub(crate) fn put_verifier(out: &mut Encoder, it: &Verifier) {
    let (shape, digits) = match it.shape {
        Shape::Digits(count) => (0, count),
        Shape::Otpa => (1, 0),
        Shape::Free => (2, 0),
        Shape::OtpThen => (3, 0),
        Shape::OtpaThen => (4, 0),
        Shape::Alphanumeric(count) => (5, count),
    };
    out.byte(shape);
    out.byte(digits);
    match &it.check {
        Check::Value { tag, fold } => {
            out.byte(0);
            out.tag(tag);
            out.flag(*fold);
        }
        Check::Any { tags, fold } => {
            out.byte(2);
            out.list(tags, Encoder::tag);
            out.flag(*fold);
        }
        Check::Hashed { prefix, tag, kind, salt } => {
            out.byte(1);
            out.option(prefix.as_ref(), put_prefix);
            out.tag(tag);
            out.byte(hash_number(*kind));
            out.text(salt.expose());
        }
    }
}

pub(crate) fn verifier(from: &mut Decoder<'_>) -> Result<Verifier, Malformed> {
    let shape = match (from.byte()?, from.byte()?) {
        (0, count) => Shape::Digits(count),
        (1, 0) => Shape::Otpa,
        (2, 0) => Shape::Free,
        (3, 0) => Shape::OtpThen,
        (4, 0) => Shape::OtpaThen,
        (5, count) => from.since(Form::Three).map(|()| Shape::Alphanumeric(count))?,
        _ => return Err(Malformed),
    };
    let check = match from.byte()? {
        0 => Check::Value { tag: from.tag()?, fold: from.flag()? },
        2 => {
            from.since(Form::Three)?;
            Check::Any { tags: from.list(Decoder::tag)?, fold: from.flag()? }
        }
        1 => Check::Hashed { prefix: from.option(prefix)?, tag: from.tag()?, kind: hash_kind(from)?, salt: from.secret()? },
        _ => return Err(Malformed),
    };
    Ok(Verifier { shape, check })
}

fn put_prefix(out: &mut Encoder, (kind, tag): &(CodeKind, Tag)) {
    out.byte(match kind {
        CodeKind::Otp => 0,
        CodeKind::Otpa => 1,
    });
    out.tag(tag);
}

fn prefix(from: &mut Decoder<'_>) -> Result<(CodeKind, Tag), Malformed> {
    let kind = match from.byte()? {
        0 => CodeKind::Otp,
        1 => CodeKind::Otpa,
        _ => return Err(Malformed),
    };
    Ok((kind, from.tag()?))
}

fn hash_number(kind: HashKind) -> u8 {
    match kind {
        HashKind::Sha1 => 1,
        HashKind::Sha256 => 2,
        HashKind::Sha512 => 3,
    }
}

fn hash_kind(from: &mut Decoder<'_>) -> Result<HashKind, Malformed> {
    match from.byte()? {
        1 => Ok(HashKind::Sha1),
        2 => Ok(HashKind::Sha256),
        3 => Ok(HashKind::Sha512),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_has_a_number_of_its_own() {
        for wanted in Act::ALL {
            let mut out = Encoder::with_capacity(1);
            put_act(&mut out, wanted);
            let bytes = out.finish();
            assert_eq!(act(&mut Decoder::new(&bytes)), Ok(wanted));
        }
    }
}
