//! Migrations against a real server: planned, applied once by however many start at once, taken over from who died, and
//! refused where this program must not touch the database.

mod postgres;

use countersign::store::postgres::migrate::{Applied, MigrateError, Step, Turn, apply, check, plan};
use postgres::{PATIENCE, shared};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// Each says that it ran, and would say so twice.
const STEPS: &[Step] = &[
    Step { number: 1, name: "a table", sql: "CREATE TABLE IF NOT EXISTS ran (step int8); INSERT INTO ran VALUES (1)", compatible_from: 1 },
    Step { number: 2, name: "a column", sql: "ALTER TABLE ran ADD at timestamptz; INSERT INTO ran VALUES (2)", compatible_from: 1 },
    Step { number: 3, name: "an index", sql: "CREATE INDEX ran_at ON ran (at); INSERT INTO ran VALUES (3)", compatible_from: 3 },
];

/// The second waits at a gate, for an hour, as long as there is one.
const GATED: &[Step] = &[
    STEPS[0],
    Step {
        number: 2,
        name: "a long step",
        sql: "SELECT pg_sleep(3600) WHERE EXISTS (SELECT FROM gate); INSERT INTO ran VALUES (2)",
        compatible_from: 2,
    },
];

async fn connected(database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&shared().url(database), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn turn(holder: &str, span: Duration, patience: Duration) -> Turn {
    Turn { span, patience, ..Turn::of(holder) }
}

fn ran(database: &str) -> String {
    shared().sql(database, "SELECT string_agg(step::text, ' ' ORDER BY step) FROM ran")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_is_planned_is_applied_and_then_nothing_is_to_be_done() {
    let database = shared().database();
    let mut client = connected(&database).await;
    assert_eq!(plan(&client, STEPS).await.unwrap().pending(), STEPS);
    assert!(matches!(check(&client, STEPS).await, Err(MigrateError::Pending(3))));
    assert_eq!(shared().sql(&database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "a plan changes nothing");

    let some = apply(&mut client, &STEPS[..1], &Turn::of("a node")).await.unwrap();
    assert_eq!(some, Applied { steps: vec![1] });
    assert_eq!(apply(&mut client, STEPS, &Turn::of("a node")).await.unwrap(), Applied { steps: vec![2, 3] });
    assert_eq!(apply(&mut client, STEPS, &Turn::of("a node")).await.unwrap(), Applied::default());
    check(&client, STEPS).await.unwrap();
    assert_eq!(ran(&database), "1 2 3");

    let done = plan(&client, STEPS).await.unwrap();
    assert!(done.pending().is_empty() && done.newer().is_empty() && done.applied().len() == 3, "{done}");
    let (now, at) = (chrono::Utc::now().timestamp_millis(), done.applied()[0].applied_at.millis());
    assert!((now - 600_000..=now + 1_000).contains(&at), "{at} is about now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_start_at_once_apply_each_step_once() {
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let database = shared().database();
        shared().sql(&database, &format!("ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'"));
        let mut runners = Vec::new();
        for number in 0..8 {
            let mut client = connected(&database).await;
            runners.push(tokio::spawn(async move { apply(&mut client, STEPS, &Turn::of(format!("node {number}"))).await }));
        }
        let mut applied = Vec::new();
        for runner in runners {
            applied.extend(runner.await.unwrap().unwrap().steps);
        }
        applied.sort_unstable();
        assert_eq!((applied, ran(&database).as_str()), (vec![1, 2, 3], "1 2 3"), "{isolation}");
    }
}

/// The planted fault of the test above: who doesn't ask whether it is done does it twice, and that shows.
#[tokio::test]
async fn a_step_that_is_applied_twice_is_noticed() {
    let database = shared().database();
    for _ in 0..2 {
        connected(&database).await.batch_execute(STEPS[0].sql).await.unwrap();
    }
    assert_eq!(ran(&database), "1 1");
}

#[tokio::test]
async fn another_takes_over_when_the_lease_of_a_dead_one_ends() {
    let database = shared().database();
    shared()
        .sql(&database, &format!("CREATE TABLE gate (); INSERT INTO gate DEFAULT VALUES; ALTER TABLE gate OWNER TO {}", postgres::ROLE));
    let (mut first, mut second) = (connected(&database).await, connected(&database).await);
    let span = Duration::from_secs(2);
    let dying = tokio::spawn(async move { apply(&mut first, GATED, &turn("the dying", span, PATIENCE)).await });
    let asleep = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'");
    until("the long step", || !shared().sql("postgres", &asleep).is_empty()).await;
    let killed = shared().sql("postgres", &asleep);
    shared().sql("postgres", &format!("SELECT pg_terminate_backend({killed})"));
    let error = dying.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("step 2 (a long step) failed"), "{error}");
    assert_eq!(ran(&database), "1", "the step it was at left nothing");
    let lease = shared().sql(&database, "SELECT holder FROM migration_lease");
    assert!(lease.starts_with("the dying ("), "it died with the lease: {lease}");

    shared().sql(&database, "CREATE TABLE ended AS SELECT until FROM migration_lease; DELETE FROM gate");
    assert_eq!(apply(&mut second, GATED, &turn("the heir", span, PATIENCE)).await.unwrap().steps, [2]);
    assert_eq!(ran(&database), "1 2");
    let later = "SELECT applied_at >= until FROM migration_step, ended WHERE number = 2";
    assert_eq!(shared().sql(&database, later), "t", "not before the lease ended");
    assert_eq!(shared().sql(&database, "SELECT holder IS NULL FROM migration_lease"), "t", "it is given back");
}

#[tokio::test]
async fn a_step_that_outlasts_its_lease_is_still_nobody_elses() {
    let database = shared().database();
    shared()
        .sql(&database, &format!("CREATE TABLE gate (); INSERT INTO gate DEFAULT VALUES; ALTER TABLE gate OWNER TO {}", postgres::ROLE));
    let (mut first, mut second) = (connected(&database).await, connected(&database).await);
    let short = Duration::from_millis(1);
    let slow = tokio::spawn(async move { apply(&mut first, GATED, &turn("the slow", short, PATIENCE)).await });
    let asleep = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'");
    until("the long step", || shared().sql("postgres", &asleep) == "1").await;
    assert_eq!(shared().sql(&database, "SELECT until < clock_timestamp() FROM migration_lease"), "t");

    let error = apply(&mut second, GATED, &turn("the eager", short, short)).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Held { holder, .. } if holder.starts_with("the slow (")), "{error}");
    slow.abort();
    assert_eq!(ran(&database), "1");
}

