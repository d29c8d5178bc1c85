//! Brings a database to the schema that this program needs, safe with any number of nodes that start at once.
//!
//! [`compare`] decides purely; this file and `turn` only ask and tell. Whoever applies steps holds the one row of
//! `migration_lease`, by the database's clock; each step is a transaction that renews the lease, writes the step's record and
//! then changes the schema. So a runner that was held up for longer than its lease can't apply a step twice, and a dead one
//! keeps nobody longer than its lease. No advisory lock is used: not every database of this protocol has them.

mod plan;
mod turn;

use super::problem::text;
pub use plan::{Plan, Record, Step, compare};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row};
pub use turn::Turn;
use turn::{release, run, take};

/// How long to wait before asking again for what another does.
const AGAIN: Duration = Duration::from_millis(250);

/// Why a database can't be brought to this program's schema, or not used by it. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Steps are to be applied first.
    #[error("{0} step(s) of the database's schema are pending: run `countersign migrate --apply`, or set `migrate = true`")]
    Pending(usize),
    /// A step is not what was applied under its number.
    #[error(
        "step {number} ({name}) was applied with other statements than this program has: it is another program's database, or this is an \
         unreleased build; use the database with the program that made it"
    )]
    Changed {
        /// The step's number.
        number: u32,
        /// Its name when it was applied.
        name: String,
    },
    /// The records have a gap.
    #[error("step {number} ({name}) was applied without the one before it: the database is damaged; restore a backup")]
    Skipped {
        /// The step's number.
        number: u32,
        /// Its name when it was applied.
        name: String,
    },
    /// A newer program applied a step beside which this one can't run.
    #[error(
        "the database has step {number} ({name}), which needs a program that knows step {from}, and this one knows {ours}: install the newer one",
        number = .record.number, name = .record.name, from = .record.compatible_from
    )]
    TooNew {
        /// The step that forbids it.
        record: Box<Record>,
        /// The last step that this program knows.
        ours: u32,
    },
    /// The steps given are not numbered 1, 2, 3 and so on.
    #[error("step {number} stands at place {place}: this program was built wrongly")]
    Order {
        /// The step's number.
        number: u32,
        /// Where it stands, from 1.
        place: usize,
    },
    /// Another process applies steps for longer than we wait.
    #[error(
        "waited {} s for {holder}, which migrates the database: start again when it has ended; if it is gone, its lease ends by itself",
        .waited.as_secs()
    )]
    Held {
        /// Who.
        holder: String,
        /// How long we waited.
        waited: Duration,
    },
    /// A step failed; the database rolled it back, as far as it can roll back changes of a schema.
    #[error("step {number} ({name}) failed: {why}")]
    Step {
        /// The step's number.
        number: u32,
        /// Its name.
        name: &'static str,
        /// What the database said.
        why: String,
    },
    /// The database could not be asked.
    #[error("the database refused: {}", text(.0))]
    Database(#[from] Error),
}

/// What [`apply`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// Numbers of the steps that this call applied, in order; what others applied meanwhile is not among them.
    pub steps: Vec<u32>,
}

/// What is to be done; changes nothing.
pub async fn plan(client: &Client, steps: &[Step]) -> Result<Plan, MigrateError> {
    compare(steps, records(client).await?)
}

/// Whether this program may use the database as it is; changes nothing.
pub async fn check(client: &Client, steps: &[Step]) -> Result<(), MigrateError> {
    match plan(client, steps).await?.pending().len() {
        0 => Ok(()),
        count => Err(MigrateError::Pending(count)),
    }
}

/// Applies what is pending, or waits until another has. `client` must be in no transaction.
pub async fn apply(client: &mut Client, steps: &[Step], turn: &Turn) -> Result<Applied, MigrateError> {
    // The names of a node's starts must differ: a new one must not take the lease of one that is held up.
    let turn = Turn { holder: format!("{} ({})", turn.holder, uuid::Uuid::new_v4()), ..turn.clone() };
    let done = one_by_one(client, steps, &turn).await;
    let released = release(client, &turn.holder).await;
    let applied = done?;
    released?;
    Ok(applied)
}

async fn one_by_one(client: &mut Client, steps: &[Step], turn: &Turn) -> Result<Applied, MigrateError> {
    let mut applied = Applied::default();
    let (mut progress, mut last, mut told) = (Instant::now(), None, String::new());
    loop {
        let pending = plan(client, steps).await?.pending().len();
        if pending == 0 {
            return Ok(applied);
        }
        if last != Some(pending) {
            (progress, last) = (Instant::now(), Some(pending));
        }
        let step = &steps[steps.len() - pending];
        let waited = progress.elapsed();
        match one(client, step, turn).await? {
            Tried::Applied => applied.steps.push(step.number),
            Tried::Held(holder) if waited >= turn.patience => return Err(MigrateError::Held { holder, waited }),
            Tried::Refused(why) if waited >= turn.patience => return Err(refused(step, why)),
            Tried::Held(why) | Tried::Refused(why) => {
                if why != told {
                    tracing::info!(step = step.number, name = step.name, waiting_for = why, "waiting to change the database's schema");
                    told = why;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// What became of a step; otherwise why not, which passes.
enum Tried {
    Applied,
    /// The lease is this one's.
    Held(String),
    Refused(String),
}

async fn one(client: &mut Client, step: &Step, turn: &Turn) -> Result<Tried, MigrateError> {
    match take(client, turn).await {
        Ok(None) => {}
        Ok(Some(holder)) => return Ok(Tried::Held(holder)),
        Err(error) if is_passing(&error) => return Ok(Tried::Refused(text(&error))),
        Err(error) => return Err(error.into()),
    }
    match run(client, step, turn).await {
        Ok(true) => {
            tracing::info!(step = step.number, name = step.name, "a step of the schema was applied");
            Ok(Tried::Applied)
        }
        Ok(false) => Ok(Tried::Refused("another process was faster".to_owned())),
        Err(error) if is_passing(&error) => Ok(Tried::Refused(text(&error))),
        Err(error) => Err(refused(step, text(&error))),
    }
}

fn refused(step: &Step, why: String) -> MigrateError {
    MigrateError::Step { number: step.number, name: step.name, why }
}

// What was in the way is over when it is tried again.
fn is_passing(error: &Error) -> bool {
    let passing = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE];
    error.code().is_some_and(|code| passing.contains(code))
}

// A database that was never migrated has no such table.
async fn records(client: &Client) -> Result<Vec<Record>, MigrateError> {
    let text = "SELECT number, name, checksum, compatible_from, (extract(epoch FROM applied_at) * 1000)::int8 FROM migration_step";
    match client.query(text, &[]).await {
        Ok(rows) => rows.iter().map(record).collect::<Result<_, _>>().map_err(MigrateError::from),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn record(row: &Row) -> Result<Record, Error> {
    let number = |at: usize| row.try_get::<_, i64>(at).map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    let applied_at = crate::domain::time::Timestamp::from_millis(row.try_get(4)?);
    Ok(Record { number: number(0)?, name: row.try_get(1)?, checksum: row.try_get(2)?, compatible_from: number(3)?, applied_at })
}
