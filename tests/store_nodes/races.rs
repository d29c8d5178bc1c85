//! Many commits that expect the same: one is made. And many that add to the same: all are made, one after the other.

use super::{Engine, Nodes, fresh, load, node, options, put};
use crate::sample::*;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::{Challenge, Seen};
use countersign::domain::snapshot::{Expect, Query, Write};
use countersign::store::contract::StoreError;
use std::sync::Arc;

/// Commits at once.
const RACERS: u128 = 50;

/// What they all expect, and what each of them writes.
type Race = fn(u128) -> (Challenge, Expect);

const RACES: &[(&str, Race)] = &[
    ("an idempotency key", |n| {
        let mut it = apart(n);
        it.repeat = challenge(1, &phone()).repeat;
        (it, Expect::Unrepeated(demo(), bank(), "T:track-1".into()))
    }),
    ("a provider's message", |n| {
        let mut it = apart(n);
        it.seen.push(Seen { provider_id: "gateway/1".into(), at: at(1), verdict: Verdict::Failed });
        (it, Expect::Unseen("gateway/1".into()))
    }),
    ("an address", |n| (challenge(n, &phone()), Expect::Address(phone(), 0))),
    ("a slot", |n| {
        let it = challenge(n, &phone());
        let slot = it.slot();
        (it, Expect::Slot(slot, None))
    }),
    ("an aggregate", |_| (challenge(1, &phone()), Expect::Aggregate(id(1), 0))),
];

// One that meets no other: its own phone.
fn apart(n: u128) -> Challenge {
    challenge(n, &countersign::domain::contact::Address::canonical(&format!("+1202555{n:04}")))
}

async fn one_wins(nodes: &Nodes, (what, race): (&str, Race)) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=RACERS {
        let (node, (it, expect)) = (nodes.node(n as usize), race(n));
        tasks.spawn(async move { node.commit(put(&it), vec![expect]).await });
    }
    let outcomes = tasks.join_all().await;
    let won = outcomes.iter().filter(|it| it.is_ok()).count();
    let lost = outcomes.iter().filter(|it| **it == Err(StoreError::Conflict)).count();
    assert_eq!((won, lost), (1, RACERS as usize - 1), "{what}: {outcomes:?}");
    assert_eq!(nodes.node(0).feed(&bank(), 0, 100).await.unwrap().len(), 1, "{what}: one is written");
}

// From eight tasks, each as a decision is made: load, commit, and again after a conflict.
async fn nothing_is_lost(nodes: &Nodes) {
    let key = BudgetKey::Address(bank(), phone());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (node, key) = (nodes.node(task), key.clone());
        tasks.spawn(async move {
            for _ in 0..5 {
                while !added(&node, &key).await {}
            }
        });
    }
    tasks.join_all().await;
    for node in &nodes.all {
        let view = load(&**node, Query::Budget(key.clone())).await;
        assert_eq!(view.budgets[0].1.value.consecutive, 40);
    }
}

async fn added(node: &Arc<dyn Engine>, key: &BudgetKey) -> bool {
    let before = load(&**node, Query::Budget(key.clone())).await.budgets.remove(0).1;
    let more = Budget { recent: Vec::new(), consecutive: before.value.consecutive + 1 };
    let outcome = node.commit(vec![Write::Budget(key.clone(), more)], vec![Expect::Budget(key.clone(), before.version)]).await;
    assert!(matches!(outcome, Ok(()) | Err(StoreError::Conflict)), "{outcome:?}");
    outcome.is_ok()
}

// Two records, written by one node in this order and by the other in that: each ends, whoever wins.
async fn opposite_orders_end(nodes: &Nodes) {
    let (one, other) = (BudgetKey::Address(bank(), phone()), BudgetKey::Recipient(bank(), demo(), "anna".into()));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60_u32 {
        let node = nodes.node(n as usize);
        let mut keys = [one.clone(), other.clone()];
        keys.rotate_left((n % 2) as usize);
        let mut writes: Vec<Write> = keys.map(|it| Write::Budget(it, Budget { recent: Vec::new(), consecutive: n })).into();
        let pair = [challenge(1, &phone()), challenge(2, &phone())];
        writes.extend(pair.iter().map(|it| Write::Aggregate(boxed(it))));
        if n % 2 == 1 {
            writes.reverse();
        }
        tasks.spawn(async move { node.commit(writes, Vec::new()).await });
    }
    for outcome in tasks.join_all().await {
        assert!(matches!(outcome, Ok(()) | Err(StoreError::Conflict)), "{outcome:?}");
    }
    let seen: Vec<_> = nodes.node(0).feed(&bank(), 0, 100).await.unwrap().iter().map(|it| (it.0, it.1.id(), it.2)).collect();
    assert_eq!(seen.len(), 2, "each event has one number: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins_on_sled() {
    for race in RACES {
        one_wins(&Nodes::sled(), *race).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins_on_two_nodes() {
    for race in RACES {
        one_wins(&Nodes::postgres().await, *race).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins_on_one_of_two_nodes() {
    for race in RACES {
        let mut nodes = Nodes::postgres().await;
        nodes.all.truncate(1);
        one_wins(&nodes, *race).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_addition_is_lost_on_sled() {
    nothing_is_lost(&Nodes::sled()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_addition_is_lost_on_two_nodes() {
    nothing_is_lost(&Nodes::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn opposite_orders_end_on_two_nodes() {
    opposite_orders_end(&Nodes::postgres().await).await;
}

/// `IF NOT EXISTS` does not keep two that make the same table at the same time from being told that it exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_that_start_at_once_make_the_same_partitions() {
    let (settings, time) = (fresh(), Time::at(0));
    drop(node(&settings, options(&time), 1).await);
    for round in 0..10 {
        crate::postgres::shared().sql(
            &settings.database,
            "DO $$ DECLARE it text; BEGIN FOR it IN SELECT inhrelid::regclass FROM pg_inherits \
             JOIN pg_class ON pg_class.oid = inhrelid AND relkind = 'r' LOOP EXECUTE 'DROP TABLE ' || it; END LOOP; END $$",
        );
        let mut starting = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (settings, options) = (settings.clone(), options(&time));
            starting.spawn(async move { node(&settings, options, 10 + 8 * round + number).await });
        }
        drop(starting.join_all().await);
    }
}
