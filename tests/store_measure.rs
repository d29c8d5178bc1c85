//! Figures, not verdicts: how fast the store on sled commits and opens, and what it needs. On an otherwise idle machine:
//!
//! `MEASURE_COUNT=1000000 cargo test --release --test store_measure -- --ignored --nocapture --test-threads 1`
//!
//! `MEASURE_COUNT`: challenges (default 100,000). The figures of memory are growths of the resident set.

mod sample;

use countersign::domain::contact::Address;
use countersign::domain::snapshot::{Expect, Write};
use countersign::store::contract::{Status, Store, StoreError};
use countersign::store::sled::SledStore;
use sample::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// As in the program: figures of memory are the allocator's too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TASKS: u64 = 64;
/// Longer than the allocator keeps what was freed.
const SETTLE: Duration = Duration::from_secs(15);

fn count() -> u64 {
    std::env::var("MEASURE_COUNT").ok().and_then(|it| it.parse().ok()).unwrap_or(100_000)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn to(n: u64) -> Address {
    Address::canonical(&format!("+1{:010}", 2_012_000_000 + n))
}

/// What the engine does for a request: a load, then a commit that relies on it.
async fn request(store: &SledStore, n: u64) {
    let (to, it) = (to(n), challenge(u128::from(n), &to(n)));
    let expects = vec![Expect::Aggregate(it.id, 0), Expect::Address(to, 0), Expect::Slot(it.slot(), None)];
    store.load(&opening(&it, at(0))).await.unwrap();
    while let Err(error) = store.commit(vec![Write::Aggregate(boxed(&it))], expects.clone()).await {
        assert_eq!(error, StoreError::Busy);
    }
}

async fn requests(store: &Arc<SledStore>, from: u64, count: u64, tasks: u64) {
    let next = Arc::new(AtomicU64::new(from));
    let tasks = (0..tasks).map(|_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= from + count {
                    return;
                }
                request(&store, n).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

fn told(what: &str, count: u64, begun: Instant, before: &Status, after: &Status) {
    let (spent, syncs) = (begun.elapsed(), after.syncs - before.syncs);
    let sync = Duration::from_micros((after.sync_micros - before.sync_micros) / syncs.max(1));
    let (rate, share) = (count as f64 / spent.as_secs_f64(), syncs as f64 / (after.commits - before.commits).max(1) as f64);
    println!("{what}: {count} load + commit in {spent:.2?}: {rate:.0}/s; {syncs} durable steps of {sync:.0?}, {share:.3} a commit");
}

fn reopened(dir: &Path, time: &Time) -> (Arc<SledStore>, u64) {
    std::thread::sleep(SETTLE);
    let (before, begun) = (resident(), Instant::now());
    let store = open(dir, time);
    println!("opened {} records in {:.2?}", store.status().records, begun.elapsed());
    std::thread::sleep(SETTLE);
    (store, resident().saturating_sub(before))
}

fn on_disk(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir.join("hot")).unwrap().map(|it| it.unwrap().metadata().unwrap());
    files.filter(std::fs::Metadata::is_file).map(|it| it.len()).sum::<u64>() / (1024 * 1024)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, on an otherwise idle machine"]
async fn commits_and_opening() {
    let (alone, count) = (2_000, count());
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = open(dir.path(), &time);
    let (begun, before) = (Instant::now(), store.status());
    requests(&store, 1, alone, 1).await;
    told("one task", alone, begun, &before, &store.status());
    let (begun, before, held) = (Instant::now(), store.status(), resident());
    requests(&store, 1 + alone, count - alone, TASKS).await;
    told("64 tasks", count - alone, begun, &before, &store.status());
    println!("{} bytes a challenge while written; {} MiB on disk", (resident() - held) / (count - alone), on_disk(dir.path()));
    store.close();
    drop(store);
    let (store, held) = reopened(dir.path(), &time);
    assert_eq!(store.status().open, count);
    println!("{} bytes an open challenge", held / count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, on an otherwise idle machine"]
async fn tombstones() {
    let (count, dir, time) = (count() / 5, tempfile::tempdir().unwrap(), Time::at(3600));
    let store = open(dir.path(), &time);
    let all: Vec<u64> = (1..=count).collect();
    for part in all.chunks(100) {
        let writes = part.iter().map(|n| Write::Aggregate(boxed(&ended(challenge(u128::from(*n), &to(*n)), at(3000)))));
        store.commit(writes.collect(), Vec::new()).await.unwrap();
    }
    let begun = Instant::now();
    // A round moves at most 8,192.
    for _ in 0..=count / 8192 {
        store.sweep().await.unwrap();
    }
    println!("{count} moved to history in {:.2?}", begun.elapsed());
    store.close();
    drop(store);
    let (_store, held) = reopened(dir.path(), &time);
    println!("{} bytes a tombstone; {} MiB on disk", held / count, on_disk(dir.path()));
}
