//! Node after node is replaced; one starts at the wrong moment; one was away for too long.

use crate::ground::{Balancer, Ground};
use crate::life::{answer, is_known, is_told, life, open, settle};
use crate::postgres::{self, latency::Proxy};
use crate::sample::*;
use countersign::domain::snapshot::{Query, Write};
use countersign::store::contract::{Store, StoreError};
use countersign::store::form::Form;
use countersign::store::postgres::{Options, PostgresStore, Settings};
use std::collections::BTreeSet;
use std::time::Duration;

const REFUSED: &str = "values of form 2, and this program reads forms up to 1: install the newer version";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_are_replaced_one_by_one_under_load() {
    let ground = Ground::new();
    let (first, second) = (ground.old().await, ground.old().await);
    let balancer = Balancer::over([first.clone(), second.clone()]);
    let load = balancer.load(100);
    balancer.lived(4).await;
    open(&*first, 1).await.unwrap();
    open(&*first, 2).await.unwrap();

    balancer.end_node(second).await;
    let third = ground.new_node().await;
    balancer.add(third.clone());
    balancer.lived(8).await;
    open(&*third, 3).await.unwrap();
    settle(&*third, 1).await.unwrap();
    settle(&*first, 3).await.unwrap();
    assert_eq!(ground.in_use(), 1, "one reads nothing else");
    let forms = |ground: &Ground| ground.challenges().into_values().collect::<BTreeSet<_>>();
    assert_eq!((forms(&ground), ground.records()), (BTreeSet::from([1]), BTreeSet::from([1])));

    balancer.end_node(first).await;
    let fourth = ground.new_node().await;
    balancer.add(fourth.clone());
    ground.until_in_use(2).await;
    balancer.lived(8).await;
    let mut lived = until_written(&ground, &third, 20).await;
    lived.extend(until_written(&ground, &fourth, 60).await);
    balancer.end();
    let end = load.await.unwrap().unwrap();
    lived.extend((1..=3).chain(100..end));
    let before = ground.challenges();
    assert_eq!([1, 2, 3, 100].map(|n| before[&n]), [1; 4], "what nobody writes stays as it is");
    assert_eq!(ground.records(), BTreeSet::from([1, 2]));
    settle(&*fourth, 2).await.unwrap();
    for n in 1..=3 {
        answer(&*third, n).await.unwrap();
    }
    assert_eq!([1, 2, 3].map(|n| ground.challenges()[&n]), [2; 3]);
    for node in [&third, &fourth] {
        for n in &lived {
            is_known(&**node, *n).await.unwrap();
        }
        is_told(&**node, lived.iter().copied()).await.unwrap();
    }
    let refused = ground.start(&ground.settings, ground.options(Form::One)).await.err().map(|it| it.to_string());
    assert!(refused.as_ref().is_some_and(|it| it.contains(REFUSED)), "{refused:?}");
    life(90, &[&*third, &*fourth]).await.unwrap();
}

// Lives at one node until it writes the newer form: it hears of it within a second. Which.
async fn until_written(ground: &Ground, node: &PostgresStore, from: u128) -> Vec<u128> {
    let mut lived = Vec::new();
    for n in from..from + 40 {
        life(n, &[node]).await.unwrap();
        lived.push(n);
        if ground.challenges()[&n] == 2 {
            return lived;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("it never writes form 2");
}

// Whichever comes first: the older is counted and can read everything, or it is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_starts_while_the_newer_form_gets_into_use_is_counted_or_refused() {
    for _ in 0..3 {
        let ground = Ground::new();
        let early = ground.old().await;
        let newer = ground.new_node().await;
        early.close();
        // The newer one looks each second whether it may.
        for n in 1..=30 {
            match ground.start(&ground.settings, ground.options(Form::One)).await {
                Ok(older) => {
                    life(n, &[&*newer, &*older]).await.unwrap();
                    older.close();
                }
                Err(error) => {
                    assert!(error.to_string().contains(REFUSED), "{error}");
                    assert_eq!(ground.in_use(), 2);
                    break;
                }
            }
        }
    }
    // And at the very same time.
    for _ in 0..6 {
        let ground = Ground::new();
        let (older, newer) = tokio::join!(ground.start(&ground.settings, ground.options(Form::One)), ground.new_node());
        match older {
            Ok(older) => {
                life(1, &[&*newer, &*older]).await.unwrap();
                assert_eq!(ground.in_use(), 1);
            }
            Err(error) => {
                assert!(error.to_string().contains(REFUSED), "{error}");
                assert_eq!(ground.in_use(), 2);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_older_node_that_was_away_too_long_says_so_and_loses_nothing() {
    let ground = Ground::new();
    let proxy = Proxy::to(postgres::shared().port());
    let settings = Settings { hosts: vec![proxy.host()], connect_timeout_secs: 2, ..ground.settings.clone() };
    let brief = Duration::from_secs(2);
    let older = ground.start(&settings, Options { commit_timeout: brief, read_timeout: brief, ..ground.options(Form::One) }).await.unwrap();
    open(&*older, 1).await.unwrap();
    // Its message waits, and is the older one's for three minutes.
    older.commit(vec![Write::Aggregate(boxed(&challenge(0, &phone())))], Vec::new()).await.unwrap();
    proxy.silence();
    let impatient = Options { node_counts: Duration::from_secs(1), ..ground.options(Form::Two) };
    let newer = ground.start(&ground.settings, impatient).await.unwrap();
    ground.until_in_use(2).await;
    let newest = until_written(&ground, &newer, 20).await.pop().unwrap();
    settle(&*newer, 1).await.unwrap();
    proxy.speak();
    let mut told = 0;
    while told < 3 {
        match older.load(&Query::One(id(newest))).await {
            Err(StoreError::Outdated(why)) if why.contains(REFUSED) => told += 1,
            Err(StoreError::Away(_) | StoreError::Busy) => assert_eq!(told, 0),
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while older.status().ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let outdated = |it: Result<(), StoreError>| assert!(matches!(it, Err(StoreError::Outdated(_))), "{it:?}");
    outdated(older.lease(at(0), Duration::from_secs(180), 9).await.map(drop));
    outdated(older.due(at(0), 9).await.map(drop));
    outdated(older.commit(vec![Write::Aggregate(boxed(&challenge(9, &phone())))], Vec::new()).await);
    outdated(open(&*older, 9).await.map_err(StoreError::Outdated));
    // It gave back what it had.
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken = newer.lease(at(0), Duration::from_secs(180), 9).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(taken.iter().map(|it| it.aggregate).collect::<Vec<_>>(), [id(0)]);
    answer(&*newer, 1).await.unwrap();
    is_known(&*newer, 1).await.unwrap();
    is_known(&*newer, newest).await.unwrap();
}
