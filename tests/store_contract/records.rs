//! Recipients, budgets, notes, and the counts of the status.

use super::{Engine, holds, load, put};
use crate::sample::*;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::State;
use countersign::domain::id::{InstitutionId, PublisherId};
use countersign::domain::recipient::RecipientKey;
use countersign::domain::snapshot::{Expect, Query, View, Write};
use countersign::store::contract::StoreError;

pub async fn recipients_are_kept_and_paged(store: &dyn Engine) {
    let key = |name: &str| recipient(name).key;
    for name in ["carl", "anna", "bert"] {
        store.commit(vec![Write::Recipient(key(name), Some(recipient(name)))], vec![Expect::Recipient(key(name), 0)]).await.unwrap();
    }
    let mut foreign = recipient("aaron");
    foreign.key.publisher = "other".into();
    store.commit(vec![Write::Recipient(foreign.key.clone(), Some(foreign.clone()))], Vec::new()).await.unwrap();
    let page = |after: Option<RecipientKey>, max| async move {
        let page = store.recipients(&demo(), after.as_ref(), max).await.unwrap();
        page.into_iter().map(|it| it.value.key.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["anna", "bert"]);
    assert_eq!(page(Some(key("bert")), 2).await, ["carl"]);
    let query = Query::Open {
        publisher: demo(),
        institution: bank(),
        repeat: None,
        recipient: Some(key("anna")),
        phone: None,
        slot: challenge(1, &phone()).slot(),
        now: at(1),
    };
    let view = load(store, query).await;
    assert_eq!(view.recipient.unwrap().value, recipient("anna"));
    let addresses: Vec<_> = view.addresses.iter().map(|it| it.address.expose().to_owned()).collect();
    assert_eq!(addresses, ["+12025550123", "canary@example.com"], "all contacts, without repeats");
    let persons = BudgetKey::Recipient(bank(), demo(), "anna".into());
    let its: Vec<_> = view.budgets.iter().filter(|(key, _)| *key == persons).map(|(_, budget)| budget.version).collect();
    assert_eq!((its, view.budgets.len()), (vec![0], 3), "the recipient's, and one an address");
    store.commit(vec![Write::Recipient(key("anna"), None)], Vec::new()).await.unwrap();
    assert_eq!(load(store, Query::Recipient(key("anna"))).await.recipient, None);
    holds(store, Expect::Recipient(key("anna"), 0)).await;
    assert_eq!(page(None, 9).await, ["bert", "carl"]);
}

pub async fn budgets_come_with_who_they_are_of(store: &dyn Engine) {
    let other: InstitutionId = "021000021".into();
    let budget = |consecutive| Budget { recent: vec![at(1)], consecutive };
    let mut there = challenge(2, &phone());
    there.institution = other.clone();
    let writes = vec![
        Write::Aggregate(boxed(&challenge(1, &phone()))),
        Write::Aggregate(boxed(&there)),
        Write::Budget(BudgetKey::Address(bank(), phone()), budget(1)),
        Write::Budget(BudgetKey::Address(other.clone(), phone()), budget(2)),
        Write::Budget(BudgetKey::Recipient(bank(), demo(), "anna".into()), budget(3)),
    ];
    store.commit(writes, Vec::new()).await.unwrap();
    let of = |view: &View| {
        let mut counts: Vec<_> = view.budgets.iter().map(|it| (it.0.clone(), it.1.value.consecutive)).collect();
        counts.sort();
        counts
    };
    let (here, elsewhere) = (BudgetKey::Address(bank(), phone()), BudgetKey::Address(other, phone()));
    assert_eq!(of(&load(store, reply_from(&phone(), None, at(2))).await), [(here.clone(), 1), (elsewhere, 2)]);
    assert_eq!(of(&load(store, opening(&challenge(1, &phone()), at(2))).await), [(here, 1)]);
    assert_eq!(of(&load(store, Query::Budget(BudgetKey::Recipient(bank(), demo(), "anna".into()))).await).len(), 1);
    store.commit(vec![Write::OptOut("second".into(), phone(), true), Write::OptOut(demo(), phone(), true)], Vec::new()).await.unwrap();
    let stopped = load(store, reply_from(&phone(), None, at(2))).await.addresses.remove(0).opt_outs;
    assert_eq!(stopped, [demo(), PublisherId::from("second")]);
}

pub async fn notes_are_kept_by_name_and_prefix(store: &dyn Engine) {
    let set = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    store.set_notes(vec![set("cursor/b", Some(b"2")), set("cursor/a", Some(b"1")), set("load", Some(b""))]).await.unwrap();
    assert_eq!(store.note("cursor/a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.note("load").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.note("cursor").await.unwrap(), None);
    let all = vec![("cursor/a".to_owned(), b"1".to_vec()), ("cursor/b".to_owned(), b"2".to_vec())];
    assert_eq!(store.notes("cursor/").await.unwrap(), all);
    store.set_notes(vec![set("cursor/a", None), set("cursor/b", Some(b"3"))]).await.unwrap();
    assert_eq!(store.notes("").await.unwrap(), vec![("cursor/b".to_owned(), b"3".to_vec()), ("load".to_owned(), Vec::new())]);
}

pub async fn what_is_too_large_is_refused_and_harms_nothing(store: &dyn Engine) {
    let refused = store.set_notes(vec![("big".into(), Some(vec![0; 100 * 1024]))]).await;
    assert_eq!(refused, Err(StoreError::TooLarge));
    store.set_notes(vec![("fits".into(), Some(vec![7; 90 * 1024]))]).await.unwrap();
    assert_eq!(store.note("fits").await.unwrap(), Some(vec![7; 90 * 1024]));
    assert_eq!(store.note("big").await.unwrap(), None);
}

pub async fn the_status_counts(store: &dyn Engine) {
    let before = store.status();
    assert!(before.ready);
    put(store, &challenge(1, &phone())).await;
    put(store, &challenge(2, &phone())).await;
    put(store, &ended(challenge(2, &phone()), at(3))).await;
    let after = store.status();
    assert_eq!((after.open, after.outbox, after.waiting), (1, 1, 0));
    assert_eq!(after.commits - before.commits, 3);
    assert_eq!(after.records - before.records, 3, "two challenges and the feed's last number");
    let State::Ended { .. } = ended(challenge(2, &phone()), at(3)).state else { panic!("it has ended") };
}
