//! The program itself on the bus: `countersign serve` with `[kafka]`, one node on sled, and three on PostgreSQL that are killed.

use crate::broker::Broker;
use crate::postgres::shared;
use crate::process::bank::{PASSWORD, Server};
use crate::process::nodes::Nodes;
use crate::process::until;
use crate::stand::{PATIENCE, Stand, TOPICS};
use crate::storm::{Traces, answers, asked, flood, typed};
use rdkafka::config::ClientConfig;
use rdkafka::producer::FutureProducer;
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What an operator writes.
fn on_bus(nodes: &Nodes, brokers: &str) {
    let brokers: Vec<&str> = brokers.split(',').collect();
    let [generate_in, generate_out, validate_in, validate_out, dead] = TOPICS;
    let section = format!(
        "\n[kafka]\nbrokers = {brokers:?}\npublisher = 'bank'\ngroup = 'processes'\ngenerate_in = '{generate_in}'\ngenerate_out = \
         '{generate_out}'\nvalidate_in = '{validate_in}'\nvalidate_out = '{validate_out}'\ndead_letter_topic = '{dead}'\n\
         [kafka.properties]\n'session.timeout.ms' = '6000'\n'heartbeat.interval.ms' = '500'\n"
    );
    nodes.bank.write("countersign.toml", &(nodes.bank.read("countersign.toml") + &section));
}

async fn put_template(server: &Server) {
    let template = json!({"name": "storm", "type": "SMS", "body": "[(${clientId})] [(${otpValue})]"});
    let request = server.request(reqwest::Method::POST, "/api/template").basic_auth("bank", Some(PASSWORD));
    let answer = request.header("content-type", "application/json").body(template.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
}

/// Once each of `count` clients has its message: for whom each message is, by its id, and the codes.
async fn messages(nodes: &Nodes, count: usize) -> (HashMap<String, String>, HashMap<String, String>) {
    let (mut by_id, mut codes) = (HashMap::new(), HashMap::new());
    until("all messages", async || (nodes.gateway.count() >= count).then_some(())).await;
    let begun = Instant::now();
    while codes.len() < count {
        assert!(begun.elapsed() < PATIENCE, "{} of {count} clients have a message", codes.len());
        for got in nodes.gateway.taken() {
            let text = got.field("text");
            let (client, code) = text.split_once(' ').unwrap();
            let known = by_id.insert(got.field("account"), client.to_owned());
            // The same message may come again, as it was.
            assert!(known.is_none_or(|it| it == client), "one message for two: {text}");
            let known = codes.insert(client.to_owned(), code.to_owned());
            assert!(known.is_none_or(|it| it == code), "two codes for {client}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (by_id, codes)
}

fn producer(brokers: &str) -> FutureProducer {
    ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_serves_the_bus_and_stops_in_order() {
    let stand = Stand::new(2).await;
    let brokers = stand.cluster.bootstrap_servers();
    let (nodes, producer) = (Nodes::alone().await, producer(&brokers));
    on_bus(&nodes, &brokers);
    let server = tokio::task::block_in_place(|| nodes.start("n0"));
    put_template(&server).await;
    let all: Vec<usize> = (0..20).collect();
    flood(&producer, TOPICS[0], &all, &asked).await;
    let generated = answers(&brokers, (TOPICS[1], 2), all.len()).await;
    let (by_id, codes) = messages(&nodes, all.len()).await;
    flood(&producer, TOPICS[2], &all, &|it| typed(&codes, it)).await;
    let validated = answers(&brokers, (TOPICS[3], 2), all.len()).await;
    let traces = Traces { generated, validated, sent: by_id.into_values().collect() };
    assert_eq!(traces.faults(all.len()), [""; 0]);
    let status = tokio::task::block_in_place(|| server.stop());
    assert!(status.success(), "{status}");
}

/// Three nodes; one is killed (SIGKILL) in the midst of each flood, and started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: bus"]
async fn processes_that_are_killed_lose_no_record_and_send_none_twice() {
    const KILLS: usize = 4;
    const FLOOD: usize = 250;
    let broker = Broker::start(&TOPICS, 4);
    let (brokers, count) = (broker.address(), KILLS * FLOOD);
    let nodes = Nodes::over(&shared().settings(&shared().database())).await;
    on_bus(&nodes, &brokers);
    let start = |nth: usize| tokio::task::block_in_place(|| nodes.start(&format!("n{nth}")));
    let mut servers: Vec<Server> = (0..3).map(start).collect();
    put_template(&servers[0]).await;
    let (producer, numbers) = (producer(&brokers), (0..count).collect::<Vec<_>>());
    let (mut codes, mut traces, mut given) = (HashMap::new(), Traces::default(), HashMap::new());
    for (flow, topic) in [TOPICS[0], TOPICS[2]].into_iter().enumerate() {
        for (nth, some) in numbers.chunks(FLOOD).enumerate() {
            flood(&producer, topic, some, &|it| if flow == 0 { asked(it) } else { typed(&codes, it) }).await;
            // Whatever is in work by then.
            tokio::time::sleep(Duration::from_millis(50) * u32::try_from(nth).unwrap()).await;
            servers.remove(0).kill();
            servers.push(start((flow * KILLS + nth) % 3));
        }
        let answered = answers(&brokers, (TOPICS[2 * flow + 1], 4), count).await;
        if flow == 0 {
            traces.generated = answered;
            (given, codes) = messages(&nodes, count).await;
        } else {
            traces.validated = answered;
        }
    }
    given.extend(messages(&nodes, count).await.0);
    traces.sent = given.into_values().collect();
    let (twice, tries) = (traces.generated.len() + traces.validated.len() - 2 * count, nodes.gateway.count());
    println!("{} kills: {} records, {twice} answers came twice, {tries} hand-overs of {count} messages", 2 * KILLS, 2 * count);
    assert_eq!(traces.faults(count), [""; 0]);
}
