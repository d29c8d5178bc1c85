//! From what a commit wants, and what is there, to what it does. Pure.

use super::known::{Kept, Known};
use super::ops::{Ops, PutAggregate, PutRecord, Tell};
use super::place::Place;
use super::rec::{self, AddressRow, Rec, SlotRow};
use super::wish::{Body, Wish};
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::facts::Facts;
use crate::store::key::{Key, Route, kind};
use crate::store::row;
use crate::vault::{SealedRow, Vault, day_of};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Days that idempotency keys and providers' messages are known, after the last of their session: 72 h and a part of a day.
const TOMBSTONES: u32 = 4;

/// Why there is no plan yet, or none at all.
pub(super) enum Gap {
    /// These must be read first.
    Missing(Vec<AggregateId>, Vec<Place>),
    /// What is expected does not hold.
    Conflict,
    /// A stored value can't be read.
    Unreadable(String),
}

/// What was read for this commit.
#[derive(Default)]
pub(super) struct Read {
    pub(super) aggregates: HashMap<AggregateId, Option<Kept>>,
    pub(super) records: HashMap<Place, Option<Arc<Rec>>>,
}

/// What a plan is made with.
pub(super) struct Desk<'a> {
    pub(super) vault: &'a Vault,
    pub(super) known: &'a Known,
    pub(super) read: &'a Read,
    /// Versions that are given are at least this.
    pub(super) stamp: u64,
    pub(super) now: Timestamp,
}

/// A record that is derived from aggregates, in the making.
enum Draft {
    Address(AddressRow),
    Slot(SlotRow),
    /// Written once, if it is not there.
    Once(SealedRow, AggregateId, u32),
}

impl Desk<'_> {
    /// What `wish` does.
    pub(super) fn plan(&self, wish: &Wish) -> Result<Ops, Gap> {
        if wish.contradicts {
            return Err(Gap::Conflict);
        }
        let mut olds = Vec::with_capacity(wish.bodies.len());
        let mut missing = Vec::new();
        for body in &wish.bodies {
            match self.aggregate(body.id, wish.aggregates.get(&body.id).copied())? {
                Some(old) => olds.push(old),
                None => missing.push(body.id),
            }
        }
        if !missing.is_empty() {
            return Err(Gap::Missing(missing, Vec::new()));
        }
        let mut ops = Ops { duty: wish.duty, ..Ops::default() };
        for (body, old) in wish.bodies.iter().zip(&olds) {
            self.put_aggregate(wish, body, old.as_ref(), &mut ops);
        }
        let written = |id: &AggregateId| wish.bodies.iter().any(|it| it.id == *id);
        ops.checked_aggregates.extend(wish.aggregates.iter().filter(|it| !written(it.0)).map(|it| (*it.0, *it.1)));
        self.derive(wish, &olds, &mut ops)?;
        Ok(ops)
    }

    // An aggregate as it is; `Ok(None)`: to be read first.
    fn aggregate(&self, id: AggregateId, expected: Option<u64>) -> Result<Option<Option<Kept>>, Gap> {
        if let Some(read) = self.read.aggregates.get(&id) {
            let version = read.as_ref().map_or(0, |it| it.version);
            return if expected.is_none_or(|it| it == version) { Ok(Some(read.clone())) } else { Err(Gap::Conflict) };
        }
        if expected == Some(0) {
            return Ok(Some(None));
        }
        Ok(self.known.aggregate(id).filter(|it| expected.is_none_or(|expected| expected == it.version)).map(Some))
    }

    // A record as it is; `Ok(None)`: to be read first.
    fn record(&self, place: &Place, expected: Option<u64>) -> Result<Option<Option<Arc<Rec>>>, Gap> {
        let version = |it: &Option<Arc<Rec>>| it.as_ref().map_or(0, |it| it.version);
        if let Some(read) = self.read.records.get(place) {
            return if expected.is_none_or(|it| it == version(read)) { Ok(Some(read.clone())) } else { Err(Gap::Conflict) };
        }
        if expected == Some(0) {
            return Ok(Some(None));
        }
        Ok(self.known.record(place).filter(|it| expected.is_none_or(|expected| expected == version(it))))
    }

    fn put_aggregate(&self, wish: &Wish, body: &Body, old: Option<&Kept>, ops: &mut Ops) {
        let (facts, live) = (&body.facts, &body.facts.live);
        let before = old.map_or(&[][..], |it| &*it.facts.live.due);
        let fresh: Vec<_> = live.due.iter().filter(|it| !before.contains(it)).map(|it| (it.0, it.1)).collect();
        let gone = before.iter().filter(|it| !live.due.contains(it));
        let told = old.map_or(0, |it| it.events);
        ops.aggregates.push(PutAggregate {
            id: body.id,
            was: old.map_or(0, |it| it.version),
            version: self.version(old.map_or(0, |it| it.version)),
            sealed: body.sealed.clone(),
            events: body.events,
            also: body.also.clone(),
            timer: live.timer,
            send_at: live.due.iter().map(|it| it.0).min(),
            keep: live.due.iter().any(|it| before.contains(it)),
            take: fresh.iter().any(|it| it.0 <= self.now),
            fresh,
            waiting: live.due.iter().map(|it| (it.0, it.1)).collect(),
            gone: gone.map(|it| (it.0, it.1)).collect(),
            lease: wish.leases.iter().find(|it| it.aggregate == body.id).copied(),
        });
        if body.events > told {
            let (institution, count) = (facts.institution.clone(), body.events - told);
            ops.told.push(Tell { institution, id: body.id, first: told, count });
        }
        if old.is_none() && facts.challenge {
            ops.opened.push((facts.publisher.clone(), day_of(facts.at)));
        }
    }

    fn version(&self, was: u64) -> u64 {
        self.stamp.max(was + 1)
    }

    // The records that follow from what changes, and those that are written whole.
    fn derive(&self, wish: &Wish, olds: &[Option<Kept>], ops: &mut Ops) -> Result<(), Gap> {
        let mut drafts = Drafts { desk: self, wish, befores: BTreeMap::new(), drafts: BTreeMap::new(), missing: Vec::new() };
        for (body, old) in wish.bodies.iter().zip(olds) {
            drafts.follow(body, old.as_ref().map(|it| &*it.facts))?;
        }
        for (place, publisher, stopped) in &wish.opt_outs {
            if let Some(row) = drafts.address(*place)? {
                row.opt_out(publisher, *stopped);
            }
        }
        for (place, holder) in &wish.holders {
            drafts.expect_holder(*place, *holder)?;
        }
        for it in &wish.records {
            drafts.before(it.place)?;
        }
        if !drafts.missing.is_empty() {
            return Err(Gap::Missing(Vec::new(), drafts.missing));
        }
        drafts.finish(ops)
    }
}

