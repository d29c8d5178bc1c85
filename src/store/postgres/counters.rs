//! The counters that nodes share: four times a second a node tells the database what it counted, and reads what others told, in one
//! statement. What is taken once is asked for at once.

use super::counts::{AT_ONCE, Count, HEARD_AT_ONCE, Heard, Key, Turn};
use super::shared::Shared;
use super::trouble::Trouble;
use crate::domain::time::Timestamp;
use crate::store::contract::{StoreError, Taken};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

/// How often counts are exchanged: what nodes may miss of each other came within twice this.
const EVERY: Duration = Duration::from_millis(250);
/// Between two looks for what is over, in milliseconds.
const SWEEP_EVERY: i64 = 60_000;

/// The row with the empty key has a node's last round; it lasts as long as the longest of the node's rows.
const EXCHANGE: &str = "WITH told AS (\
     INSERT INTO counted AS c (key, node, round, count, until) \
     SELECT q.key, $1, $2, q.count, q.until FROM unnest($3::bytea[], $4::int8[], $5::int8[]) AS q(key, count, until) \
     ON CONFLICT (key, node) DO UPDATE SET round = excluded.round, count = excluded.count, until = excluded.until \
     WHERE c.round < excluded.round) \
     SELECT c.node, c.round, c.key, c.count, c.until FROM counted t \
     LEFT JOIN unnest($6::int8[], $7::int8[]) AS s(node, round) ON s.node = t.node \
     CROSS JOIN LATERAL (SELECT * FROM counted c WHERE c.node = t.node AND c.round > coalesce(s.round, 0) AND c.until > $8 \
     ORDER BY c.round LIMIT $9) c \
     WHERE t.key = '' AND t.node <> $1 AND t.round > coalesce(s.round, 0)";

/// What was taken until a time that is past is free. The first has the number 1.
const TAKE: &str = "INSERT INTO taken AS t (key, content, until, tries) VALUES ($1, $2, $3, 1) ON CONFLICT (key) DO UPDATE SET \
     tries = CASE WHEN t.until > $4 THEN t.tries + 1 ELSE 1 END, \
     content = CASE WHEN t.until > $4 THEN t.content ELSE excluded.content END, \
     until = CASE WHEN t.until > $4 THEN t.until ELSE excluded.until END \
     RETURNING tries, content";

/// When the first who takes anything begins, it is written down, under the empty key: what was taken before nobody knows.
const SINCE: &str = "INSERT INTO taken AS t (key, content, until, tries) VALUES ('', '', $1, 1) \
     ON CONFLICT (key) DO UPDATE SET tries = t.tries + 1 RETURNING until";

/// Learns, or sets down, since when what is taken is known.
pub(super) async fn begin(shared: &Shared) -> Result<(), StoreError> {
    let rows = shared.query(SINCE, &[&shared.now().millis()]).await?;
    if let Some(row) = rows.first() {
        shared.counts.since.get_or_init(|| Timestamp::from_millis(row.get(0)));
    }
    Ok(())
}

/// Exchanges counts until told to stop.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut failed = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        // An outage is told once, not four times a second.
        match (exchange(&shared).await, failed) {
            (Err(trouble), false) => tracing::warn!(?trouble, "what other nodes count is not known for now; this node's own counts hold"),
            (Ok(()), true) => tracing::info!("what other nodes count is known again"),
            (Ok(()), false) | (Err(_), true) => continue,
        }
        failed = !failed;
    }
}

/// Tells what waits, and learns what others told; once a minute removes what is over.
pub(super) async fn exchange(shared: &Shared) -> Result<(), Trouble> {
    let mut turn = shared.counts.turn.lock().await;
    let told = shared.counts.some();
    let rows = exchange_these(shared, &mut turn, &told).await?;
    shared.counts.told(&told);
    shared.counts.learn(&mut turn, rows.iter().filter_map(heard).collect());
    let now = shared.now().millis();
    if now >= turn.swept_at.saturating_add(SWEEP_EVERY) {
        shared.counts.prune(&mut turn, now);
        sweep(shared, now).await?;
        turn.swept_at = now;
    }
    Ok(())
}

async fn exchange_these(shared: &Shared, turn: &mut Turn, told: &[(Key, Count)]) -> Result<Vec<Row>, Trouble> {
    turn.until = told.iter().map(|it| it.1.until).fold(turn.until, i64::max);
    let round = Count { count: 0, until: turn.until };
    let all = || told.iter().map(|(key, count)| (&key[..], *count)).chain((!told.is_empty()).then_some((&[][..], round)));
    let keys: Vec<&[u8]> = all().map(|it| it.0).collect();
    let counts: Vec<i64> = all().map(|it| i64::from(it.1.count)).collect();
    let ends: Vec<i64> = all().map(|it| it.1.until).collect();
    let (nodes, rounds): (Vec<i64>, Vec<i64>) = turn.nodes.iter().map(|(node, (round, _))| (*node, *round)).unzip();
    let (number, now) = (i64::try_from(shared.stamp()).unwrap_or(i64::MAX), shared.now().millis());
    shared.query(EXCHANGE, &[&shared.node, &number, &keys, &counts, &ends, &nodes, &rounds, &now, &(HEARD_AT_ONCE as i64)]).await
}

fn heard(row: &Row) -> Option<Heard> {
    let key: &[u8] = row.get(2);
    let count = Count { count: u32::try_from(row.get::<_, i64>(3)).unwrap_or(u32::MAX), until: row.get(4) };
    let key = if key.is_empty() { None } else { Some(key.try_into().ok()?) };
    Some(Heard { node: row.get(0), round: row.get(1), key, count })
}

/// Takes something once.
pub(super) async fn take(shared: &Shared, key: &Key, content: &[u8; 16], left: Duration) -> Result<Taken, Trouble> {
    let now = shared.now();
    let rows = shared.query(TAKE, &[&&key[..], &&content[..], &now.plus(left).millis(), &now.millis()]).await?;
    let row = rows.first().ok_or_else(|| Trouble::Failed("taking something gave no row".to_owned()))?;
    Ok(match row.get::<_, i64>(0) {
        1 => Taken::First,
        _ if row.get::<_, &[u8]>(1) == content => Taken::Same,
        _ => Taken::Other,
    })
}

// Removes what counts no more, and what is free again. Another node may do the same.
async fn sweep(shared: &Shared, now: i64) -> Result<(), Trouble> {
    for text in [
        "DELETE FROM counted WHERE until < $1 AND (key, node) IN \
         (SELECT key, node FROM counted WHERE until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1",
        "DELETE FROM taken WHERE until < $1 AND key IN \
         (SELECT key FROM taken WHERE until < $1 AND key <> '' LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1",
    ] {
        while shared.query(text, &[&now, &(AT_ONCE as i64)]).await?.len() == AT_ONCE {}
    }
    Ok(())
}
