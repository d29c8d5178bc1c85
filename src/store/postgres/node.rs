//! Which nodes run, and the form that they write values in: the newest that all of them read.
//!
//! Nodes of two versions may run at once, and each must read what the other writes. So a newer one writes the older form until no
//! node runs that reads only that. Then the newer form is *in use*: a record of the database says so, and never goes back. The
//! record's version is the form's number.
//!
//! - A node begins by [`enter`]: one statement, which writes that record as it is, and counts the node only if it reads the form
//!   in use. It is refused otherwise.
//! - [`beat`] says each second that it runs, and hears which form is in use.
//! - A form gets into use in a transaction that writes the record first and looks at the nodes then. Of that and a node's start
//!   one waits for the other: the node is counted, or refused.
//!
//! A node counts for `node_counts` after it was last heard of, unless it said that it ends. One that was stopped or cut off for
//! longer may find a form in use that it can't read: it tells so ([`StoreError::Outdated`]), is not ready, and gives back its work.

use super::release::release;
use super::shared::Shared;
use super::trouble::Trouble;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::form::{Form, too_new};
use crate::store::key::Key;
use deadpool_postgres::Object;
use tokio_postgres::{IsolationLevel, Row};

/// The database's time.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::int8"
    };
}
/// Milliseconds after which a node that was never heard of again is forgotten: a day.
const FORGOTTEN: i64 = 24 * 3600 * 1000;

/// This node is counted from now on, if it reads what there is.
///
/// # Errors
/// [`StoreError::Failed`] when it doesn't: the text says what to do.
pub(super) async fn enter(shared: &Shared) -> Result<(), StoreError> {
    begin(shared, Form::OLDEST).await?;
    let client = shared.pool.get().await.map_err(Trouble::from)?;
    let asked = (shared.options.clock)();
    let text = concat!(
        "WITH used AS (UPDATE record SET version = version WHERE shard = 0 AND key = $1 AND version <= $3 RETURNING version), \
         gone AS (DELETE FROM node WHERE node <> $2 AND seen_at < ",
        now!(),
        " - $4) INSERT INTO node (node, seen_at, form) SELECT $2, ",
        now!(),
        ", $3::int8::int4 FROM used ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at, form = excluded.form \
         RETURNING seen_at, (SELECT version FROM used)"
    );
    let newest = i64::from(shared.options.form.number());
    let found = client.query_opt(text, &[&&Key::FORM.0[..], &shared.node, &newest, &FORGOTTEN]).await.map_err(Trouble::from)?;
    drop(client);
    let Some(row) = found else {
        return Err(StoreError::Failed(too_new(in_use(shared).await?, shared.options.form)));
    };
    hear(shared, asked, &row).await?;
    match raise(shared).await {
        // Another does it.
        Err(StoreError::Conflict) => Ok(()),
        done => done,
    }
}

/// This node runs; what time it is, and which form is in use.
pub(super) async fn beat(shared: &Shared) -> Result<(), StoreError> {
    let client = shared.pool.get().await.map_err(Trouble::from)?;
    let asked = (shared.options.clock)();
    let text = concat!(
        "INSERT INTO node (node, seen_at, form) VALUES ($1, ",
        now!(),
        ", $2) ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at \
         RETURNING seen_at, (SELECT version FROM record WHERE shard = 0 AND key = $3)"
    );
    let newest = i32::from(shared.options.form.number());
    let row = client.query_one(text, &[&shared.node, &newest, &&Key::FORM.0[..]]).await.map_err(Trouble::from)?;
    drop(client);
    hear(shared, asked, &row).await?;
    raise(shared).await
}

