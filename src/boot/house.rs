//! All parts of a running server, and their life: build, open, run, stop.

use super::data::Data;
use super::ways::Ways;
use crate::domain::id::InstitutionId;
use crate::domain::publisher::Registry;
use crate::domain::request::Pace;
use crate::engine::draw::SystemChance;
use crate::engine::outbox::{Outbox, Term};
use crate::engine::push::{self, Subscriber};
use crate::engine::tally::Tally;
use crate::engine::{Engine, Parts, timers};
use crate::http::{Credentials, Extra, Gateways, Metrics, Operators, Parts as HttpParts, Server, Settings, Trail};
use crate::vault::Vault;
use anyhow::Result;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::registry::Registry as Counters;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long stopping waits for work in progress, after the listener has drained.
const DRAIN: Duration = Duration::from_secs(15);

/// The process's status after a fault of ours, as after one of the store (`EX_SOFTWARE` of sysexits.h).
const FAULT: i32 = 70;

/// The parts.
pub struct House {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The outbox.
    pub outbox: Arc<Outbox>,
    /// The store, for what only one engine of it can do.
    pub data: Data,
    /// Cancelled when the process is to end.
    pub stop: CancellationToken,
    subscribers: Mutex<Vec<Subscriber>>,
    others: Mutex<Vec<(&'static str, BoxFuture<'static, ()>)>>,
    lags: Arc<push::Lags>,
}

/// What the HTTP side is built of.
pub struct Front {
    /// Its settings.
    pub http: Settings,
    /// How often a challenge's message may be sent again.
    pub pace: Pace,
    /// Publishers' credentials.
    pub credentials: Arc<Credentials>,
    /// Who may read the metrics.
    pub operators: Operators,
    /// Gateways that bring replies.
    pub gateways: Gateways,
    /// Where changes over HTTP are recorded.
    pub trail: Arc<dyn Trail>,
    /// Metrics of other parts, which ours join.
    pub metrics: Counters,
    /// What the demonstration adds.
    pub extra: Option<Extra>,
}

/// The HTTP side, bound.
pub struct Bound {
    /// It.
    pub server: Server,
    /// Credentials, for reloads.
    pub credentials: Arc<Credentials>,
}

impl House {
    /// Puts the parts together; nothing runs yet.
    pub fn build(tally: Tally, (vault, data, term): (Arc<Vault>, Data, Term), registry: Registry, ways: Ways) -> Self {
        let (store, notes) = data.store();
        let parts = Parts { store, notes, vault, clock: data.clock(), chance: Arc::new(SystemChance), tally };
        let engine = Arc::new(Engine::new(parts));
        engine.register(registry);
        let outbox = Outbox::with_term(engine.clone(), ways.routes, term);
        let stop = CancellationToken::new();
        Self { engine, outbox, data, stop, subscribers: Mutex::new(ways.subscribers), others: Mutex::default(), lags: Arc::default() }
    }

    /// Has another part run with the others: until told to stop.
    #[cfg(feature = "kafka")]
    pub fn add(&self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.others.lock().push((part, work.boxed()));
    }

    /// Takes the address and reads the certificates; nothing is served yet.
    pub async fn open(&self, front: Front) -> Result<Bound> {
        let (engine, lags) = (self.engine.clone(), self.lags.clone());
        let lag = move || lags.since(&ends(&engine));
        let parts = HttpParts {
            service: self.engine.clone(),
            calls: self.engine.clone(),
            pace: front.pace,
            templates: self.engine.templates().clone(),
            keys: self.engine.keys().clone(),
            trail: front.trail,
            credentials: front.credentials.clone(),
            operators: front.operators,
            gateways: front.gateways,
            metrics: Arc::new(Metrics::new(front.metrics, Some(Box::new(lag)))),
            extra: front.extra,
            shutdown: self.stop.clone(),
        };
        let server = Server::bind(&front.http, parts).await?;
        Ok(Bound { server, credentials: front.credentials })
    }

    /// Runs until told to stop, then lets requests, hand-overs and pushes in progress end, and closes the store.
    pub async fn run(&self, bound: Bound) {
        let tasks = TaskTracker::new();
        tasks.spawn(vital("outbox", self.outbox.clone().run(self.stop.clone())));
        tasks.spawn(vital("timers", timers::run(self.engine.clone(), self.stop.clone())));
        for subscriber in self.subscribers.lock().drain(..) {
            tasks.spawn(vital("push", push::run(self.engine.clone(), subscriber, self.lags.clone(), self.stop.clone())));
        }
        for (part, work) in self.others.lock().drain(..) {
            tasks.spawn(vital(part, work));
        }
        bound.server.serve().await;
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!("work in progress did not end in time; it is done again after the next start");
        }
        self.data.close().await;
    }
}

// A server without this part would take requests and do nothing with them, and nobody would see: better that it is started again.
async fn vital(part: &'static str, work: impl Future<Output = ()>) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        tracing::error!(part, "a part of the server ended by a fault of ours; ending, to be started again");
        std::process::exit(FAULT);
    }
}

// The last number of each institution's feed.
fn ends(engine: &Engine) -> HashMap<InstitutionId, u64> {
    engine.store().status().feed.into_iter().collect()
}
