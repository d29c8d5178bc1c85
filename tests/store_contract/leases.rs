//! Deliveries and timers that are due, and whose they are.

use super::{Engine, put, version};
use crate::sample::*;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::delivery::Status;
use countersign::domain::snapshot::{Expect, Write};
use countersign::store::contract::StoreError;
use std::time::Duration;

pub async fn deliveries_are_leased_to_one_at_a_time(store: &dyn Engine) {
    for n in [3, 1, 2] {
        put(store, &challenge(n, &phone())).await;
    }
    let span = Duration::from_secs(30);
    let lease = |now: i64, max| async move {
        let leases = store.lease(at(now), span, max).await.unwrap();
        leases.into_iter().map(|it| (it.aggregate.0.as_u128(), it.delivery)).collect::<Vec<_>>()
    };
    assert!(lease(0, 9).await.is_empty(), "nothing is due yet");
    assert_eq!(lease(2, 1).await, [(1, delivery_id(1))]);
    assert_eq!(lease(2, 9).await, [(2, delivery_id(2))]);
    assert_eq!(lease(4, 9).await, [(3, delivery_id(3))]);
    assert!(lease(5, 9).await.is_empty());
    assert_eq!(store.status().outbox, 3);
    assert_eq!(store.status().outbox_oldest, Some(at(1)));
    assert_eq!(lease(32, 9).await, [(1, delivery_id(1)), (2, delivery_id(2))], "their span is over");
}

pub async fn a_commit_ends_the_lease_of_what_it_changes_only(store: &dyn Engine) {
    let mut it = challenge(1, &phone());
    put(store, &it).await;
    let span = Duration::from_secs(30);
    assert_eq!(store.lease(at(1), span, 9).await.unwrap().len(), 1);
    it.attempts = 1;
    put(store, &it).await;
    assert!(store.lease(at(2), span, 9).await.unwrap().is_empty(), "a reply leaves the hand-over alone");
    it.deliveries[0].tries = 1;
    it.deliveries[0].status = Status::Queued { next_at: at(5) };
    put(store, &it).await;
    assert!(store.lease(at(4), span, 9).await.unwrap().is_empty());
    assert_eq!(store.lease(at(5), span, 9).await.unwrap().len(), 1);
    put(store, &ended(it, at(6))).await;
    assert!(store.lease(at(99), span, 9).await.unwrap().is_empty());
    assert_eq!((store.status().outbox, store.status().outbox_oldest), (0, None));
}

pub async fn who_lost_a_lease_settles_nothing(store: &dyn Engine) {
    let it = challenge(1, &phone());
    put(store, &it).await;
    let span = Duration::from_secs(30);
    let take = |now| async move { store.lease(at(now), span, 9).await.unwrap() };
    let (first, second) = (take(1).await[0], take(32).await[0]);
    assert_eq!((first.until, second.until), (at(31), at(62)));
    assert!(first.fence != second.fence && first.delivery == second.delivery);
    let settle = |lease, now| {
        let mut it = challenge(1, &phone());
        it.deliveries[0].status = Status::Accepted { at: at(now), provider_id: None };
        async move {
            let version = version(store, 1).await;
            store.commit(vec![Write::Aggregate(boxed(&it))], vec![Expect::Aggregate(id(1), version), Expect::Lease(lease)]).await
        }
    };
    assert_eq!(settle(first, 33).await, Err(StoreError::Fenced));
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().value, boxed(&it), "nothing was written");
    let count = |lease| async move {
        let budget = Budget { recent: vec![at(33)], consecutive: 1 };
        let key = BudgetKey::Address("011001276".into(), phone());
        store.commit(vec![Write::Budget(key, budget)], vec![Expect::Lease(lease)]).await
    };
    assert_eq!(count(first).await, Err(StoreError::Fenced), "also where its aggregate is not written");
    assert_eq!(count(second).await, Ok(()));
    assert_eq!(settle(second, 34).await, Ok(()));
    assert!(take(99).await.is_empty());
    // Nobody has it any more: the version alone says what holds.
    assert_eq!(settle(first, 35).await, Ok(()));
}

pub async fn timers_are_due_in_order(store: &dyn Engine) {
    for n in [3, 1, 2] {
        put(store, &challenge(n, &phone())).await;
    }
    let due = |now, max| async move { store.due(at(now), max).await.unwrap() };
    assert!(due(600, 9).await.is_empty());
    assert_eq!(due(602, 9).await, [id(1), id(2)]);
    assert_eq!(due(700, 2).await, [id(1), id(2)]);
    put(store, &ended(challenge(1, &phone()), at(5))).await;
    let mut left = due(800, 9).await;
    left.sort();
    assert_eq!(left, [id(2), id(3)], "those told before are told again, but not at once to others");
}
