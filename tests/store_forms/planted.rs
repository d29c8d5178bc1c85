//! Faults that the judge of [`crate::life`] must see.

use crate::ground::Ground;
use crate::life::life;
use countersign::store::form::Form;
use countersign::store::postgres::Options;
use std::time::Duration;

/// The nodes live on until something goes wrong; what.
async fn judged(ground: &Ground, newer: Options) -> Option<String> {
    let older = ground.old().await;
    let newer = ground.start(&ground.settings, newer).await.expect("it starts");
    for n in 0..40 {
        if let Err(why) = life(n, &[&*newer, &*older]).await {
            return Some(why);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_node_that_asks_nobody_is_seen() {
    let ground = Ground::new();
    let rash = Options { node_counts: Duration::ZERO, ..ground.options(Form::Two) };
    let why = judged(&ground, rash).await;
    assert!(why.as_ref().is_some_and(|it| it.contains("form 2")), "{why:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_that_is_not_counted_is_seen() {
    let ground = Ground::new();
    ground.old().await.close();
    let forget = "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM node WHERE form = 1; RETURN NULL; END $$; \
                  CREATE TRIGGER forget AFTER INSERT OR UPDATE ON node FOR EACH STATEMENT EXECUTE FUNCTION forget()";
    ground.sql(forget);
    let why = judged(&ground, ground.options(Form::Two)).await;
    assert!(why.as_ref().is_some_and(|it| it.contains("form 2")), "{why:?}");
}

// The same without a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_seen_where_nothing_is_planted() {
    let ground = Ground::new();
    assert_eq!(judged(&ground, ground.options(Form::Two)).await, None);
}
