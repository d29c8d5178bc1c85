//! The whole bus: waits for the cluster, then runs a consumer, and another when that one can't go on.

use super::client::{self, Heard, Voice};
use super::consumer::{self, End};
use super::desk::Desk;
use super::judge::Judge;
use super::metrics::Metrics;
use super::producer::Producer;
use super::settings::{Settings, Topics};
use super::work::Work;
use crate::engine::Engine;
use crate::vault::Vault;
use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long the cluster has to say who it is.
const ASK: Duration = Duration::from_secs(5);
/// The longest pause before the cluster is asked again, or a consumer made anew.
const LONGEST: Duration = Duration::from_secs(30);

/// The flows over one cluster, ready to run.
pub struct Bus {
    settings: Settings,
    topics: Topics,
    engine: Arc<Engine>,
    vault: Arc<Vault>,
    metrics: Metrics,
}

impl Bus {
    /// Of settings that [`check`](super::check) passes; `None`: both flows are off. Takes nothing yet.
    pub fn new(settings: &Settings, (engine, vault): (Arc<Engine>, Arc<Vault>), metrics: Metrics) -> Result<Option<Self>, String> {
        client::try_out(settings)?;
        let Some(topics) = settings.topics()? else { return Ok(None) };
        Ok(Some(Self { settings: settings.clone(), topics, engine, vault, metrics }))
    }

    /// Runs until told to stop; then what is in work may end, and what is done is committed. A cluster that is away is waited for.
    pub async fn run(self, stop: CancellationToken) {
        let voice = Voice::new(self.metrics.clone(), self.topics.clone());
        let Some(cluster) = self.cluster(&voice, &stop).await else { return };
        tracing::info!(cluster, group = self.settings.group, "the bus is there");
        let mut pause = Duration::from_millis(500);
        while !stop.is_cancelled() {
            match self.serve(&cluster, &voice, &stop).await {
                End::Stopped => return,
                End::Failed => rest(&mut pause, &stop).await,
            }
        }
    }

    async fn serve(&self, cluster: &str, voice: &Arc<Voice>, stop: &CancellationToken) -> End {
        let producer = match Producer::new(&self.settings, voice.clone()) {
            Ok(producer) => producer,
            Err(error) => {
                voice.error("produce", &error);
                return End::Failed;
            }
        };
        // Whoever drops this future wants all of it to end, and gives up what is in work.
        let (stop, abort) = (stop.child_token(), CancellationToken::new());
        let _ended = (stop.clone().drop_guard(), abort.clone().drop_guard());
        let work = Arc::new(Work {
            desk: Mutex::new(Desk::default()),
            judge: Judge::new(self.engine.clone(), self.vault.clone(), self.settings.terms(), cluster.to_owned()),
            producer,
            metrics: self.metrics.clone(),
            topics: self.topics.clone(),
            dead_letters: self.settings.dead_letter_topic.clone(),
            stop,
            abort,
            ended: Condvar::new(),
        });
        let (settings, voice, runtime) = (self.settings.clone(), voice.clone(), Handle::current());
        let thread = std::thread::Builder::new().name("bus".to_owned());
        let (told, ended) = tokio::sync::oneshot::channel();
        let begun = thread.spawn(move || drop(told.send(consumer::run(&settings, &work, &voice, &runtime))));
        if let Err(cause) = begun {
            tracing::error!(%cause, "no thread for the bus");
            return End::Failed;
        }
        // It ends without a word only by a fault of ours.
        ended.await.expect("the thread of the bus tells how it ended")
    }

    // The id of the cluster, empty where it has none; `None`: told to stop.
    async fn cluster(&self, voice: &Arc<Voice>, stop: &CancellationToken) -> Option<String> {
        let mut pause = Duration::from_millis(500);
        loop {
            let (settings, voice) = (self.settings.clone(), voice.clone());
            let asked = tokio::task::spawn_blocking(move || ask(&settings, &voice)).await;
            if let Ok(Some(id)) = asked {
                return Some(id);
            }
            rest(&mut pause, stop).await;
            if stop.is_cancelled() {
                return None;
            }
        }
    }
}

fn ask(settings: &Settings, voice: &Arc<Voice>) -> Option<String> {
    let made = client::shared(settings).and_then(|it| it.create_with_context(Heard(voice.clone())).map_err(|error| error.to_string()));
    let client: BaseConsumer<Heard> = made.inspect_err(|error| voice.error("connect", error)).ok()?;
    // A cluster that answers has told its id, or never will.
    match client.fetch_metadata(None, ASK) {
        Ok(_) => Some(client.client().fetch_cluster_id(ASK).unwrap_or_default()),
        Err(error) => {
            voice.error("connect", &error.to_string());
            None
        }
    }
}

async fn rest(pause: &mut Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(*pause) => {}
        () = stop.cancelled() => {}
    }
    *pause = (*pause * 2).min(LONGEST);
}
