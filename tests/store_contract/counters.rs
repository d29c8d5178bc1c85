//! What counters promise: those of a process that is alone, and those that nodes share. What nodes tell each other is in
//! `store_nodes`.

use super::vault;
use countersign::store::alone::Alone;
use countersign::store::contract::{Counters, Kind, Mark, Taken};
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn mark(kind: Kind, parts: &[&[u8]]) -> Mark {
    Mark::of(&vault(), kind, parts)
}

async fn what_may_be_taken_once_is_taken_once(counters: &dyn Counters) {
    let check = async |parts: &[&[u8]], content: u8, expected: Taken| {
        let taken = counters.take(mark(Kind::Nonce, parts), [content; 16], MINUTE).await;
        assert_eq!(taken, Ok(expected), "{parts:?} {content}");
    };
    check(&[b"a", b"n"], 1, Taken::First).await;
    check(&[b"a", b"n"], 1, Taken::Same).await;
    check(&[b"a", b"n"], 2, Taken::Other).await;
    check(&[b"a", b"n"], 1, Taken::Same).await;
    check(&[b"b", b"n"], 2, Taken::First).await;
    check(&[b"a", b"m"], 2, Taken::First).await;
    check(&[b"an", b""], 1, Taken::First).await;
}

async fn what_was_taken_for_a_time_is_free_after_it(counters: &dyn Counters) {
    let one = mark(Kind::Nonce, &[b"brief"]);
    assert_eq!(counters.take(one, [1; 16], Duration::ZERO).await, Ok(Taken::First));
    assert_eq!(counters.take(one, [2; 16], MINUTE).await, Ok(Taken::First));
    assert_eq!(counters.take(one, [1; 16], MINUTE).await, Ok(Taken::Other));
    assert_eq!(counters.take(one, [2; 16], Duration::ZERO).await, Ok(Taken::Same), "who asks again does not change how long");
    assert_eq!(counters.take(one, [2; 16], MINUTE).await, Ok(Taken::Same));
}

async fn of_many_who_take_it_at_once_one_is_the_first(counters: &dyn Counters) {
    for round in 0..8_u8 {
        let one = mark(Kind::Nonce, &[b"crowd", &[round]]);
        let all = (0..16).map(|nth| counters.take(one, [nth % 2; 16], MINUTE));
        let taken: Vec<Taken> = futures_util::future::try_join_all(all).await.unwrap();
        let count = |of: Taken| taken.iter().filter(|it| **it == of).count();
        assert_eq!((count(Taken::First), count(Taken::Same), count(Taken::Other)), (1, 7, 8), "{taken:?}");
    }
}

async fn nobody_hears_what_it_told_itself(counters: &dyn Counters) {
    let one = mark(Kind::Failures, &[b"a"]);
    assert!(counters.is_quiet(Kind::Failures));
    counters.tell(one, 7, MINUTE);
    counters.exchange().await.unwrap();
    counters.exchange().await.unwrap();
    assert_eq!((counters.others(&one), counters.is_quiet(Kind::Failures)), (0, true));
}

#[test]
fn a_mark_tells_kinds_and_parts_apart() {
    let all = [
        mark(Kind::Failures, &[b"a"]),
        mark(Kind::Guesses, &[b"a"]),
        mark(Kind::Failures, &[b"b"]),
        mark(Kind::Failures, &[b"a", b""]),
        mark(Kind::Failures, &[b"", b"a"]),
    ];
    let routes: BTreeSet<[u8; 16]> = all.iter().map(|it| it.route).collect();
    assert_eq!(routes.len(), all.len());
}

macro_rules! promises {
    ($($name:ident)*) => {
        mod alone {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Alone::new(1_000)).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&*super::super::on_postgres(1, countersign::store::form::Form::NEWEST).await.0).await;
            })*
        }
    };
}

promises! {
    what_may_be_taken_once_is_taken_once
    what_was_taken_for_a_time_is_free_after_it
    of_many_who_take_it_at_once_one_is_the_first
    nobody_hears_what_it_told_itself
}
