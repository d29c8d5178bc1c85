//! Records as this engine keeps them, and the contents of those that it makes itself: what is known of an address, who holds
//! a slot, an idempotency key and a provider's message.

use crate::domain::answer::Verdict;
use crate::domain::code::Tag;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::time::Timestamp;
use crate::store::codec::{Decoder, Encoder, Unread, whole};
use crate::store::form::Form;
use crate::store::key::Route;
use crate::store::parts;
use crate::vault::{ROOM, day_of};
use std::cmp::Reverse;
use std::time::Duration;
use uuid::Uuid;

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rec {
    /// Differs from every earlier one of the same record.
    pub(super) version: u64,
    /// The day whose data key seals it.
    pub(super) day: u32,
    /// Ids of the aggregates that are read with it, 16 bytes each.
    pub(super) holds: Vec<u8>,
    /// Sealed.
    pub(super) value: Vec<u8>,
}

/// What was sent is told this long.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What has ended is told this long.
const HOUR: Duration = Duration::from_secs(3600);
/// Of those that ended, so many are read with an address.
const MOST_ENDED: usize = 5;

/// What is known of an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AddressRow {
    /// Challenge messages that were queued to it, oldest first.
    pub(super) sent: Vec<Sent>,
    /// Publishers whose messages it opted out of, in order.
    pub(super) opt_outs: Vec<PublisherId>,
    /// Open challenges that hold a slot of this phone's.
    pub(super) slots: Vec<(Route, Timestamp, AggregateId)>,
}

/// A challenge message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) at: Timestamp,
    pub(super) id: AggregateId,
    /// When its challenge ended; `None` while it is open.
    pub(super) ended: Option<Timestamp>,
}

impl AddressRow {
    /// Puts a challenge's messages in the place of those it had.
    pub(super) fn put(&mut self, id: AggregateId, sent: impl IntoIterator<Item = Timestamp>, ended: Option<Timestamp>) {
        self.sent.retain(|it| it.id != id);
        self.sent.extend(sent.into_iter().map(|at| Sent { at, id, ended }));
        self.sent.sort_by_key(|it| (it.at, it.id));
        // What is over and was sent a day before the newest matters to nobody.
        if let Some(newest) = self.sent.last().map(|it| it.at) {
            let since = newest.minus(DAY);
            self.sent.retain(|it| it.ended.is_none() || it.at > since || it.ended.is_some_and(|at| at > since));
        }
    }

    /// Sets or ends an opt-out.
    pub(super) fn opt_out(&mut self, publisher: &PublisherId, stopped: bool) {
        match self.opt_outs.binary_search(publisher) {
            Err(place) if stopped => self.opt_outs.insert(place, publisher.clone()),
            Ok(place) if !stopped => drop(self.opt_outs.remove(place)),
            _ => {}
        }
    }

    /// Takes or leaves a slot.
    pub(super) fn hold(&mut self, slot: Route, at: Timestamp, id: AggregateId, holds: bool) {
        self.slots.retain(|it| (it.0, it.2) != (slot, id));
        if holds {
            self.slots.push((slot, at, id));
        }
    }

    /// Who holds a slot: the newest.
    pub(super) fn holder(&self, slot: &Route) -> Option<AggregateId> {
        self.slots.iter().filter(|it| it.0 == *slot).max_by_key(|it| (it.1, it.2)).map(|it| it.2)
    }

    /// Ids of the challenges that are read with it: the open ones, and those that ended last.
    pub(super) fn holds(&self) -> Vec<u8> {
        let mut ids: Vec<AggregateId> = self.sent.iter().filter(|it| it.ended.is_none()).map(|it| it.id).collect();
        let mut ended: Vec<(Timestamp, AggregateId)> = self.sent.iter().filter_map(|it| Some((it.ended?, it.id))).collect();
        ended.sort_unstable_by_key(|it| Reverse(*it));
        ended.dedup();
        let last = ended.first().map(|it| it.0.minus(HOUR));
        ids.extend(ended.iter().take(MOST_ENDED).filter(|it| Some(it.0) >= last).map(|it| it.1));
        ids.extend(self.slots.iter().map(|it| it.2));
        ids.sort_unstable();
        ids.dedup();
        ids.iter().flat_map(|it| *it.0.as_bytes()).collect()
    }

    /// The day after which nobody needs it any more; `None`: it is kept.
    pub(super) fn until(&self) -> Option<u32> {
        let open = !self.slots.is_empty() || self.sent.iter().any(|it| it.ended.is_none());
        let last = self.sent.iter().filter_map(|it| it.ended.max(Some(it.at))).max().unwrap_or_default();
        (self.opt_outs.is_empty() && !open).then(|| day_of(last) + 2)
    }

    pub(super) fn encode(&self, form: Form) -> Vec<u8> {
        let mut out = Encoder::of(form, ROOM, 16 + 40 * self.sent.len());
        out.list(&self.sent, |out, it| {
            out.time(it.at);
            out.uuid(it.id.0);
            out.option(it.ended, Encoder::time);
        });
        out.list(&self.opt_outs, |out, it| out.text(it.as_str()));
        out.list(&self.slots, |out, (slot, at, id)| {
            out.fixed(slot);
            out.time(*at);
            out.known(id.0, self.sent.iter().map(|it| it.id.0));
        });
        out.finish()
    }

