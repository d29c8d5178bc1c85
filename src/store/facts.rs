//! What the indexes keep of an aggregate (decision 11); and the tombstones of an earlier form of the store, until their time is over.

use super::codec::{Decoder, Encoder, Unread, whole};
use super::form::Form;
use super::given::Given;
use super::key::Route;
use super::parts;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Verdict;
use crate::domain::challenge::{Challenge, State};
use crate::domain::code::Tag;
use crate::domain::delivery::{Delivery, Purpose};
use crate::domain::event::Event;
use crate::domain::id::{DeliveryId, InstitutionId, PublisherId};
use crate::domain::inbound::Inbound;
use crate::domain::time::Timestamp;
use crate::vault::{Vault, day_of};
use std::collections::HashSet;
use std::hash::Hash;

/// Everything that a look-up needs, without a clear address, name or key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    /// A challenge, not a message that belongs to none.
    pub(crate) challenge: bool,
    pub(crate) publisher: PublisherId,
    pub(crate) institution: InstitutionId,
    /// When it was opened, or came.
    pub(crate) at: Timestamp,
    /// When its session ended; of a message that belongs to none, when it came.
    pub(crate) ended_at: Option<Timestamp>,
    /// Challenge messages: where to and since when.
    pub(crate) sent: Box<[(Route, Timestamp)]>,
    /// Its idempotency key and payload.
    pub(crate) repeat: Option<(Route, Tag)>,
    /// Provider ids of replies, with what was answered.
    pub(crate) seen: Box<[(Route, Verdict)]>,
    pub(crate) deliveries: Box<[DeliveryId]>,
    /// What only a live aggregate has; a tombstone has none of it.
    pub(crate) live: Live,
}

/// What is still to be done about a live aggregate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Live {
    /// Open, and a reply by SMS can reach it.
    pub(crate) listens: bool,
    /// The slot that it holds.
    pub(crate) slot: Option<Route>,
    pub(crate) timer: Option<Timestamp>,
    /// Deliveries to hand over: when, which, and how often it was tried.
    pub(crate) due: Box<[(Timestamp, DeliveryId, u16)]>,
    /// Nothing is left to do.
    pub(crate) finished: bool,
}

/// Names that many facts have, each kept in memory once.
#[derive(Default)]
pub(crate) struct Names {
    publishers: HashSet<PublisherId>,
    institutions: HashSet<InstitutionId>,
}

impl Names {
    /// Lets `facts` share its names with those before it.
    pub(crate) fn share(&mut self, facts: &mut Facts) {
        facts.publisher = shared(&mut self.publishers, &facts.publisher);
        facts.institution = shared(&mut self.institutions, &facts.institution);
    }
}

fn shared<T: Clone + Eq + Hash>(all: &mut HashSet<T>, one: &T) -> T {
    if let Some(known) = all.get(one) {
        return known.clone();
    }
    all.insert(one.clone());
    one.clone()
}

impl Facts {
    /// Those of `aggregate`.
    pub(crate) fn of(aggregate: &Aggregate, vault: &Vault) -> Self {
        Self::given(aggregate, &Given::by(vault, &[]))
    }

    /// Those of `aggregate`, with the routes that are known already.
    pub(crate) fn given(aggregate: &Aggregate, given: &Given<'_>) -> Self {
        let deliveries = aggregate.deliveries();
        let live = Live {
            due: boxed(deliveries.len(), deliveries.iter().filter_map(|it| Some((it.status.due()?, it.id, it.tries)))),
            timer: aggregate.timer(),
            finished: aggregate.is_finished(),
            ..Live::default()
        };
        match aggregate {
            Aggregate::Challenge(it) => of_challenge(it, given, live),
            Aggregate::Inbound(it) => of_inbound(it, given, live),
        }
    }

    /// The UTC day whose history it goes to: the same however often it is moved.
    pub(crate) fn day(&self) -> u32 {
        day_of(self.at)
    }

    /// When nothing was left to do, as far as it tells: what the time in the hot store is counted from.
    pub(crate) fn over_at(&self) -> Timestamp {
        self.ended_at.unwrap_or(self.at)
    }

