//! A database that is far away, then silent; and a storm of connections meanwhile: requests are taken or turned away with a clear
//! fault that says when to come again, memory stays bounded, and all goes on when the database is back.

use super::kill::town;
use super::postgres::latency::Proxy;
use super::postgres::shared;
use super::process::bank::{PASSWORD, Server};
use super::process::{IMS, envelope, explicit, until};
use super::town::check::must_hold;
use super::town::{Nodes, Town};
use countersign::store::postgres::Settings;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Each way, so a round trip takes 600 ms.
const FAR: Duration = Duration::from_millis(300);
/// Memory that a node may hold, in KiB: generous, and far below what requests would need if they piled up without bound.
const MEMORY: usize = 512 * 1024;

/// How requests of a storm were answered.
#[derive(Debug, Default)]
struct Answers {
    taken: usize,
    /// 503 with `Retry-After`.
    later: usize,
    /// Anything else, and how often.
    odd: BTreeMap<String, usize>,
    /// The slowest answer.
    slowest: Duration,
}

// Clear answers only.
fn judge(answers: &Answers, count: usize) -> Result<(), String> {
    if answers.odd.is_empty() && answers.taken + answers.later == count { Ok(()) } else { Err(format!("{answers:?} of {count}")) }
}

// So many requests at once, each over a connection of its own.
async fn storm(base: &str, count: usize, name: &str) -> Answers {
    let mut all = tokio::task::JoinSet::new();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).pool_max_idle_per_host(0).build().unwrap();
    for nth in 0..count {
        let (client, base, key) = (client.clone(), base.to_owned(), format!("{name}-{nth}"));
        all.spawn(async move {
            let body = envelope(&explicit(&format!("{}", 2_013_000_000 + nth), "Storm: <%$otp%>", "", Some(&key)));
            let request = client.post(format!("{base}{IMS}")).basic_auth("bank", Some(PASSWORD));
            let started = Instant::now();
            let said = request.header("content-type", "text/xml; charset=utf-8").body(body).send().await;
            (started.elapsed(), said)
        });
    }
    let mut answers = Answers::default();
    while let Some(done) = all.join_next().await {
        let (took, said) = done.unwrap();
        answers.slowest = answers.slowest.max(took);
        match said {
            Ok(it) if it.status() == 200 => answers.taken += 1,
            Ok(it) if it.status() == 503 && it.headers().contains_key("retry-after") => answers.later += 1,
            Ok(it) => *answers.odd.entry(it.status().to_string()).or_default() += 1,
            Err(error) => *answers.odd.entry(format!("{error:?}").chars().take(200).collect()).or_default() += 1,
        }
    }
    answers
}

struct Far {
    town: Town,
    proxy: Proxy,
    server: Server,
    nodes: Nodes,
}

impl Far {
    async fn new() -> Self {
        let database = shared().database();
        let proxy = Proxy::to(shared().port());
        let town = town(&Settings { hosts: vec![proxy.host()], ..shared().settings(&database) }).await;
        let server = town.bank().start_under(&town.bank().node("far"));
        let nodes = Nodes::new([server.base.clone()]);
        Self { town, proxy, server, nodes }
    }
}

async fn far_silent_and_back(connections: usize, warm: usize) {
    let it = Far::new().await;
    it.proxy.delay(FAR);
    it.town.rush_at(&it.nodes, it.town.busy(warm, Duration::ZERO)).await;
    let far = storm(&it.server.base, connections, "far").await;
    println!("far: {far:?}, {} KiB", it.server.resident());
    judge(&far, connections).unwrap();
    assert!(far.taken > 0, "{far:?}");

    it.proxy.silence();
    let silent = storm(&it.server.base, connections, "silent").await;
    println!("silent: {silent:?}, {} KiB", it.server.resident());
    judge(&silent, connections).unwrap();
    assert_eq!(silent.taken, 0, "{silent:?}");
    until("not ready", async || (it.server.get("/health/ready", &[]).await.status == 503).then_some(())).await;
    assert!(it.server.resident() < MEMORY, "{} KiB", it.server.resident());

    it.proxy.speak();
    it.proxy.delay(Duration::ZERO);
    until("ready", async || (it.server.get("/health/ready", &[]).await.status == 200).then_some(())).await;
    let back = storm(&it.server.base, connections, "silent").await;
    println!("back: {back:?}, {} KiB", it.server.resident());
    judge(&back, connections).unwrap();
    assert!(back.taken > 0, "{back:?}");
    assert!(it.server.resident() < MEMORY, "{} KiB", it.server.resident());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_or_silent_database_is_told_clearly_and_memory_stays_bounded() {
    far_silent_and_back(100, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: nodes"]
async fn a_storm_of_two_thousand_connections_on_a_slow_database() {
    far_silent_and_back(2000, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: nodes"]
async fn what_was_acknowledged_by_a_slow_and_silent_database_is_there() {
    let it = Far::new().await;
    for _ in 0..3 {
        it.proxy.delay(FAR);
        it.town.rush_at(&it.nodes, it.town.busy(30, Duration::ZERO)).await;
        it.proxy.silence();
        it.town.rush_at(&it.nodes, tokio::time::sleep(Duration::from_secs(12))).await;
        it.proxy.speak();
        it.proxy.delay(Duration::ZERO);
        it.town.rush_at(&it.nodes, it.town.busy(50, Duration::ZERO)).await;
    }
    it.town.drain_at(&it.nodes).await;
    must_hold(&it.town.record(), "after a slow and silent database");
}

#[test]
fn an_unclear_answer_is_seen() {
    let odd = |what: &str| Answers { taken: 1, odd: BTreeMap::from([(what.to_owned(), 1)]), ..Answers::default() };
    assert_eq!(judge(&Answers { taken: 1, later: 1, ..Answers::default() }, 2), Ok(()));
    assert!(judge(&odd("500 Internal Server Error"), 2).is_err());
    assert!(judge(&Answers { taken: 1, ..Answers::default() }, 2).is_err(), "one was never answered");
}
