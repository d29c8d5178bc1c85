//! The wiring: which parts make a server, in which order they start, and how they stop.
//!
//! [`serve`] builds everything from settings, [`demo()`] from what the demonstration brings along; both run the same
//! [`house::House`], over the engine of the store that [`data`] opens. [`operations`] is what operators' commands do to it ([`keys`]: to API keys),
//! [`stage`] what the demonstration's pages see of it. [`migrate()`] needs no server.

mod bus;
mod data;
mod demo;
mod handles;
mod house;
mod keys;
mod migrate;
mod moves;
mod operations;
mod stage;
mod trail;
mod ways;

use crate::admin::audit::Audit;
use crate::admin::documents;
use crate::admin::listener::{Listener, Office};
use crate::config::Settings;
use crate::domain::contact;
use crate::domain::id::PublisherId;
use crate::engine::draw::{Clock, SystemClock};
use crate::engine::outbox::Term;
use crate::engine::tally::Tally;
use crate::http::{Credentials, Gateways, Operators, Tls};
use crate::registration::Registered;
use crate::store::{self, postgres};
use crate::telemetry;
use crate::vault::Vault;
use anyhow::{Context, Result};
use data::Data;
use house::{Front, House};
use operations::Counter;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trail::Recorded;

pub use demo::demo;
pub use migrate::migrate;
pub use moves::import;

/// Runs the server until it is told to stop (SIGTERM or SIGINT). SIGHUP reads registration and certificates again.
pub async fn serve(settings: Settings) -> Result<()> {
    prepare(&settings.log.level)?;
    handles::raise(settings.http.limits.max_connections);
    let vault = Arc::new(Vault::from_file(&settings.keys.root_file)?);
    let registered = documents::gather(&settings.registration.files).map_err(anyhow::Error::msg)?.1;
    registered.warnings.iter().for_each(|it| tracing::warn!("{it}"));
    check_subscribers(&settings, &registered)?;
    bus::check(&settings, &registered)?;
    let term = Term { lease: settings.lease(), slowest: settings.slowest() };
    let data = Data::open(&settings.store, (term.lease, settings.http.auth.nonces), vault.clone()).await?;
    let tally = Tally::new(data.counters(), vault.clone());
    let audit = Audit::open(&settings.store.dir).with_context(|| format!("the audit log in {}", settings.store.dir.display()))?;
    let audit = Arc::new(audit);
    let ways = ways::build(&settings, now())?;
    let house = House::build(tally.clone(), (vault.clone(), data, term), registered.registry, ways);
    let front = Front {
        operators: Operators::load(&settings.http, vault.clone()).map_err(anyhow::Error::msg)?,
        credentials: Arc::new(Credentials::new(&registered.credentials, vault.clone(), &settings.http.auth, tally)),
        gateways: gateways(&settings)?,
        http: settings.http.clone(),
        pace: settings.challenges.pace(),
        trail: Arc::new(Recorded(audit.clone())),
        metrics: bus::add(&settings, &house, vault)?,
        extra: None,
    };
    tokio::spawn(stop_on_signal(house.stop.clone())?);
    let server = house.open(front).await?;
    let counter = Arc::new(Counter::new(&house, &server, &settings));
    let socket = &settings.admin.socket;
    let listener = Listener::bind(socket).with_context(|| format!("the admin socket {}", socket.display()))?;
    let office = Office { operations: counter.clone(), audit, clock: Box::new(|| SystemClock.now()) };
    tokio::spawn(async move { listener.run(Arc::new(office)).await });
    tokio::spawn(reload_on_hangup(counter));
    house.run(server).await;
    Ok(())
}

/// Checks that [`serve`] could build all that settings name: ways out, gateways, operators, certificates; reads their files and
/// connects to nobody. The root key, and what needs it, is checked once it is there.
pub fn check(settings: &Settings, registered: &Registered) -> Result<()> {
    check_subscribers(settings, registered)?;
    bus::check(settings, registered)?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    settings.store.postgres.as_ref().map(postgres::connect::pool).transpose().map_err(anyhow::Error::msg).context("[store.postgres]")?;
    ways::build(settings, now())?;
    gateways(settings)?;
    settings.http.tls.clone().map(Tls::load).transpose()?;
    if settings.keys.root_file.exists() {
        Operators::load(&settings.http, Arc::new(Vault::from_file(&settings.keys.root_file)?)).map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

// Who brings replies, and who receipts.
fn gateways(settings: &Settings) -> Result<Gateways> {
    let replies = Gateways::load(settings.inbound.clone()).map_err(anyhow::Error::msg)?;
    let Some(way) = &settings.sendgrid else { return Ok(replies) };
    Ok(match way.webhook().context("[sendgrid]")? {
        Some(webhook) => replies.reporting(&way.name, webhook),
        None => replies,
    })
}

/// Makes a new root key at `out`.
pub fn init_keys(out: &Path) -> Result<()> {
    Vault::init_file(out)?;
    Ok(())
}

/// Restores the backup file `from` into the empty or absent directory `into`; the text says what was restored.
pub async fn restore(from: &Path, into: &Path) -> Result<String> {
    let (source, target) = (from.to_owned(), into.to_owned());
    let restored = tokio::task::spawn_blocking(move || store::sled::restore(&source, &target)).await?;
    let it = restored.with_context(|| format!("{}", from.display()))?;
    Ok(format!(
        "{}: verified and restored into {}: {} records up to commit {}, root key {}.",
        from.display(),
        into.display(),
        it.total,
        it.sequence,
        it.fingerprint
    ))
}

// Before anything that needs them: logs, the one TLS provider, and the numbering plans, which take a moment to load.
fn prepare(log_level: &str) -> Result<()> {
    telemetry::begin(log_level).map_err(anyhow::Error::msg)?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    contact::warm();
    Ok(())
}

// One of an unknown publisher would wait for events that never come, and nobody would know.
fn check_subscribers(settings: &Settings, registered: &Registered) -> Result<()> {
    let known = &registered.registry.publishers;
    match settings.subscriber.iter().find(|it| !known.contains_key(&PublisherId::from(it.publisher.as_str()))) {
        Some(it) => anyhow::bail!("[[subscriber]] publisher = {:?}: no registration file registers it; correct the name", it.publisher),
        None => Ok(()),
    }
}

fn now() -> crate::connect::setting::Now {
    Arc::new(|| SystemClock.now())
}

// Signals are ours from the moment this returns: before the address is told, so that whoever waits for it can stop us in order.
fn stop_on_signal(stop: CancellationToken) -> Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop: draining");
        stop.cancel();
    })
}

async fn reload_on_hangup(counter: Arc<Counter>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        match counter.reload().await {
            Ok(text) => tracing::info!(text, "reloaded"),
            Err(text) => tracing::error!(text, "not reloaded: what was registered stays"),
        }
    }
}
