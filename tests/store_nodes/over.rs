//! What is over goes, and nothing else: records after their time, days after retention; and what is used anew stays.

use super::{node, options, postgres};
use crate::sample::*;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::snapshot::Write;
use countersign::domain::time::Timestamp;
use countersign::store::contract::Store;
use countersign::store::postgres::{Options, PostgresStore, Settings, connect};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;
use uuid::Uuid;

const DAY: i64 = 24 * 3600;
const RETENTION: u32 = 10;

struct Bench {
    time: Time,
    settings: Settings,
    database: String,
    store: Arc<PostgresStore>,
}

impl Bench {
    async fn new() -> Self {
        let database = postgres::shared().database();
        let settings = Settings { migrate: true, pool: 8, ..postgres::shared().settings(&database) };
        let time = Time::at(0);
        let store = node(&settings, Self::options(&time), 1).await;
        Self { time, settings, database, store }
    }

    fn options(time: &Time) -> Options {
        Options { retention_days: RETENTION, ..options(time) }
    }

    // A challenge that came and went within a minute; its id tells the day, as real ones do.
    async fn finished(&self, n: u128, phone: &Address) -> AggregateId {
        let id = AggregateId::placed(&bank(), self.time.now(), Uuid::from_u128(n));
        let mut it = ended(challenge(n, phone), self.time.now());
        it.id = id;
        it.opened_at = self.time.now();
        it.expires_at = it.opened_at.plus(Duration::from_secs(600));
        self.store.commit(vec![Write::Aggregate(boxed(&it))], Vec::new()).await.unwrap();
        id
    }

    // Days later, after housekeeping.
    async fn later(&self, days: i64) {
        self.time.set(at(days * DAY));
        self.store.sweep().await.unwrap();
    }

    fn ask(&self, text: &str) -> String {
        postgres::shared().sql(&self.database, text)
    }

    // Records of a kind (contract of the tables: the first byte of the key).
    fn records(&self, kind: char) -> usize {
        self.ask(&format!("SELECT count(*) FROM record WHERE get_byte(key, 0) = {}", kind as u32)).parse().unwrap()
    }

    fn day(&self) -> i64 {
        self.time.now().millis() / 1000 / DAY
    }
}

