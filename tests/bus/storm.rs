//! Many records while consumers are killed and partitions move: each is answered, none is sent twice, and a key keeps its order.

use crate::broker::Broker;
use crate::stand::{Got, PATIENCE, Running, Stand, TOPICS, put, read_until, record, settings, source, start};
use crate::world::World;
use countersign::bus::Settings;
use countersign::domain::message::Kind;
use rdkafka::config::ClientConfig;
use rdkafka::producer::FutureProducer;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEYS: usize = 100;

/// What a run left behind, and what is to be found wrong with it.
#[derive(Clone, Default)]
pub struct Traces {
    /// Keys and answers to generate, as they stand on the topic.
    pub generated: Vec<(String, Value)>,
    /// Those to validate.
    pub validated: Vec<(String, Value)>,
    /// For whom each message that was sent is.
    pub sent: Vec<String>,
}

impl Traces {
    /// What is wrong with a run of `count` records to each flow.
    pub fn faults(&self, count: usize) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(judge("generate", &self.generated, count, |it, _| it["otpSent"] == true));
        faults.extend(judge("validate", &self.validated, count, |it, number| it["otpValid"] == number.is_multiple_of(2)));
        let mut seen = HashSet::new();
        faults.extend(self.sent.iter().filter(|it| !seen.insert(*it)).map(|it| format!("{it} got two messages")));
        faults.extend((0..count).map(client).filter(|it| !seen.contains(it)).map(|it| format!("{it} got no message")));
        faults
    }
}

