//! Moving the data: to another engine, into a file, out of one.

use super::data::Data;
use crate::admin::Outcome;
use crate::config::{Engine, Settings};
use crate::domain::id::PublisherId;
use crate::domain::time::Timestamp;
use crate::engine::draw::{Clock, SystemClock};
use crate::engine::outbox::Outbox;
use crate::store::postgres::{self, Options};
use crate::store::sled::SledStore;
use crate::store::transfer::copy::{Copy, Plan, Report};
use crate::store::transfer::export;
use crate::store::transfer::file::{self, Counts};
use crate::vault::Vault;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After so long the server ends: the operator has the answer by then.
const FAREWELL: Duration = Duration::from_secs(1);

/// What moving needs of a running server.
pub struct Mover {
    /// Its data.
    pub data: Data,
    /// Its outbox.
    pub outbox: Arc<Outbox>,
    /// The root key: a move has a vault of its own, which learns other data keys.
    pub root_file: PathBuf,
    /// Ends the server.
    pub stop: CancellationToken,
}

impl Mover {
    /// Moves everything to the database `to`; then the server ends.
    pub async fn copy(&self, to: &postgres::Settings, plan: Plan) -> Outcome {
        let (store, vault) = (self.sled()?, self.vault()?);
        let name = format!("the PostgreSQL database {} at {}", to.database, to.hosts.join(", "));
        let copy = Copy::begin(store.clone(), (to, Options::default()), vault, plan).await.map_err(|error| error.to_string())?;
        let paused = self.outbox.is_paused();
        let settle = || {
            self.outbox.pause(true);
            store.leased() == 0
        };
        match copy.run(&name, settle).await {
            Ok(report) => {
                let stop = self.stop.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(FAREWELL).await;
                    stop.cancel();
                });
                Ok(told(&name, &report))
            }
            Err(error) => {
                self.outbox.pause(paused);
                Err(error.to_string())
            }
        }
    }

    /// Writes everything to the file `to`. `publishers`: all that are registered.
    pub async fn export(&self, publishers: &[PublisherId], to: &Path, now: Timestamp) -> Outcome {
        let counts = self.exported(publishers, to, now).await.map_err(|error| format!("{}: {error:#}", to.display()))?;
        Ok(format!("{}: written and verified.\n{}It needs this root key to be read.\n", to.display(), listed(&counts)))
    }

    async fn exported(&self, publishers: &[PublisherId], to: &Path, now: Timestamp) -> Result<Counts> {
        let (vault, path) = (Arc::new(Vault::from_file(&self.root_file)?), to.to_owned());
        match &self.data {
            Data::Sled(store, _) => {
                let (store, vault, path) = (store.clone(), vault.clone(), path.clone());
                tokio::task::spawn_blocking(move || export::from_sled(&store, &vault, &path, now)).await??
            }
            Data::Postgres(store) => export::from_postgres(store, vault.clone(), publishers, to, now).await?,
        };
        // Read from the disk again, from end to end: only that says that it can be imported.
        Ok(tokio::task::spawn_blocking(move || file::verify(&path, &vault)).await??)
    }

    fn sled(&self) -> Result<Arc<SledStore>, String> {
        match &self.data {
            Data::Sled(store, _) => Ok(store.clone()),
            Data::Postgres(_) => Err("the data are in PostgreSQL already; to move them elsewhere, export and import them".to_owned()),
        }
    }

    fn vault(&self) -> Result<Arc<Vault>, String> {
        Vault::from_file(&self.root_file).map(Arc::new).map_err(|error| error.to_string())
    }
}

/// Makes a store of an exported file where the settings say; no server may run there.
pub async fn import(settings: Settings, from: &Path, restart: bool) -> Result<String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let vault = Arc::new(Vault::from_file(&settings.keys.root_file)?);
    let counts = match (settings.store.engine, &settings.store.postgres) {
        (Engine::Sled, _) => {
            let (from, into) = (from.to_owned(), settings.store.dir.clone());
            tokio::task::spawn_blocking(move || file::import_sled(&from, &vault, &into)).await?
        }
        (Engine::Postgres, Some(database)) => {
            let plan = Plan { restart, ..Plan::default() };
            file::import_postgres(from, (database, Options::default()), vault, plan).await
        }
        (Engine::Postgres, None) => bail!("store.engine is \"postgres\", and there is no [store.postgres]"),
    };
    let counts = counts.with_context(|| format!("{}", from.display()))?;
    Ok(format!("{}: verified and imported at {}.\n{}", from.display(), SystemClock.now(), listed(&counts)))
}

fn told(name: &str, report: &Report) -> String {
    let counts: String = report.counts.iter().map(|(kind, count)| format!("{count} {kind}\n")).collect();
    format!(
        "Moved to {name} and compared, record by record:\n{counts}It took {:.1} s and {} rounds; writes were refused for {:.2} s.\n\
         This server ends now: start with the new settings. The old data directory is not opened any more; its file `moved` says why.\n",
        report.took.as_secs_f64(),
        report.rounds,
        report.window.as_secs_f64()
    )
}

fn listed(counts: &Counts) -> String {
    counts.iter().filter(|it| it.0 != "header").map(|(name, count)| format!("{count} {name}\n")).collect()
}
