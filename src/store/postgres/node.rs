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
//! A node counts until another has watched it being silent for `node_counts`, unless it said that it ends. One that was stopped or cut off for
//! longer may find a form in use that it can't read: it tells so ([`StoreError::Outdated`]), is not ready, and gives back its work.

use super::release::release;
use super::shared::Shared;
use super::trouble::Trouble;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::form::{Form, too_new};
use crate::store::key::Key;
use deadpool_postgres::Object;
use std::time::Instant;
use tokio_postgres::Row;

/// The database's time.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::int8"
    };
}
/// Milliseconds after which a node that was never heard of again is forgotten: a week.
const FORGOTTEN: i64 = 7 * 24 * 3600 * 1000;

/// This node is counted from now on, if it reads what there is.
///
/// # Errors
/// [`StoreError::Failed`] when it doesn't: the text says what to do.
pub(super) async fn enter(shared: &Shared) -> Result<(), StoreError> {
    begin(shared, Form::OLDEST).await?;
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
    let found = shared.query(text, &[&&Key::FORM.0[..], &shared.node, &newest, &FORGOTTEN]).await?;
    let Some(row) = found.first() else {
        return Err(StoreError::Failed(too_new(in_use(shared).await?, shared.options.form)));
    };
    hear(shared, asked, row).await?;
    match raise(shared).await {
        // Another does it.
        Err(StoreError::Conflict) => Ok(()),
        done => done,
    }
}

/// This node runs; what time it is, and which form is in use.
pub(super) async fn beat(shared: &Shared) -> Result<(), StoreError> {
    let asked = (shared.options.clock)();
    let text = concat!(
        "INSERT INTO node (node, seen_at, form) VALUES ($1, ",
        now!(),
        ", $2) ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at \
         RETURNING seen_at, (SELECT version FROM record WHERE shard = 0 AND key = $3)"
    );
    let newest = i32::from(shared.options.form.number());
    let rows = shared.query(text, &[&shared.node, &newest, &&Key::FORM.0[..]]).await?;
    if let Some(row) = rows.first() {
        hear(shared, asked, row).await?;
    }
    raise(shared).await
}

/// This node ends: nobody need wait until it no longer counts.
pub(super) async fn leave(shared: &Shared) {
    // Without it the others wait a minute longer.
    if let Err(trouble) = shared.execute("DELETE FROM node WHERE node = $1", &[&shared.node]).await {
        tracing::debug!(?trouble, "the database was not told that this node ends");
    }
}

/// Where no form is in use yet, this one is; what is in use then is heard.
pub(super) async fn begin(shared: &Shared, form: Form) -> Result<(), StoreError> {
    let text = "INSERT INTO record (shard, key, version, data_day, holds, also, value) VALUES (0, $1, $2, -1, '', '', '') \
                ON CONFLICT (shard, key) DO NOTHING";
    shared.execute(text, &[&&Key::FORM.0[..], &i64::from(form.number())]).await?;
    shared.uses(in_use(shared).await?);
    Ok(())
}

async fn in_use(shared: &Shared) -> Result<u64, StoreError> {
    let rows = shared.query("SELECT version FROM record WHERE shard = 0 AND key = $1", &[&&Key::FORM.0[..]]).await?;
    let number = rows.first().and_then(|it| u64::try_from(it.get::<_, i64>(0)).ok());
    Ok(number.unwrap_or_else(|| Form::OLDEST.number().into()))
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
    for wanted in (now + 1..=newest).rev() {
        let rows = shared.query(OLDER, &[&wanted]).await?;
        let older: String = rows.first().map(|it| it.get(0)).unwrap_or_default();
        let silent = shared.watch.lock().is_silent((wanted, &older), Instant::now(), shared.options.node_counts);
        if silent && put_into_use(shared, wanted, &older).await? {
            tracing::info!(form = wanted, "all nodes read a newer form of stored values: it is written from now on");
            break;
        }
    }
    if now < newest {
        shared.uses(in_use(shared).await?);
    }
    Ok(())
}

// Whether it was, by us: only if nothing was heard of older nodes but what was looked at.
async fn put_into_use(shared: &Shared, wanted: i32, older: &str) -> Result<bool, Trouble> {
    let work = async |client: &Object| {
        // Each statement sees what was committed before it, not before the transaction.
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let done = looked_at_again(client, wanted, older).await;
        let end = if matches!(done, Ok(true)) { "COMMIT" } else { "ROLLBACK" };
        client.batch_execute(end).await?;
        done
    };
    shared.within(shared.options.commit_timeout, work).await
}

async fn looked_at_again(client: &Object, wanted: i32, older: &str) -> Result<bool, Trouble> {
    let (key, number) = (&&Key::FORM.0[..], i64::from(wanted));
    let hold = "UPDATE record SET version = version WHERE shard = 0 AND key = $1 AND version < $2";
    if client.execute(hold, &[key, &number]).await? == 0 {
        return Ok(false);
    }
    let found: String = client.query_one(OLDER, &[&wanted]).await?.get(0);
    if found != older {
        return Ok(false);
    }
    client.execute("UPDATE record SET version = $2 WHERE shard = 0 AND key = $1", &[key, &number]).await?;
    Ok(true)
}

/// What was last heard of the nodes that don't read a form.
const OLDER: &str = "SELECT coalesce(string_agg(node::text || ' ' || seen_at::text, ',' ORDER BY node), '') FROM node WHERE form < $1";
