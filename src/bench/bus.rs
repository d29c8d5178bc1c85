//! Codes that are asked for over Kafka as the unit of work: from the record to its answer. The cluster is librdkafka's own, in this
//! process, so what it costs is not the server's.

use super::client::Connection;
use super::envelope::Caller;
use super::installation::USER;
use super::load::Unit;
use super::phones;
use super::record::Recorder;
use anyhow::{Context, Result, anyhow, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Where codes are asked for, and where they are answered.
const TOPICS: [&str; 2] = ["otp.generate.in", "otp.generate.out"];
/// What can't be read.
const DEAD: &str = "otp.dead";
/// Partitions of each topic.
const PARTITIONS: i32 = 4;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The mock broker answers a fetch that found nothing only when its time is up, whatever came meanwhile; a real one answers at once.
const FETCH: (&str, &str) = ("fetch.wait.max.ms", "1");
/// What is asked for.
const TEMPLATE: &str = "bench";

/// The cluster.
pub struct Cluster(MockCluster<'static, DefaultProducerContext>);

/// Asks for a code, and waits for the answer.
pub struct Generate {
    producer: ThreadedProducer<DefaultProducerContext>,
    waiting: Arc<Waiting>,
    next: Cell<u64>,
}

/// Who waits for the answer to which record; `Err`: why nothing was sent.
type Waiting = Mutex<HashMap<u64, oneshot::Sender<Result<(), String>>>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    process_instance_id: u64,
    otp_sent: bool,
    error: Option<String>,
}

impl Cluster {
    /// One broker, with the topics.
    pub fn start() -> Result<Self> {
        let cluster = MockCluster::new(1).context("librdkafka's own cluster can't be started")?;
        for topic in TOPICS.iter().chain([&DEAD]) {
            cluster.create_topic(topic, PARTITIONS, 1)?;
        }
        Ok(Self(cluster))
    }

    /// What a server's settings say of it.
    pub fn settings(&self) -> String {
        let ([generate_in, generate_out], brokers) = (TOPICS, self.0.bootstrap_servers());
        format!(
            "\n[kafka]\nbrokers = [\"{brokers}\"]\npublisher = \"{USER}\"\ngenerate_in = \"{generate_in}\"\ngenerate_out = \"{generate_out}\"\n\
             dead_letter_topic = \"{DEAD}\"\n[kafka.properties]\n\"{}\" = \"{}\"\n",
            FETCH.0, FETCH.1
        )
    }
}

impl Generate {
    /// Stores the template that is asked for, and listens for answers.
    pub async fn new(cluster: &Cluster, address: SocketAddr, caller: &Caller) -> Result<Self> {
        store_template(address, caller).await?;
        let config = |more: &[(&str, &str)]| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", cluster.0.bootstrap_servers());
            for (name, value) in more {
                config.set(*name, *value);
            }
            config
        };
        let producer = config(&[("linger.ms", "1")]).create()?;
        let consumer: BaseConsumer = config(&[("group.id", "bench"), ("enable.auto.commit", "false"), FETCH]).create()?;
        let mut parts = TopicPartitionList::new();
        (0..PARTITIONS).try_for_each(|it| parts.add_partition_offset(TOPICS[1], it, Offset::Beginning))?;
        consumer.assign(&parts)?;
        let waiting = Arc::<Waiting>::default();
        let heard = Arc::downgrade(&waiting);
        std::thread::spawn(move || hear(&consumer, &heard));
        Ok(Self { producer, waiting, next: Cell::new(1) })
    }

    /// One, before anything is loaded: when it is answered, the server's consumer has its partitions.
    pub async fn check(&self) -> Result<()> {
        let answered = timeout(PATIENCE, self.ask(0)).await.context("the first record was not answered within 30 s")?;
        answered?.map_err(|why| anyhow!("the first record was answered with an error: {why}"))
    }

    fn ask(&self, index: u64) -> oneshot::Receiver<Result<(), String>> {
        let (sender, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(index, sender);
        let phone = phones::number(u32::try_from(index % u64::from(phones::COUNT)).unwrap_or_default());
        let client = index.to_string();
        let value = json!({ "templateName": TEMPLATE, "channel": "SMS", "language": "en-US", "recipient": phone,
            "processInstanceId": index, "contentParams": { "clientId": client } });
        // What does not get into the queue is missed when its time is up.
        let _ = self.producer.send(BaseRecord::to(TOPICS[0]).key(&client).payload(&value.to_string()));
        answered
    }
}

impl Unit for Generate {
    async fn once(&self, _: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) {
        let from = due.unwrap_or_else(Instant::now);
        let index = self.next.replace(self.next.get() + 1);
        match timeout(PATIENCE, self.ask(index)).await {
            Ok(Ok(Ok(()))) => record.borrow_mut().done(from, Instant::now()),
            Ok(Ok(Err(why))) => record.borrow_mut().failed(why),
            Ok(Err(_)) | Err(_) => record.borrow_mut().failed("no answer within 30 s".to_owned()),
        }
    }
}

// Until nobody waits any more.
fn hear(consumer: &BaseConsumer, waiting: &Weak<Waiting>) {
    while let Some(waiting) = waiting.upgrade() {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
        let Ok(answer) = serde_json::from_slice::<Answer>(message.payload().unwrap_or_default()) else { continue };
        let waiter = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer.process_instance_id);
        let told = if answer.otp_sent { Ok(()) } else { Err(answer.error.unwrap_or_default().chars().take(80).collect()) };
        waiter.map(|it| it.send(told));
    }
}

async fn store_template(address: SocketAddr, caller: &Caller) -> Result<()> {
    let body = json!({ "name": TEMPLATE, "type": "SMS", "active": true, "language": "en",
        "body": "First Harbor Bank: Your code is [[${otpValue}]]. We never call to ask for it.", "context": [],
        "params": [{ "key": "otpValue", "mandatory": true }] })
    .to_string();
    let basic = BASE64_STANDARD.encode(format!("{}:{}", caller.user, caller.password));
    let request = format!(
        "POST /api/template HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAuthorization: Basic {basic}\r\nContent-Length: {}\r\n\r\n{body}",
        address,
        body.len()
    );
    let mut connection = Connection::new(address);
    let answer = connection.exchange(request.as_bytes()).await?;
    ensure!(answer.status == 201, "the template was not stored: {}", String::from_utf8_lossy(answer.body));
    Ok(())
}
