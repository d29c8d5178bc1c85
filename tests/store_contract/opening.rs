//! What opening a challenge and judging a reply read.

use super::{Engine, conflicts, holds, load, numbers, put};
use crate::sample::*;
use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::{Mode, Seen};
use countersign::domain::code::Tag;
use countersign::domain::contact::Address;
use countersign::domain::event::Act;
use countersign::domain::inbound::Inbound;
use countersign::domain::snapshot::{Expect, Query, Versioned, Write};

pub async fn a_new_challenge_is_found_by_everything_it_is_known_by(store: &dyn Engine) {
    let it = challenge(1, &phone());
    let before = load(store, opening(&it, at(1))).await;
    assert!(before.prior.is_none() && before.holder.is_none() && before.recipient.is_none());
    assert_eq!((before.addresses.len(), before.addresses[0].version, before.addresses[0].open.len()), (1, 0, 0));
    let none = Versioned { value: Budget::default(), version: 0 };
    assert_eq!(before.budgets, vec![(BudgetKey::Address(bank(), phone()), none)]);
    assert_eq!(load(store, Query::One(id(1))).await.one, None);
    assert_eq!(store.find(id(1)).await.unwrap(), None);

    let expects = vec![
        Expect::Aggregate(id(1), 0),
        Expect::Address(phone(), 0),
        Expect::Slot(it.slot(), None),
        Expect::Unrepeated(demo(), bank(), "T:track-1".into()),
        Expect::Budget(BudgetKey::Address(bank(), phone()), 0),
    ];
    store.commit(vec![Write::Aggregate(boxed(&it))], expects).await.unwrap();

    let found = store.find(id(1)).await.unwrap().unwrap();
    assert_eq!(found.value, boxed(&it));
    assert!(found.version > 0);
    assert_eq!(load(store, Query::One(id(1))).await.one, Some(found.clone()));
    let view = load(store, opening(&it, at(2))).await;
    let prior = view.prior.unwrap();
    assert_eq!((prior.id, prior.payload, prior.material), (id(1), Tag([1; 16]), it.material.clone()));
    assert_eq!(view.holder.as_deref(), Some(&Versioned { value: it.clone(), version: found.version }));
    let open = vec![Versioned { value: it.clone(), version: found.version }];
    assert_eq!(view.addresses[0].open, open);
    let replied = load(store, reply_from(&phone(), Some("sandbox/1"), at(2))).await;
    assert_eq!((replied.addresses[0].open.clone(), replied.seen), (open, None));
}

pub async fn a_finished_challenge_answers_its_repeat_and_is_shown_as_ended(store: &dyn Engine) {
    let it = ended(challenge(1, &phone()), at(5));
    put(store, &challenge(1, &phone())).await;
    put(store, &it).await;
    let prior = load(store, opening(&it, at(6))).await.prior.unwrap();
    assert_eq!((prior.id, prior.payload, prior.material), (id(1), Tag([1; 16]), None));
    let shown = |now| async move { load(store, reply_from(&phone(), None, now)).await.addresses.remove(0) };
    let view = shown(at(6)).await;
    assert!(view.open.is_empty());
    assert_eq!(view.ended.iter().map(|it| it.value.clone()).collect::<Vec<_>>(), [it]);
    assert_eq!(shown(at(5 + 3600)).await.ended.len(), 1);
    assert!(shown(at(6 + 3600)).await.ended.is_empty(), "an hour later it is forgotten");
    for n in 2..9 {
        put(store, &ended(challenge(n, &phone()), at(10 + n as i64))).await;
    }
    let newest: Vec<u128> = shown(at(30)).await.ended.iter().map(|it| it.value.id.0.as_u128()).collect();
    assert_eq!(newest, [8, 7, 6, 5, 4], "five, newest first");
}

pub async fn a_reply_seen_before_is_known_with_its_verdict(store: &dyn Engine) {
    let mut it = challenge(1, &phone());
    it.seen.push(Seen { provider_id: "sandbox/1".into(), at: at(1), verdict: Verdict::Wrong { left: 2 } });
    let stray = Inbound {
        id: id(2),
        publisher: demo(),
        institution: bank(),
        product: "Demo".into(),
        from: phone(),
        at: at(3),
        provider_id: Some("sandbox/2".into()),
        verdict: Verdict::Stopped,
        deliveries: Vec::new(),
        events: vec![event(2, 1, Act::RecipMsg, at(3), None)],
    };
    let writes = vec![Write::Aggregate(boxed(&it)), Write::Aggregate(Aggregate::Inbound(Box::new(stray.clone())))];
    store.commit(writes, Vec::new()).await.unwrap();
    for (provider_id, seen) in [
        (Some("sandbox/1"), Some(Verdict::Wrong { left: 2 })),
        (Some("sandbox/2"), Some(Verdict::Stopped)),
        (Some("x/1"), None),
        (None, None),
    ] {
        assert_eq!(load(store, reply_from(&phone(), provider_id, at(4))).await.seen, seen);
    }
    assert_eq!(store.find(id(2)).await.unwrap().unwrap().value, Aggregate::Inbound(Box::new(stray)));
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0), (2, 2, 0)]);
}

