//! Several commits as one statement: the database does all of it or nothing.
//!
//! Each part of the statement is there only when it has something to do. Where a row is not as it must be, the statement divides by
//! zero, or meets a key that is there: then nothing happens. What is written last is the feeds, whose rows all nodes want.

use super::ops::{Ops, PutAggregate, PutRecord};
use super::place::{Place, Places};
use super::statement::{Builder, Statement};
use crate::domain::id::{AggregateId, InstitutionId};
use crate::domain::snapshot::Lease;
use crate::store::key::Route;
use crate::vault::Vault;
use std::collections::{BTreeMap, BTreeSet};

/// Who writes, and when.
pub(super) struct Pen<'a> {
    pub(super) vault: &'a Vault,
    pub(super) node: i64,
    /// The UTC day.
    pub(super) today: u32,
    /// Until when this node has the deliveries that it takes.
    pub(super) until: i64,
}

impl Pen<'_> {
    /// What several commits do: mostly one statement; more, to be sent in one transaction, when their aggregates are of several
    /// days.
    pub(super) fn write<'a>(&self, all: &[&'a Ops]) -> Vec<Statement<'a>> {
        let mut days: BTreeMap<u16, Aggregates<'a>> = BTreeMap::new();
        for ops in all {
            ops.aggregates.iter().for_each(|it| days.entry(it.id.day()).or_default().put.push(it));
            ops.checked_aggregates.iter().for_each(|it| days.entry(it.0.day()).or_default().checked.push(it));
            ops.leases.iter().for_each(|it| days.entry(it.aggregate.day()).or_default().leases.push(it));
        }
        let mut days = days.into_iter().rev();
        // The newest day's goes with everything else, and that comes last.
        let newest = days.next();
        let mut statements: Vec<Statement<'a>> = days.map(|(day, it)| self.statement(|to| self.aggregates(to, day, &it))).collect();
        statements.push(self.statement(|to| {
            self.records(to, all);
            self.duties(to, all);
            if let Some((day, it)) = &newest {
                self.aggregates(to, *day, it);
            }
            self.feeds(to, all);
            self.opened(to, all);
        }));
        statements
    }

    fn statement<'a>(&self, parts: impl FnOnce(&mut Builder<'a>)) -> Statement<'a> {
        let mut builder = Builder::default();
        parts(&mut builder);
        builder.finish()
    }

    fn records<'a>(&self, to: &mut Builder<'a>, all: &[&'a Ops]) {
        let puts = || all.iter().flat_map(|it| &it.records);
        // In one order, so that two nodes that want the same rows wait for each other, and not for ever.
        let (mut new, mut old): (Vec<&'a PutRecord>, Vec<&'a PutRecord>) = puts().partition(|it| it.was == 0);
        new.sort_unstable_by_key(|it| it.place);
        old.sort_unstable_by_key(|it| it.place);
        let removed: Vec<&'a (Place, u64)> = all.iter().flat_map(|it| &it.removed).collect();
        let checks = || all.iter().flat_map(|it| &it.checked);
        let same: Vec<&'a (Place, u64)> = checks().filter(|it| it.1 > 0).collect();
        let absent: Vec<&'a (Place, u64)> = checks().filter(|it| it.1 == 0).collect();
        if !new.is_empty() {
            let rows = to.rows(|to| record_columns(to, &new));
            to.part(
                "ri",
                &format!("INSERT INTO record (shard, key, version, data_day, until, holds, also, value) SELECT * FROM {rows} AS q"),
            );
        }
        if !old.is_empty() {
            let rows = to.rows(|to| {
                record_columns(to, &old);
                to.column("int8", old.iter().map(|it| it.was as i64).collect::<Vec<_>>());
            });
            to.part(
                "ru",
                &format!(
                    "UPDATE record r SET version = q.version, data_day = q.data_day, until = q.until, holds = q.holds, also = q.also, \
                     value = q.value FROM {rows} AS q(shard, key, version, data_day, until, holds, also, value, was) \
                     WHERE r.shard = q.shard AND r.key = q.key AND r.version = q.was RETURNING 1"
                ),
            );
            to.count("ru", old.len());
        }
        if !removed.is_empty() {
            let rows = to.rows(|to| version_columns(to, &removed));
            to.part(
                "rd",
                &format!(
                    "DELETE FROM record r USING {rows} AS q(shard, key, was) \
                     WHERE r.shard = q.shard AND r.key = q.key AND r.version = q.was RETURNING 1"
                ),
            );
            to.count("rd", removed.len());
        }
        if !same.is_empty() {
            let rows = to.rows(|to| version_columns(to, &same));
            to.part(
                "rc",
                &format!(
                    "SELECT 1 FROM record r JOIN {rows} AS q(shard, key, was) \
                     ON r.shard = q.shard AND r.key = q.key AND r.version = q.was FOR SHARE OF r"
                ),
            );
            to.count("rc", same.len());
        }
        if !absent.is_empty() {
            let rows = to.rows(|to| version_columns(to, &absent));
            to.part("ra", &format!("SELECT 1 FROM record r JOIN {rows} AS q(shard, key, was) ON r.shard = q.shard AND r.key = q.key"));
            to.count("ra", 0);
        }
    }

    fn duties(&self, to: &mut Builder<'_>, all: &[&Ops]) {
        let duties: BTreeSet<(Route, i64)> = all.iter().filter_map(|it| it.duty).collect();
        if duties.is_empty() {
            return;
        }
        let rows = to.rows(|to| {
            to.column("bytea", duties.iter().map(|it| it.0.to_vec()).collect::<Vec<_>>());
            to.column("int8", duties.iter().map(|it| it.1).collect::<Vec<_>>());
        });
        to.part(
            "du",
            &format!("SELECT 1 FROM duty d JOIN {rows} AS q(name, fence) ON d.name = q.name AND d.fence = q.fence FOR SHARE OF d"),
        );
        to.count("du", duties.len());
    }

    fn aggregates<'a>(&self, to: &mut Builder<'a>, day: u16, it: &Aggregates<'a>) {
        let (new, mut old): (Vec<&'a PutAggregate>, Vec<&'a PutAggregate>) = it.put.iter().partition(|it| it.was == 0);
        old.sort_unstable_by_key(|it| it.id);
        if !new.is_empty() {
            let rows = to.rows(|to| {
                aggregate_columns(to, &new);
                to.column("int8", new.iter().map(|it| self.first_look(it)).collect::<Vec<_>>());
                to.column("int8", new.iter().map(|it| it.take.then_some(self.node)).collect::<Vec<_>>());
                to.column("int8", new.iter().map(|it| i64::from(it.take)).collect::<Vec<_>>());
            });
            to.part(
                "ai",
                &format!(
                    "INSERT INTO aggregate_d{day} (shard, day, id, version, data_day, events, timer, due_at, also, value, send_at, node, fence) \
                     SELECT q.shard, {day}, q.id, q.version, q.data_day, q.events, q.timer, q.due_at, q.also, q.value, q.send_at, q.node, q.fence \
                     FROM {rows} AS q(shard, id, version, data_day, events, timer, due_at, also, value, send_at, node, fence)"
                ),
            );
        }
        if !old.is_empty() {
            self.replace(to, day, &old);
        }
        let (absent, same): (Vec<&'a (AggregateId, u64)>, Vec<_>) = it.checked.iter().copied().partition(|it| it.1 == 0);
        if !same.is_empty() {
            let rows = to.rows(|to| checked_columns(to, same.iter().map(|it| (&it.0, it.1))));
            to.part(
                "ac",
                &format!(
                    "SELECT 1 FROM aggregate_d{day} a JOIN {rows} AS q(shard, id, was) \
                     ON a.shard = q.shard AND a.id = q.id AND a.version = q.was FOR SHARE OF a"
                ),
            );
            to.count("ac", same.len());
        }
        if !absent.is_empty() {
            let rows = to.rows(|to| checked_columns(to, absent.iter().map(|it| (&it.0, it.1))));
            to.part(
                "aa",
                &format!(
                    "SELECT 1 FROM aggregate_d{day} a JOIN {rows} AS q(shard, id, was) \
                     ON a.shard = q.shard AND a.day = {day} AND a.id = q.id"
                ),
            );
            to.count("aa", 0);
        }
        if !it.leases.is_empty() {
            let rows = to.rows(|to| checked_columns(to, it.leases.iter().map(|it| (&it.aggregate, it.fence))));
            to.part(
                "al",
                &format!(
                    "SELECT 1 FROM aggregate_d{day} a JOIN {rows} AS q(shard, id, fence) \
                     ON a.shard = q.shard AND a.id = q.id AND a.node IS NOT NULL AND a.fence <> q.fence"
                ),
            );
            to.count("al", 0);
        }
    }

    // What waits as before stays with whoever has it. Else the lease is over, and this node takes what is due at once.
    fn replace<'a>(&self, to: &mut Builder<'a>, day: u16, old: &[&'a PutAggregate]) {
        let rows = to.rows(|to| {
            aggregate_columns(to, old);
            to.column("int8", old.iter().map(|it| self.first_look(it)).collect::<Vec<_>>());
            to.column("bool", old.iter().map(|it| it.keep).collect::<Vec<_>>());
            to.column("bool", old.iter().map(|it| it.take).collect::<Vec<_>>());
            to.column("int8", old.iter().map(|it| it.was as i64).collect::<Vec<_>>());
            to.column("int8", old.iter().map(|it| it.lease.map(|it| it.fence as i64)).collect::<Vec<_>>());
        });
        let node = self.node;
        to.part(
            "au",
            &format!(
                "UPDATE aggregate_d{day} a SET version = q.version, data_day = q.data_day, events = q.events, timer = q.timer, due_at = q.due_at, \
                 also = q.also, value = q.value, \
                 send_at = CASE WHEN q.keep AND a.node IS NOT NULL THEN a.send_at ELSE q.send_at END, \
                 node = CASE WHEN q.keep AND a.node IS NOT NULL THEN a.node WHEN q.take THEN {node} END, \
                 fence = CASE WHEN q.take AND NOT (q.keep AND a.node IS NOT NULL) THEN a.fence + 1 ELSE a.fence END \
                 FROM {rows} AS q(shard, id, version, data_day, events, timer, due_at, also, value, send_at, keep, take, was, fence) \
                 WHERE a.shard = q.shard AND a.id = q.id AND a.version = q.was \
                 AND (q.fence IS NULL OR a.node IS NULL OR a.fence = q.fence) \
                 RETURNING a.id, a.fence, a.send_at, a.node"
            ),
        );
        to.count("au", old.len());
        if old.iter().any(|it| !it.fresh.is_empty()) {
            to.returns(format!("SELECT id, fence, send_at FROM au WHERE node = {node}"));
        }
    }

    // When somebody must look: the deliveries that this node takes are its own until its lease ends.
    fn first_look(&self, it: &PutAggregate) -> Option<i64> {
        if it.take { Some(self.until) } else { it.send_at.map(|it| it.millis()) }
    }

    fn feeds<'a>(&self, to: &mut Builder<'a>, all: &[&'a Ops]) {
        let mut feeds: BTreeMap<(u16, i64), Vec<(&'a AggregateId, usize)>> = BTreeMap::new();
        let places = Places(self.vault);
        let mut numbers: BTreeMap<&InstitutionId, i64> = BTreeMap::new();
        for it in all.iter().flat_map(|it| &it.told) {
            let number = *numbers.entry(&it.institution).or_insert_with(|| places.feed(&it.institution));
            let told = feeds.entry((it.institution.shard(), number)).or_default();
            told.extend((it.first..it.first + it.count).map(|which| (&it.id, which)));
        }
        if feeds.is_empty() {
            return;
        }
        let rows = to.rows(|to| {
            to.column("int4", feeds.keys().map(|it| i32::from(it.0)).collect::<Vec<_>>());
            to.column("int8", feeds.keys().map(|it| it.1).collect::<Vec<_>>());
            to.column("int8", feeds.values().map(|it| it.len() as i64).collect::<Vec<_>>());
        });
        to.part(
            "f",
            &format!(
                "UPDATE feed f SET last = f.last + q.n FROM {rows} AS q(shard, feed, n) WHERE f.shard = q.shard AND f.feed = q.feed \
                 RETURNING f.shard, f.feed, f.last - q.n AS base"
            ),
        );
        let each = || feeds.iter().flat_map(|(feed, told)| told.iter().enumerate().map(move |(at, it)| (feed, at, it)));
        let rows = to.rows(|to| {
            to.column("int8", each().map(|it| it.0.1).collect::<Vec<_>>());
            to.column("int8", each().map(|it| it.1 as i64 + 1).collect::<Vec<_>>());
            to.column("bytea", each().map(|it| &it.2.0.0.as_bytes()[..]).collect::<Vec<_>>());
            to.column("int4", each().map(|it| it.2.1 as i32).collect::<Vec<_>>());
        });
        let today = self.today;
        to.part(
            "ev",
            &format!(
                "INSERT INTO event_d{today} (shard, feed, seq, day, id, which) SELECT f.shard, f.feed, f.base + q.place, {today}, q.id, q.which \
                 FROM f JOIN {rows} AS q(feed, place, id, which) ON q.feed = f.feed RETURNING 1"
            ),
        );
        to.count("ev", each().count());
    }

    fn opened(&self, to: &mut Builder<'_>, all: &[&Ops]) {
        let places = Places(self.vault);
        let mut counts: BTreeMap<(i64, u32), i64> = BTreeMap::new();
        for (publisher, day) in all.iter().flat_map(|it| &it.opened) {
            *counts.entry((places.publisher(publisher), *day)).or_default() += 1;
        }
        if counts.is_empty() {
            return;
        }
        let rows = to.rows(|to| {
            to.column("int8", counts.keys().map(|it| it.0).collect::<Vec<_>>());
            to.column("int4", counts.keys().map(|it| it.1 as i32).collect::<Vec<_>>());
            to.column("int8", counts.values().copied().collect::<Vec<_>>());
        });
        let node = self.node;
        to.part(
            "op",
            &format!(
                "INSERT INTO opened (publisher, day, node, count) SELECT q.publisher, q.day, {node}, q.count \
                 FROM {rows} AS q(publisher, day, count) ON CONFLICT (publisher, day, node) DO UPDATE SET count = opened.count + excluded.count"
            ),
        );
    }
}