#[tokio::test]
async fn a_failing_step_is_named_leaves_nothing_and_lets_others_try() {
    let database = shared().database();
    let (mut client, wrong) = (connected(&database).await, "CREATE TABLE half (n int8); INSERT INTO nowhere VALUES (1)");
    let steps = [STEPS[0], Step { number: 2, name: "a slip", sql: wrong, compatible_from: 2 }];
    let error = apply(&mut client, &steps, &Turn::of("a node")).await.unwrap_err();
    assert_eq!(error.to_string(), "step 2 (a slip) failed: relation \"nowhere\" does not exist (42P01)");
    assert_eq!(shared().sql(&database, "SELECT count(*) FROM pg_tables WHERE tablename = 'half'"), "0");
    assert_eq!(shared().sql(&database, "SELECT max(number) FROM migration_step"), "1");
    assert_eq!(shared().sql(&database, "SELECT holder IS NULL FROM migration_lease"), "t");
    assert_eq!(apply(&mut client, STEPS, &Turn::of("a node")).await.unwrap().steps, [2, 3]);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_a_compatible_newer_one_is_not() {
    let database = shared().database();
    let mut client = connected(&database).await;
    apply(&mut client, STEPS, &Turn::of("a node")).await.unwrap();

    let changed = [Step { sql: "CREATE TABLE else_where ()", ..STEPS[0] }, STEPS[1], STEPS[2]];
    let all = [
        plan(&client, &changed).await.map(drop),
        check(&client, &changed).await,
        apply(&mut client, &changed, &Turn::of("a node")).await.map(drop),
    ];
    for refused in all {
        let error = refused.unwrap_err();
        assert!(error.to_string().starts_with("step 1 (a table) was applied with other statements"), "{error}");
    }

    // This program knows step 1; step 2 lets it be, and step 3 does not.
    let error = check(&client, &STEPS[..1]).await.unwrap_err();
    assert!(error.to_string().contains("step 3 (an index), which needs a program that knows step 3, and this one knows 1"), "{error}");
    assert!(matches!(apply(&mut client, &STEPS[..1], &Turn::of("a node")).await, Err(MigrateError::TooNew { .. })));
    shared().sql(&database, "DELETE FROM migration_step WHERE number = 3");
    check(&client, &STEPS[..1]).await.unwrap();
    let beside = plan(&client, &STEPS[..1]).await.unwrap();
    assert_eq!((beside.applied().len(), beside.newer().len(), beside.newer()[0].number), (1, 1, 2));
    assert_eq!(apply(&mut client, &STEPS[..1], &Turn::of("a node")).await.unwrap(), Applied::default());
}
