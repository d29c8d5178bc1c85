//! Settings as librdkafka's, and what both of its clients tell us beside records.

use super::metrics::Metrics;
use super::record::Flow;
use super::settings::{Settings, Topics};
use crate::connect::setting::{load_pem, load_secret};
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Errors of one kind are logged at most this often.
const QUIET: Duration = Duration::from_secs(30);

/// Checks that clients could be made of the settings; reads their files, and connects to nobody. The error says what to do.
pub fn check(settings: &Settings) -> Result<(), String> {
    settings.check()?;
    if settings.topics()?.is_none() {
        return Ok(());
    }
    if let Some(tls) = &settings.tls {
        for file in [&tls.ca_file, &tls.certificate_file].into_iter().flatten() {
            load_pem(file).map_err(|it| it.0)?;
        }
        if let Some(file) = &tls.key_file {
            load_secret(file).map_err(|it| it.0)?;
        }
    }
    for config in [consumer(settings)?, producer(settings)?] {
        config.create_native_config().map_err(refused)?;
    }
    Ok(())
}

/// As [`check`], and makes a client once, which finds what no single setting shows.
pub(super) fn try_out(settings: &Settings) -> Result<(), String> {
    check(settings)?;
    producer(settings)?.create::<rdkafka::producer::BaseProducer>().map(drop).map_err(refused)
}

fn refused(error: KafkaError) -> String {
    format!("librdkafka refuses the settings: {error}; correct [kafka]")
}

/// What a consumer is made of.
pub(super) fn consumer(settings: &Settings) -> Result<ClientConfig, String> {
    let mut config = shared(settings)?;
    config
        .set("group.id", &settings.group)
        // We say what is done, and nobody else.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A new group misses nothing; what is too old is answered as such.
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", "16384")
        .set("statistics.interval.ms", "5000");
    // A process that died, or a group that does not come to terms, holds partitions no longer than this. Records in work have less
    // than that to end when their partition leaves.
    for (name, value) in [("session.timeout.ms", "20000"), ("max.poll.interval.ms", "30000")] {
        if !settings.properties.contains_key(name) {
            config.set(name, value);
        }
    }
    Ok(config)
}

/// What a producer is made of.
pub(super) fn producer(settings: &Settings) -> Result<ClientConfig, String> {
    let mut config = shared(settings)?;
    config
        // Durable at all replicas that are in sync; no answer twice or out of order by a retry of the client's.
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("queue.buffering.max.kbytes", "65536");
    for (name, value) in [("linger.ms", "2"), ("message.timeout.ms", "30000")] {
        if !settings.properties.contains_key(name) {
            config.set(name, value);
        }
    }
    Ok(config)
}

/// What every client is made of.
pub(super) fn shared(settings: &Settings) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    config.set("bootstrap.servers", settings.brokers.join(",")).set("client.id", "countersign");
    let protocol = match (&settings.tls, &settings.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &settings.tls {
        let files =
            [("ssl.ca.location", &tls.ca_file), ("ssl.certificate.location", &tls.certificate_file), ("ssl.key.location", &tls.key_file)];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file.display().to_string());
            }
        }
    }
    if let Some(sasl) = &settings.sasl {
        let password = load_secret(&sasl.password_file).map_err(|it| it.0)?;
        config.set("sasl.mechanism", &sasl.mechanism).set("sasl.username", &sasl.user).set("sasl.password", password.expose());
    }
    Ok(config)
}

/// What librdkafka says: into our log and metrics.
pub(super) struct Voice {
    metrics: Metrics,
    topics: Topics,
    last: Mutex<Option<(String, Instant)>>,
}

impl Voice {
    pub(super) fn new(metrics: Metrics, topics: Topics) -> Arc<Self> {
        Arc::new(Self { metrics, topics, last: Mutex::new(None) })
    }

    /// Counts an error of `step`, and logs it unless the same was logged a moment ago.
    pub(super) fn error(&self, step: &'static str, error: &str) {
        self.metrics.error(step);
        let mut last = self.last.lock();
        if last.as_ref().is_some_and(|(text, at)| text == error && at.elapsed() < QUIET) {
            return;
        }
        *last = Some((error.to_owned(), Instant::now()));
        tracing::warn!(step, error, "the bus doesn't do what it should; trying again");
    }

    fn lags(&self, statistics: &Statistics) {
        let flows = [(Flow::Generate, &self.topics.generate), (Flow::Validate, &self.topics.validate)];
        for (flow, topic) in flows.into_iter().filter_map(|(flow, it)| Some((flow, &it.as_ref()?.0))) {
            let partitions = statistics.topics.get(topic).into_iter().flat_map(|it| it.partitions.values());
            self.metrics.lag(flow, partitions.map(|it| it.consumer_lag.max(0)).sum());
        }
    }
}

/// The context of a client.
#[derive(Clone)]
pub(super) struct Heard(pub(super) Arc<Voice>);

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                self.0.error("connect", text);
            }
            RDKafkaLogLevel::Warning => tracing::info!(facility, text, "librdkafka"),
            _ => tracing::debug!(facility, text, "librdkafka"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.0.lags(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error("connect", &format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Heard {}
