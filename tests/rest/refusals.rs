//! What is refused, how it is told, and what nobody can find out.

use crate::http_stand::Got;
use crate::stand::{ALL, JSON, Rest, json, said};
use serde_json::{Value, json};

const URN: &str = "urn:countersign:problem:";

fn sms() -> Value {
    json!({ "channel": "SMS", "recipient": "202-555-0123" })
}

/// Status and type of a problem, which must be one.
fn problem(got: &Got) -> (u16, String) {
    assert!(got.head.contains("content-type: application/problem+json"), "{got:?}");
    let told = json(got);
    assert_eq!(told["status"], got.status);
    (got.status, told["type"].as_str().unwrap_or_default().trim_start_matches(URN).to_owned())
}

#[tokio::test]
async fn what_can_t_be_read_is_refused() {
    let rest = Rest::new().await;
    let check = async |headers: &str, body: &str, status: u16, kind: &str| {
        let got = rest.send("demo", ("POST", ALL), headers, body).await;
        assert_eq!(problem(&got), (status, kind.to_owned()), "{headers}{body}: {got:?}");
        assert!(got.head.contains("cache-control: no-store"), "{got:?}");
    };
    let fine = sms().to_string();
    check(JSON, "{", 400, "request-malformed").await;
    check(JSON, "[]", 400, "request-malformed").await;
    check(JSON, "\"x\"", 400, "request-malformed").await;
    check(JSON, "{\"channel\": \"SMS\", \"channel\": \"MAIL\"}", 400, "request-malformed").await;
    check(JSON, "", 400, "request-malformed").await;
    check(JSON, "\u{feff}{}", 400, "request-malformed").await;
    check(JSON, &format!("{{\"text\": \"{}\"}}", "x".repeat(17_000)), 413, "request-too-large").await;
    check("", &fine, 415, "media-type").await;
    check("Content-Type: text/json\r\n", &fine, 415, "media-type").await;
    check(&format!("{JSON}Content-Encoding: gzip\r\n"), &fine, 415, "media-type").await;
    for key in ["", "a, b\r\nIdempotency-Key: c", "\u{e9}", &"k".repeat(257)] {
        check(&format!("{JSON}Idempotency-Key: {key}\r\n"), &fine, 400, "request-malformed").await;
    }
    check(&format!("{JSON}Sec-Fetch-Site: cross-site\r\n"), &fine, 403, "").await;
    assert!(rest.world.deliver().await.is_empty(), "nothing was sent");
}

#[tokio::test]
async fn all_fields_that_are_wrong_are_told_at_once() {
    let rest = Rest::new().await;
    let check = async |body: Value, expected: &[&str], says: &str| {
        let got = rest.send("demo", ("POST", ALL), JSON, &body.to_string()).await;
        assert_eq!(problem(&got), (422, "request-invalid".to_owned()), "{body}");
        let told = json(&got);
        let errors = told["errors"].as_array().unwrap().iter();
        let mut errors: Vec<String> =
            errors.map(|it| format!("{} {}", it["field"].as_str().unwrap(), it["code"].as_str().unwrap())).collect();
        errors.sort();
        assert_eq!((errors, said(&told).contains(says)), (expected.iter().map(|it| (*it).to_owned()).collect(), true), "{told}");
        assert!(!got.body.contains("canary"), "no value is told back: {told}");
    };
    check(json!({}), &["channel required", "recipient required"], "").await;
    check(json!({ "channel": null, "recipient": 5 }), &["channel required", "recipient wrong-type"], "").await;
    check(
        json!({ "channel": "SMS", "recipient": "canary", "length": 3, "validity": 5, "attempts": 11, "locale": "canary!", "text": "canary" }),
        &["attempts out-of-range", "length out-of-range", "locale malformed", "recipient malformed", "text malformed", "validity out-of-range"],
        "",
    )
    .await;
    check(
        json!({ "channel": "Sms", "recipient": ["canary"], "length": "6", "validity": 1.5, "reply": "yes", "extra": "canary",
            "template": { "name": 5, "more": 1 }, "parameters": { "a": 1, "b": "x" } }),
        &[
            "channel malformed",
            "extra unknown-field",
            "length wrong-type",
            "parameters.a wrong-type",
            "recipient wrong-type",
            "reply wrong-type",
            "template.more unknown-field",
            "template.name wrong-type",
            "validity wrong-type",
        ],
        "",
    )
    .await;
    check(json!({ "channel": "SMS", "recipient": "12" }), &["recipient malformed"], "phone number").await;
    check(json!({ "channel": "MAIL", "recipient": "12", "locale": "de" }), &["recipient malformed"], "E-Mail-Adresse").await;
    check(json!({ "channel": "MAIL", "recipient": "a@b.example", "reply": true }), &["reply conflict"], "").await;
    check(json!({ "channel": "SMS", "recipient": "2025550123", "clientId": "c" }), &["clientId unknown-field"], "").await;
    let (path, _) = rest.opened(sms()).await;
    let check = async |what: &str, body: Value, expected: &str| {
        let (status, told) = rest.post(&format!("{path}/{what}"), &body).await;
        let error = &told["errors"][0];
        assert_eq!(
            (status, format!("{} {}", error["field"].as_str().unwrap(), error["code"].as_str().unwrap())),
            (422, expected.to_owned())
        );
    };
    check("verify", json!({}), "code required").await;
    check("verify", json!({ "code": 123_456 }), "code wrong-type").await;
    check("verify", json!({ "code": "" }), "code required").await;
    check("verify", json!({ "code": "1".repeat(1025) }), "code too-long").await;
    check("resend", json!({ "policy": "Same-Code" }), "policy malformed").await;
    check("outcome", json!({ "outcome": "expired" }), "outcome malformed").await;
    check("outcome", json!({ "outcome": true }), "outcome wrong-type").await;
    check("cancel", json!({ "why": "x" }), "why unknown-field").await;
}

