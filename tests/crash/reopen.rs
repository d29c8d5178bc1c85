//! A start after a crash with very many live sessions: how long until it is ready, and whether all are there.
//!
//! `REOPEN_COUNT` (default 1,000,000; 2,000 in the small test). The figure is printed, with the machine it was taken on.

use super::power::{at, disk};
use super::process::until;
use super::sample;
use super::town::Town;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::snapshot::Write;
use countersign::store::contract::Store;
use countersign::store::sled::{Settings, SledStore};
use countersign::vault::Vault;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In the environment of the process that writes: the data directory, the root file, and how many.
const JOB: &str = "COUNTERSIGN_REOPEN_JOB";

/// A start takes at most this, however slow the machine: it bounds a failure, it times nothing.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_all_live_sessions_are_there() {
    reopened(2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: reopen"]
async fn reopen() {
    reopened(std::env::var("REOPEN_COUNT").ok().and_then(|it| it.parse().ok()).unwrap_or(1_000_000)).await;
}

async fn reopened(count: u64) {
    let town = Town::new().await;
    let on = disk(&town, "disk");
    written_and_killed(&on.join("data"), &town.bank().path("root.key"), count);
    let begun = Instant::now();
    let Ok(server) = town.bank().try_start_within(&[at(&on)], LONG) else { panic!("it refuses what was acknowledged") };
    until("readiness", async || (server.get("/health/ready", &[]).await.status == 200).then_some(())).await;
    let took = begun.elapsed();
    let status = town.bank().done(&["status"]);
    assert!(status.starts_with(&format!("ready\n{count} open challenges")), "{status}");
    let files = std::fs::read_dir(on.join("data/hot")).unwrap().map(|it| it.unwrap().metadata().unwrap());
    let size = files.filter(std::fs::Metadata::is_file).map(|it| it.len()).sum::<u64>() / (1024 * 1024);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{count} live sessions, killed: ready {took:.2?} after the start of the process; {size} MiB on disk, {cores} cores");
}

// Another process writes, and is killed amid its last commits, without closing anything.
fn written_and_killed(data: &Path, key: &Path, count: u64) {
    let job = format!("{}|{}|{count}", data.display(), key.display());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["reopen::the_writer", "--exact", "--ignored", "--nocapture"]).env(JOB, job);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|it| it.contains("all are acknowledged")), "the writer stopped early");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: the process that `reopen` kills"]
async fn the_writer() {
    let Ok(job) = std::env::var(JOB) else { return };
    let [data, key, count] = job.split('|').collect::<Vec<_>>()[..] else { panic!("{job}") };
    let (vault, count) = (Arc::new(Vault::from_file(Path::new(key)).unwrap()), count.parse::<u64>().unwrap());
    let now = chrono::Utc::now();
    let store = SledStore::open(Settings::new(data), vault, now.into()).unwrap();
    let tasks = (0..64_u64).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (task..count).step_by(64) {
                store.commit(vec![Write::Aggregate(sample::boxed(&live(n, now)))], Vec::new()).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    println!("all are acknowledged");
    tokio::time::sleep(Duration::from_secs(600)).await;
}

// Open for hours, its message handed over: nothing is due, so that only the opening is measured.
fn live(n: u64, now: chrono::DateTime<chrono::Utc>) -> countersign::domain::challenge::Challenge {
    let mut it = sample::challenge(u128::from(n) + 1, &Address::canonical(&format!("+1{:010}", 2_012_000_000 + n)));
    it.opened_at = now.into();
    it.expires_at = (now + chrono::Duration::hours(6)).into();
    it.deliveries[0].status = Status::Accepted { at: now.into(), provider_id: Some(format!("gw-{n}")) };
    it
}