    /// The addresses that it concerns, without repeats.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Route> + '_ {
        let first = |at: usize, route: &Route| !self.sent[..at].iter().any(|(it, _)| it == route);
        self.sent.iter().enumerate().filter(move |(at, (route, _))| first(*at, route)).map(|(_, (route, _))| *route)
    }

    /// Whether an address sees the two alike: what is open on it, what ended, and what was sent.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        self.live.listens == other.live.listens && self.ended_at == other.ended_at && self.sent == other.sent
    }

    /// The stored form of a tombstone, as an earlier form of the store wrote them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::of(Form::One, 0, 256);
        out.flag(self.challenge);
        out.text(self.publisher.as_str());
        out.text(self.institution.as_str());
        out.time(self.at);
        out.option(self.ended_at, Encoder::time);
        out.list(&self.sent, |out, (route, at)| {
            out.fixed(route);
            out.time(*at);
        });
        out.option(self.repeat.as_ref(), |out, (route, payload)| {
            out.fixed(route);
            out.tag(payload);
        });
        out.list(&self.seen, |out, (route, verdict)| {
            out.fixed(route);
            parts::put_verdict(out, *verdict);
        });
        out.list(&self.deliveries, |out, id| out.uuid(id.0));
        out.finish()
    }

    /// Reads what [`Facts::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unread> {
        whole(bytes, Form::One, |from| {
            Ok(Self {
                challenge: from.flag()?,
                publisher: from.str()?.into(),
                institution: from.str()?.into(),
                at: from.time()?,
                ended_at: from.option(Decoder::time)?,
                sent: from.list(|from| Ok((from.array()?, from.time()?)))?.into(),
                repeat: from.option(|from| Ok((from.array()?, from.tag()?)))?,
                seen: from.list(|from| Ok((from.array()?, parts::verdict(from)?)))?.into(),
                deliveries: from.list(|from| from.uuid().map(DeliveryId))?.into(),
                live: Live::default(),
            })
        })
    }
}

fn of_challenge(it: &Challenge, given: &Given<'_>, live: Live) -> Facts {
    let open = it.state == State::Open;
    let told = it.seen.iter().filter(|seen| !seen.provider_id.is_empty());
    Facts {
        challenge: true,
        publisher: it.publisher.clone(),
        institution: it.institution.clone(),
        at: it.opened_at,
        ended_at: match it.state {
            State::Open => None,
            State::Ended { at, .. } => Some(at),
        },
        sent: sent(it, given),
        repeat: it.repeat.as_ref().map(|key| (given.repeat(&it.publisher, &it.institution, &key.key), key.payload)),
        seen: told.map(|seen| (given.seen(&seen.provider_id), seen.verdict)).collect(),
        deliveries: it.deliveries.iter().map(|it| it.id).collect(),
        live: Live { listens: open, slot: open.then(|| given.slot(&it.slot())), ..live },
    }
}

fn of_inbound(it: &Inbound, given: &Given<'_>, live: Live) -> Facts {
    Facts {
        challenge: false,
        publisher: it.publisher.clone(),
        institution: it.institution.clone(),
        at: it.at,
        ended_at: Some(it.at),
        sent: Box::default(),
        repeat: None,
        seen: it.provider_id.iter().map(|id| (given.seen(id), it.verdict)).collect(),
        deliveries: it.deliveries.iter().map(|it| it.id).collect(),
        live,
    }
}

fn sent(it: &Challenge, given: &Given<'_>) -> Box<[(Route, Timestamp)]> {
    let of_challenge = it.deliveries.iter().filter(|delivery| delivery.purpose == Purpose::Challenge);
    let all = of_challenge.map(|delivery| (given.address(&delivery.address), queued_at(delivery, &it.events).unwrap_or(it.opened_at)));
    boxed(it.deliveries.len(), all)
}

// Room for all at once: how many a filter leaves is not known before.
fn boxed<T>(most: usize, all: impl Iterator<Item = T>) -> Box<[T]> {
    let mut list = Vec::with_capacity(most);
    list.extend(all);
    list.into_boxed_slice()
}

// A message is queued with an event that names it; one that is sent again later has its own.
fn queued_at(delivery: &Delivery, events: &[Event]) -> Option<Timestamp> {
    events.iter().find(|event| event.delivery == Some(delivery.id)).map(|event| event.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tombstone(name: &str) -> Facts {
        Facts {
            challenge: true,
            publisher: name.into(),
            institution: name.into(),
            at: Timestamp::from_millis(1),
            ended_at: Some(Timestamp::from_millis(2)),
            sent: Box::new([([7; 16], Timestamp::from_millis(1))]),
            repeat: Some(([8; 16], Tag([9; 16]))),
            seen: Box::new([([6; 16], Verdict::Verified)]),
            deliveries: Box::new([DeliveryId(uuid::Uuid::from_u128(5))]),
            live: Live::default(),
        }
    }

    #[test]
    fn a_tombstone_is_read_as_written_and_shares_what_others_have() {
        let mut names = Names::default();
        let mut all = ["a", "b", "a"].map(|name| Facts::decode(&tombstone(name).encode()).unwrap());
        assert_eq!(all[1], tombstone("b"));
        all.iter_mut().for_each(|it| names.share(it));
        assert_eq!(all[2], tombstone("a"));
        let place = |it: &Facts| (it.publisher.as_str().as_ptr(), it.institution.as_str().as_ptr());
        assert_eq!(place(&all[0]), place(&all[2]));
        assert_ne!(place(&all[0]), place(&all[1]));
    }
}
