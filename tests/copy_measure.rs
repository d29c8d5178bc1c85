//! Figures, not verdicts: how long a move from sled to PostgreSQL takes with so many sessions, for how much of that writes are refused,
//! and what memory it takes, while sessions go on being opened and changed. On an otherwise idle machine:
//!
//! `MEASURE_COUNT=1000000 cargo test --profile proof --test copy_measure -- --ignored --nocapture`
//!
//! `MEASURE_COUNT`: sessions (default 20,000). The database syncs every commit.

mod postgres;
mod sample;

use countersign::domain::aggregate::Aggregate;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::snapshot::Write;
use countersign::store::contract::{Store, StoreError};
use countersign::store::postgres::{Options, PostgresStore, Settings};
use countersign::store::sled::SledStore;
use countersign::store::transfer::copy::{Copy, Plan};
use postgres::Cluster;
use sample::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sessions in a commit, while the store is filled.
const TOGETHER: u64 = 200;
/// Between two sessions that are opened meanwhile.
const BETWEEN: Duration = Duration::from_millis(5);

fn count() -> u64 {
    std::env::var("MEASURE_COUNT").ok().and_then(|it| it.parse().ok()).unwrap_or(20_000)
}

fn session(n: u64) -> Write {
    let mut it = challenge(n.into(), &Address::canonical(&format!("+1{:010}", 2_012_000_000 + n)));
    let random = uuid::Uuid::from_u128(u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
    it.id = AggregateId::placed(&it.institution, it.opened_at, random);
    Write::Aggregate(boxed(&it))
}

/// Bytes that `name` says in the process's status: `VmRSS` (now) or `VmHWM` (the most so far).
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

// Opens sessions until the store refuses, and with each changes one of the oldest, which are sent again.
async fn open_more(store: Arc<SledStore>) -> u64 {
    for n in count().. {
        let Write::Aggregate(Aggregate::Challenge(mut old)) = session(n - count()) else { unreachable!("it is a challenge") };
        old.attempts = 1;
        match store.commit(vec![session(n), Write::Aggregate(Aggregate::Challenge(old))], Vec::new()).await {
            Ok(()) => tokio::time::sleep(BETWEEN).await,
            Err(StoreError::Busy) => return n,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("it is refused before")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: pg-copy"]
async fn what_a_move_takes() {
    let (cluster, dir, time) = (Cluster::durable(), tempfile::tempdir().unwrap(), Time::at(0));
    let from = SledStore::open(settings(dir.path(), &time), vault(), time.now()).unwrap();
    let begun = Instant::now();
    for first in (0..count()).step_by(TOGETHER as usize) {
        from.commit((first..count().min(first + TOGETHER)).map(session).collect(), Vec::new()).await.unwrap();
    }
    let mib = |bytes: u64| bytes / (1024 * 1024);
    println!("{} sessions opened in {:.1?}; {} MiB resident", count(), begun.elapsed(), mib(memory("VmRSS")));

    let clock = time.clone();
    let options = || {
        let clock = clock.clone();
        Options { clock: Arc::new(move || clock.now()), database_time: false, ..Options::default() }
    };
    let to = Settings { migrate: true, ..cluster.settings(&cluster.database()) };
    let load = tokio::spawn(open_more(from.clone()));
    let plan = Plan { window: Duration::from_secs(1_800), ..Plan::default() };
    let copy = Copy::begin(from.clone(), (&to, options()), vault(), plan).await.unwrap();
    let report = copy.run("there", || true).await.unwrap();
    let all = load.await.unwrap();
    println!(
        "{all} sessions moved in {:.1?}, {} rounds; writes were refused for {:.2?} of it; {} MiB at the most\n{:?}",
        report.took,
        report.rounds,
        report.window,
        mib(memory("VmHWM")),
        report.counts
    );
    let there = PostgresStore::open(&to, options(), vault(), 1).await.unwrap();
    assert_eq!((there.status().open, from.status().open), (all, all));
}
