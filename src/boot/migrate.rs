//! `countersign migrate`: what is to be done to the database, and doing it. Needs no server.

use crate::config::{Engine, Settings};
use crate::store::postgres::migrate::{Step, Turn, apply, plan};
use crate::store::postgres::{STEPS, connect, reason};
use anyhow::{Context, Result, bail};

/// Compares the database with the schema that this program needs, and with `apply` brings it there. The text says what was to be
/// done, and what was.
pub async fn migrate(settings: Settings, do_it: bool) -> Result<String> {
    let (Engine::Postgres, Some(database)) = (settings.store.engine, &settings.store.postgres) else {
        bail!("store.engine is \"sled\", which has nothing to migrate: this is for engine = \"postgres\"");
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pool = connect::pool(database).map_err(anyhow::Error::msg).context("[store.postgres]")?;
    let mut client = pool.get().await.map_err(|error| anyhow::anyhow!(reason(&error)))?;
    let planned = plan(&client, STEPS).await?;
    if !do_it {
        let more = if planned.pending().is_empty() { "" } else { " Add --apply to apply this." };
        return Ok(format!("{planned}{more}\n"));
    }
    let done = apply(&mut client, STEPS, &Turn::of(format!("countersign migrate, process {}", std::process::id()))).await?;
    let by_others = planned.pending().len().saturating_sub(done.steps.len());
    let others = if by_others > 0 { format!(" {by_others} were applied by others meanwhile.") } else { String::new() };
    let line = |it: &&Step| format!("applied {:>4}  {}\n", it.number, it.name);
    let now: String = STEPS.iter().filter(|it| done.steps.contains(&it.number)).map(|it| line(&it)).collect();
    Ok(format!("{now}{} step(s) applied now.{others}\n", done.steps.len()))
}
