//! The clusters that the store's tests stand on: that they are what they say, that what is to be lost or kept is, and that
//! nothing of them stays behind.

mod postgres;

use postgres::latency::Proxy;
use postgres::{Cluster, PATIENCE, processes, shared};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// Says to [`ours_until_we_are_killed`] that it is the one to be killed.
const VICTIM: &str = "COUNTERSIGN_TEST_VICTIM";

async fn connected(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// As [`connected`], by way of a proxy.
async fn by_way_of(proxy: &Proxy, cluster: &Cluster) -> Result<Client, tokio_postgres::Error> {
    connected(&cluster.admin_url("postgres").replace(&cluster.host(), &proxy.host())).await
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn each_database_is_fresh_and_the_roles_own() {
    let cluster = shared();
    let (one, other) = (cluster.database(), cluster.database());
    assert_ne!(one, other);
    let client = connected(&cluster.url(&one)).await.unwrap();
    client.batch_execute("CREATE SCHEMA mine; CREATE TABLE mine.it (n int8); INSERT INTO mine.it VALUES (7)").await.unwrap();
    assert_eq!(cluster.sql(&one, "SELECT n FROM mine.it"), "7");
    assert_eq!(cluster.sql(&other, "SELECT count(*) FROM pg_namespace WHERE nspname = 'mine'"), "0");
    let refused = client.batch_execute("CREATE ROLE more").await.unwrap_err();
    assert!(refused.as_db_error().is_some_and(|it| it.message().contains("permission denied")), "{refused:?}");
    assert!(connected(&cluster.url(&one).replace(postgres::PASSWORD, "wrong")).await.is_err());
    for (setting, value) in [("data_checksums", "on"), ("listen_addresses", "127.0.0.1"), ("unix_socket_directories", "")] {
        assert_eq!(cluster.sql(&one, &format!("SHOW {setting}")), value, "{setting}");
    }
}

#[test]
fn a_committed_row_outlives_the_processes_and_an_open_one_does_not() {
    let mut cluster = Cluster::durable();
    assert_eq!(cluster.sql("postgres", "SHOW fsync"), "on");
    cluster.sql("postgres", "CREATE TABLE it (n int8)");
    cluster.sql("postgres", "INSERT INTO it VALUES (1)");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(connected(&cluster.admin_url("postgres"))).unwrap();
    runtime.block_on(client.batch_execute("BEGIN; INSERT INTO it VALUES (2)")).unwrap();
    let (port, processes) = (cluster.port(), cluster.processes());
    assert!(processes.len() > 2, "the postmaster has children: {processes:?}");
    cluster.kill();
    until("the processes' end", || !processes.iter().any(|it| processes::is_alive(*it)));
    assert!(runtime.block_on(client.simple_query("SELECT 1")).is_err());
    cluster.restart();
    assert_eq!(cluster.port(), port);
    assert_eq!(cluster.sql("postgres", "SELECT n FROM it"), "1");
    assert!(cluster.log().contains("not properly shut down"), "it was a crash");
    cluster.restart();
    assert_eq!(cluster.sql("postgres", "SELECT n FROM it"), "1");
}

#[test]
fn a_standby_has_what_was_acknowledged_and_takes_over() {
    let mut primary = Cluster::quick();
    primary.sql("postgres", "CREATE TABLE it (n int8)");
    let mut standby = primary.standby();
    primary.sql("postgres", "INSERT INTO it VALUES (1)");
    assert_eq!(standby.sql("postgres", "SELECT pg_is_in_recovery()"), "t");

    // The planted fault: without the standby nothing may be acknowledged.
    standby.kill();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime.block_on(connected(&primary.admin_url("postgres"))).unwrap();
    let insert = runtime.spawn(async move { client.batch_execute("INSERT INTO it VALUES (2)").await });
    until("the commit that waits", || primary.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1");
    assert!(!insert.is_finished());
    standby.restart();
    runtime.block_on(insert).unwrap().unwrap();

    primary.kill();
    standby.promote();
    standby.sql("postgres", "INSERT INTO it VALUES (3)");
    assert_eq!(standby.sql("postgres", "SELECT string_agg(n::text, ' ' ORDER BY n) FROM it"), "1 2 3");
}

#[test]
fn processor_time_is_counted_also_of_what_is_over() {
    let cluster = Cluster::quick();
    let before = cluster.cpu_micros();
    // Each statement has a process of its own, which is over when it is answered.
    until("work that is counted", || {
        cluster.sql("postgres", "SELECT sum(n) FROM generate_series(1, 200000) AS n");
        cluster.cpu_micros() >= before + 100_000
    });
    cluster.pause();
    // A process stops at the next tick at the latest.
    std::thread::sleep(Duration::from_millis(50));
    let (paused, started) = (cluster.cpu_micros(), Instant::now());
    while started.elapsed() < Duration::from_millis(50) {
        assert_eq!(cluster.cpu_micros(), paused, "what is stopped takes no time");
    }
    cluster.resume();
    assert_eq!(cluster.sql("postgres", "SELECT 1"), "1");
}

#[tokio::test]
async fn the_proxy_delays_silences_breaks_and_leads_elsewhere() {
    let (cluster, other) = (shared(), Cluster::quick());
    let proxy = Proxy::to(cluster.port());
    let client = by_way_of(&proxy, cluster).await.unwrap();
    let took = async |client: &Client| {
        let started = Instant::now();
        client.simple_query("SELECT 1").await.map(|_| started.elapsed())
    };
    proxy.delay(Duration::from_millis(60));
    assert!(took(&client).await.unwrap() >= Duration::from_millis(120));
    proxy.delay(Duration::ZERO);

    proxy.silence();
    let asked = tokio::spawn(async move { (took(&client).await, client) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!asked.is_finished(), "nothing comes back, not even an error");
    proxy.speak();
    let (answered, client) = asked.await.unwrap();
    assert!(answered.unwrap() >= Duration::from_millis(100), "what was sent arrives in the end");

    proxy.cut();
    assert!(client.simple_query("SELECT 1").await.is_err());
    by_way_of(&proxy, cluster).await.unwrap().simple_query("SELECT 1").await.unwrap();
    proxy.down();
    assert!(by_way_of(&proxy, cluster).await.is_err());
    proxy.up();
    proxy.lead_to(other.port());
    let elsewhere = by_way_of(&proxy, cluster).await.unwrap();
    let port: String = elsewhere.query_one("SELECT current_setting('port')", &[]).await.unwrap().get(0);
    assert_eq!(port, other.port().to_string());
}

#[tokio::test]
async fn the_proxy_counts_round_trips_and_bytes() {
    let proxy = Proxy::to(shared().port());
    let client = by_way_of(&proxy, shared()).await.unwrap();
    let (before, bytes) = (proxy.round_trips(), proxy.bytes());
    assert_eq!(before, 1, "trusted, a connection costs one");
    for _ in 0..3 {
        client.simple_query("SELECT repeat('x', 100000)").await.unwrap();
    }
    assert_eq!(proxy.round_trips() - before, 3);
    let after = proxy.bytes();
    assert_eq!(after.0 - bytes.0, 3 * (1 + 4 + 26 + 1), "kind, length, statement and its end");
    assert!((300_000..302_000).contains(&(after.1 - bytes.1)), "three answers: {after:?} after {bytes:?}");
    tokio::try_join!(client.simple_query("SELECT 1"), client.simple_query("SELECT 2"), client.simple_query("SELECT 3")).unwrap();
    assert_eq!(proxy.round_trips() - before, 4, "three in one go are one");
}

#[test]
fn nothing_stays_when_it_is_dropped_or_a_test_panics() {
    let check = |end: fn(Cluster)| {
        let cluster = Cluster::quick();
        let (processes, folder) = (cluster.processes(), cluster.folder().to_owned());
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| end(cluster)));
        until("their end", || !processes.iter().any(|it| processes::is_alive(*it)));
        assert!(!folder.exists());
    };
    check(drop);
    check(|_cluster| panic!("a test fails (on purpose)"));
}

/// The other half of [`nothing_stays_when_the_test_process_is_killed`]; alone it does nothing.
#[test]
fn ours_until_we_are_killed() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let (stopped, cluster) = (Cluster::quick(), shared());
    stopped.pause();
    let processes = stopped.processes().into_iter().chain(cluster.processes());
    let processes: Vec<_> = processes.map(|it| it.to_string()).collect();
    println!("\n{VICTIM} {} {}", cluster.folder().parent().unwrap().display(), processes.join(" "));
    std::thread::sleep(PATIENCE);
}

#[test]
fn nothing_stays_when_the_test_process_is_killed() {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", "ours_until_we_are_killed", "--nocapture"]).env(VICTIM, "1").stdout(Stdio::piped());
    let mut victim = victim.spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|it| it.starts_with(VICTIM)).expect("it says what it has");
    let mut words = line.split(' ').skip(1);
    let folder = Path::new(words.next().unwrap());
    let processes: Vec<u32> = words.map(|it| it.parse().unwrap()).collect();
    assert!(folder.exists() && processes.len() > 8 && processes.iter().all(|it| processes::is_alive(*it)), "{processes:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    until("their end", || !folder.exists() && !processes.iter().any(|it| processes::is_alive(*it)));
}
