//! A cluster of librdkafka's own, an engine in memory behind it, and clients to stand for the process engine.

use crate::world::World;
use countersign::bus::metrics::Metrics;
use countersign::bus::{Bus, Settings};
use countersign::domain::message::{CODE, Key, Kind, Language, Parameter, Source};
use countersign::engine::Engine;
use countersign::engine::templates::Condition;
use countersign::vault::Vault;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const CLIENT: &str = "1871201460101";
pub const TOPICS: [&str; 5] = ["generate-in", "generate-out", "validate-in", "validate-out", "dead"];

/// How long a test waits for what must come; a broken one waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a broker may wait for what there is to fetch. The mock broker answers a fetch that found nothing only when this is over,
/// whatever came meanwhile; the real one finds nothing at all when it is short.
const WAIT: &str = "fetch.wait.max.ms";
const SOON: &str = "20";
const USUAL: &str = "500";

/// A record as a reader sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct Got {
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
    pub value: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.value).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|it| it.0 == name).map_or("", |it| &it.1)
    }
}

pub struct Running {
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
    pub metrics: Metrics,
}

impl Running {
    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub struct Stand {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
    pub world: World,
    partitions: i32,
    producer: FutureProducer<DefaultClientContext>,
}

impl Stand {
    pub async fn new(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in TOPICS {
            cluster.create_topic(topic, partitions, 1).unwrap();
        }
        let world = World::with(|it| {
            it.limits.per_phone_ten_minutes = 10_000;
            it.limits.per_phone_day = 10_000;
            it.limits.open_per_phone = 10_000;
            it.limits.per_second = 1_000_000;
        })
        .await;
        put_templates(&world.engine).await;
        let producer = ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        Self { cluster, world, partitions, producer }
    }

    pub fn settings(&self, group: &str) -> Settings {
        let mut settings = settings(&self.cluster.bootstrap_servers(), group);
        // The mock broker waits nearly as long for those that left.
        settings.properties.insert("session.timeout.ms".to_owned(), "3000".to_owned());
        settings.properties.insert(WAIT.to_owned(), SOON.to_owned());
        settings
    }

    /// Another process of the group.
    pub fn start(&self, group: &str) -> Running {
        self.start_with(self.settings(group))
    }

    pub fn start_with(&self, settings: Settings) -> Running {
        start(&settings, &self.world.engine, &self.world.vault)
    }

    pub async fn send(&self, topic: &str, key: &str, headers: &[(&str, &str)], value: &str) {
        send(&self.producer, topic, (key, headers), value).await;
    }

    /// The contract's request for a code, of this client and process.
    pub async fn generate(&self, client: &str, process: u64) {
        self.generate_for(client, client, process).await;
    }

    /// The same, under another key.
    pub async fn generate_for(&self, client: &str, key: &str, process: u64) {
        let value = json!({"templateName": "otpSMS", "channel": "SMS", "language": "en-US", "clientId": client,
            "recipient": "+12025550123", "contentParams": {"clientId": client}});
        self.send(TOPICS[0], key, &[("processInstanceId", &process.to_string())], &value.to_string()).await;
    }

    pub async fn validate(&self, client: &str, process: u64, otp: &str) {
        let value = json!({"clientId": client, "channel": "SMS", "otp": otp});
        self.send(TOPICS[2], client, &[("processInstanceId", &process.to_string())], &value.to_string()).await;
    }

    /// Everything on a topic, once there is at least this much, and what still comes in a quarter of a second.
    pub async fn read(&self, topic: &str, at_least: usize) -> Vec<Got> {
        read_within(SOON, &self.cluster.bootstrap_servers(), (topic, self.partitions), move |got| got.len() >= at_least).await
    }

