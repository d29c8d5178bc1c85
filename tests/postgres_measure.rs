//! Figures, not verdicts: what the store on PostgreSQL costs the database and us, against a plain insert of three rows in the same
//! run. On an otherwise idle machine:
//!
//! `MEASURE_COUNT=20000 cargo test --profile proof --test postgres_measure -- --ignored --nocapture`
//!
//! `MEASURE_COUNT`: challenges (default 8,000). The database syncs every commit.

mod postgres;
mod sample;

use countersign::domain::challenge::Challenge;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::event::Act;
use countersign::domain::id::AggregateId;
use countersign::domain::snapshot::{Expect, Query, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::Store;
use countersign::store::postgres::{Options, PostgresStore, connect};
use postgres::Cluster;
use sample::*;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Requests under way at once.
const TASKS: u64 = 32;

fn count() -> u64 {
    std::env::var("MEASURE_COUNT").ok().and_then(|it| it.parse().ok()).unwrap_or(8_000)
}

fn now() -> Timestamp {
    chrono::Utc::now().into()
}

/// A challenge like those of [`sample::challenge`], opened now, with an id that tells its place.
fn opened(n: u64) -> Challenge {
    let n = u128::from(n);
    let mut it = challenge(n, &Address::canonical(&format!("+1{:010}", 2_012_000_000 + n)));
    let random = uuid::Uuid::from_u128(n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
    it.id = AggregateId::placed(&it.institution, now(), random);
    it.opened_at = now();
    it.expires_at = now().plus(Duration::from_secs(600));
    it.deliveries[0].status = Status::Queued { next_at: it.opened_at };
    it.events[0].at = it.opened_at;
    it
}

fn phone_of(it: &Challenge) -> Address {
    it.deliveries[0].address.clone()
}

async fn open(store: &PostgresStore, it: &Challenge) {
    let view = store.load(&opening(it, it.opened_at)).await.unwrap();
    let expects = vec![
        Expect::Address(phone_of(it), view.addresses[0].version),
        Expect::Budget(view.budgets[0].0.clone(), view.budgets[0].1.version),
        Expect::Slot(it.slot(), None),
        Expect::Unrepeated(it.publisher.clone(), it.institution.clone(), it.repeat.as_ref().unwrap().key.clone()),
    ];
    store.commit(vec![Write::Aggregate(boxed(it))], expects).await.unwrap();
}

async fn settle(store: &PostgresStore, it: &mut Challenge) {
    let version = store.load(&Query::Leased(it.id)).await.unwrap().one.unwrap().version;
    it.deliveries[0].status = Status::Accepted { at: now(), provider_id: Some("carrier-1".into()) };
    it.events.push(event(it.id.0.as_u128() / 7, 2, Act::MsgSent, now(), Some(it.deliveries[0].id)));
    store.commit(vec![Write::Aggregate(boxed(it))], vec![Expect::Aggregate(it.id, version)]).await.unwrap();
}

async fn answer(store: &PostgresStore, it: &Challenge) {
    let name = format!("sandbox/{}", it.id);
    let view = store.load(&reply_from(&phone_of(it), Some(&name), now())).await.unwrap();
    let found = &view.addresses[0].open[0];
    let expects = vec![
        Expect::Aggregate(it.id, found.version),
        Expect::Address(phone_of(it), view.addresses[0].version),
        Expect::Budget(view.budgets[0].0.clone(), view.budgets[0].1.version),
        Expect::Unseen(name),
    ];
    let mut over = ended(it.clone(), now());
    over.deliveries = it.deliveries.clone();
    store.commit(vec![Write::Aggregate(boxed(&over))], expects).await.unwrap();
}

fn own_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10_000
}

/// Does `each` for every number below `count`, so many at once; tells and returns the database's microseconds for one.
async fn measured<F: Future<Output = ()> + Send>(
    what: &str,
    cluster: &Cluster,
    count: u64,
    each: impl Fn(u64) -> F + Send + Sync + 'static,
) -> f64 {
    let (next, each) = (Arc::new(AtomicU64::new(0)), Arc::new(each));
    let (theirs, ours, started) = (cluster.cpu_micros(), own_cpu(), Instant::now());
    let tasks = (0..TASKS).map(|_| {
        let (next, each) = (next.clone(), each.clone());
        async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                each(n).await;
            }
        }
    });
    futures_util::future::join_all(tasks).await;
    let (took, of) = (started.elapsed(), count as f64);
    let (theirs, ours) = ((cluster.cpu_micros() - theirs) as f64 / of, (own_cpu() - ours) as f64 / of);
    println!("{what:40} {:7.0}/s  database {theirs:6.1} µs  this process {ours:6.1} µs", of / took.as_secs_f64());
    theirs
}

