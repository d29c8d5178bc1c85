//! Answers and dead letters, durably produced.

use super::client::{self, Heard, Voice};
use super::record::{Header, PART_MAX, Record};
use super::settings::Settings;
use parking_lot::RwLock;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as Put, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use std::sync::Arc;
use std::time::Duration;

/// What is to be produced.
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a str,
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: Vec<&'a Header>,
    pub(super) value: &'a [u8],
}

/// Why something was not produced.
pub(super) enum Unsent {
    /// It never will be.
    Never(String),
    /// Again, a little later.
    Later,
}

type Client = FutureProducer<Heard>;

/// A producer that is made anew when it can't go on.
pub(super) struct Producer {
    config: ClientConfig,
    voice: Arc<Voice>,
    client: RwLock<Client>,
}

impl Producer {
    pub(super) fn new(settings: &Settings, voice: Arc<Voice>) -> Result<Self, String> {
        let config = client::producer(settings)?;
        let client = config.create_with_context(Heard(voice.clone())).map_err(|error| error.to_string())?;
        Ok(Self { config, voice, client: RwLock::new(client) })
    }

    /// Returns once the brokers have it durably.
    pub(super) async fn send(&self, it: &Outgoing<'_>) -> Result<(), Unsent> {
        let client = self.client.read().clone();
        let headers = it
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(it.headers.len()), |all, one| all.insert(Put { key: &one.0, value: one.1.as_deref() }));
        let record = FutureRecord { headers: Some(headers), ..FutureRecord::to(it.topic).payload(it.value) };
        let record = FutureRecord { key: it.key, ..record };
        match client.send(record, Duration::from_secs(1)).await {
            Ok(_) => Ok(()),
            Err((error, _)) => {
                self.renew_if_dead(&client);
                self.voice.error("produce", &error.to_string());
                Err(if is_final(&error) { Unsent::Never(error.to_string()) } else { Unsent::Later })
            }
        }
    }

    // After a fatal error a client takes nothing any more.
    fn renew_if_dead(&self, dead: &Client) {
        if dead.client().fatal_error().is_none() {
            return;
        }
        let mut held = self.client.write();
        if held.client().fatal_error().is_none() {
            return;
        }
        match self.config.create_with_context(Heard(self.voice.clone())) {
            Ok(client) => *held = client,
            Err(error) => self.voice.error("produce", &error.to_string()),
        }
    }
}

impl<'a> Outgoing<'a> {
    /// An answer: the record's key and all of its headers.
    pub(super) fn answer(topic: &'a str, record: &'a Record, value: &'a [u8]) -> Self {
        Self { topic, key: record.key.as_deref(), headers: record.headers.iter().collect(), value }
    }

    /// A dead letter: as much of the record as is within bounds, and why it is one.
    pub(super) fn dead(topic: &'a str, record: &'a Record, reason: &'a Reason) -> Self {
        let own = if record.headers_fit() { record.headers.as_slice() } else { &[] };
        let headers = own.iter().chain(&reason.0).collect();
        let key = record.key.as_deref().filter(|it| it.len() <= PART_MAX);
        Self { topic, key, headers, value: &record.value[..record.value.len().min(PART_MAX)] }
    }
}

/// What a dead letter says of itself.
pub(super) struct Reason([Header; 5]);

impl Reason {
    pub(super) fn new(record: &Record, why: &str) -> Self {
        let header = |name: &str, value: String| (format!("countersign-{name}"), Some(value.into_bytes()));
        Self([
            header("reason", why.to_owned()),
            header("topic", record.topic.to_string()),
            header("partition", record.partition.to_string()),
            header("offset", record.offset.to_string()),
            header("whole", record.fits().to_string()),
        ])
    }
}

// What no retry changes: it lies in the record itself.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{InvalidMessage, InvalidMessageSize, InvalidRecord, MessageBatchTooLarge, MessageSizeTooLarge};
    let codes = [InvalidMessage, InvalidMessageSize, InvalidRecord, MessageBatchTooLarge, MessageSizeTooLarge];
    error.rdkafka_error_code().is_some_and(|it| codes.contains(&it))
}
