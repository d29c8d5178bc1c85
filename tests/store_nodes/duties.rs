//! Duties: what one node at a time does.

use super::postgres;
use crate::sample::*;
use countersign::store::contract::{Notes, StoreError};
use countersign::store::postgres::{Options, PostgresStore};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_is_one_nodes_and_whoever_lost_it_sets_no_notes() {
    let cluster = postgres::shared();
    let mut settings = cluster.settings(&cluster.database());
    settings.migrate = true;
    let time = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let node = async |number| {
        let seconds = time.clone();
        let clock = Arc::new(move || at(seconds.load(std::sync::atomic::Ordering::SeqCst)));
        let options = Options { clock, database_time: false, ..Options::default() };
        PostgresStore::open(&settings, options, vault(), number).await.expect("the store opens")
    };
    let (one, two) = (node(1).await, node(2).await);
    let span = Duration::from_secs(30);
    let set = |value: &str| vec![("cursor/a".to_owned(), Some(value.as_bytes().to_vec()))];
    let first = one.duty("push/a", span).await.unwrap().expect("nobody has it");
    assert_eq!(two.duty("push/a", span).await.unwrap(), None);
    assert!(two.duty("push/b", span).await.unwrap().is_some(), "another is free");
    one.set_notes_on(first.clone(), set("1")).await.unwrap();
    time.store(20, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(one.duty("push/a", span).await.unwrap(), Some(first.clone()), "kept");
    time.store(49, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(two.duty("push/a", span).await.unwrap(), None);
    time.store(50, std::sync::atomic::Ordering::SeqCst);
    let second = two.duty("push/a", span).await.unwrap().expect("its span is over");
    two.set_notes_on(second.clone(), set("2")).await.unwrap();
    assert_eq!(one.set_notes_on(first, set("3")).await, Err(StoreError::Fenced));
    assert_eq!(one.note("cursor/a").await.unwrap(), Some(b"2".to_vec()));
    two.duty("push/a", Duration::ZERO).await.unwrap();
    assert!(one.duty("push/a", span).await.unwrap().is_some(), "it was given up");
}