/// The aggregates of one day.
#[derive(Default)]
struct Aggregates<'a> {
    put: Vec<&'a PutAggregate>,
    checked: Vec<&'a (AggregateId, u64)>,
    leases: Vec<&'a Lease>,
}

fn record_columns<'a>(to: &mut Builder<'a>, all: &[&'a PutRecord]) {
    place_columns(to, all.iter().map(|it| &it.place));
    to.column("int8", all.iter().map(|it| it.version as i64).collect::<Vec<_>>());
    to.column("int4", all.iter().map(|it| stored_day(it.sealed.day)).collect::<Vec<_>>());
    to.column("int4", all.iter().map(|it| it.until.map(|it| it as i32)).collect::<Vec<_>>());
    to.column("bytea", all.iter().map(|it| &it.holds[..]).collect::<Vec<_>>());
    to.column("bytea", all.iter().map(|it| &it.also[..]).collect::<Vec<_>>());
    to.column("bytea", all.iter().map(|it| &it.sealed.bytes[..]).collect::<Vec<_>>());
}

fn version_columns<'a>(to: &mut Builder<'a>, all: &[&'a (Place, u64)]) {
    place_columns(to, all.iter().map(|it| &it.0));
    to.column("int8", all.iter().map(|it| it.1 as i64).collect::<Vec<_>>());
}

