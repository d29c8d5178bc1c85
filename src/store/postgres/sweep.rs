//! What is over goes: records whose time is past, and days whose retention has ended. One node at a time has this duty; that two do it
//! for a moment harms nothing.

use super::schema;
use super::shared::Shared;
use super::trouble::Trouble;
use crate::store::contract::StoreError;
use crate::store::key::Key;
use deadpool_postgres::Object;
use std::time::Duration;

/// Its name among the duties.
const DUTY: &str = "sweep";
/// For how long a node has it, unless it takes it again.
const SPAN: Duration = Duration::from_secs(180);
/// Records that are looked through at a time.
const PAGE: i64 = 2000;
/// Pages in a step: about a fiftieth of a processor while a walk lasts, and a thousand million records a day.
const PAGES: usize = 10;

/// Looks through all records once a day, a few at a time.
pub(super) struct Sweeper {
    /// The day on which the walk began that is under way, or done.
    day: u32,
    /// The last record that was looked at; `None`: all were.
    at: Option<(i32, Vec<u8>)>,
    /// Days before it are forgotten here.
    first: u32,
}

impl Sweeper {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { day: shared.today(), at: Some(start()), first: first(shared) }
    }

    /// What is to be done every minute; whether this node has the duty.
    pub(super) async fn begin(&mut self, shared: &Shared) -> Result<bool, StoreError> {
        // Another node may have destroyed a key; here it is still in memory.
        let first = first(shared);
        (self.first..first).for_each(|day| shared.vault.forget_day(day));
        self.first = first.max(self.first);
        if shared.take_duty(DUTY, SPAN).await?.is_none() {
            return Ok(false);
        }
        retain(shared, first).await?;
        if self.at.is_none() && shared.today() > self.day {
            (self.day, self.at) = (shared.today(), Some(start()));
        }
        Ok(true)
    }

    /// Goes on with the walk, if it isn't through.
    pub(super) async fn step(&mut self, shared: &Shared) -> Result<(), StoreError> {
        for _ in 0..PAGES {
            let Some((shard, key)) = &self.at else { break };
            self.at = page(shared, *shard, key).await?;
        }
        Ok(())
    }

    /// Whether all records were looked at.
    pub(super) fn is_through(&self) -> bool {
        self.at.is_none()
    }
}

// Before all records.
fn start() -> (i32, Vec<u8>) {
    (-1, Vec::new())
}

// The first day whose history is kept.
fn first(shared: &Shared) -> u32 {
    shared.today().saturating_sub(shared.options.retention_days)
}

// Removes what is over of the records behind this one; the last that was looked at. A record that is written anew at this moment is
// looked at again as it is then: an address that just got another challenge stays.
async fn page(shared: &Shared, shard: i32, key: &[u8]) -> Result<Option<(i32, Vec<u8>)>, Trouble> {
    let text = "WITH page AS MATERIALIZED (SELECT shard, key, until FROM record WHERE (shard, key) > ($1, $2) ORDER BY shard, key LIMIT $3), \
                gone AS (DELETE FROM record r USING page p WHERE p.until < $4 AND r.shard = p.shard AND r.key = p.key AND r.until < $4) \
                SELECT shard, key FROM page ORDER BY shard DESC, key DESC LIMIT 1";
    let rows = shared.query(text, &[&shard, &key, &PAGE, &(shared.today() as i32)]).await?;
    Ok(rows.first().map(|it| (it.get(0), it.get(1))))
}

// Drops the days that are over, and destroys their data keys: of each day all or nothing.
async fn retain(shared: &Shared, first: u32) -> Result<(), StoreError> {
    let text = "SELECT substr(relname, 12)::int4 FROM pg_class WHERE relname ~ '^aggregate_d[0-9]+$' AND relkind = 'r'";
    for row in shared.query(text, &[]).await? {
        let day = u32::try_from(row.get::<_, i32>(0)).unwrap_or(0);
        if day == 0 || day >= first {
            continue;
        }
        let all = schema::without(day, &Key::day(day));
        let drop = async |client: &Object| Ok(client.batch_execute(&all).await?);
        match shared.within(shared.options.commit_timeout, drop).await {
            Ok(()) => tracing::info!(day, "a day's history is over: its partition and its data key are gone"),
            // Statements that are under way must end first: it waits for a second, and what comes behind it waits as long.
            Err(Trouble::Again) => tracing::info!(day, "a day's history is over; the database is busy, so it goes a minute later"),
            Err(trouble) => return Err(trouble.into()),
        }
        shared.vault.forget_day(day);
    }
    Ok(())
}
