//! Three nodes under load; one of them is killed (SIGKILL) every few seconds and started again. Then everything is judged.

use super::postgres::{Cluster, shared};
use super::process::bank::{Bank, Server};
use super::town::check::{check, must_hold};
use super::town::dice::{Dice, seed};
use super::town::look::look;
use super::town::record::Record;
use super::town::{Nodes, Town};
use countersign::store::postgres::Settings;
use std::time::Duration;

/// A town whose bank keeps everything in this database, and moves a dead node's work soon.
pub async fn town(database: &Settings) -> Town {
    Town::with(|bank: &Bank| {
        bank.edit("countersign.toml", "allow_plain = true\n[gateway.answer]", "allow_plain = true\ntimeout_ms = 2000\n[gateway.answer]");
        bank.edit("countersign.toml", "[[inbound]]", "[outbox]\nlease_secs = 5\n[[inbound]]");
        bank.keep_in(database);
    })
    .await
}

/// So many nodes.
pub fn start(town: &Town, count: usize) -> (Vec<Server>, Nodes) {
    let servers: Vec<Server> = (0..count).map(|nth| again(town, nth)).collect();
    let nodes = Nodes::new(servers.iter().map(|it| it.base.clone()));
    (servers, nodes)
}

fn again(town: &Town, nth: usize) -> Server {
    town.bank().start_under(&town.bank().node(&format!("n{nth}")))
}

async fn rounds(cluster: &Cluster, count: u64, sabotage: impl FnOnce(&str)) -> Record {
    let database = cluster.database();
    let (town, mut dice) = (town(&cluster.settings(&database)).await, Dice::new(seed()));
    let (mut servers, nodes) = start(&town, 3);
    let killing = async {
        for _ in 0..count {
            town.busy(10 + dice.below(60) as usize, Duration::from_millis(dice.below(200))).await;
            let nth = dice.below(3) as usize;
            servers.remove(nth).kill();
            // The others carry on without it for a while.
            tokio::time::sleep(Duration::from_millis(dice.below(1500))).await;
            let world = town.clone();
            let server = tokio::task::spawn_blocking(move || again(&world, nth)).await.unwrap();
            nodes.moved(nth, server.base.clone());
            servers.insert(nth, server);
        }
    };
    town.rush_at(&nodes, killing).await;
    sabotage(&database);
    town.drain_at(&nodes).await;
    look(&town, &servers[0].base, &town.bank().path("n0.sock")).await;
    let record = town.record();
    let (messages, pushes) = (record.handed.len(), record.pushed.len());
    println!("{count} kills: {} requests, {messages} messages, {} events, {pushes} pushes", record.sessions.len(), record.feed.len());
    assert!(record.sessions.len() as u64 >= 5 * count, "hardly any load: {}", record.sessions.len());
    record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_nothing_is_lost_and_nothing_happens_twice() {
    must_hold(&rounds(shared(), 2, |_| {}).await, "after the kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: nodes"]
async fn twenty_nodes_are_killed() {
    must_hold(&rounds(&Cluster::durable(), 20, |_| {}).await, "after the kills");
}

/// The judge looks at what is really there: a challenge that the database lost is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_the_database_lost_is_seen() {
    let sabotage = |database: &str| {
        shared().sql(database, "DELETE FROM event WHERE seq = (SELECT max(seq) - 1 FROM event)");
    };
    let wrong = check(&rounds(shared(), 1, sabotage).await);
    assert!(wrong.iter().any(|it| it.contains("the feed has number")), "{wrong:?}");
}
