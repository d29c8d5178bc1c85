//! What an API key may do, and how much.

use super::stand::{ALL, JSON, Rest, json};
use countersign::domain::quota::Most;
use countersign::domain::scope::{Scope, Scopes};
use countersign::engine::keys::Wish;
use serde_json::json as value;
use std::time::Duration;

/// The `nth` key (below 26), with these scopes, as a header.
async fn key(rest: &Rest, nth: u8, scopes: Scopes) -> String {
    let wish = Wish {
        id: format!("aaaaaaaaaaa{}", char::from(b'a' + nth)),
        publisher: "demo".into(),
        label: "bot".to_owned(),
        scopes,
        allow: Vec::new(),
        life: Duration::from_secs(86_400),
    };
    let made = rest.world.engine.keys().create(wish).await.unwrap();
    // Nodes look for new keys every other second.
    rest.wait(3);
    format!("Authorization: Bearer {}\r\n", made.text.expose())
}

#[tokio::test]
async fn a_key_may_do_what_it_was_made_for_and_nothing_else() {
    let rest = Rest::new().await;
    let sms = value!({ "channel": "SMS", "recipient": "202-555-0123" }).to_string();
    let (path, code) = rest.opened(value!({ "channel": "SMS", "recipient": "202-555-0123" })).await;
    let right = value!({ "code": code }).to_string();
    let below = |name: &str| format!("{path}/{name}");
    for (nth, (scope, method, path, body, expected)) in (0..).zip([
        (Scope::Create, "POST", ALL.to_owned(), sms.as_str(), 201),
        (Scope::Create, "POST", below("resend"), "", 409),
        (Scope::Read, "GET", path.clone(), "", 200),
        (Scope::Verify, "POST", below("verify"), right.as_str(), 200),
        (Scope::Cancel, "POST", below("cancel"), "", 409),
        (Scope::Outcome, "POST", below("outcome"), r#"{"outcome":"failed"}"#, 409),
        (Scope::Events, "GET", "/v1/events?after=0".to_owned(), "", 200),
        (Scope::Templates, "GET", "/api/template".to_owned(), "", 200),
    ]) {
        let others: Scopes = Scope::ALL.into_iter().filter(|it| *it != scope).collect();
        for (nth, scopes, expected) in [(2 * nth, others, 403), (2 * nth + 1, [scope].into_iter().collect(), expected)] {
            let header = key(&rest, nth, scopes).await;
            let media = if body.is_empty() { "" } else { JSON };
            let got = rest.send("", (method, &path), &format!("{header}{media}"), body).await;
            assert_eq!(got.status, expected, "{scope:?} for {method} {path}: {got:?}");
            if expected == 403 {
                assert_eq!(json(&got)["type"], "urn:countersign:problem:scope-missing", "{got:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_who_may_see_codes_sees_one_and_only_who_may_read_sees_what_happened() {
    let rest = Rest::new().await;
    let body = |shown: bool| value!({ "channel": "SMS", "recipient": "202-555-0123", "returnCode": shown }).to_string();
    let ask = async |header: &str, shown: bool| rest.send("", ("POST", ALL), &format!("{header}{JSON}"), &body(shown)).await;
    let creates = key(&rest, 0, [Scope::Create, Scope::Cancel].into_iter().collect()).await;
    assert_eq!(ask(&creates, true).await.status, 403);
    let opened = ask(&creates, false).await;
    let told = json(&opened);
    assert_eq!((opened.status, told.get("code")), (201, None), "{told}");
    let cancel = format!("{ALL}/{}/cancel", told["id"].as_str().unwrap());
    let ended = json(&rest.send("", ("POST", &cancel), &creates, "").await);
    assert_eq!((&ended["state"], ended.get("timeline")), (&value!("cancelled"), None), "{ended}");
    let sees = key(&rest, 1, [Scope::Create, Scope::Code].into_iter().collect()).await;
    assert!(json(&ask(&sees, true).await)["code"].is_string());
}

#[tokio::test]
async fn keys_and_addresses_have_quotas() {
    let check = async |change: fn(&mut countersign::domain::quota::Quotas), reason: &str, other: u16| {
        let rest = Rest::with(|it| change(&mut it.quotas)).await;
        let keys = [key(&rest, 0, Scopes::all()).await, key(&rest, 1, Scopes::all()).await];
        let ask = async |nth: usize| {
            let body = value!({ "channel": "SMS", "recipient": "202-555-0123" }).to_string();
            rest.send("", ("POST", ALL), &format!("{}{JSON}", keys[nth]), &body).await
        };
        assert_eq!(ask(0).await.status, 201, "{reason}");
        let got = ask(0).await;
        assert_eq!((got.status, &json(&got)["reason"]), (429, &value!(reason)), "{got:?}");
        assert!(got.head.contains("retry-after: "), "{got:?}");
        assert_eq!(ask(1).await.status, other, "{reason} of another key");
        rest.wait(60);
        assert_eq!(ask(0).await.status, 201, "{reason} a minute later");
    };
    check(|it| it.key = Most { minute: 1, day: 0 }, "key", 201).await;
    check(|it| it.network = Most { minute: 1, day: 0 }, "network", 429).await;
    check(|it| (it.prefix, it.prefix_digits) = (Most { minute: 1, day: 0 }, 7), "prefix", 429).await;
}
