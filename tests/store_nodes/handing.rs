//! Deliveries and timers are divided between nodes; those of a node that is gone come to the other.

use super::{Engine, fresh, load, node, options, put};
use crate::sample::*;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::snapshot::{Expect, Lease, Query, Write};
use countersign::store::contract::{Store, StoreError};
use countersign::store::postgres::Options;
use std::collections::HashSet;
use std::time::Duration;

const COUNT: u128 = 24;
const SPAN: Duration = Duration::from_secs(180);

fn one(n: u128) -> countersign::domain::challenge::Challenge {
    let mut it = challenge(n, &Address::canonical(&format!("+1202555{n:04}")));
    it.deliveries[0].status = Status::Queued { next_at: at(30) };
    it
}

async fn settle(store: &dyn Engine, lease: Lease) -> Result<(), StoreError> {
    let n = lease.aggregate.0.as_u128();
    let mut it = one(n);
    it.deliveries[0].status = Status::Accepted { at: at(31), provider_id: None };
    let version = store.find(id(n)).await?.expect("it is there").version;
    store.commit(vec![Write::Aggregate(boxed(&it))], vec![Expect::Aggregate(id(n), version), Expect::Lease(lease)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_delivery_is_one_nodes_and_those_of_a_dead_node_come_to_the_other() {
    let (settings, time) = (fresh(), Time::at(0));
    let (first, second) = (node(&settings, options(&time), 1).await, node(&settings, options(&time), 2).await);
    for n in 1..=COUNT {
        first.commit(put(&one(n)), Vec::new()).await.unwrap();
    }
    time.set(at(31));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..COUNT {
        let (one, other) = tokio::join!(first.lease(at(31), SPAN, 2), second.lease(at(31), SPAN, 2));
        ours.extend(one.unwrap());
        theirs.extend(other.unwrap());
    }
    assert!(!ours.is_empty() && !theirs.is_empty(), "both have some");
    let all: HashSet<_> = ours.iter().chain(&theirs).map(|it| it.delivery).collect();
    assert_eq!((all.len(), ours.len() + theirs.len()), (COUNT as usize, COUNT as usize), "each once");
    settle(&*first, ours[0]).await.unwrap();
    settle(&*second, theirs[0]).await.unwrap();

    // The first is away for longer than its span.
    time.set(at(31).plus(SPAN));
    let taken = second.lease(time.now(), SPAN, 100).await.unwrap();
    let expected: HashSet<_> = ours[1..].iter().chain(&theirs[1..]).map(|it| it.delivery).collect();
    assert_eq!(taken.iter().map(|it| it.delivery).collect::<HashSet<_>>(), expected);
    for lost in &ours[1..] {
        assert_eq!(settle(&*first, *lost).await, Err(StoreError::Fenced));
    }
    assert!(first.lease(time.now(), SPAN, 100).await.unwrap().is_empty());
    for mine in taken {
        settle(&*second, mine).await.unwrap();
    }
    time.set(at(2000));
    for node in [&first, &second] {
        assert!(node.lease(time.now(), SPAN, 100).await.unwrap().is_empty(), "all is done");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_another_node_wrote_meanwhile_comes_out_when_it_is_settled() {
    let (settings, time) = (fresh(), Time::at(5));
    // It takes what it wrote for what there is for as long as this test may take.
    let lasting = Options { moment: Duration::from_secs(600), ..options(&time) };
    let (first, second) = (node(&settings, lasting, 1).await, node(&settings, options(&time), 2).await);
    let mut it = challenge(1, &phone());
    first.commit(put(&it), Vec::new()).await.unwrap();
    let lease = first.lease(time.now(), SPAN, 9).await.unwrap()[0];
    let seen = async |store: &dyn Engine| load(store, Query::Leased(id(1))).await.one.unwrap();
    assert_eq!(seen(&*first).await, seen(&*second).await);

    let old = seen(&*first).await;
    it.attempts = 1;
    second.commit(put(&it), vec![Expect::Aggregate(id(1), old.version)]).await.unwrap();
    assert_eq!(seen(&*first).await, old, "it has no reason to look");
    let settle = async |version| {
        let mut it = it.clone();
        it.deliveries[0].status = Status::Accepted { at: at(6), provider_id: None };
        first.commit(put(&it), vec![Expect::Aggregate(id(1), version), Expect::Lease(lease)]).await
    };
    assert_eq!(settle(old.version).await, Err(StoreError::Conflict));
    let new = seen(&*first).await;
    assert_eq!((new.value, new.version > old.version), (boxed(&it), true), "now it has looked");
    settle(new.version).await.unwrap();
    assert_eq!(seen(&*first).await.version, first.find(id(1)).await.unwrap().unwrap().version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_node_took_with_a_commit_comes_to_the_other_when_it_dies() {
    let (settings, time) = (fresh(), Time::at(5));
    let (first, second) = (node(&settings, options(&time), 1).await, node(&settings, options(&time), 2).await);
    first.commit(put(&challenge(1, &phone())), Vec::new()).await.unwrap();
    first.close();
    drop(first);
    assert!(second.lease(at(6), SPAN, 9).await.unwrap().is_empty(), "it may still send it");
    time.set(at(5).plus(SPAN));
    let taken = second.lease(time.now(), SPAN, 9).await.unwrap();
    assert_eq!(taken.iter().map(|it| it.delivery).collect::<Vec<_>>(), [delivery_id(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_timer_is_told_to_one() {
    let (settings, time) = (fresh(), Time::at(0));
    let (first, second) = (node(&settings, options(&time), 1).await, node(&settings, options(&time), 2).await);
    for n in 1..=COUNT {
        first.commit(put(&one(n)), Vec::new()).await.unwrap();
    }
    let mut all = Vec::new();
    for _ in 0..COUNT {
        let (one, other) = tokio::join!(first.due(at(700), 2), second.due(at(700), 2));
        all.extend(one.unwrap());
        all.extend(other.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (COUNT as usize, COUNT as usize));
    assert!(second.due(at(729), 100).await.unwrap().is_empty());
    assert_eq!(second.due(at(730), 100).await.unwrap().len(), COUNT as usize, "nobody ended them: they are told again");
}
