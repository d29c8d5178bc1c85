//! Whose turn it is to change the schema, and one step of it.

use super::Step;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// The runner's own tables. The second has one row.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS migration_step (number int8 PRIMARY KEY, name text NOT NULL, checksum bytea NOT NULL, \
    compatible_from int8 NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS migration_lease (id int8 PRIMARY KEY, holder text, until timestamptz);
INSERT INTO migration_lease (id) VALUES (1) ON CONFLICT DO NOTHING";

/// Nobody waits longer for the row of another's lease, which is locked as long as a step runs.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '1s'";
/// A step may rewrite a large table; the statement time-out of the connection is for requests.
const STEP_TIME: &str = "SET LOCAL statement_timeout = '12h'; SET LOCAL lock_timeout = '1min'";

/// Who applies steps, and for how long others may be in its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Who we are, for others that wait: the node's name.
    pub holder: String,
    /// How long the lease lasts unless it is renewed, which each step does: so long others wait for a runner that died.
    pub span: Duration,
    /// How long to wait for others while no step gets done; more than `span`.
    pub patience: Duration,
}

impl Turn {
    /// A lease of 30 seconds, and a patience of ten minutes.
    pub fn of(holder: impl Into<String>) -> Self {
        Self { holder: holder.into(), span: Duration::from_secs(30), patience: Duration::from_secs(600) }
    }
}

/// Takes the lease, or renews it, by one conditional update; or says who has it. Makes the tables where there are none.
pub(super) async fn take(client: &mut Client, turn: &Turn) -> Result<Option<String>, Error> {
    match conditional(client, turn).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            make_tables(client).await?;
            conditional(client, turn).await
        }
        taken => taken,
    }
}

/// Runs a step that we hold the lease for. False: another has the lease, or has applied the step; nothing was changed.
pub(super) async fn run(client: &mut Client, step: &Step, turn: &Turn) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(STEP_TIME).await?;
    // Renews, and locks the row: as long as this transaction lasts nobody else can take the lease, even when it ends meanwhile.
    let renew = "UPDATE migration_lease SET until = clock_timestamp() + $2::int8 * interval '1 millisecond' WHERE id = 1 AND holder = $1";
    if transaction.execute(renew, &[&turn.holder, &millis(turn.span)]).await? == 0 {
        return Ok(false);
    }
    let record = "INSERT INTO migration_step (number, name, checksum, compatible_from) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let (number, from) = (i64::from(step.number), i64::from(step.compatible_from));
    if transaction.execute(record, &[&number, &step.name, &step.checksum(), &from]).await? == 0 {
        return Ok(false);
    }
    transaction.batch_execute(step.sql).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Gives the lease back, if it is ours.
pub(super) async fn release(client: &Client, holder: &str) -> Result<(), Error> {
    let text = "UPDATE migration_lease SET holder = NULL, until = NULL WHERE id = 1 AND holder = $1";
    match client.execute(text, &[&holder]).await {
        Err(error) if error.code() != Some(&SqlState::UNDEFINED_TABLE) => Err(error),
        _ => Ok(()),
    }
}

async fn conditional(client: &mut Client, turn: &Turn) -> Result<Option<String>, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK_WAIT).await?;
    let text = "UPDATE migration_lease SET holder = $1, until = clock_timestamp() + $2::int8 * interval '1 millisecond' \
                WHERE id = 1 AND (holder IS NULL OR holder = $1 OR until <= clock_timestamp())";
    let taken = match transaction.execute(text, &[&turn.holder, &millis(turn.span)]).await {
        // The row is locked by the step that the holder runs.
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            transaction.rollback().await?;
            0
        }
        taken => {
            let taken = taken?;
            transaction.commit().await?;
            taken
        }
    };
    if taken == 0 { holder_of(client).await.map(Some) } else { Ok(None) }
}

async fn holder_of(client: &Client) -> Result<String, Error> {
    let row = client.query_opt("SELECT holder FROM migration_lease WHERE id = 1", &[]).await?;
    Ok(row.and_then(|it| it.get(0)).unwrap_or_else(|| "another process".to_owned()))
}

// Two that make the same table at once: one of them may fail with a name that is taken. Then it is there.
async fn make_tables(client: &Client) -> Result<(), Error> {
    let made_by_another =
        [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT, SqlState::T_R_SERIALIZATION_FAILURE];
    let mut tries = 0;
    loop {
        tries += 1;
        match client.batch_execute(TABLES).await {
            Err(error) if tries < 8 && error.code().is_some_and(|code| made_by_another.contains(code)) => {}
            made => return made,
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