fn place_columns<'a>(to: &mut Builder<'a>, all: impl Iterator<Item = &'a Place> + Clone) {
    to.column("int4", all.clone().map(|it| i32::from(it.shard)).collect::<Vec<_>>());
    to.column("bytea", all.map(|it| &it.key.0[..]).collect::<Vec<_>>());
}

fn checked_columns<'a>(to: &mut Builder<'a>, all: impl Iterator<Item = (&'a AggregateId, u64)> + Clone) {
    to.column("int4", all.clone().map(|it| i32::from(it.0.shard())).collect::<Vec<_>>());
    to.column("bytea", all.clone().map(|it| &it.0.0.as_bytes()[..]).collect::<Vec<_>>());
    to.column("int8", all.map(|it| it.1 as i64).collect::<Vec<_>>());
}

fn aggregate_columns<'a>(to: &mut Builder<'a>, all: &[&'a PutAggregate]) {
    to.column("int4", all.iter().map(|it| i32::from(it.id.shard())).collect::<Vec<_>>());
    to.column("bytea", all.iter().map(|it| &it.id.0.as_bytes()[..]).collect::<Vec<_>>());
    to.column("int8", all.iter().map(|it| it.version as i64).collect::<Vec<_>>());
    to.column("int4", all.iter().map(|it| stored_day(it.sealed.day)).collect::<Vec<_>>());
    to.column("int4", all.iter().map(|it| it.events as i32).collect::<Vec<_>>());
    to.column("int8", all.iter().map(|it| it.timer.map(|it| it.millis())).collect::<Vec<_>>());
    to.column("int8", all.iter().map(|it| it.send_at.map(|it| it.millis())).collect::<Vec<_>>());
    to.column("bytea", all.iter().map(|it| &it.also[..]).collect::<Vec<_>>());
    to.column("bytea", all.iter().map(|it| &it.sealed.bytes[..]).collect::<Vec<_>>());
}

/// A sealing day as the tables have it: the standing key is none of the days.
pub(super) fn stored_day(day: u32) -> i32 {
    i32::from_be_bytes(day.to_be_bytes())
}
