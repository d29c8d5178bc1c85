//! What judging an answer that a publisher brings reads.

use super::{Engine, conflicts, load, put, version};
use crate::sample::*;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::{Challenge, Seen, call_key};
use countersign::domain::contact::Address;
use countersign::domain::snapshot::{Query, Versioned, View, Write};
use countersign::store::contract::StoreError;

fn call(n: u128, key: Option<&str>) -> Query {
    Query::Call { id: id(n), key: key.map(str::to_owned), again: None }
}

fn slot(it: &Challenge, key: Option<&str>) -> Query {
    Query::Slot { slot: it.slot(), key: key.map(str::to_owned) }
}

fn one(view: &View) -> Option<&Challenge> {
    view.one.as_ref().and_then(|it| it.value.challenge())
}

pub async fn a_call_is_told_the_challenge_with_its_budgets(store: &dyn Engine) {
    for query in [call(1, Some("k")), slot(&challenge(1, &phone()), Some("k"))] {
        let view = load(store, query).await;
        assert!(view.one.is_none() && view.budgets.is_empty() && view.seen.is_none() && view.addresses.is_empty());
    }
    let it = challenge(1, &phone());
    put(store, &it).await;
    let key = BudgetKey::Address(bank(), phone());
    let none = Versioned { value: Budget::default(), version: 0 };
    for query in [call(1, None), slot(&it, None)] {
        let view = load(store, query).await;
        assert_eq!(view.one, Some(Versioned { value: boxed(&it), version: version(store, 1).await }));
        assert_eq!(view.budgets, [(key.clone(), none.clone())]);
    }
    let failed = Budget { recent: vec![at(2)], consecutive: 1 };
    store.commit(vec![Write::Budget(key.clone(), failed.clone())], Vec::new()).await.unwrap();
    for query in [call(1, None), slot(&it, None)] {
        let (found, budget) = load(store, query).await.budgets.remove(0);
        assert_eq!((found, &budget.value), (key.clone(), &failed));
        assert!(budget.version > 0);
    }
    let again = Query::Call { id: id(1), key: None, again: Some((phone(), at(3))) };
    let view = load(store, again).await;
    assert_eq!((view.addresses.len(), view.addresses[0].sends.clone()), (1, vec![at(1)]));
    assert_eq!(view.addresses[0].open, [Versioned { value: it, version: version(store, 1).await }]);
    assert_eq!(view.budgets.len(), 1);
}

pub async fn a_call_seen_before_is_known_wherever_its_challenge_is(store: &dyn Engine) {
    let mut it = ended(challenge(1, &phone()), at(5));
    it.seen.push(Seen { provider_id: call_key(&demo(), &["a"]), at: at(4), verdict: Verdict::Wrong { left: 2 } });
    it.seen.push(Seen { provider_id: call_key(&demo(), &["b"]), at: at(5), verdict: Verdict::Verified });
    put(store, &challenge(1, &phone())).await;
    put(store, &it).await;
    for (key, expected) in [("a", Some(Verdict::Wrong { left: 2 })), ("b", Some(Verdict::Verified)), ("c", None)] {
        let key = call_key(&demo(), &[key]);
        let view = load(store, call(1, Some(&key))).await;
        assert_eq!((one(&view), view.seen), (Some(&it), expected));
        let view = load(store, slot(&it, Some(&key))).await;
        assert_eq!((one(&view), view.seen), (None, expected), "who ended holds no slot");
        if expected.is_some() {
            conflicts(store, countersign::domain::snapshot::Expect::Unseen(key)).await;
        }
    }
    assert_eq!(load(store, call(1, Some(&call_key(&"other".into(), &["a"])))).await.seen, None);
}

// Of the newest form only.
pub async fn a_client_holds_one_slot_wherever_its_code_goes(store: &dyn Engine) {
    let other = Address::canonical("+12025550199");
    let (mine, elsewhere, nobodys) = (on_call(1, &phone(), Some("C-1")), on_call(2, &other, Some("C-1")), on_call(3, &phone(), None));
    assert_eq!(mine.slot(), elsewhere.slot());
    assert_ne!(mine.slot(), nobodys.slot());
    put(store, &mine).await;
    put(store, &nobodys).await;
    let view = load(store, slot(&elsewhere, None)).await;
    assert_eq!(one(&view), Some(&mine));
    let keys: Vec<_> = view.budgets.into_iter().map(|it| it.0).collect();
    assert_eq!(keys, [BudgetKey::Address(bank(), phone()), BudgetKey::Recipient(bank(), demo(), "C-1".into())]);
    assert_eq!(one(&load(store, slot(&nobodys, None)).await), Some(&nobodys));
    put(store, &ended(mine.clone(), at(6))).await;
    assert_eq!(one(&load(store, slot(&mine, None)).await), None);
    put(store, &elsewhere).await;
    assert_eq!(one(&load(store, slot(&mine, None)).await), Some(&elsewhere));
    assert_eq!(one(&load(store, call(1, None)).await), Some(&ended(mine, at(6))), "also after its end");
    let open = load(store, reply_from(&phone(), None, at(7))).await.addresses.remove(0).open;
    assert_eq!(open.iter().map(|it| it.value.id).collect::<Vec<_>>(), [id(3)]);
}

// Of an older form only.
pub async fn what_the_form_has_no_words_for_is_refused_and_harms_nothing(store: &dyn Engine) {
    let writes = vec![Write::Aggregate(boxed(&challenge(1, &phone()))), Write::Aggregate(boxed(&on_call(2, &phone(), None)))];
    assert_eq!(store.commit(writes, Vec::new()).await, Err(StoreError::Busy));
    assert_eq!((store.find(id(1)).await.unwrap(), store.find(id(2)).await.unwrap()), (None, None));
    put(store, &challenge(1, &phone())).await;
}