    /// Codes that were sent, oldest first.
    pub async fn codes(&self) -> Vec<String> {
        let text = |it: &Arc<countersign::connect::sandbox::Kept>| it.text.as_ref().unwrap().expose().trim_start_matches("OTP ").to_owned();
        self.world.deliver().await.iter().map(text).collect()
    }
}

pub fn settings(brokers: &str, group: &str) -> Settings {
    let topic = |at: usize| Some(TOPICS[at].to_owned());
    Settings {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        publisher: "demo".to_owned(),
        group: group.to_owned(),
        generate_in: topic(0),
        generate_out: topic(1),
        validate_in: topic(2),
        validate_out: topic(3),
        dead_letter_topic: TOPICS[4].to_owned(),
        properties: [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500"), ("topic.metadata.refresh.interval.ms", "1000")]
            .map(|it| (it.0.to_owned(), it.1.to_owned()))
            .into(),
        ..Settings::default()
    }
}

pub fn start(settings: &Settings, engine: &Arc<Engine>, vault: &Arc<Vault>) -> Running {
    let (stop, metrics) = (CancellationToken::new(), Metrics::default());
    let bus = Bus::new(settings, (engine.clone(), vault.clone()), metrics.clone()).unwrap().unwrap();
    Running { task: tokio::spawn(bus.run(stop.clone())), stop, metrics }
}

pub async fn put_templates(engine: &Engine) {
    put(engine, source("otpSMS", Kind::Sms, None, "OTP [(${otpValue})]")).await;
    put(engine, source("otpMail", Kind::Mail, Some("otp for [(${clientId})]"), "<p th:text='${otpValue}'></p>")).await;
}

pub fn source(name: &str, kind: Kind, subject: Option<&str>, body: &str) -> Source {
    Source {
        key: Key { name: name.to_owned(), kind, language: Language::parse("en") },
        strategy: None,
        active: true,
        subject: subject.map(str::to_owned),
        body: body.to_owned(),
        context: Vec::new(),
        parameters: [CODE, "clientId"].map(|key| Parameter { key: key.to_owned(), mandatory: true }).into(),
    }
}

pub async fn put(engine: &Engine, source: Source) {
    engine.templates().put(&"demo".into(), source, Condition::None).await.unwrap();
}

pub async fn send(producer: &FutureProducer, topic: &str, keyed: (&str, &[(&str, &str)]), value: &str) {
    producer.send(record(topic, keyed, value), PATIENCE).await.unwrap();
}

/// With this key, unless it is empty, and these headers.
pub fn record<'a>(topic: &'a str, (key, headers): (&'a str, &[(&str, &str)]), value: &'a str) -> FutureRecord<'a, str, str> {
    let headers = headers.iter().fold(OwnedHeaders::new(), |all, it| all.insert(Header { key: it.0, value: Some(it.1) }));
    let record = FutureRecord::to(topic).payload(value).headers(headers);
    if key.is_empty() { record } else { record.key(key) }
}

/// Everything on a topic, once it is enough, and what still comes in a quarter of a second.
pub async fn read_until(brokers: &str, topic: (&str, i32), enough: impl Fn(&[Got]) -> bool + Send + 'static) -> Vec<Got> {
    read_within(USUAL, brokers, topic, enough).await
}

async fn read_within(
    wait: &'static str,
    brokers: &str,
    (topic, partitions): (&str, i32),
    enough: impl Fn(&[Got]) -> bool + Send + 'static,
) -> Vec<Got> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let reading = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set(WAIT, wait)
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let (mut got, begun) = (Vec::new(), Instant::now());
        let mut enough_at: Option<Instant> = None;
        loop {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
                let headers = message.headers().into_iter().flat_map(|all| all.iter());
                got.push(Got {
                    key: message.key().map(text),
                    headers: headers.map(|it| (it.key.to_owned(), it.value.map(text).unwrap_or_default())).collect(),
                    value: message.payload().unwrap_or_default().to_vec(),
                });
            }
            if enough_at.is_none() && enough(&got) {
                enough_at = Some(Instant::now());
            }
            if enough_at.is_some_and(|it| it.elapsed() > Duration::from_millis(250)) {
                return got;
            }
            assert!(enough_at.is_some() || begun.elapsed() < PATIENCE, "{topic}: {} records came, and that is not enough", got.len());
        }
    });
    reading.await.unwrap()
}