/// Records in the making, and what was there.
struct Drafts<'a> {
    desk: &'a Desk<'a>,
    wish: &'a Wish,
    befores: BTreeMap<Place, Option<Arc<Rec>>>,
    drafts: BTreeMap<Place, Draft>,
    missing: Vec<Place>,
}

impl Drafts<'_> {
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
        if !self.drafts.contains_key(&place) {
            let Some(before) = self.before(place)? else { return Ok(None) };
            let row = before.map(|it| self.open(place, &it, AddressRow::decode)).transpose()?.unwrap_or_default();
            self.drafts.insert(place, Draft::Address(row));
        }
        Ok(match self.drafts.get_mut(&place) {
            Some(Draft::Address(row)) => Some(row),
            _ => None,
        })
    }

    fn slot(&mut self, place: Place) -> Result<Option<&mut SlotRow>, Gap> {
        if !self.drafts.contains_key(&place) {
            let Some(before) = self.before(place)? else { return Ok(None) };
            let row = before.map(|it| self.open(place, &it, SlotRow::decode)).transpose()?.unwrap_or_default();
            self.drafts.insert(place, Draft::Slot(row));
        }
        Ok(match self.drafts.get_mut(&place) {
            Some(Draft::Slot(row)) => Some(row),
            _ => None,
        })
    }

    fn open<T>(&self, place: Place, it: &Rec, decode: fn(&[u8]) -> Result<T, crate::store::codec::Malformed>) -> Result<T, Gap> {
        let plain = self.desk.vault.open_row(it.day, &place.key.0, &it.value).map_err(|error| Gap::Unreadable(error.to_string()))?;
        decode(&plain).map_err(|error| Gap::Unreadable(error.to_string()))
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
            self.once(of(new, kind::REPEAT, route), rec::encode_repeat(&payload), (id, until))?;
        }
        for (route, verdict) in new.seen.iter().filter(|it| !old.is_some_and(|old| old.seen.contains(it))) {
            self.once(Place::seen(*route), rec::encode_seen(*verdict), (id, until))?;
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
            let sealed = row::seal_in_place(self.desk.vault, &place.key, plain, true);
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
            let seal = |plain| row::seal_in_place(self.desk.vault, &place.key, plain, true);
            match draft {
                Draft::Address(row) => ops.records.push(put(seal(row.encode()), row.holds(), row.until())),
                Draft::Slot(row) => match row.holder() {
                    Some(id) => ops.records.push(put(seal(row.encode()), id.0.as_bytes().to_vec(), None)),
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