pub async fn every_open_challenge_of_an_address_is_shown(store: &dyn Engine) {
    let mut one_way = challenge(1, &phone());
    one_way.mode = Mode::OneWay;
    let mut unverified = challenge(2, &phone());
    unverified.verifier = None;
    for it in [&one_way, &unverified, &challenge(3, &phone()), &challenge(4, &phone()), &challenge(5, &Address::canonical("+12025550199"))]
    {
        put(store, it).await;
    }
    let open = load(store, reply_from(&phone(), None, at(6))).await.addresses.remove(0).open;
    let shown: Vec<_> = open.iter().map(|it| it.value.id).collect();
    assert_eq!(shown, [id(4), id(3), id(2), id(1)], "of any mode, newest first: STOP ends them all");
}

pub async fn sends_and_the_days_count_are_told(store: &dyn Engine) {
    for n in [1, 2, 3] {
        put(store, &challenge(n, &phone())).await;
    }
    put(store, &ended(challenge(2, &phone()), at(4))).await;
    let view = load(store, opening(&challenge(9, &phone()), at(10))).await;
    assert_eq!(view.addresses[0].sends, [at(1), at(2), at(3)]);
    assert_eq!(view.publisher_today, 3);
    let later = load(store, opening(&challenge(9, &phone()), at(24 * 3600 + 2))).await;
    assert_eq!(later.addresses[0].sends, [at(3)]);
    assert_eq!(later.publisher_today, 0, "another UTC day");
}

pub async fn what_has_ended_is_answered_for_by_all_its_keys(store: &dyn Engine) {
    for n in 1..=6 {
        put(store, &challenge(n, &phone())).await;
        put(store, &ended(challenge(n, &phone()), at(20 + n as i64))).await;
    }
    put(store, &challenge(7, &phone())).await;
    for n in 1..=6 {
        let view = load(store, opening(&challenge(n, &phone()), at(40))).await;
        let prior = view.prior.expect("its idempotency key is known");
        assert_eq!((prior.id, prior.payload, prior.material), (id(n), Tag([n as u8; 16]), None));
        assert_eq!(view.addresses[0].sends, (1..=7).map(at).collect::<Vec<_>>(), "each once, oldest first");
        assert_eq!(view.publisher_today, 7);
        let name = format!("sandbox/{}", id(n));
        assert_eq!(load(store, reply_from(&phone(), Some(&name), at(40))).await.seen, Some(Verdict::Verified));
        conflicts(store, Expect::Unseen(name)).await;
        conflicts(store, Expect::Unrepeated(demo(), bank(), format!("T:track-{n}"))).await;
        conflicts(store, Expect::Aggregate(id(n), 0)).await;
        let found = store.find(id(n)).await.unwrap().expect("it is known by its id");
        assert_eq!(found.value, boxed(&ended(challenge(n, &phone()), at(20 + n as i64))));
        assert_eq!(load(store, Query::One(id(n))).await.one, Some(found.clone()));
        holds(store, Expect::Aggregate(id(n), found.version)).await;
    }
    let view = load(store, reply_from(&phone(), None, at(40))).await.addresses.remove(0);
    assert_eq!(view.ended.iter().map(|it| it.value.id).collect::<Vec<_>>(), [id(6), id(5), id(4), id(3), id(2)]);
    assert_eq!(view.open.iter().map(|it| it.value.id).collect::<Vec<_>>(), [id(7)]);
    assert_eq!(
        load(store, opening(&challenge(9, &phone()), at(24 * 3600 + 4))).await.addresses[0].sends,
        (5..=7).map(at).collect::<Vec<_>>()
    );
    holds(store, Expect::Unseen("sandbox/other".into())).await;
    assert!(load(store, opening(&challenge(9, &phone()), at(40))).await.prior.is_none());
}
