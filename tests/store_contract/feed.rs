//! The numbers of events.

use super::{Engine, load, numbers, put, version};
use crate::sample::*;
use countersign::domain::event::Act;
use countersign::domain::id::InstitutionId;
use countersign::domain::snapshot::{Expect, Write};
use countersign::store::contract::StoreError;

pub async fn events_get_numbers_once_without_gaps(store: &dyn Engine) {
    assert!(numbers(store, &bank(), 0).await.is_empty());
    put(store, &challenge(1, &phone())).await;
    put(store, &challenge(2, &phone())).await;
    put(store, &challenge(1, &phone())).await;
    put(store, &ended(challenge(1, &phone()), at(9))).await;
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0), (2, 2, 0), (3, 1, 1)]);
    assert_eq!(numbers(store, &bank(), 1).await, [(2, 2, 0), (3, 1, 1)]);
    assert!(numbers(store, &bank(), 3).await.is_empty());
    assert!(numbers(store, &bank(), u64::MAX).await.is_empty());
    let page = store.feed(&bank(), 0, 2).await.unwrap();
    assert_eq!(page.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(*page[0].1, boxed(&ended(challenge(1, &phone()), at(9))), "the aggregate as it is now");
    assert_eq!(store.status().feed, vec![(bank(), 3)]);
}

pub async fn numbers_are_each_institutions_own(store: &dyn Engine) {
    let other: InstitutionId = "021000021".into();
    let mut it = challenge(2, &phone());
    it.institution = other.clone();
    store.commit(vec![Write::Aggregate(boxed(&challenge(1, &phone()))), Write::Aggregate(boxed(&it))], Vec::new()).await.unwrap();
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0)]);
    assert_eq!(numbers(store, &other, 0).await, [(1, 2, 0)]);
    assert!(numbers(store, &"000000000".into(), 0).await.is_empty());
}

pub async fn a_receipt_after_the_end_adds_to_what_was(store: &dyn Engine) {
    let mut it = ended(challenge(1, &phone()), at(5));
    put(store, &it).await;
    put(store, &ended(challenge(2, &phone()), at(6))).await;
    for (which, last) in [(8, 5), (9, 6)] {
        let before = version(store, 1).await;
        it.events.push(event(1, which, Act::MsgDelivered, at(61), Some(delivery_id(1))));
        let late = || vec![Write::Aggregate(boxed(&it))];
        assert_eq!(store.commit(late(), vec![Expect::Aggregate(id(1), before + 1)]).await, Err(StoreError::Conflict));
        store.commit(late(), vec![Expect::Aggregate(id(1), before)]).await.unwrap();
        assert!(version(store, 1).await > before);
        assert_eq!(store.find(id(1)).await.unwrap().unwrap().value, boxed(&it));
        assert_eq!(numbers(store, &bank(), 0).await.last(), Some(&(last, 1, it.events.len() - 1)));
    }
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0), (2, 1, 1), (3, 2, 0), (4, 2, 1), (5, 1, 2), (6, 1, 3)]);
    let view = load(store, opening(&challenge(1, &phone()), at(70))).await;
    assert_eq!((view.addresses[0].sends.clone(), view.publisher_today), (vec![at(1), at(2)], 2));
}
