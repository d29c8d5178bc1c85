//! Where challenges are: the engine of the store that settings choose, and what only one of them can do.

use crate::admin::Outcome;
use crate::config::{Engine, Store as Settings};
use crate::domain::time::Timestamp;
use crate::engine::draw::{Clock, SystemClock};
use crate::store::contract::{Counters, Notes, Store};
use crate::store::postgres::{Options, PostgresStore};
use crate::store::remembered::Remembered;
use crate::store::sled::{self, SledStore};
use crate::vault::Vault;
use anyhow::{Context, Result};
use rand::RngExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Longest that closing waits for the database, which may be the very thing that is gone.
const FAREWELL: Duration = Duration::from_secs(3);
/// So often what a process counted alone is kept: a crash forgets what came later.
const KEEP: Duration = Duration::from_secs(5);

/// An open store. Clones are the same one.
#[derive(Clone)]
pub enum Data {
    /// Files of this process, and what it counts.
    Sled(Arc<SledStore>, Arc<Remembered>),
    /// A database that several processes share; this one is a node of its own.
    Postgres(Arc<PostgresStore>),
}

impl Data {
    /// Opens the store. `lease`: how long this process has a message to itself. One that is alone remembers at most `nonces` of what
    /// was taken.
    pub async fn open(settings: &Settings, (lease, nonces): (Duration, u64), vault: Arc<Vault>) -> Result<Self> {
        let started = Instant::now();
        let opened = match (settings.engine, &settings.postgres) {
            (Engine::Postgres, Some(database)) => {
                // For the audit log; sled makes its directory itself, and says what to do when it can't.
                std::fs::create_dir_all(&settings.dir).with_context(|| format!("the data directory {}", settings.dir.display()))?;
                let options = Options { retention_days: settings.retention_days, lease, ..Options::default() };
                // A number that no other process has had: what a former start of this one left is another's, too.
                let node = rand::rng().random_range(1..i64::MAX);
                tracing::info!(node, hosts = database.hosts.join(","), "opening the store on PostgreSQL");
                Self::Postgres(PostgresStore::open(database, options, vault, node).await.context("[store.postgres]")?)
            }
            (Engine::Postgres, None) => anyhow::bail!("store.engine is \"postgres\", and there is no [store.postgres]"),
            (Engine::Sled, _) => {
                let mut at = sled::Settings::new(&settings.dir);
                at.retention_days = settings.retention_days;
                // Opening reads everything; that is no work for the runtime.
                let store = tokio::task::spawn_blocking(move || SledStore::open(at, vault, SystemClock.now())).await??;
                let counters = Arc::new(Remembered::open(nonces, store.clone(), Box::new(|| SystemClock.now())).await?);
                tokio::spawn(keep(Arc::downgrade(&counters)));
                Self::Sled(store, counters)
            }
        };
        tracing::info!(seconds = started.elapsed().as_secs_f64(), "the store is open");
        Ok(opened)
    }

    /// What the engine relies on.
    pub fn store(&self) -> (Arc<dyn Store>, Arc<dyn Notes>) {
        match self {
            Self::Sled(store, _) => (store.clone(), store.clone()),
            Self::Postgres(store) => (store.clone(), store.clone()),
        }
    }

    /// What nodes count together.
    pub fn counters(&self) -> Arc<dyn Counters> {
        match self {
            Self::Sled(_, counters) => counters.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }

    /// The time: the database's, where nodes share one.
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Self::Sled(..) => Arc::new(SystemClock),
            Self::Postgres(store) => Arc::new(Shared(store.clone())),
        }
    }

    /// Copies the store, verified, into a file in the directory `to`.
    pub async fn backup(&self, to: &Path, now: Timestamp) -> Outcome {
        match self {
            Self::Sled(store, _) => copy(store, to, now).await,
            Self::Postgres(_) => Err("the data are in PostgreSQL: back them up with the database's own tools (pg_basebackup with \
                 archived WAL, or pg_dump), and keep the root key elsewhere: without it nobody can read them"
                .to_owned()),
        }
    }

    /// Ends it in order. What it acknowledged is durable already.
    pub async fn close(&self) {
        match self {
            Self::Sled(store, counters) => {
                if let Err(error) = counters.exchange().await {
                    tracing::warn!(%error, "what was counted of quotas since the last few seconds is forgotten");
                }
                let store = store.clone();
                let _ = tokio::task::spawn_blocking(move || store.close()).await;
            }
            Self::Postgres(store) => {
                // What this node counted last is not to go with it.
                let farewell = async { tokio::join!(store.exchange(), store.give_back()) };
                if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
                    tracing::warn!("the database does not answer; messages that this node has wait for the end of their leases");
                }
                store.close();
                let _ = tokio::time::timeout(FAREWELL, store.closed()).await;
            }
        }
    }
}

// As long as anybody counts.
async fn keep(counters: Weak<Remembered>) {
    loop {
        tokio::time::sleep(KEEP).await;
        let Some(counters) = counters.upgrade() else { return };
        if let Err(error) = counters.exchange().await {
            tracing::warn!(%error, "what was counted of quotas is not kept; trying again");
        }
    }
}

// The time that all nodes of a database share.
struct Shared(Arc<PostgresStore>);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

async fn copy(store: &SledStore, to: &Path, now: Timestamp) -> Outcome {
    let name = format!("countersign-{}.backup", now.to_utc().format("%Y%m%dT%H%M%SZ"));
    let (file, unusable) = (to.join(name), |error: std::io::Error| format!("{}: {error}", to.display()));
    std::fs::create_dir_all(to).map_err(unusable)?;
    let written = store.backup(&file).await.map_err(unusable)?;
    // Read from the disk again, from end to end: only that says that it can be restored.
    let copy = file.clone();
    let verified = tokio::task::spawn_blocking(move || sled::verify(&copy)).await.map_err(|error| error.to_string())?;
    match verified {
        Ok(verified) if verified == written => Ok(format!(
            "{}: verified, {} records up to commit {}. It needs the root key {} to be read.\n",
            file.display(),
            written.total,
            written.sequence,
            written.fingerprint
        )),
        Ok(_) => Err(format!("{}: what was read back is not what was written; the disk is not to be trusted", file.display())),
        Err(error) => Err(format!("{}: written, but can't be verified: {error}", file.display())),
    }
}
