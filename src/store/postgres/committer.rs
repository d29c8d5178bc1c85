//! The one task through which a node writes: what waits while a commit is under way goes with the next, as one.

#![expect(clippy::vec_box, reason = "a job is large, and goes from hand to hand")]

use super::after::{After, Taken};
use super::keep;
use super::ops::{Name, Ops};
use super::shared::Shared;
use super::statement::{Statement, Value};
use super::trouble::Trouble;
use super::write::Pen;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::keyed::KeyedSet;
use deadpool_postgres::Object;
use futures_util::future::join_all;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// How often the same is tried again that met another transaction.
const TRIES: u32 = 6;

/// A commit that waits; boxed, because it goes from hand to hand.
pub(super) struct Job {
    pub(super) ops: Ops,
    /// What is to be remembered of it.
    pub(super) after: After,
    /// Since when it waits.
    pub(super) since: Instant,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

/// Commits what comes, until nobody can send any more.
pub(super) async fn run(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Box<Job>>) {
    let mut later = VecDeque::new();
    loop {
        let first = match later.pop_front() {
            Some(job) => job,
            None => match jobs.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let group = gather(first, &mut later, &mut jobs, shared.options.max_group);
        shared.waiting.fetch_sub(group.len() as u64, Ordering::Relaxed);
        // Whoever asked has waited for long enough, and may ask again: nothing of it was written.
        let (late, group): (Vec<_>, Vec<_>) = group.into_iter().partition(|it| it.since.elapsed() > shared.options.commit_timeout);
        late.into_iter().for_each(|it| drop(it.done.send(Err(StoreError::Busy))));
        // What this node knows to be newer need not be asked for: a conflict of one costs all that go with it a turn.
        let (stale, group): (Vec<_>, Vec<_>) = group.into_iter().partition(|it| shared.known.outdates(&it.ops));
        stale.into_iter().for_each(|it| drop(it.done.send(Err(StoreError::Conflict))));
        if !group.is_empty() {
            commit(&shared, group).await;
        }
    }
}

// What waits and has nothing to do with what is in already; the rest keeps its order.
fn gather(first: Box<Job>, later: &mut VecDeque<Box<Job>>, jobs: &mut mpsc::Receiver<Box<Job>>, max: usize) -> Vec<Box<Job>> {
    let mut names: KeyedSet<Name> = first.ops.names().collect();
    let mut group = vec![first];
    let mut waiting = std::mem::take(later);
    while group.len() < max && later.len() < max {
        let Some(job) = waiting.pop_front().or_else(|| jobs.try_recv().ok()) else { break };
        if job.ops.names().any(|it| names.contains(&it)) {
            // Those behind it must see it first, too.
            names.extend(job.ops.names());
            later.push_back(job);
        } else {
            names.extend(job.ops.names());
            group.push(job);
        }
    }
    later.extend(waiting);
    group
}

// A conflict of one must not be that of all: then each goes by itself.
async fn commit(shared: &Shared, group: Vec<Box<Job>>) {
    let all: Vec<&Ops> = group.iter().map(|it| &it.ops).collect();
    let outcome = written(shared, &all).await;
    match outcome {
        Ok(taken) => group.into_iter().for_each(|job| done(shared, job, Ok(&taken))),
        Err(Trouble::Conflict) if group.len() > 1 => {
            for job in group {
                let outcome = written(shared, &[&job.ops]).await.map_err(StoreError::from);
                done(shared, job, outcome.as_ref());
            }
        }
        Err(trouble) => {
            let error = StoreError::from(trouble);
            group.into_iter().for_each(|job| done(shared, job, Err(&error)));
        }
    }
}

// It is remembered before the next commit is looked at.
fn done(shared: &Shared, job: Box<Job>, outcome: Result<&Taken, &StoreError>) {
    match outcome {
        Ok(taken) => job.after.remember(shared, taken),
        Err(StoreError::Away(_)) => job.after.doubt(shared),
        Err(_) => {}
    }
    let _ = job.done.send(outcome.map(|_| ()).map_err(Clone::clone));
}

async fn written(shared: &Shared, all: &[&Ops]) -> Result<Taken, Trouble> {
    let started = Instant::now();
    let mut wait = Duration::from_millis(2);
    let mut made = false;
    for _ in 0..TRIES {
        let now = shared.now();
        let until = now.plus(shared.options.lease);
        let pen = Pen { vault: &shared.vault, node: shared.node, today: crate::vault::day_of(now), until: until.millis() };
        let statements = pen.write(all);
        match attempt(shared, &statements).await {
            Ok(rows) => {
                shared.wrote(all.len() as u64, started.elapsed());
                return Ok(Taken { mine: mine(&rows), until });
            }
            Err(Trouble::Again) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(Trouble::NoTable) if !made => {
                made = true;
                let days = all.iter().flat_map(|it| &it.aggregates).map(|it| u32::from(it.id.day()));
                shared.make_partitions(days.chain([pen.today]).collect(), keep::NEEDED).await?;
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Err(Trouble::Again)
}

/// Sends statements in one transaction.
pub(super) async fn attempt(shared: &Shared, statements: &[Statement<'_>]) -> Result<Vec<Row>, Trouble> {
    shared.within(shared.options.commit_timeout, async |client| send(client, statements).await).await
}

async fn send(client: &Object, statements: &[Statement<'_>]) -> Result<Vec<Row>, Trouble> {
    let mut prepared = Vec::with_capacity(statements.len());
    for it in statements {
        prepared.push(client.prepare_cached(&it.text).await?);
    }
    if let ([it], [prepared]) = (statements, &prepared[..]) {
        return Ok(client.query(prepared, &values(it)).await?);
    }
    // All of these are on their way before the first is answered.
    let values: Vec<_> = statements.iter().map(values).collect();
    let parts = prepared.iter().zip(&values).map(|(prepared, values)| client.query(prepared, values));
    let (begun, rows, done) = futures_util::join!(client.batch_execute("BEGIN"), join_all(parts), client.batch_execute("COMMIT"));
    begun?;
    let mut all = Vec::new();
    for part in rows {
        all.extend(part?);
    }
    done?;
    Ok(all)
}

fn values<'a>(it: &'a Statement<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    it.values.iter().map(|it: &Value<'_>| &**it as &(dyn ToSql + Sync)).collect()
}

fn mine(rows: &[Row]) -> Vec<(AggregateId, u64, Timestamp)> {
    let id = |row: &Row| Uuid::from_slice(row.get::<_, Option<&[u8]>>(0)?).ok().map(AggregateId);
    let until = |row: &Row| row.get::<_, Option<i64>>(2).map(Timestamp::from_millis);
    rows.iter().filter_map(|row| Some((id(row)?, u64::try_from(row.get::<_, i64>(1)).unwrap_or(0), until(row)?))).collect()
}
