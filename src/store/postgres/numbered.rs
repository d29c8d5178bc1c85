//! Events that have their numbers already, from another store.

use super::ops::{Ops, Tell};
use super::shared::Shared;
use super::statement::{Builder, Statement};
use super::write::Pen;
use crate::domain::id::AggregateId;
use std::collections::HashMap;

/// Where an aggregate's events are told, under which numbers, and since which days.
pub(super) struct Told {
    pub(super) shard: u16,
    pub(super) feed: i64,
    pub(super) seqs: Vec<u64>,
    pub(super) days: Vec<u32>,
}

/// What `ops` does, and the events of `new` under the numbers that they have.
pub(super) fn statements<'a>(shared: &Shared, ops: &'a Ops, new: &'a [Tell], told: &HashMap<AggregateId, Told>) -> Vec<Statement<'a>> {
    let pen = Pen { vault: &shared.vault, node: shared.node, today: shared.today(), until: 0 };
    let mut statements = if ops.is_empty() { Vec::new() } else { pen.write(&[ops]) };
    statements.extend(numbered(new, told));
    statements
}

// Events with the numbers that they have.
fn numbered<'a>(new: &'a [Tell], told: &HashMap<AggregateId, Told>) -> Option<Statement<'a>> {
    let each = || {
        new.iter().filter_map(|tell| Some((tell, told.get(&tell.id)?))).flat_map(|(tell, told)| {
            // 0: its number was forgotten with the history of its day.
            let numbers = told.seqs.iter().zip(&told.days).enumerate().skip(tell.first).filter(|it| *it.1.0 > 0);
            numbers.map(move |(which, (seq, day))| (&tell.id, told, which, *seq, *day))
        })
    };
    each().next()?;
    let mut to = Builder::default();
    let rows = to.rows(|to| {
        to.column("int4", each().map(|it| i32::from(it.1.shard)).collect::<Vec<_>>());
        to.column("int8", each().map(|it| it.1.feed).collect::<Vec<_>>());
        to.column("int8", each().map(|it| it.3 as i64).collect::<Vec<_>>());
        to.column("int4", each().map(|it| it.4 as i32).collect::<Vec<_>>());
        to.column("bytea", each().map(|it| &it.0.0.as_bytes()[..]).collect::<Vec<_>>());
        to.column("int4", each().map(|it| it.2 as i32).collect::<Vec<_>>());
    });
    to.part("ev", &format!("INSERT INTO event (shard, feed, seq, day, id, which) SELECT * FROM {rows} AS q RETURNING 1"));
    to.count("ev", each().count());
    Some(to.finish())
}