/// This node ends: nobody need wait until it no longer counts.
pub(super) async fn leave(shared: &Shared) {
    let gone = async {
        let client = shared.pool.get().await.map_err(Trouble::from)?;
        client.execute("DELETE FROM node WHERE node = $1", &[&shared.node]).await.map_err(Trouble::from)
    };
    // Without it the others wait a minute longer.
    if let Ok(Err(trouble)) = tokio::time::timeout(shared.options.commit_timeout, gone).await {
        tracing::debug!(?trouble, "the database was not told that this node ends");
    }
}

/// Where no form is in use yet, this one is; what is in use then is heard.
pub(super) async fn begin(shared: &Shared, form: Form) -> Result<(), StoreError> {
    let client = shared.pool.get().await.map_err(Trouble::from)?;
    let text = "INSERT INTO record (shard, key, version, data_day, holds, also, value) VALUES (0, $1, $2, -1, '', '', '') \
                ON CONFLICT (shard, key) DO NOTHING";
    client.execute(text, &[&&Key::FORM.0[..], &i64::from(form.number())]).await.map_err(Trouble::from)?;
    drop(client);
    shared.uses(in_use(shared).await?);
    Ok(())
}

async fn in_use(shared: &Shared) -> Result<u64, StoreError> {
    let client = shared.pool.get().await.map_err(Trouble::from)?;
    let text = "SELECT version FROM record WHERE shard = 0 AND key = $1";
    let row = client.query_one(text, &[&&Key::FORM.0[..]]).await.map_err(Trouble::from)?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

async fn hear(shared: &Shared, asked: Timestamp, row: &Row) -> Result<(), StoreError> {
    shared.compare(asked, Timestamp::from_millis(row.get(0)), (shared.options.clock)());
    shared.hear();
    let number = row.get::<_, Option<i64>>(1).and_then(|it| u64::try_from(it).ok());
    if shared.uses(number.unwrap_or_else(|| Form::OLDEST.number().into())) {
        let why = shared.check_form().err().map(|it| it.to_string()).unwrap_or_default();
        tracing::error!(why, "this node was not heard of for a while, and the others went on without it: end it");
        release(shared).await?;
    }
    Ok(())
}

// Puts the newest form into use that all nodes read.
async fn raise(shared: &Shared) -> Result<(), StoreError> {
    let (now, newest) = (i32::from(shared.form().number()), i32::from(shared.options.form.number()));
    if now >= newest {
        return Ok(());
    }
    let counts = i64::try_from(shared.options.node_counts.as_millis()).unwrap_or(i64::MAX);
    let mut client = shared.pool.get().await.map_err(Trouble::from)?;
    let text = concat!("SELECT min(form) FROM node WHERE node = $1 OR seen_at > ", now!(), " - $2");
    let least: Option<i32> = client.query_one(text, &[&shared.node, &counts]).await.map_err(Trouble::from)?.get(0);
    let wanted = least.unwrap_or(now).min(newest);
    if wanted <= now {
        return Ok(());
    }
    if put_into_use(&mut client, i64::from(wanted), counts).await? {
        tracing::info!(form = wanted, "all nodes read a newer form of stored values: it is written from now on");
    }
    drop(client);
    shared.uses(in_use(shared).await?);
    Ok(())
}

// Whether it was, by us.
async fn put_into_use(client: &mut Object, wanted: i64, counts: i64) -> Result<bool, Trouble> {
    // Each statement sees what was committed before it, not before the transaction.
    let begun = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    let hold = "UPDATE record SET version = version WHERE shard = 0 AND key = $1 AND version < $2::int8";
    if begun.execute(hold, &[&&Key::FORM.0[..], &wanted]).await? == 0 {
        return Ok(false);
    }
    let text = concat!(
        "UPDATE record SET version = $2::int8 WHERE shard = 0 AND key = $1 AND NOT EXISTS \
         (SELECT 1 FROM node WHERE form < $2::int8 AND seen_at > ",
        now!(),
        " - $3)"
    );
    let done = begun.execute(text, &[&&Key::FORM.0[..], &wanted, &counts]).await?;
    begun.commit().await?;
    Ok(done == 1)
}
