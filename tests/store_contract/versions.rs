//! What a commit may expect, and what comes of it when that no longer holds.

use super::{Engine, conflicts, holds, load, numbers, put, version};
use crate::sample::*;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::Seen;
use countersign::domain::contact::Address;
use countersign::domain::snapshot::{Expect, Query, Write};
use countersign::store::contract::StoreError;

pub async fn versions_guard_every_kind_of_record(store: &dyn Engine) {
    let (key, person) = (BudgetKey::Address(bank(), phone()), recipient("anna"));
    let writes = || {
        vec![
            Write::Aggregate(boxed(&challenge(1, &phone()))),
            Write::Budget(key.clone(), Budget::default()),
            Write::Recipient(person.key.clone(), Some(person.clone())),
        ]
    };
    store.commit(writes(), Vec::new()).await.unwrap();
    let view = load(store, opening(&challenge(1, &phone()), at(1))).await;
    let budget = view.budgets[0].1.version;
    let held = load(store, Query::Recipient(person.key.clone())).await.recipient.unwrap().version;
    let challenge_at = version(store, 1).await;
    let now = |aggregate, budget, recipient| {
        [Expect::Aggregate(id(1), aggregate), Expect::Budget(key.clone(), budget), Expect::Recipient(person.key.clone(), recipient)]
    };
    for expect in now(challenge_at, budget, held) {
        holds(store, expect).await;
    }
    for expect in now(0, 0, 0).into_iter().chain(now(challenge_at + 1, budget + 1, held + 1)) {
        conflicts(store, expect).await;
    }
    store.commit(writes(), Vec::new()).await.unwrap();
    for expect in now(challenge_at, budget, held) {
        conflicts(store, expect).await;
    }
}

pub async fn what_must_be_absent_conflicts_once_it_is_there(store: &dyn Engine) {
    let unrepeated = |key: &str| Expect::Unrepeated(demo(), bank(), key.into());
    holds(store, unrepeated("T:track-1")).await;
    holds(store, Expect::Unseen("sandbox/9".into())).await;
    let mut it = challenge(1, &phone());
    it.seen.push(Seen { provider_id: "sandbox/9".into(), at: at(1), verdict: Verdict::Wrong { left: 2 } });
    put(store, &it).await;
    conflicts(store, unrepeated("T:track-1")).await;
    conflicts(store, Expect::Unseen("sandbox/9".into())).await;
    holds(store, unrepeated("B:track-1")).await;
    holds(store, Expect::Unrepeated("other".into(), bank(), "T:track-1".into())).await;
    holds(store, Expect::Unrepeated(demo(), "021000021".into(), "T:track-1".into())).await;
    holds(store, Expect::Unseen("sandbox/8".into())).await;
}

pub async fn a_slot_has_one_holder_until_it_ends(store: &dyn Engine) {
    let (first, second) = (challenge(1, &phone()), challenge(2, &phone()));
    put(store, &first).await;
    holds(store, Expect::Slot(first.slot(), Some(id(1)))).await;
    conflicts(store, Expect::Slot(first.slot(), None)).await;
    conflicts(store, Expect::Slot(first.slot(), Some(id(2)))).await;
    let replaced = ended(first.clone(), at(2));
    let expects = vec![Expect::Slot(first.slot(), Some(id(1)))];
    store.commit(vec![Write::Aggregate(boxed(&replaced)), Write::Aggregate(boxed(&second))], expects).await.unwrap();
    let view = load(store, opening(&second, at(3))).await;
    assert_eq!(view.holder.map(|it| it.value.id), Some(id(2)));
    put(store, &ended(second.clone(), at(4))).await;
    holds(store, Expect::Slot(second.slot(), None)).await;
}

pub async fn an_address_changes_with_what_is_open_on_it_and_with_its_opt_out(store: &dyn Engine) {
    let mut seen = vec![0];
    let mut it = challenge(1, &phone());
    let stop = |stopped| Write::OptOut(demo(), phone(), stopped);
    let changes = vec![
        Write::Aggregate(boxed(&it)),
        stop(true),
        stop(false),
        Write::Aggregate(boxed(&challenge(2, &phone()))),
        Write::Aggregate(boxed(&ended(it.clone(), at(5)))),
    ];
    for change in changes {
        let last = *seen.last().unwrap();
        holds(store, Expect::Address(phone(), last)).await;
        store.commit(vec![change], vec![Expect::Address(phone(), last)]).await.unwrap();
        conflicts(store, Expect::Address(phone(), last)).await;
        let view = load(store, reply_from(&phone(), None, at(6))).await;
        assert!(!seen.contains(&view.addresses[0].version));
        seen.push(view.addresses[0].version);
    }
    let last = *seen.last().unwrap();
    it = challenge(2, &phone());
    it.attempts = 1;
    put(store, &it).await;
    put(store, &challenge(3, &Address::canonical("+12025550199"))).await;
    holds(store, Expect::Address(phone(), last)).await;
}

pub async fn a_conflict_writes_nothing(store: &dyn Engine) {
    put(store, &challenge(1, &phone())).await;
    let writes = vec![
        Write::Aggregate(boxed(&ended(challenge(1, &phone()), at(2)))),
        Write::Budget(BudgetKey::Address(bank(), phone()), Budget { recent: vec![at(1)], consecutive: 1 }),
        Write::OptOut(demo(), phone(), true),
    ];
    let read = async || {
        let view = load(store, reply_from(&phone(), None, at(2))).await;
        (view.addresses[0].clone(), view.budgets)
    };
    let (before, budgets) = read().await;
    assert_eq!(store.commit(writes, vec![Expect::Aggregate(id(1), 77)]).await, Err(StoreError::Conflict));
    let (after, unchanged) = read().await;
    assert_eq!((before.version, before.open, budgets), (after.version, after.open, unchanged));
    assert!(after.opt_outs.is_empty());
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0)]);
}
