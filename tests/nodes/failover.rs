//! A primary with a synchronous standby under load. The primary dies (SIGKILL), the standby is promoted: what was acknowledged is
//! there, each session has one outcome, and requests are taken again soon.

use super::kill::{start, town};
use super::postgres::Cluster;
use super::process::bank::Server;
use super::process::{PATIENCE, until};
use super::town::check::{check, must_hold};
use super::town::record::Record;
use countersign::store::postgres::Settings;
use std::time::{Duration, Instant};

/// Until requests are taken again after the standby was promoted.
const SERVICE_BACK: Duration = Duration::from_secs(15);

/// For a standstill that won't end: what was lost does not come back.
const HOPELESS: Duration = Duration::from_secs(5);

/// What came of it.
struct Outcome {
    record: Record,
    /// From the promotion's end to the first request that was taken.
    back: Duration,
}

// `prepare` is done to both when they are a pair; `load` answers come before and after the primary's end.
async fn fail_over(load: usize, patience: Duration, prepare: impl FnOnce(&Cluster, &Cluster)) -> Outcome {
    let mut primary = Cluster::durable();
    let database = primary.database();
    let standby = primary.standby();
    let hosts = vec![primary.host(), standby.host()];
    let town = town(&Settings { hosts, ..primary.settings(&database) }).await;
    let (servers, nodes) = start(&town, 2);
    town.rush_at(&nodes, town.busy(load, Duration::ZERO)).await;
    prepare(&primary, &standby);
    let mut back = Duration::ZERO;
    let ending = async {
        town.busy(load, Duration::ZERO).await;
        primary.kill();
        standby.promote();
        let promoted = Instant::now();
        town.busy(1, Duration::ZERO).await;
        back = promoted.elapsed();
        until("all nodes", async || {
            let ready = async |it: &Server| it.get("/health/ready", &[]).await.status == 200;
            (ready(&servers[0]).await && ready(&servers[1]).await).then_some(())
        })
        .await;
        town.busy(load, Duration::ZERO).await;
    };
    town.rush_at(&nodes, ending).await;
    town.drain_within(&nodes, patience).await;
    let record = town.record();
    if !check(&record).is_empty() {
        for it in &servers {
            let logs = it.logs();
            let told: Vec<&str> = logs.lines().filter(|it| it.contains("WARN") || it.contains("ERROR")).collect();
            println!("a node said, the last of {}:\n{}", told.len(), told[told.len().saturating_sub(40)..].join("\n"));
        }
    }
    println!("service back {back:?} after the promotion; {} requests, {} events", record.sessions.len(), record.feed.len());
    Outcome { record, back }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_has_all_that_was_acknowledged() {
    let outcome = fail_over(40, PATIENCE, |_, _| {}).await;
    must_hold(&outcome.record, "after the promotion");
    assert!(outcome.back < SERVICE_BACK, "{:?}", outcome.back);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: nodes"]
async fn standbys_are_promoted_under_load_three_times() {
    for _ in 0..3 {
        let outcome = fail_over(400, PATIENCE, |_, _| {}).await;
        must_hold(&outcome.record, "after the promotion");
        assert!(outcome.back < SERVICE_BACK, "{:?}", outcome.back);
    }
}

/// A standby that does not have what was acknowledged is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_does_not_follow_is_seen() {
    let outcome = fail_over(30, HOPELESS, |primary, standby| {
        primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = ''");
        primary.sql("postgres", "SELECT pg_reload_conf()");
        standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        standby.sql("postgres", "SELECT pg_reload_conf()");
    })
    .await;
    let wrong = check(&outcome.record);
    assert!(wrong.iter().any(|it| it.contains("several ids") || it.contains("the reader")), "{wrong:?}");
}
