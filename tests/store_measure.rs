//! Figures, not verdicts: how fast the store on sled commits and opens, and what it needs.
//! `cargo test --release --test store_measure -- --ignored --nocapture`; `MEASURE_COUNT` challenges (default 20,000).

mod sample;

use countersign::domain::contact::Address;
use countersign::domain::snapshot::{Expect, Write};
use countersign::store::contract::{Store, StoreError};
use sample::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TASKS: usize = 64;

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, on an otherwise idle machine"]
async fn commits_and_opening() {
    let count: u64 = std::env::var("MEASURE_COUNT").ok().and_then(|it| it.parse().ok()).unwrap_or(20_000);
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = open(dir.path(), &time);
    let (next, before, begun) = (Arc::new(AtomicU64::new(1)), resident_mib(), Instant::now());
    let tasks = (0..TASKS).map(|_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n > count {
                    return;
                }
                let to = Address::canonical(&format!("+1{:010}", 2_012_000_000 + n));
                let it = challenge(u128::from(n), &to);
                let expects = vec![Expect::Aggregate(it.id, 0), Expect::Address(to.clone(), 0), Expect::Slot(it.slot(), None)];
                store.load(&opening(&it, at(0))).await.unwrap();
                while let Err(error) = store.commit(vec![Write::Aggregate(boxed(&it))], expects.clone()).await {
                    assert_eq!(error, StoreError::Busy);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let (spent, status, after) = (begun.elapsed(), store.status(), resident_mib());
    let rate = count as f64 / spent.as_secs_f64();
    let sync = Duration::from_micros(status.sync_micros / status.syncs.max(1));
    println!("{count} load + commit in {spent:.2?}: {rate:.0}/s; {} steps of {sync:.0?}; {} MiB more", status.syncs, after - before);
    store.close();
    let begun = Instant::now();
    let store = open(dir.path(), &time);
    println!("opened {} records in {:.2?}", store.status().records, begun.elapsed());
    assert_eq!(store.status().open, count);
}
