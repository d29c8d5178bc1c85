//! The tables. What belongs to an institution begins with its shard, so that a database that divides tables by their first column
//! keeps it together; an address, which institutions share, has a shard of its own. Everything but ids, times, versions and
//! routing MACs is sealed.
//!
//! | table | one row |
//! |---|---|
//! | `aggregate` | a challenge, or a message that belongs to none, with its lease; a partition a UTC day, dropped after retention |
//! | `event` | a number of an institution's feed; partitioned alike |
//! | `feed` | an institution's last number: given inside the commit, so nobody sees a number before a lower one |
//! | `record` | anything else, by its routing MAC: address, slot, idempotency key, provider's message, budget, recipient, note, data key |
//! | `opened` | challenges that a node opened for a publisher on a day |
//! | `duty` | what one node at a time does, and who has it until when |
//! | `node` | a process, and when it was last heard of |
//! | `counted` | how many of a thing a node counted, and until when they count; under the empty key its last round of telling |
//! | `taken` | what may be taken once, and what for; under the empty key since when |

use super::migrate::Step;
use crate::store::key::Key;
use std::time::Duration;

/// All steps, in order. A step that was released never changes: what is to be different is a new step.
pub const STEPS: &[Step] = &[
    Step { number: 1, name: "the tables", sql: FIRST, compatible_from: 1 },
    Step { number: 2, name: "what nodes count together", sql: COUNTS, compatible_from: 1 },
];

const COUNTS: &str = r"
CREATE TABLE IF NOT EXISTS counted (
    key bytea NOT NULL,
    node int8 NOT NULL,
    round int8 NOT NULL,
    count int8 NOT NULL,
    until int8 NOT NULL,
    PRIMARY KEY (key, node)
);
CREATE INDEX IF NOT EXISTS counted_round ON counted (node, round);

CREATE TABLE IF NOT EXISTS taken (
    key bytea NOT NULL PRIMARY KEY,
    content bytea NOT NULL,
    until int8 NOT NULL,
    tries int8 NOT NULL
);
CREATE INDEX IF NOT EXISTS taken_until ON taken (until);
";

const FIRST: &str = r"
CREATE TABLE IF NOT EXISTS record (
    shard int4 NOT NULL,
    key bytea NOT NULL,
    version int8 NOT NULL,
    data_day int4 NOT NULL,
    until int4,
    holds bytea NOT NULL,
    also bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (shard, key)
);
ALTER TABLE record ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS record_recipient ON record (shard, key) WHERE get_byte(key, 0) = 82;

CREATE TABLE IF NOT EXISTS aggregate (
    shard int4 NOT NULL,
    day int4 NOT NULL,
    id bytea NOT NULL,
    version int8 NOT NULL,
    data_day int4 NOT NULL,
    events int4 NOT NULL,
    timer int8,
    due_at int8,
    send_at int8,
    node int8,
    fence int8 NOT NULL,
    wake int8 GENERATED ALWAYS AS (LEAST(timer, send_at)) STORED,
    also bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (shard, id, day)
) PARTITION BY RANGE (day);
ALTER TABLE aggregate ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS aggregate_wake ON aggregate (wake) WHERE wake IS NOT NULL;

CREATE TABLE IF NOT EXISTS event (
    shard int4 NOT NULL,
    feed int8 NOT NULL,
    seq int8 NOT NULL,
    day int4 NOT NULL,
    id bytea NOT NULL,
    which int4 NOT NULL,
    PRIMARY KEY (shard, feed, seq, day)
) PARTITION BY RANGE (day);

CREATE TABLE IF NOT EXISTS feed (
    shard int4 NOT NULL,
    feed int8 NOT NULL,
    last int8 NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (shard, feed)
);

CREATE TABLE IF NOT EXISTS opened (
    publisher int8 NOT NULL,
    day int4 NOT NULL,
    node int8 NOT NULL,
    count int8 NOT NULL,
    PRIMARY KEY (publisher, day, node)
);

CREATE TABLE IF NOT EXISTS duty (
    name bytea NOT NULL PRIMARY KEY,
    node int8 NOT NULL,
    fence int8 NOT NULL,
    until int8 NOT NULL
);

CREATE TABLE IF NOT EXISTS node (
    node int8 NOT NULL PRIMARY KEY,
    seen_at int8 NOT NULL,
    form int4 NOT NULL
);
";

/// Makes the partitions of a day, which are named after it. While somebody reads the whole table (an export, a dump) they can't be made, and
/// whoever waits for that holds up all that come later: it waits no longer than this.
pub(super) fn partitions(day: u32, wait: Duration) -> String {
    let (end, millis) = (day + 1, wait.as_millis());
    format!(
        "SET LOCAL lock_timeout = {millis};
         CREATE TABLE IF NOT EXISTS aggregate_d{day} PARTITION OF aggregate FOR VALUES FROM ({day}) TO ({end});
         CREATE TABLE IF NOT EXISTS event_d{day} PARTITION OF event FOR VALUES FROM ({day}) TO ({end});"
    )
}

/// Drops them, and what else is of that day, in one transaction: its data key, and the counts of what was opened. Dropping a partition
/// stops every other use of the table, so nobody waits for it longer than a second.
pub(super) fn without(day: u32, data_key: &Key) -> String {
    let key: String = data_key.0.iter().map(|it| format!("{it:02x}")).collect();
    format!(
        "SET LOCAL lock_timeout = '1s'; DROP TABLE IF EXISTS aggregate_d{day}, event_d{day}; \
         DELETE FROM record WHERE shard = 0 AND key = '\\x{key}'; DELETE FROM opened WHERE day <= {day};"
    )
}

#[cfg(test)]
mod tests {
    use super::super::migrate::compare;
    use super::STEPS;

    #[test]
    fn the_steps_are_in_order() {
        assert_eq!(compare(STEPS, Vec::new()).unwrap().pending().len(), STEPS.len());
        assert!(STEPS.iter().all(|it| (1..=it.number).contains(&it.compatible_from)), "a step lets at least its own program run");
    }
}