    pub(super) fn decode(plain: &[u8], newest: Form) -> Result<Self, Unread> {
        whole(plain, newest, |from| {
            let sent: Vec<Sent> =
                from.list(|from| Ok(Sent { at: from.time()?, id: AggregateId(from.uuid()?), ended: from.option(Decoder::time)? }))?;
            let opt_outs = from.list(|from| from.str().map(PublisherId::from))?;
            let known = sent.iter().map(|it| it.id.0);
            let slots = from.list(|from| Ok((from.array()?, from.time()?, AggregateId(from.known(known.clone())?))))?;
            Ok(Self { sent, opt_outs, slots })
        })
    }
}

/// Who holds a slot: the newest is the holder; older ones where a publisher lets them stand beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotRow(pub(super) Vec<(Timestamp, AggregateId)>);

impl SlotRow {
    pub(super) fn insert(&mut self, at: Timestamp, id: AggregateId) {
        self.remove(id);
        self.0.push((at, id));
        self.0.sort_unstable();
    }

    pub(super) fn remove(&mut self, id: AggregateId) {
        self.0.retain(|it| it.1 != id);
    }

    pub(super) fn holder(&self) -> Option<AggregateId> {
        self.0.last().map(|it| it.1)
    }

    pub(super) fn encode(&self, form: Form) -> Vec<u8> {
        let mut out = Encoder::of(form, ROOM, 32);
        out.list(&self.0, |out, (at, id)| {
            out.time(*at);
            out.uuid(id.0);
        });
        out.finish()
    }

    pub(super) fn decode(plain: &[u8], newest: Form) -> Result<Self, Unread> {
        whole(plain, newest, |from| from.list(|from| Ok((from.time()?, AggregateId(from.uuid()?)))).map(Self))
    }
}

/// An idempotency key's content: the MAC of the first request.
pub(super) fn encode_repeat(payload: &Tag, form: Form) -> Vec<u8> {
    let mut out = Encoder::of(form, ROOM, 40);
    out.tag(payload);
    out.finish()
}

pub(super) fn decode_repeat(plain: &[u8], newest: Form) -> Result<Tag, Unread> {
    whole(plain, newest, |from| from.tag())
}

/// A provider's message: what was answered.
pub(super) fn encode_seen(verdict: Verdict, form: Form) -> Vec<u8> {
    let mut out = Encoder::of(form, ROOM, 8);
    parts::put_verdict(&mut out, verdict);
    out.finish()
}

pub(super) fn decode_seen(plain: &[u8], newest: Form) -> Result<Verdict, Unread> {
    whole(plain, newest, parts::verdict)
}

/// The ids in a list of them.
pub(super) fn ids(holds: &[u8]) -> impl Iterator<Item = AggregateId> + '_ {
    holds.as_chunks::<16>().0.iter().map(|it| AggregateId(Uuid::from_bytes(*it)))
}

/// What must hold of these records, whatever the bytes (see `store::fuzzed`).
#[cfg(any(test, fuzzing))]
pub(in crate::store) fn hold(bytes: &[u8], form: Form) {
    let written = |it: Vec<u8>| assert!(it[ROOM..] == *bytes, "a record is written in two ways");
    AddressRow::decode(bytes, form).into_iter().for_each(|it| written(it.encode(form)));
    SlotRow::decode(bytes, form).into_iter().for_each(|it| written(it.encode(form)));
    decode_repeat(bytes, form).into_iter().for_each(|it| written(encode_repeat(&it, form)));
    decode_seen(bytes, form).into_iter().for_each(|it| written(encode_seen(it, form)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::codec::Malformed;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn time() -> impl Strategy<Value = Timestamp> {
        prop_oneof![any::<i64>(), 1_795_262_400_000..1_795_263_000_000_i64].prop_map(Timestamp::from_millis)
    }

    // Of few, so that one is often named twice.
    fn id() -> impl Strategy<Value = AggregateId> {
        prop_oneof![any::<u128>(), 0..4_u128].prop_map(|it| AggregateId(Uuid::from_u128(it)))
    }

    proptest! {
        #[test]
        fn records_are_read_as_written_and_cut_they_are_refused(
            sent in vec((time(), id(), proptest::option::of(time())), 0..4),
            opt_outs in vec("[a-z]{0,9}", 0..3),
            slots in vec((any::<[u8; 16]>(), time(), id()), 0..4),
            (tag, at) in (any::<[u8; 16]>(), any::<prop::sample::Index>()),
        ) {
            let sent = sent.into_iter().map(|(at, id, ended)| Sent { at, id, ended }).collect();
            let slot = SlotRow(slots.iter().map(|it| (it.1, it.2)).collect());
            let address = AddressRow { sent, opt_outs: opt_outs.iter().map(|it| it.as_str().into()).collect(), slots };
            for form in Form::ALL {
                let bytes = address.encode(form);
                let plain = &bytes[ROOM..];
                prop_assert_eq!(AddressRow::decode(plain, Form::NEWEST), Ok(address.clone()));
                prop_assert_eq!(AddressRow::decode(&plain[..at.index(plain.len())], form), Err(Malformed.into()));
                prop_assert_eq!(SlotRow::decode(&slot.encode(form)[ROOM..], Form::NEWEST), Ok(slot.clone()));
                prop_assert_eq!(decode_repeat(&encode_repeat(&Tag(tag), form)[ROOM..], Form::NEWEST), Ok(Tag(tag)));
            }
            prop_assert_eq!(decode_seen(&encode_seen(Verdict::Wrong { left: tag[0] }, Form::Two)[ROOM..], Form::One), Err(Unread::Newer(2, Form::One)));
        }

        #[test]
        fn other_bytes_are_refused_or_written_alike(mut bytes in vec(0..30_u8, 1..120)) {
            for form in Form::ALL {
                bytes[0] = form.number();
                hold(&bytes, form);
            }
        }
    }
}