#[tokio::test]
async fn nobody_comes_in_unproved_and_each_path_has_its_methods() {
    let rest = Rest::new().await;
    let (path, _) = rest.opened(sms()).await;
    let paths = [("POST", ALL.to_owned()), ("GET", path.clone())];
    let acts = ["verify", "resend", "cancel", "outcome"].map(|it| ("POST", format!("{path}/{it}")));
    for (method, path) in paths.into_iter().chain(acts) {
        for user in ["", "stranger"] {
            let got = rest.send(user, (method, &path), JSON, "{}").await;
            assert_eq!((problem(&got).0, got.head.contains("www-authenticate: basic")), (401, true), "{method} {path}");
        }
        for other in ["PUT", "PATCH", "DELETE", "OPTIONS", if method == "GET" { "POST" } else { "GET" }] {
            let got = rest.send("demo", (other, &path), JSON, "{}").await;
            assert_eq!(problem(&got), (405, "method-not-allowed".to_owned()), "{other} {path}");
            assert!(got.head.contains(&format!("allow: {}", method.to_lowercase())), "{other} {path}: {}", got.head);
        }
    }
}

/// A challenge of somebody else, one that never was, and an id that is none: the same answers, byte for byte.
#[tokio::test]
async fn what_a_caller_may_not_see_is_as_if_it_were_not() {
    let rest = Rest::new().await;
    let (open, code) = rest.opened(sms()).await;
    let (over, _) = rest.opened(json!({ "channel": "MAIL", "recipient": "ann@home.example", "locale": "de" })).await;
    assert_eq!(rest.post(&format!("{over}/cancel"), &json!({})).await.0, 200);
    let never = "00000000-0000-8000-8000-000000000000";
    let paths = [open.clone(), over, format!("{ALL}/{never}"), format!("{ALL}/x"), format!("{ALL}/%ff"), open.to_uppercase()];
    let requests = [
        ("GET", "", ""),
        ("POST", "/verify", "{\"code\": \"CODE\"}"),
        ("POST", "/resend", "{}"),
        ("POST", "/cancel", ""),
        ("POST", "/outcome", "{\"outcome\": \"verified\"}"),
    ];
    for (method, end, body) in requests {
        let mut answers: Vec<(u16, String, String)> = Vec::new();
        for path in &paths {
            let path = path.replace("/V1/CHALLENGES", ALL);
            let accepts = format!("{JSON}Accept-Language: fr\r\n");
            let got = rest.send("rival", (method, &format!("{path}{end}")), &accepts, &body.replace("CODE", &code)).await;
            let kept = got.head.lines().filter(|it| !it.starts_with("x-correlation-id") && !it.starts_with("date"));
            answers.push((got.status, kept.collect::<Vec<_>>().join("\n"), got.body));
        }
        assert!(answers.iter().all(|it| *it == answers[0]), "{method} {end}: {answers:#?}");
        assert_eq!(answers[0].0, if end == "/verify" { 200 } else { 404 });
        assert!(answers[0].2.contains("Nous ne connaissons pas cette demande"), "{answers:?}");
    }
    let (_, told) = rest.post(&format!("{open}/verify"), &json!({ "code": code })).await;
    assert_eq!(told["result"], "verified", "the foreign calls changed nothing");
}

