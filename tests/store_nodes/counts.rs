//! What nodes count together, and what one of them may take.

use super::postgres::latency::Proxy;
use super::{fresh, node, options};
use crate::postgres;
use crate::sample::*;
use countersign::store::contract::{Counters, Kind, Mark, StoreError, Taken};
use countersign::store::postgres::{Options, PostgresStore, Settings};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn mark(kind: Kind, name: &str) -> Mark {
    Mark::of(&vault(), kind, &[name.as_bytes()])
}

/// Tells what all have to tell, so that all know it.
pub async fn exchange(all: &[Arc<PostgresStore>]) {
    for _ in 0..2 {
        for it in all {
            it.exchange().await.expect("the database is there");
        }
    }
}

/// Two nodes over a database of their own.
pub async fn two(time: &Time) -> (Vec<Arc<PostgresStore>>, Settings) {
    let settings = fresh();
    (vec![node(&settings, options(time), 1).await, node(&settings, options(time), 2).await], settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_adds_what_the_others_told_until_it_ends() {
    let time = Time::at(0);
    let (mut nodes, settings) = two(&time).await;
    nodes.push(node(&settings, options(&time), 3).await);
    let (a, b) = (mark(Kind::Failures, "a"), mark(Kind::Failures, "b"));
    let check = |expected: [u32; 6], when: &str| {
        let heard: Vec<u32> = nodes.iter().flat_map(|it| [it.others(&a), it.others(&b)]).collect();
        assert_eq!(heard, expected, "{when}");
    };
    nodes[0].tell(a, 3, MINUTE);
    nodes[1].tell(a, 4, 2 * MINUTE);
    nodes[1].tell(b, 2, MINUTE);
    exchange(&nodes).await;
    check([4, 2, 3, 0, 7, 2], "at first");
    nodes[1].tell(a, 5, 2 * MINUTE);
    exchange(&nodes).await;
    check([5, 2, 3, 0, 8, 2], "in place of what it told before");
    nodes[1].tell(b, 0, MINUTE);
    exchange(&nodes).await;
    check([5, 0, 3, 0, 8, 0], "taken back");
    assert!(nodes.iter().all(|it| !it.is_quiet(Kind::Failures) && it.is_quiet(Kind::Guesses)));
    time.set(at(61));
    check([5, 0, 0, 0, 5, 0], "after a minute");
    time.set(at(121));
    check([0; 6], "after two");
    assert!(nodes.iter().all(|it| it.is_quiet(Kind::Failures)));
}

// The fault that the tests above must see: a node that tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_exchanged_is_not_known() {
    let time = Time::at(0);
    let apart = [two(&time).await.0.remove(0), two(&time).await.0.remove(0)];
    let a = mark(Kind::Failures, "a");
    apart[0].tell(a, 3, MINUTE);
    exchange(&apart).await;
    assert_eq!((apart[1].others(&a), apart[1].is_quiet(Kind::Failures)), (0, true));
    let take = async |nth: usize| apart[nth].take(mark(Kind::Nonce, "n"), [1; 16], MINUTE).await;
    assert_eq!((take(0).await, take(1).await), (Ok(Taken::First), Ok(Taken::First)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_knows_what_counts_also_of_who_has_gone() {
    let time = Time::at(0);
    let (nodes, settings) = two(&time).await;
    let a = mark(Kind::Messages, "a");
    // More than go at once.
    let many: Vec<Mark> = (0..1_200).map(|n| mark(Kind::Failures, &n.to_string())).collect();
    nodes[0].tell(a, 9, MINUTE);
    many.iter().for_each(|it| nodes[0].tell(*it, 2, MINUTE));
    for _ in 0..3 {
        nodes[0].exchange().await.unwrap();
    }
    nodes[0].close();
    drop(nodes);
    let late = node(&settings, options(&time), 7).await;
    assert!(late.is_quiet(Kind::Messages));
    late.exchange().await.unwrap();
    assert_eq!(late.others(&a), 9);
    assert!(many.iter().all(|it| late.others(it) == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_stays_longer_than_it_counts() {
    let time = Time::at(0);
    let (nodes, settings) = two(&time).await;
    let rows = |table: &str| postgres::shared().sql(&settings.database, &format!("SELECT count(*) FROM {table}")).trim().to_owned();
    // Its own round, and since when what is taken is known, are rows, too.
    nodes[0].tell(mark(Kind::Failures, "a"), 3, MINUTE);
    nodes[0].tell(mark(Kind::Messages, "a"), 3, 3 * MINUTE);
    nodes[0].take(mark(Kind::Nonce, "n"), [1; 16], MINUTE).await.unwrap();
    exchange(&nodes).await;
    assert_eq!((rows("counted").as_str(), rows("taken").as_str()), ("3", "2"));
    let known = || nodes[1].others(&mark(Kind::Messages, "a"));
    for (seconds, counted, taken, heard) in [(59, "3", "2", 3), (62, "2", "1", 3), (182, "0", "1", 0)] {
        time.set(at(seconds));
        // Housekeeping follows an exchange, once a minute.
        exchange(&nodes).await;
        assert_eq!((rows("counted").as_str(), rows("taken").as_str(), known()), (counted, taken, heard), "after {seconds} s");
    }
    assert_eq!(nodes[1].shared_since(), Some(at(0)));
    nodes[0].tell(mark(Kind::Failures, "a"), 4, MINUTE);
    exchange(&nodes).await;
    assert_eq!(nodes[1].others(&mark(Kind::Failures, "a")), 4, "a node that was forgotten is heard again");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_tells_what_it_is_about() {
    let time = Time::at(0);
    let (nodes, settings) = two(&time).await;
    nodes[0].tell(mark(Kind::Failures, "CANARY"), 3, MINUTE);
    nodes[0].take(mark(Kind::Nonce, "CANARY"), [1; 16], MINUTE).await.unwrap();
    exchange(&nodes).await;
    for table in ["counted", "taken"] {
        let all = postgres::shared().sql(&settings.database, &format!("SELECT encode(key, 'escape') FROM {table}"));
        assert!(all.len() > 17 && !all.contains("CANARY"), "{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_one_takes_it() {
    let (nodes, _) = two(&Time::at(0)).await;
    for round in 0..20 {
        let one = mark(Kind::Nonce, &round.to_string());
        let (first, second) = tokio::join!(nodes[0].take(one, [1; 16], MINUTE), nodes[1].take(one, [2; 16], MINUTE));
        let both = [first.unwrap(), second.unwrap()];
        assert!(both == [Taken::First, Taken::Other] || both == [Taken::Other, Taken::First], "round {round}: {both:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_is_told_when_the_database_is_back() {
    let (direct, proxy, time) = (fresh(), Proxy::to(postgres::shared().port()), Time::at(0));
    let behind = Settings { hosts: vec![proxy.host()], pool: 4, connect_timeout_secs: 2, ..direct.clone() };
    let brief = Options { read_timeout: Duration::from_millis(500), ..options(&time) };
    let nodes = [node(&behind, brief, 1).await, node(&direct, options(&time), 2).await];
    let a = mark(Kind::Failures, "a");
    proxy.down();
    nodes[0].tell(a, 3, MINUTE);
    assert!(matches!(nodes[0].exchange().await, Err(StoreError::Away(_))));
    assert!(nodes[0].take(mark(Kind::Nonce, "n"), [1; 16], MINUTE).await.is_err());
    nodes[0].tell(a, 4, MINUTE);
    proxy.up();
    let mut tries = 0;
    while nodes[0].exchange().await.is_err() {
        tries += 1;
        assert!(tries < 40, "it works again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    nodes[1].exchange().await.unwrap();
    assert_eq!(nodes[1].others(&a), 4);
}