async fn store_of(cluster: &Cluster, max_group: usize) -> Arc<PostgresStore> {
    let mut settings = cluster.settings(&cluster.database());
    settings.migrate = true;
    let options = Options { max_group, ..Options::default() };
    PostgresStore::open(&settings, options, vault(), 1).await.unwrap()
}

async fn plain_insert(cluster: &Cluster) -> f64 {
    let settings = cluster.settings(&cluster.database());
    let pool = connect::pool(&settings).unwrap();
    let tables = "CREATE TABLE a (id bytea PRIMARY KEY, value bytea NOT NULL); CREATE TABLE b (id bytea PRIMARY KEY, value bytea NOT NULL); \
                  CREATE TABLE c (id bytea PRIMARY KEY, value bytea NOT NULL)";
    pool.get().await.unwrap().batch_execute(tables).await.unwrap();
    measured("three rows in one statement", cluster, count(), move |n| {
        let pool = pool.clone();
        async move {
            let client = pool.get().await.unwrap();
            let text = "WITH x AS (INSERT INTO a VALUES ($1, $2)), y AS (INSERT INTO b VALUES ($1, $3)) INSERT INTO c VALUES ($1, $3)";
            let statement = client.prepare_cached(text).await.unwrap();
            let id = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes().to_vec();
            client.execute(&statement, &[&id, &vec![7_u8; 700], &vec![7_u8; 100]]).await.unwrap();
        }
    })
    .await
}

async fn lives(store: &Arc<PostgresStore>, cluster: &Cluster, (what, which): (&str, Range<u64>)) -> f64 {
    let it = store.clone();
    measured(what, cluster, which.end - which.start, move |n| {
        let (it, mut challenge) = (it.clone(), opened(which.start + n));
        async move {
            open(&it, &challenge).await;
            settle(&it, &mut challenge).await;
            answer(&it, &challenge).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: postgres-measure"]
async fn what_it_costs() {
    let cluster = Cluster::durable();
    let plain = plain_insert(&cluster).await;
    let (mut groups, mut life_costs) = (Vec::new(), Vec::new());
    for max_group in [1, 64] {
        let store = store_of(&cluster, max_group).await;
        let it = store.clone();
        measured(&format!("looked before opening, {max_group} at once"), &cluster, count(), move |n| {
            let it = it.clone();
            async move { drop(it.load(&opening(&opened(n), now())).await.unwrap()) }
        })
        .await;
        let begun = Instant::now();
        let challenges: Arc<Vec<parking_lot::Mutex<Challenge>>> =
            Arc::new((0..count()).map(|n| parking_lot::Mutex::new(opened(n))).collect());
        let (it, all) = (store.clone(), challenges.clone());
        let begun_open = Instant::now();
        let open_cost = measured("opened", &cluster, count(), move |n| {
            let (it, all) = (it.clone(), all.clone());
            async move {
                let challenge = all[n as usize].lock().clone();
                open(&it, &challenge).await;
            }
        })
        .await;
        groups.push((count() as f64 / begun_open.elapsed().as_secs_f64(), open_cost));
        let (it, all) = (store.clone(), challenges.clone());
        measured("settled", &cluster, count(), move |n| {
            let (it, all) = (it.clone(), all.clone());
            async move {
                let mut challenge = all[n as usize].lock().clone();
                settle(&it, &mut challenge).await;
                *all[n as usize].lock() = challenge;
            }
        })
        .await;
        let (it, all) = (store.clone(), challenges.clone());
        measured("answered", &cluster, count(), move |n| {
            let (it, all) = (it.clone(), all.clone());
            async move {
                let challenge = all[n as usize].lock().clone();
                answer(&it, &challenge).await;
            }
        })
        .await;
        lives(&store, &cluster, ("whole lives, the first thousand", count()..count() + 1000)).await;
        let all = ("whole lives, each from end to end", count() + 1000..2 * count() + 1000);
        life_costs.push(lives(&store, &cluster, all).await);
        let status = store.status();
        println!("{:40} {:.2} commits a step, {:?}\n", "", status.commits as f64 / status.syncs as f64, begun.elapsed());
        store.close();
    }
    println!(
        "opened, grouped: {:.2} x as many a second, {:.2} x the database's time of three rows",
        groups[1].0 / groups[0].0,
        groups[1].1 / plain
    );
    println!("whole lives, grouped: {:.2} x the database's time of three rows", life_costs[1] / plain);
}
