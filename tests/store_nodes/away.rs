//! The database goes silent, or a connection dies under way.

use super::postgres::latency::Proxy;
use super::{fresh, node, options, put};
use crate::postgres;
use crate::sample::*;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::Challenge;
use countersign::domain::contact::Address;
use countersign::domain::snapshot::{Expect, Query, Write};
use countersign::store::contract::{Store, StoreError};
use countersign::store::postgres::{Options, PostgresStore, Settings};
use std::sync::Arc;
use std::time::Duration;

fn one(n: u128) -> Challenge {
    challenge(n, &Address::canonical(&format!("+1202555{n:04}")))
}

async fn behind(options: Options) -> (Proxy, Arc<PostgresStore>, Settings) {
    let direct = fresh();
    let proxy = Proxy::to(postgres::shared().port());
    let settings = Settings { hosts: vec![proxy.host()], pool: 4, connect_timeout_secs: 2, ..direct.clone() };
    let store = node(&settings, options, 1).await;
    (proxy, store, direct)
}

fn is_away<T>(it: &Result<T, StoreError>) -> bool {
    matches!(it, Err(StoreError::Away(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_nothing_answers_everybody_hears_so_and_too_many_are_sent_away() {
    let brief = Duration::from_millis(1500);
    let few = Options { queue: 2, reads: 2, max_group: 1, commit_timeout: brief, read_timeout: brief, ..options(&Time::at(0)) };
    let (proxy, store, _) = behind(few).await;
    store.commit(put(&one(1)), Vec::new()).await.unwrap();
    proxy.silence();
    // One after the other: a commit reads, too, and would take the readers' places.
    let (mut reads, mut commits) = (tokio::task::JoinSet::new(), tokio::task::JoinSet::new());
    for _ in 0..8 {
        let reader = store.clone();
        reads.spawn(async move { reader.load(&Query::One(id(1))).await.map(drop) });
    }
    let reads = reads.join_all().await;
    for n in 0..8 {
        let writer = store.clone();
        commits.spawn(async move { writer.commit(put(&one(10 + n)), vec![Expect::Aggregate(id(10 + n), 0)]).await });
    }
    let commits = commits.join_all().await;
    for (what, outcomes) in [("reads", reads), ("commits", commits)] {
        let busy = outcomes.iter().filter(|it| **it == Err(StoreError::Busy)).count();
        let away = outcomes.iter().filter(|it| is_away(it)).count();
        assert!(busy > 0 && away > 0 && busy + away == outcomes.len(), "{what}: {outcomes:?}");
    }
    proxy.speak();
    // What stuck in the old connections may take its time; then all is as before.
    let mut tries = 0;
    while store.commit(put(&one(2)), Vec::new()).await.is_err() {
        tries += 1;
        assert!(tries < 40, "it works again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(store.load(&Query::One(id(2))).await.unwrap().one.is_some());
}

// Whoever hears of a conflict decides again, and would do it twice: so a commit that was made must never be called one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_connection_dies_is_whole_or_not_there_and_never_called_a_conflict() {
    let (proxy, store, direct) = behind(options(&Time::at(0))).await;
    let eye = node(&direct, options(&Time::at(0)), 2).await;
    let proxy = Arc::new(proxy);
    proxy.delay(Duration::from_millis(2));
    let mut away = 0;
    for n in 1..=24_u64 {
        // A connection is there again.
        while store.load(&Query::One(id(1))).await.is_err() {}
        let knife = proxy.clone();
        let cut = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(n)).await;
            knife.cut();
        });
        let outcome = write(&store, n).await;
        cut.await.unwrap();
        // What was on its way has arrived by then, or never will.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let there = is_whole(&eye, n).await;
        match outcome {
            Ok(()) => assert!(there, "what was promised is there"),
            Err(StoreError::Away(_)) => away += 1,
            other => panic!("{n}: {other:?}"),
        }
    }
    assert!(away > 0, "none was cut");
    let numbers: Vec<u64> = eye.feed(&bank(), 0, 100).await.unwrap().iter().map(|it| it.0).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_was_made_and_whose_answer_is_lost_is_told_as_unknown() {
    let (proxy, store, direct) = behind(options(&Time::at(0))).await;
    let eye = node(&direct, options(&Time::at(0)), 2).await;
    write(&store, 1).await.unwrap();
    // The answer is half a second behind what it is about.
    proxy.delay(Duration::from_millis(500));
    let writer = store.clone();
    let outcome = tokio::spawn(async move { write(&writer, 2).await });
    while !is_whole(&eye, 2).await {}
    proxy.cut();
    let outcome = outcome.await.unwrap();
    assert!(is_away(&outcome), "{outcome:?}");
    proxy.delay(Duration::ZERO);
    while store.load(&Query::One(id(1))).await.is_err() {}
    assert_eq!(write(&store, 2).await, Err(StoreError::Conflict), "whoever tries again hears that it is there");
}

async fn write(store: &PostgresStore, n: u64) -> Result<(), StoreError> {
    let writes = vec![Write::Aggregate(boxed(&one(n.into()))), Write::Budget(key(n), Budget { recent: Vec::new(), consecutive: 1 })];
    store.commit(writes, vec![Expect::Aggregate(id(n.into()), 0), Expect::Budget(key(n), 0)]).await
}

async fn is_whole(eye: &PostgresStore, n: u64) -> bool {
    // The later read sees at least what the earlier did.
    let there = eye.load(&Query::One(id(n.into()))).await.unwrap().one.is_some();
    let counted = eye.load(&Query::Budget(key(n))).await.unwrap().budgets[0].1.version > 0;
    assert!(counted || !there, "all of it, or nothing");
    there && counted
}

fn key(n: u64) -> BudgetKey {
    BudgetKey::Recipient(bank(), demo(), format!("r{n}"))
}