// An answer may come twice, alike; what a key's answers say first is in order, and complete.
fn judge(flow: &str, answers: &[(String, Value)], count: usize, is_right: fn(&Value, usize) -> bool) -> Vec<String> {
    let (mut faults, mut first, mut last) = (Vec::new(), HashMap::new(), HashMap::new());
    for (key, answer) in answers {
        let number = answer["processInstanceId"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
        if let Some(earlier) = first.get(&number) {
            if earlier != &answer {
                faults.push(format!("{flow} {number} was answered in two ways"));
            }
            continue;
        }
        first.insert(number, answer);
        if !is_right(answer, number) || *key != key_of(number) || answer["clientId"] != client(number) {
            faults.push(format!("{flow} {number} was answered wrongly: {key} {answer}"));
        }
        if last.insert(key, number).is_some_and(|it| it > number) {
            faults.push(format!("{flow} {number} was answered after a later one of its key"));
        }
    }
    faults.extend((0..count).filter(|it| !first.contains_key(it)).map(|it| format!("{flow} {it} was not answered")));
    faults
}

/// Whose code it is.
pub fn client(number: usize) -> String {
    format!("c-{number}")
}

fn key_of(number: usize) -> String {
    format!("k-{}", number % KEYS)
}

struct Storm {
    world: Arc<World>,
    brokers: String,
    partitions: i32,
    /// How long a broker waits for a member that says nothing.
    session: Duration,
    producer: FutureProducer,
    nodes: Vec<Running>,
    /// Nodes that ever were.
    added: usize,
}

impl Storm {
    fn add(&mut self) {
        let mut settings = Settings { max_in_flight: 64, ..settings(&self.brokers, "storm") };
        settings.properties.insert("session.timeout.ms".to_owned(), self.session.as_millis().to_string());
        let node = start(&settings, &self.world.engine, &self.world.vault);
        self.added += 1;
        self.nodes.push(node);
    }

    /// The oldest node goes: by turns at once, with all that it had in work, and in order.
    fn remove(&mut self) {
        let oldest = self.nodes.remove(0);
        if self.added.is_multiple_of(2) {
            oldest.task.abort();
        } else {
            tokio::spawn(oldest.end());
        }
    }

    /// Waits until the group has divided all partitions of both topics among exactly the nodes that are there.
    async fn settle(&self) {
        let (all, begun) = (2 * usize::try_from(self.partitions).unwrap(), Instant::now());
        loop {
            let held: Vec<usize> = self.nodes.iter().map(|it| it.metrics.held()).collect();
            if held.iter().all(|it| *it > 0) && held.iter().sum::<usize>() == all {
                return;
            }
            assert!(begun.elapsed() < 2 * PATIENCE, "{held:?} of {all} partitions are held");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends all records of one flow in `churns` floods. In the midst of each a node goes, and after it another comes.
    ///
    /// Both wait for the group to settle: the broker keeps a leader that leaves while its group is forming, and such a group never
    /// settles again.
    async fn pour(&mut self, topic: &str, count: usize, churns: usize, value: impl Fn(usize) -> Value) {
        let numbers: Vec<usize> = (0..count).collect();
        for some in numbers.chunks(count.div_ceil(churns)) {
            self.settle().await;
            let (now, later) = some.split_at(some.len() * 3 / 4);
            flood(&self.producer, topic, now, &value).await;
            self.remove();
            flood(&self.producer, topic, later, &value).await;
            self.settle().await;
            self.add();
        }
        self.settle().await;
    }
}

/// The request for a code; everybody has a phone of its own.
pub fn asked(number: usize) -> Value {
    json!({"templateName": "storm", "channel": "SMS", "clientId": client(number), "recipient": format!("+1202{}", 2_340_000 + number)})
}

/// What is typed: every other code is right.
pub fn typed(codes: &HashMap<String, String>, number: usize) -> Value {
    let code = codes.get(&client(number)).cloned().unwrap_or_default();
    let wrong = if code == "000000" { "000001".to_owned() } else { "000000".to_owned() };
    json!({"clientId": client(number), "channel": "SMS", "otp": if number.is_multiple_of(2) { code } else { wrong }})
}

/// Sends these without a pause; all have arrived in the end.
pub async fn flood(producer: &FutureProducer, topic: &str, numbers: &[usize], value: &impl Fn(usize) -> Value) {
    let send = |number: usize| {
        let (process, key, value) = (number.to_string(), key_of(number), value(number).to_string());
        let record = record(topic, (&key, &[("processInstanceId", &process)]), &value);
        producer.send_result(record).map_err(|it| it.0).unwrap()
    };
    // Each is in the queue before the first is awaited.
    let sent: Vec<_> = numbers.iter().map(|it| send(*it)).collect();
    for each in sent {
        each.await.unwrap().map_err(|it| it.0).unwrap();
    }
}

/// Keys and answers on a topic, once there is one to each of `count` records: repeated answers are no answers to others.
pub async fn answers(brokers: &str, topic: (&str, i32), count: usize) -> Vec<(String, Value)> {
    let enough =
        move |all: &[Got]| all.len() >= count && all.iter().map(|it| it.header("processInstanceId")).collect::<HashSet<_>>().len() >= count;
    let got = read_until(brokers, topic, enough).await;
    got.into_iter().map(|it| (it.key.clone().unwrap_or_default(), it.json())).collect()
}

async fn storm((brokers, partitions): (String, i32), session: Duration, (count, churns): (usize, usize)) -> Traces {
    let world = World::with(|it| {
        (it.limits.per_phone_ten_minutes, it.limits.per_phone_day, it.limits.open_per_phone) = (100_000, 100_000, 100_000);
        it.limits.per_second = 1_000_000;
    })
    .await;
    put(&world.engine, source("storm", Kind::Sms, None, "[(${clientId})] [(${otpValue})]")).await;
    let producer = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    let mut storm = Storm { world: Arc::new(world), brokers, partitions, session, producer, nodes: Vec::new(), added: 0 };
    storm.add();
    storm.add();
    storm.pour(TOPICS[0], count, churns, asked).await;
    let mut traces = Traces { generated: answers(&storm.brokers, (TOPICS[1], partitions), count).await, ..Traces::default() };
    let codes = carry(&storm.world, &mut traces.sent).await;
    storm.pour(TOPICS[2], count, churns, |it| typed(&codes, it)).await;
    traces.validated = answers(&storm.brokers, (TOPICS[3], partitions), count).await;
    for node in storm.nodes.drain(..) {
        node.end().await;
    }
    carry(&storm.world, &mut traces.sent).await;
    traces
}

/// Hands over all that is due; adds for whom each message is, and gives the codes.
async fn carry(world: &World, sent: &mut Vec<String>) -> HashMap<String, String> {
    let (mut codes, mut news) = (HashMap::new(), world.sandbox.subscribe());
    loop {
        let leases = world.engine.store().lease(world.engine.now(), Duration::from_secs(180), 64).await.unwrap();
        if leases.is_empty() {
            return codes;
        }
        for lease in leases {
            world.outbox.hand_over(lease).await;
        }
        while let Ok(message) = news.try_recv() {
            let (client, code) = message.text.as_ref().unwrap().expose().split_once(' ').unwrap();
            sent.push(client.to_owned());
            codes.insert(client.to_owned(), code.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_survive_a_small_storm() {
    let stand = Stand::new(4).await;
    // The mock broker waits nearly as long for those that left.
    let traces = storm((stand.cluster.bootstrap_servers(), 4), Duration::from_secs(3), (150, 1)).await;
    assert_eq!(traces.faults(150), [""; 0]);
}

#[test]
fn what_would_be_wrong_after_a_storm_is_found() {
    let generated = |number: usize| (key_of(number), json!({"processInstanceId": number, "clientId": client(number), "otpSent": true}));
    let validated = |number: usize| {
        (key_of(number), json!({"processInstanceId": number, "clientId": client(number), "otpValid": number.is_multiple_of(2)}))
    };
    let good = Traces {
        generated: (0..300).map(generated).collect(),
        validated: (0..300).map(validated).collect(),
        sent: (0..300).map(client).collect(),
    };
    let check = |plant: fn(&mut Traces), expected: &str| {
        let mut traces = good.clone();
        plant(&mut traces);
        let faults = traces.faults(300);
        assert!(
            if expected.is_empty() { faults.is_empty() } else { faults.iter().any(|it| it.contains(expected)) },
            "{expected}: {faults:?}"
        );
    };
    check(|_| {}, "");
    // Twice and alike is at least once.
    check(|it| it.generated.push(it.generated[7].clone()), "");
    check(|it| drop(it.generated.remove(7)), "generate 7 was not answered");
    check(|it| drop(it.validated.pop()), "validate 299 was not answered");
    check(|it| it.generated.swap(3, 203), "generate 3 was answered after a later one");
    check(|it| it.sent.push("c-9".into()), "c-9 got two messages");
    check(|it| drop(it.sent.pop()), "c-299 got no message");
    check(|it| it.validated[4].1["otpValid"] = json!(false), "validate 4 was answered wrongly");
    check(|it| it.generated[4].0 = "k-5".into(), "generate 4 was answered wrongly");
    check(|it| it.validated.push((key_of(4), json!({"processInstanceId": 4, "otpValid": false}))), "validate 4 was answered in two ways");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: bus"]
async fn twenty_thousand_records_survive_a_storm_at_a_real_broker() {
    let broker = Broker::start(&TOPICS, 4);
    let begun = Instant::now();
    let traces = storm((broker.address(), 4), Duration::from_secs(6), (10_000, 3)).await;
    let again = traces.generated.len() + traces.validated.len() - 20_000;
    println!("20,000 records in {} s, {again} answers came twice", begun.elapsed().as_secs());
    assert_eq!(traces.faults(10_000), [""; 0]);
}
