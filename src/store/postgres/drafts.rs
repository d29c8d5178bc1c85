//! The records that follow from a commit's aggregates, in the making: what is found by an address, in a slot, by an idempotency key
//! and by a provider's message. Pure.

use super::desk::{Desk, Gap};
use super::known::Kept;
use super::ops::{Ops, PutRecord};
use super::place::Place;
use super::rec::{self, AddressRow, Rec, SlotRow};
use super::view;
use super::wish::{Body, Wish};
use crate::domain::id::AggregateId;
use crate::store::codec::Unread;
use crate::store::facts::Facts;
use crate::store::form::Form;
use crate::store::key::{Key, Route, kind};
use crate::store::row;
use crate::vault::{SealedRow, day_of};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days that idempotency keys and providers' messages are known, after the last of their session: 72 h and a part of a day.
const TOMBSTONES: u32 = 4;

/// A record that is derived from aggregates, in the making.
enum Draft {
    Address(AddressRow),
    Slot(SlotRow),
    /// Written once, if it is not there.
    Once(SealedRow, AggregateId, u32),
}

type Decode<T> = fn(&[u8], Form) -> Result<T, Unread>;

/// Records in the making, and what was there.
pub(super) struct Drafts<'a> {
    desk: &'a Desk<'a>,
    wish: &'a Wish,
    befores: BTreeMap<Place, Option<Arc<Rec>>>,
    drafts: BTreeMap<Place, Draft>,
    missing: Vec<Place>,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(desk: &'a Desk<'a>, wish: &'a Wish) -> Self {
        Self { desk, wish, befores: BTreeMap::new(), drafts: BTreeMap::new(), missing: Vec::new() }
    }

    /// The records that follow from aggregates that change from what they were, and those that are written whole.
    pub(super) fn derive(mut self, olds: &[Option<Kept>], ops: &mut Ops) -> Result<(), Gap> {
        for (body, old) in self.wish.bodies.iter().zip(olds) {
            self.follow(body, old.as_ref().map(|it| &*it.facts))?;
        }
        for (place, publisher, stopped) in &self.wish.opt_outs {
            if let Some(row) = self.address(*place)? {
                row.opt_out(publisher, *stopped);
            }
        }
        for (place, holder) in &self.wish.holders {
            self.expect_holder(*place, *holder)?;
        }
        for it in &self.wish.records {
            self.before(it.place)?;
        }
        if !self.missing.is_empty() {
            return Err(Gap::Missing(Vec::new(), self.missing));
        }
        self.finish(ops)
    }

    // What was there; notes what must be read first.
    fn before(&mut self, place: Place) -> Result<Option<Option<Arc<Rec>>>, Gap> {
        if let Some(before) = self.befores.get(&place) {
            return Ok(Some(before.clone()));
        }
        match self.desk.record(&place, self.wish.versions.get(&place).copied())? {
            Some(before) => {
                self.befores.insert(place, before.clone());
                Ok(Some(before))
            }
            None => {
                self.missing.push(place);
                Ok(None)
            }
        }
    }

    fn address(&mut self, place: Place) -> Result<Option<&mut AddressRow>, Gap> {
        Ok(match self.draft(place, AddressRow::decode, Draft::Address)? {
            Some(Draft::Address(row)) => Some(row),
            _ => None,
        })
    }

    fn slot(&mut self, place: Place) -> Result<Option<&mut SlotRow>, Gap> {
        Ok(match self.draft(place, SlotRow::decode, Draft::Slot)? {
            Some(Draft::Slot(row)) => Some(row),
            _ => None,
        })
    }

    // What is made of what was there.
    fn draft<T: Default>(&mut self, place: Place, decode: Decode<T>, make: fn(T) -> Draft) -> Result<Option<&mut Draft>, Gap> {
        if !self.drafts.contains_key(&place) {
            let Some(before) = self.before(place)? else { return Ok(None) };
            let row = before.map(|it| self.open(place, &it, decode)).transpose()?.unwrap_or_default();
            self.drafts.insert(place, make(row));
        }
        Ok(self.drafts.get_mut(&place))
    }

    fn open<T>(&self, place: Place, it: &Rec, decode: Decode<T>) -> Result<T, Gap> {
        view::open(self.desk.opener, &place.key, it, decode).map_err(Gap::Unreadable)
    }

    // What is found otherwise than before: by an address, in a slot, by an idempotency key, by a provider's message.
    fn follow(&mut self, body: &Body, old: Option<&Facts>) -> Result<(), Gap> {
        let (new, id) = (&*body.facts, body.id);
        if old.is_none_or(|old| !old.looks_like(new)) {
            let mut routes: Vec<Route> = [Some(new), old].into_iter().flatten().flat_map(Facts::addresses).collect();
            routes.sort_unstable();
            routes.dedup();
            for route in routes {
                let sent = new.sent.iter().filter(|it| it.0 == route).map(|it| it.1);
                if let Some(row) = self.address(Place::address(route))? {
                    row.put(id, sent, new.ended_at);
                }
            }
        }
        let of = |it: &Facts, kind: u8, route: Route| Place::of(&it.institution, Key::new(kind, route));
        if old.is_none_or(|old| (old.live.slot, old.at) != (new.live.slot, new.at)) {
            self.hold(body)?;
        }
        let until = day_of(new.live.timer.unwrap_or(new.at)).max(day_of(self.desk.now)) + TOMBSTONES;
        if let Some((route, payload)) = new.repeat.filter(|it| old.and_then(|old| old.repeat).is_none_or(|old| old.0 != it.0)) {
            self.once(of(new, kind::REPEAT, route), rec::encode_repeat(&payload, self.desk.form), (id, until))?;
        }
        for (route, verdict) in new.seen.iter().filter(|it| !old.is_some_and(|old| old.seen.contains(it))) {
            self.once(Place::seen(*route), rec::encode_seen(*verdict, self.desk.form), (id, until))?;
        }
        Ok(())
    }

    fn hold(&mut self, body: &Body) -> Result<(), Gap> {
        let (Some((place, route)), at, holds) = (body.slot, body.facts.at, body.facts.live.slot.is_some()) else { return Ok(()) };
        if place.is_address() {
            if let Some(row) = self.address(place)? {
                row.hold(route, at, body.id, holds);
            }
        } else if let Some(row) = self.slot(place)? {
            row.remove(body.id);
            if holds {
                row.insert(at, body.id);
            }
        }
        Ok(())
    }

    // The first that has such a key keeps it.
    fn once(&mut self, place: Place, plain: Vec<u8>, (id, until): (AggregateId, u32)) -> Result<(), Gap> {
        if let Some(None) = self.before(place)? {
            let sealed = row::seal_in_place(self.desk.opener.vault, &place.key, plain, true);
            self.drafts.entry(place).or_insert(Draft::Once(sealed, id, until));
        }
        Ok(())
    }

    // The one who held it before this commit.
    fn expect_holder(&mut self, (place, route): (Place, Route), holder: Option<AggregateId>) -> Result<(), Gap> {
        let Some(before) = self.before(place)? else { return Ok(()) };
        let found = match before {
            None => None,
            Some(it) if place.is_address() => self.open(place, &it, AddressRow::decode)?.holder(&route),
            Some(it) => self.open(place, &it, SlotRow::decode)?.holder(),
        };
        if found == holder {
            return Ok(());
        }
        // What this node remembers may be old: only what was read for this commit decides, or was expected.
        if self.desk.read.records.contains_key(&place) {
            return Err(Gap::Conflict);
        }
        self.missing.push(place);
        Ok(())
    }

    fn finish(mut self, ops: &mut Ops) -> Result<(), Gap> {
        for (place, draft) in std::mem::take(&mut self.drafts) {
            let was = self.take(&place);
            let put = |sealed, holds, until| {
                let version = self.desk.version(was);
                PutRecord { place, was, version, sealed, holds, also: Vec::new(), until }
            };
            let seal = |plain| row::seal_in_place(self.desk.opener.vault, &place.key, plain, true);
            match draft {
                Draft::Address(row) => ops.records.push(put(seal(row.encode(self.desk.form)), row.holds(), row.until())),
                Draft::Slot(row) => match row.holder() {
                    Some(id) => ops.records.push(put(seal(row.encode(self.desk.form)), id.0.as_bytes().to_vec(), None)),
                    None if was > 0 => ops.removed.push((place, was)),
                    None => ops.checked.push((place, 0)),
                },
                Draft::Once(sealed, id, until) => ops.records.push(put(sealed, id.0.as_bytes().to_vec(), Some(until))),
            }
        }
        for it in &self.wish.records {
            let was = self.befores.remove(&it.place).flatten().map_or(0, |it| it.version);
            let (place, also) = (it.place, it.also.clone());
            match &it.sealed {
                Some(sealed) => {
                    let (version, sealed) = (self.desk.version(was), sealed.clone());
                    ops.records.push(PutRecord { place, was, version, sealed, holds: Vec::new(), also, until: None });
                }
                None if was > 0 => ops.removed.push((place, was)),
                None => ops.checked.push((place, 0)),
            }
        }
        // What was looked at, and is not written, must still be so; and what was expected without a look.
        let written = |place: &Place| {
            let mut all = ops.records.iter().map(|it| &it.place).chain(ops.removed.iter().chain(&ops.checked).map(|it| &it.0));
            all.any(|it| it == place)
        };
        let looked = self.befores.iter().map(|(place, it)| (*place, it.as_ref().map_or(0, |it| it.version)));
        let expected = self.wish.versions.iter().map(|(place, version)| (*place, *version));
        let mut checks: Vec<_> = looked.chain(expected).filter(|it| !written(&it.0)).collect();
        checks.sort_unstable();
        checks.dedup();
        ops.checked.extend(checks);
        Ok(())
    }

    fn take(&mut self, place: &Place) -> u64 {
        self.befores.remove(place).flatten().map_or(0, |it| it.version)
    }
}
