//! Housekeeping: what every node does now and then, and what one of them is enough for. All of it may be done twice.

use super::node;
use super::shared::Shared;
use super::sweep::Sweeper;
use super::trouble::Trouble;
use crate::domain::id::InstitutionId;
use crate::domain::time::Timestamp;
use crate::store::contract::{Status, StoreError};
use crate::store::key::Key;
use crate::store::row;
use crate::vault::STANDING;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

/// How often the database is asked how it is.
const EVERY: Duration = Duration::from_secs(1);
/// Rounds between two counts of what is open.
const COUNT_EVERY: u32 = 5;
/// Rounds between two looks for what the day needs, and for what is over.
const SWEEP_EVERY: u32 = 60;
/// Days for which a session may be open after its own: whose timers and deliveries are looked for.
pub(super) const LONGEST: u32 = 31;

/// How long each try may keep others waiting for the partitions that are needed now, and for those of later days.
pub(super) const NEEDED: Duration = Duration::from_secs(2);
const AHEAD: Duration = Duration::from_millis(200);

/// Looks after the store until told to stop.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut round: u32 = 0;
    let (mut sweeper, mut sweeps) = (Sweeper::new(&shared), false);
    loop {
        tokio::select! {
            () = stop.cancelled() => return node::leave(&shared).await,
            () = tokio::time::sleep(EVERY) => {}
        }
        round = round.wrapping_add(1);
        let outcome = async {
            shared.recent.age();
            node::beat(&shared).await?;
            if round.is_multiple_of(COUNT_EVERY) {
                count(&shared).await?;
            }
            if round.is_multiple_of(SWEEP_EVERY) {
                prepare(&shared).await?;
                sweeps = sweeper.begin(&shared).await?;
            }
            if sweeps {
                sweeper.step(&shared).await?;
            }
            Ok::<(), StoreError>(())
        };
        match tokio::time::timeout(shared.options.commit_timeout, outcome).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "housekeeping of the database failed; it is tried again"),
            Err(_) => tracing::warn!("housekeeping of the database took too long; it is tried again"),
        }
    }
}

/// Makes what today and tomorrow need: partitions and data keys; learns the keys of other days.
pub(super) async fn prepare(shared: &Shared) -> Result<(), StoreError> {
    let today = shared.today();
    // Day 0 is that of ids that tell no day.
    shared.make_partitions(BTreeSet::from([0, today.saturating_sub(1), today]), NEEDED).await?;
    // A day more than what is soon needed, so that nobody waits when they can't be made now.
    match shared.make_partitions(BTreeSet::from([today + 1, today + 2]), AHEAD).await {
        Err(Trouble::Again) => tracing::info!("the database is being read as a whole; what later days need is made afterwards"),
        made => made?,
    }
    for day in [today, today + 1] {
        let place = Key::day(day);
        let wrapped = shared.vault.new_day(day);
        let body = row::seal(&shared.vault, &place, &wrapped, true).bytes;
        first(shared, &place, &body).await?;
        learn(shared, day).await?;
    }
    shared.vault.set_day(today);
    Ok(())
}

/// Learns the data key of a day, if it is there.
pub(super) async fn learn(shared: &Shared, day: u32) -> Result<(), StoreError> {
    if shared.vault.knows_day(day) {
        return Ok(());
    }
    let place = Key::day(day);
    let Some(found) = kept(shared, &place).await? else { return Ok(()) };
    let failed = |error: crate::vault::VaultError| StoreError::Failed(format!("the data key of day {day}: {error}"));
    let wrapped = shared.vault.open_row(STANDING, &place.0, &found).map_err(failed)?;
    shared.vault.learn_day(day, &wrapped).map_err(failed)
}

/// The root key is the one that the database was begun with.
pub(super) async fn check_root(shared: &Shared) -> Result<(), StoreError> {
    let mine = shared.vault.fingerprint();
    first(shared, &Key::META, mine.as_bytes()).await?;
    let theirs = String::from_utf8_lossy(&kept(shared, &Key::META).await?.unwrap_or_default()).into_owned();
    if theirs == mine {
        return Ok(());
    }
    Err(StoreError::Failed(format!(
        "the database was begun with root key {theirs}, and this is {mine}: set [keys] root_file to the right one"
    )))
}

// Of several nodes that set it, the first does.
async fn first(shared: &Shared, key: &Key, value: &[u8]) -> Result<(), Trouble> {
    let text = "INSERT INTO record (shard, key, version, data_day, holds, also, value) VALUES (0, $1, 1, -1, '', '', $2) \
                ON CONFLICT (shard, key) DO NOTHING";
    shared.execute(text, &[&&key.0[..], &value]).await.map(|_| ())
}

async fn kept(shared: &Shared, key: &Key) -> Result<Option<Vec<u8>>, Trouble> {
    let found = shared.query("SELECT value FROM record WHERE shard = 0 AND key = $1", &[&&key.0[..]]).await?;
    Ok(found.first().map(|it| it.get(0)))
}

/// The last number of each institution's feed.
pub(super) async fn ends(shared: &Shared) -> Result<Vec<(InstitutionId, u64)>, StoreError> {
    let rows = shared.query("SELECT feed, last, value FROM feed", &[]).await?;
    let end = |row: &Row| Some((shared.institution(row.get(0), row.get(2))?, u64::try_from(row.get::<_, i64>(1)).ok()?));
    Ok(rows.iter().filter_map(end).collect())
}

/// Counts what is open and what waits.
pub(super) async fn count(shared: &Shared) -> Result<(), StoreError> {
    let text = "SELECT count(timer), count(due_at), min(due_at) FROM aggregate WHERE wake IS NOT NULL AND (day = 0 OR day >= $1)";
    let first = shared.today().saturating_sub(LONGEST) as i32;
    let rows = shared.query(text, &[&first]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    let status = Status {
        open: number(0),
        outbox: number(1),
        outbox_oldest: row.get::<_, Option<i64>>(2).map(Timestamp::from_millis),
        feed: ends(shared).await?,
        ..Status::default()
    };
    *shared.status.lock() = status;
    Ok(())
}