#[tokio::test]
async fn limits_say_when_to_come_again() {
    let rest = Rest::with(|it| it.limits.per_phone_ten_minutes = 2).await;
    let limited = |got: &Got, kind: &str, reason: &str, seconds: u64| {
        assert_eq!(problem(got), (429, kind.to_owned()), "{got:?}");
        assert_eq!(json(got)["reason"], reason);
        assert!(
            got.head.contains(&format!("retry-after: {seconds}\r")) || got.head.ends_with(&format!("retry-after: {seconds}")),
            "{}",
            got.head
        );
        assert!(!said(&json(got)).is_empty());
    };
    let create = async || rest.send("demo", ("POST", ALL), JSON, &sms().to_string()).await;
    let (path, _) = rest.opened(sms()).await;
    let again = async || rest.send("demo", ("POST", &format!("{path}/resend")), JSON, "").await;
    rest.wait(10);
    limited(&again().await, "resend-too-soon", "resend-gap", 20);
    rest.wait(20);
    assert_eq!(again().await.status, 200);
    limited(&create().await, "limit-reached", "messages", 570);
    rest.wait(570);
    assert_eq!(create().await.status, 201);
    let told = again().await;
    assert_eq!(problem(&told), (409, "challenge-ended".to_owned()), "its time is up: {told:?}");
}

#[tokio::test]
async fn a_message_is_sent_again_so_often_and_no_oftener() {
    let rest = Rest::new().await;
    let (path, _) = rest.opened(json!({ "channel": "SMS", "recipient": "202-555-0123", "validity": 600, "locale": "tr" })).await;
    for expected in [200, 200, 409] {
        rest.wait(30);
        let got = rest.send("demo", ("POST", &format!("{path}/resend")), JSON, "{}").await;
        assert_eq!(got.status, expected, "{got:?}");
        if expected == 409 {
            assert_eq!(problem(&got).1, "resend-limit");
            assert_eq!(json(&got)["say"]["language"], "tr");
        }
    }
}

#[tokio::test]
async fn too_many_wrong_answers_block_and_who_opted_out_gets_nothing() {
    let rest = Rest::with(|it| (it.attempts, it.budget.daily) = (1, 3)).await;
    let mut last = json!(null);
    for _ in 0..4 {
        let got = rest.send("demo", ("POST", ALL), JSON, &sms().to_string()).await;
        last = json(&got);
        if got.status != 201 {
            assert_eq!(problem(&got), (429, "limit-reached".to_owned()), "{got:?}");
            break;
        }
        let path = format!("{ALL}/{}/verify", last["id"].as_str().unwrap());
        assert_eq!(rest.post(&path, &json!({ "code": "x" })).await.0, 200);
    }
    assert_eq!(last["reason"], "failures", "{last}");
    assert!(said(&last).starts_with("There were too many wrong codes."), "{last}");

    let rest = Rest::new().await;
    rest.opened(sms()).await;
    rest.world.deliver().await;
    rest.world.reply(crate::world::PHONE, "STOP", "1").await;
    let (status, told) = rest.post(ALL, &sms()).await;
    assert_eq!((status, &told["type"]), (409, &json!(format!("{URN}opted-out"))), "{told}");
}

/// What is asked most does not go through the router, and is answered as if it did: byte for byte, but for what is drawn.
#[tokio::test]
async fn both_ways_to_an_answer_give_the_same() {
    let (plain, routed) = (Rest::new().await, Rest::routed().await);
    let kept = |got: Got| {
        let head = got.head.lines().filter(|it| !it.starts_with("x-correlation-id") && !it.starts_with("date"));
        (got.status, head.collect::<Vec<_>>().join("\n"), got.body)
    };
    let never = "00000000-0000-8000-8000-000000000000";
    let ends = [
        "",
        "?a=b",
        "/",
        "//verify",
        "/verify",
        "/x",
        "/x/",
        "/x/verify",
        "/x/verify/",
        "/x/verify?a=b",
        "/a/b/verify",
        "/%78/verify",
        "X",
    ];
    let exact = [format!("{ALL}/{never}/verify"), format!("{ALL}/{}/verify", never.replacen('0', "%30", 1)), ALL.to_uppercase()];
    let paths: Vec<_> = ends.iter().map(|it| format!("{ALL}{it}")).chain(exact).collect();
    for path in &paths {
        for user in ["", "demo"] {
            for (method, headers, body) in [
                ("POST", JSON, "{\"code\": \"1\"}"),
                ("POST", JSON, "{}"),
                ("POST", "", "x"),
                ("POST", "Idempotency-Key: a b\r\nContent-Type: application/json\r\n", "{}"),
                ("GET", "", ""),
                ("HEAD", "", ""),
                ("OPTIONS", "", ""),
            ] {
                let (one, other) =
                    (plain.send(user, (method, path), headers, body).await, routed.send(user, (method, path), headers, body).await);
                assert_eq!(kept(one), kept(other), "{user} {method} {path} {body}");
            }
        }
    }
    // What is opened differs by what is drawn: its id, in the body and in the path.
    let opened = async |rest: &Rest| {
        let got = rest.send("demo", ("POST", ALL), JSON, &sms().to_string()).await;
        let id = json(&got)["id"].as_str().unwrap().to_owned();
        let (status, head, body) = kept(got);
        (status, head.replace(&id, "ID"), body.replace(&id, "ID"))
    };
    let (one, other) = (opened(&plain).await, opened(&routed).await);
    assert_eq!((one.0, &one), (201, &other));
}
