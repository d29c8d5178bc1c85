//! That what is over costs no memory: many challenges are opened and finished while few are live. Small in the usual run; whole:
//!
//! `cargo test --locked --profile proof --test store_memory -- --ignored --nocapture`
//!
//! `MEMORY_COUNT`: challenges (default 500,000; 2,000,000 take ten minutes); `MEMORY_LIVE`: how many of them are live at a time (default 20,000).

mod sample;

use countersign::domain::challenge::Challenge;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::snapshot::{Expect, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Store, StoreError};
use countersign::store::sled::SledStore;
use sample::*;
use std::path::Path;
use std::time::{Duration, Instant};

/// As in the program: figures of memory are the allocator's too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Challenges in one commit.
const BATCH: u64 = 100;
/// Of simulated time, for each.
const PACE: Duration = Duration::from_millis(40);
/// What a live challenge takes in memory, measured.
const LIVE: u64 = 1_654;
const MIB: u64 = 1024 * 1024;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn on_disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(items) = std::fs::read_dir(dir) else { return 0 };
    let size = |path: std::path::PathBuf| if path.is_dir() { on_disk(&path) } else { path.metadata().map_or(0, |it| it.blocks() * 512) };
    items.map(|it| size(it.unwrap().path())).sum()
}

fn to(n: u64) -> Address {
    Address::canonical(&format!("+1{:010}", 2_012_000_000 + n))
}

fn moment(n: u64) -> Timestamp {
    at(0).plus(PACE * n as u32)
}

fn session(n: u64) -> Challenge {
    let mut it = challenge(u128::from(n), &to(n));
    it.opened_at = moment(n);
    it.expires_at = it.opened_at.plus(Duration::from_secs(600));
    it.deliveries[0].status = Status::Queued { next_at: it.opened_at };
    it.events[0].at = it.opened_at;
    it
}

async fn write(store: &SledStore, all: Vec<Challenge>) {
    let writes: Vec<_> = all.iter().map(|it| Write::Aggregate(boxed(it))).collect();
    while let Err(error) = store.commit(writes.clone(), Vec::new()).await {
        assert_eq!(error, StoreError::Busy);
    }
}

struct Figures {
    resident: u64,
    hot: u64,
    records: u64,
}

/// Opens `count` challenges and finishes all but the last `live`; figures at each quarter.
async fn turnover(store: &SledStore, (dir, time): (&Path, &Time), count: u64, live: u64) -> Vec<Figures> {
    let (mut figures, begun) = (Vec::new(), Instant::now());
    for first in (0..count).step_by(BATCH as usize) {
        time.set(moment(first + BATCH));
        write(store, (first..first + BATCH).map(session).collect()).await;
        if let Some(first) = first.checked_sub(live) {
            write(store, (first..first + BATCH).map(|n| ended(session(n), time.now())).collect()).await;
        }
        let done = first + BATCH;
        if done.is_multiple_of((count / 40).next_multiple_of(BATCH).min(4_000)) {
            store.sweep().await.unwrap();
        }
        if done.is_multiple_of(count / 4) {
            store.sweep().await.unwrap();
            let (hot, history) = (on_disk(&dir.join("hot")), on_disk(&dir.join("history")));
            let gone = done.saturating_sub(live).max(1);
            println!(
                "{done} opened, {} live: {} MiB resident, {} MiB hot on disk, {} bytes of history each; {} records; {:.0?}",
                store.status().open,
                resident() / MIB,
                hot / MIB,
                history / gone,
                store.status().records,
                begun.elapsed()
            );
            figures.push(Figures { resident: resident(), hot, records: store.status().records });
        }
    }
    figures
}

/// How many of fifty finished challenges, from the oldest to the newest, are not answered for as they must be.
async fn missed(store: &SledStore, count: u64, live: u64, now: Timestamp) -> usize {
    let mut missed = 0;
    for n in (0..count - live - BATCH).step_by((count / 50) as usize) {
        let it = session(n);
        let view = store.load(&opening(&it, now)).await.unwrap();
        let sent = usize::from(it.opened_at > now.minus(Duration::from_secs(24 * 3600)));
        let used = Expect::Unrepeated(demo(), bank(), format!("T:track-{n}"));
        let refused = store.commit(Vec::new(), vec![used]).await == Err(StoreError::Conflict);
        let whole = view.prior.map(|it| it.id) == Some(it.id) && view.addresses[0].sends.len() == sent && refused;
        missed += usize::from(!whole);
    }
    assert!(store.load(&opening(&session(count + 1), now)).await.unwrap().prior.is_none());
    missed
}

/// What the figures say: whether the hot store is as small as what is live, and memory flat.
fn judge(figures: &[Figures], idle: u64, count: u64, live: u64) -> Result<(), String> {
    let (first, last) = (&figures[0], &figures[figures.len() - 1]);
    let bound = 3 * live * LIVE + 64 * MIB;
    // The filters, and what the allocator holds back.
    let flat = count * 12 + 32 * MIB;
    let checks = [
        ("records in the hot store", last.records, live + 2 * BATCH + 100),
        ("bytes of the hot store on disk", last.hot, bound),
        ("resident bytes since a quarter", last.resident.saturating_sub(first.resident), flat),
        ("resident bytes since the start", last.resident.saturating_sub(idle), bound + count * 12),
    ];
    checks.iter().try_for_each(|(what, is, most)| if is <= most { Ok(()) } else { Err(format!("{what}: {is}, at most {most}")) })
}

fn place(linger: Duration) -> (tempfile::TempDir, Time, countersign::store::sled::Settings) {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let mut settings = settings(dir.path(), &time);
    settings.cache_bytes = countersign::store::sled::Settings::new(dir.path()).cache_bytes;
    settings.linger = linger;
    (dir, time, settings)
}

async fn run(count: u64, live: u64) {
    let (dir, time, settings) = place(Duration::ZERO);
    let idle = resident();
    let store = SledStore::open(settings.clone(), vault(), time.now()).unwrap();
    println!("{} MiB resident with nothing stored", resident() / MIB);
    let figures = turnover(&store, (dir.path(), &time), count, live).await;
    assert_eq!(missed(&store, count, live, time.now()).await, 0);
    assert_eq!(judge(&figures, idle, count, live), Ok(()));
    store.close();
    drop(store);
    let begun = Instant::now();
    let store = SledStore::open(settings, vault(), time.now()).unwrap();
    println!("reopened in {:.2?}; {} MiB resident", begun.elapsed(), resident() / MIB);
    assert_eq!(missed(&store, count, live, time.now()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_costs_little_memory_in_small() {
    run(4_000, 800).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_keeps_what_is_over_is_caught() {
    let (dir, time, settings) = place(Duration::from_secs(24 * 3600));
    let store = SledStore::open(settings, vault(), time.now()).unwrap();
    let figures = turnover(&store, (dir.path(), &time), 4_000, 800).await;
    assert!(judge(&figures, 0, 4_000, 800).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_a_restart_forgets_is_caught() {
    let (dir, time, settings) = place(Duration::ZERO);
    let store = SledStore::open(settings.clone(), vault(), time.now()).unwrap();
    turnover(&store, (dir.path(), &time), 4_000, 800).await;
    store.close();
    std::fs::remove_dir_all(dir.path().join("history")).unwrap();
    let store = SledStore::open(settings, vault(), time.now()).unwrap();
    assert_eq!(missed(&store, 4_000, 800, time.now()).await, 39);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: memory"]
async fn what_is_over_costs_little_memory() {
    run(number("MEMORY_COUNT", 500_000), number("MEMORY_LIVE", 20_000)).await;
}
