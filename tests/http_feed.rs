//! The feed by cursor, over real sockets: paged, each publisher's own, and worth waiting for.

mod http_stand;

use countersign::http::Settings;
use http_stand::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn the_feed_is_paged_and_its_publishers_own() {
    let stand = stand(Settings::default(), &generated()).await;
    (1..=3).for_each(|seq| stand.fake.add_event(seq));
    stand.fake.events.lock().unwrap()[1].publisher = "another".into();
    let check = async |query: &str, expected: (u16, &str)| {
        let got = stand.get(&format!("/v1/events{query}"), BASIC).await;
        assert_eq!((got.status, got.body.contains(expected.1)), (expected.0, true), "{query}: {}", got.body);
    };
    let first = "{\"events\":[{\"seq\":1,\"id\":\"00000000-0000-0000-0000-000000000001\",\"number\":90040,\"time\":\"2026-11-21T21:00:00.000Z\",\
                 \"data\":{\"ENSActCode\":\"OOBVerified\",\"AlrtPkgId\":\"p\"}}],\"next\":\"1\"}";
    check("?after=0&limit=1", (200, first)).await;
    check("?after=1", (200, "\"seq\":3")).await;
    check("?after=3", (200, "{\"events\":[],\"next\":\"3\"}")).await;
    check("", (200, "\"next\":\"3\"")).await;
    check("?after=nonsense", (400, "cursor")).await;
    check("?limit=1001", (400, "limit")).await;
    check("?limit=0", (400, "limit")).await;
    check("?wait=31", (400, "wait")).await;
    check("?aftr=1", (400, "aftr")).await;
    let denied = stand.get("/v1/events", "").await;
    assert!(denied.status == 401 && denied.head.contains("application/problem+json"), "{denied:?}");
}

/// Events of others are passed over once; what comes behind them is found without anything being committed.
#[tokio::test]
async fn a_waiting_reader_goes_on_from_where_it_has_read_to() {
    let stand = stand(Settings::default(), &generated()).await;
    (1..=7).for_each(|seq| stand.fake.add_event(seq));
    stand.fake.events.lock().unwrap()[..6].iter_mut().for_each(|it| it.publisher = "another".into());
    stand.fake.looks_at.store(2, Ordering::SeqCst);
    let got = stand.get("/v1/events?wait=30", BASIC).await;
    assert!(got.body.contains("\"seq\":7") && got.body.ends_with("\"next\":\"7\"}"), "{got:?}");
    assert_eq!(*stand.fake.asked.lock().unwrap(), ["0", "2", "4", "6"]);
    let at_once = stand.get("/v1/events", BASIC).await;
    assert_eq!(at_once.body, "{\"events\":[],\"next\":\"2\"}", "who does not wait goes on by itself");
}

#[tokio::test]
async fn a_waiting_reader_of_the_feed_is_woken() {
    let stand = Arc::new(stand(Settings::default(), &generated()).await);
    let waiting = {
        let stand = stand.clone();
        tokio::spawn(async move { stand.get("/v1/events?wait=30", BASIC).await })
    };
    while stand.fake.changes.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    stand.fake.add_event(7);
    let got = waiting.await.unwrap();
    assert!(got.body.contains("\"seq\":7"), "{got:?}");
    // A drain ends the wait as well.
    let waiting = {
        let stand = stand.clone();
        tokio::spawn(async move { stand.get("/v1/events?after=7&wait=30", BASIC).await })
    };
    while stand.fake.changes.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    stand.shutdown.cancel();
    assert_eq!(waiting.await.unwrap().status, 200);
}