fn other() -> Address {
    Address::canonical("+12025550199")
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_when_their_time_is_over_and_days_after_retention() {
    let bench = Bench::new().await;
    let stopped = Write::OptOut(demo(), phone(), true);
    bench.store.commit(vec![stopped], Vec::new()).await.unwrap();
    let (first, day) = (bench.finished(1, &phone()).await, bench.day());
    bench.finished(2, &other()).await;
    let (keys, messages, addresses) = ('r', 'p', 'a');
    let counts = || [keys, messages, addresses].map(|it| bench.records(it));
    assert_eq!(counts(), [2, 2, 2]);
    bench.later(2).await;
    assert_eq!(counts(), [2, 2, 2], "their time is not over");
    bench.later(5).await;
    assert_eq!(counts(), [0, 0, 1], "who opted out is remembered");
    assert!(bench.store.find(first).await.unwrap().is_some(), "history is kept for longer");

    let table = format!("SELECT to_regclass('aggregate_d{day}') IS NOT NULL, to_regclass('event_d{day}') IS NOT NULL");
    let data_key = format!("SELECT count(*) FROM record WHERE get_byte(key, 0) = 75 AND substr(key, 2, 4) = '\\x{day:08x}'");
    let opened = format!("SELECT count(*) FROM opened WHERE day = {day}");
    bench.later(i64::from(RETENTION)).await;
    assert_eq!((bench.ask(&table).as_str(), bench.ask(&data_key).as_str(), bench.ask(&opened).as_str()), ("t|t", "1", "1"));
    bench.later(i64::from(RETENTION) + 1).await;
    assert_eq!((bench.ask(&table).as_str(), bench.ask(&data_key).as_str(), bench.ask(&opened).as_str()), ("f|f", "0", "0"));
    assert!(bench.store.find(first).await.unwrap().is_none());
    assert!(bench.store.feed(&bank(), 0, 100).await.unwrap().is_empty());
    let view = bench.store.load(&reply_from(&phone(), None, bench.time.now())).await.unwrap();
    assert_eq!(view.addresses[0].opt_outs, [demo()], "an opt-out outlives all days");

    // It goes on: today's are kept, by whoever.
    let today = bench.finished(3, &phone()).await;
    bench.store.sweep().await.unwrap();
    assert!(bench.store.find(today).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_at_a_time_sweeps() {
    let bench = Bench::new().await;
    let second = node(&bench.settings, Bench::options(&bench.time), 2).await;
    bench.finished(1, &other()).await;
    bench.store.sweep().await.unwrap();
    let over = Timestamp::from_millis(at(5 * DAY).millis());
    bench.time.set(over);
    bench.store.sweep().await.unwrap();
    assert_eq!(bench.records('a'), 0);
    bench.finished(2, &other()).await;
    bench.time.set(over.plus(Duration::from_secs(60)));
    second.sweep().await.unwrap();
    bench.ask("UPDATE record SET until = 0 WHERE until IS NOT NULL");
    second.sweep().await.unwrap();
    assert_eq!(bench.records('a'), 1, "the first has the duty");
    bench.time.set(over.plus(Duration::from_secs(181)));
    second.sweep().await.unwrap();
    assert_eq!(bench.records('a'), 0, "and lost it");
}

// The address gets another challenge while the sweep is at it: its row is locked, and no longer over when the lock goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_used_anew_at_that_moment_stays() {
    let bench = Bench::new().await;
    bench.finished(1, &phone()).await;
    bench.finished(2, &other()).await;
    let (client, connection) = tokio_postgres::connect(&postgres::shared().admin_url(&bench.database), NoTls).await.unwrap();
    tokio::spawn(connection);
    let one = "(SELECT key FROM record WHERE get_byte(key, 0) = 97 ORDER BY key LIMIT 1)";
    client.batch_execute(&format!("BEGIN; UPDATE record SET until = NULL, version = version + 1 WHERE key = {one}")).await.unwrap();
    bench.time.set(at(5 * DAY));
    let store = bench.store.clone();
    let sweep = tokio::spawn(async move { store.sweep().await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while bench.ask(waits) == "0" {
        assert!(!sweep.is_finished(), "it must wait for the row: {:?}", sweep.await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.batch_execute("COMMIT").await.unwrap();
    sweep.await.unwrap().unwrap();
    assert_eq!(bench.records('a'), 1, "the other is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_whole_tables_past_midnight_holds_up_nobody() {
    let bench = Bench::new().await;
    let pool = connect::pool(&bench.settings).unwrap();
    let reader = pool.get().await.unwrap();
    reader.batch_execute("SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE aggregate IN ACCESS SHARE MODE").await.unwrap();
    for day in 1..=2 {
        bench.time.set(at(day * DAY));
        let begun = Instant::now();
        // It can't make what a later day needs, and waits a little for each.
        let late = node(&bench.settings, Bench::options(&bench.time), 1 + day).await;
        bench.finished(day as u128, &phone()).await;
        assert!(late.lease(bench.time.now(), Duration::from_secs(30), 9).await.unwrap().is_empty());
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        late.close();
    }
    assert_eq!(bench.ask(&format!("SELECT to_regclass('aggregate_d{}') IS NULL", bench.day() + 1)), "t", "the reader is in the way");
    reader.batch_execute("COMMIT").await.unwrap();
    bench.later(2).await;
    assert_eq!(bench.ask(&format!("SELECT to_regclass('aggregate_d{}') IS NULL", bench.day() + 2)), "f", "it is made afterwards");
}
