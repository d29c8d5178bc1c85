//! How a challenge lives: asked for, sent, verified, sent again, ended, and told of long after.

use crate::stand::{ALL, JSON, Rest, json, said};
use serde_json::{Value, json};

fn sms() -> Value {
    json!({ "channel": "SMS", "recipient": "202-555-0123" })
}

fn acts(told: &Value) -> Vec<&str> {
    told["timeline"].as_array().unwrap().iter().map(|it| it["act"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_code_goes_out_and_is_verified_once() {
    let rest = Rest::new().await;
    let body = json!({ "channel": "SMS", "recipient": "202-555-0123", "text": "Code <%$otp%>", "length": 8, "validity": 120,
        "attempts": 4, "locale": "en-GB", "reference": "order 7" });
    let got = rest.send("demo", ("POST", ALL), JSON, &body.to_string()).await;
    let told = json(&got);
    assert_eq!(got.status, 201, "{told}");
    let path = format!("{ALL}/{}", told["id"].as_str().unwrap());
    assert!(got.head.contains(&format!("location: {path}")) && got.head.contains("cache-control: no-store"), "{}", got.head);
    assert_eq!((&told["state"], &told["to"], &told["attemptsLeft"]), (&json!("open"), &json!("******0123"), &json!(4)));
    assert!(told.get("code").is_none(), "nobody asked for it");
    assert_eq!(said(&told), "We have sent a code by text message to ******0123. Please enter it here within 2 minutes.");

    let kept = rest.world.deliver().await;
    let code = kept.last().unwrap().text.as_ref().unwrap().expose().strip_prefix("Code ").unwrap();
    assert_eq!(code.len(), 8);
    let verify = format!("{path}/verify");
    let (status, told) = rest.post(&verify, &json!({ "code": "nonsense" })).await;
    let expected = json!({ "result": "wrong", "attemptsLeft": 3, "until": null,
        "say": { "language": "en", "text": "That code is not correct. You have 3 attempts left." } });
    assert_eq!((status, told), (200, expected));
    let spaced = format!(" {} {} ", &code[..4], &code[4..]);
    let (_, told) = rest.post(&verify, &json!({ "code": spaced })).await;
    assert_eq!((&told["result"], said(&told)), (&json!("verified"), "Thank you, your code is correct."));
    let (_, told) = rest.post(&verify, &json!({ "code": code })).await;
    assert_eq!(told["result"], "used");

    rest.wait(90 * 24 * 3600);
    let (status, told) = rest.get(&path).await;
    assert_eq!((status, &told["state"], &told["reference"]), (200, &json!("verified"), &json!("order 7")));
    assert_eq!(acts(&told), ["MsgAccepted", "MsgSent", "OOBVerified"]);
    let clause = told["assurance"].as_array().unwrap().iter().find(|it| it["clause"] == "6.5.5").unwrap();
    assert_eq!(clause["standing"], "met");
    assert!(!told.to_string().contains(code) && !told.to_string().contains("5550123"), "{told}");
}

#[tokio::test]
async fn each_end_is_told() {
    let check = async |codes: &[&str], wait: u64, expected: &[&str], state: &str| {
        let rest = Rest::new().await;
        let (path, code) = rest.opened(sms()).await;
        rest.wait(wait);
        let mut results = Vec::new();
        for typed in codes {
            let typed = if *typed == "right" { &code } else { *typed };
            let (status, told) = rest.post(&format!("{path}/verify"), &json!({ "code": typed })).await;
            assert!(status == 200 && !said(&told).is_empty(), "{told}");
            results.push(told["result"].as_str().unwrap().to_owned());
        }
        assert_eq!(
            (results, rest.get(&path).await.1["state"].as_str()),
            (expected.iter().map(|it| (*it).to_owned()).collect(), Some(state))
        );
    };
    check(&["x", "x", "right"], 0, &["wrong", "wrong", "verified"], "verified").await;
    check(&["x", "x", "x", "right"], 0, &["wrong", "wrong", "failed", "failed"], "failed").await;
    check(&["right"], 299, &["verified"], "verified").await;
    check(&["right"], 300, &["expired"], "expired").await;
}

#[tokio::test]
async fn a_newer_one_takes_the_place_and_a_cancelled_one_is_over() {
    let rest = Rest::new().await;
    let (old, code) = rest.opened(sms()).await;
    let (new, newer) = rest.opened(sms()).await;
    let judged = async |path: &str, code: &str| rest.post(&format!("{path}/verify"), &json!({ "code": code })).await.1;
    assert_eq!(judged(&old, &code).await["result"], "superseded");
    for _ in 0..2 {
        let (status, told) = rest.post(&format!("{new}/cancel"), &json!({})).await;
        assert_eq!((status, &told["state"], acts(&told).last()), (200, &json!("cancelled"), Some(&"OOBCancelled")));
    }
    assert_eq!(judged(&new, &newer).await["result"], "cancelled");
    let (status, told) = rest.post(&format!("{new}/outcome"), &json!({ "outcome": "verified" })).await;
    assert_eq!((status, &told["type"], &told["state"]), (409, &json!("urn:countersign:problem:challenge-ended"), &json!("cancelled")));
}

#[tokio::test]
async fn a_publisher_that_verified_itself_tells_the_outcome() {
    for (outcome, act) in [("verified", "OOBVerified"), ("failed", "OOBFailed")] {
        let rest = Rest::new().await;
        let (path, _) = rest.opened(sms()).await;
        let (status, told) = rest.post(&format!("{path}/outcome"), &json!({ "outcome": outcome })).await;
        assert_eq!((status, &told["state"], acts(&told).last()), (200, &json!(outcome), Some(&act)));
    }
}

#[tokio::test]
async fn a_request_that_is_repeated_sends_nothing() {
    let rest = Rest::new().await;
    let key = "Idempotency-Key: 7f3c\r\n";
    let send = async |body: &Value| rest.send("demo", ("POST", ALL), &format!("{JSON}{key}"), &body.to_string()).await;
    let first = send(&sms()).await;
    assert!(first.status == 201 && !first.head.contains("idempotency-replayed"), "{first:?}");
    let again = send(&sms()).await;
    assert!(again.status == 200 && again.head.contains("idempotency-replayed: true"), "{again:?}");
    assert_eq!(json(&again), json(&first));
    assert_eq!(rest.world.deliver().await.len(), 1);
    let other = send(&json!({ "channel": "SMS", "recipient": "202-555-0124" })).await;
    assert_eq!((other.status, &json(&other)["type"]), (422, &json!("urn:countersign:problem:idempotency-key-reused")));

    let path = format!("{ALL}/{}/verify", json(&first)["id"].as_str().unwrap());
    for _ in 0..3 {
        let (_, told) = rest.post_with(&path, key, &json!({ "code": "x" })).await;
        assert_eq!((&told["result"], &told["attemptsLeft"]), (&json!("wrong"), &json!(2)), "the same call costs one attempt");
    }
}

#[tokio::test]
async fn a_message_is_sent_again_by_each_policy() {
    let check = async |policy: &str, says: &str, old: &str, new: &str| {
        let rest = Rest::new().await;
        let (path, first) = rest.opened(sms()).await;
        rest.wait(30);
        let wish = json!({ "policy": policy, "returnCode": true });
        let (status, told) = rest.post_with(&format!("{path}/resend"), "Idempotency-Key: 1\r\n", &wish).await;
        assert_eq!((status, &told["messages"], said(&told)), (200, &json!(2), says), "{told}");
        let (_, again) = rest.post_with(&format!("{path}/resend"), "Idempotency-Key: 1\r\n", &wish).await;
        assert_eq!(again["messages"], 2, "a repeated call sends nothing");
        let judged = async |code: &str| rest.post(&format!("{path}/verify"), &json!({ "code": code })).await.1["result"].clone();
        match told["code"].as_str() {
            None => assert_eq!((judged(&first).await.as_str().unwrap(), ""), (old, new)),
            Some(second) if old == "wrong" => assert_eq!((judged(&first).await, judged(second).await), (json!(old), json!(new))),
            Some(_) => assert_eq!((judged(&first).await.as_str().unwrap(), old), (old, new)),
        }
    };
    let valid = "within 4 minutes.";
    check("same-code", &format!("We have sent you the same code again. Please enter it {valid}"), "verified", "").await;
    check("supersede", &format!("We have sent you a new code. Only the new one counts now; please enter it {valid}"), "wrong", "verified")
        .await;
    check(
        "any-of-session",
        &format!("We have sent you another code. Please enter any of the codes we sent you {valid}"),
        "verified",
        "verified",
    )
    .await;
}

#[tokio::test]
async fn a_bot_speaks_the_challenge_s_language() {
    let check = async |locale: Option<&str>, accepts: &str, language: &str, says: &str| {
        let rest = Rest::new().await;
        let mut body = json!({ "channel": "MAIL", "recipient": "ann@home.example" });
        body["locale"] = locale.into();
        let accepts = if accepts.is_empty() { String::new() } else { format!("Accept-Language: {accepts}\r\n") };
        let (status, told) = rest.post_with(ALL, &accepts, &body).await;
        assert_eq!((status, &told["say"]["language"]), (201, &json!(language)), "{told}");
        let path = format!("{ALL}/{}/verify", told["id"].as_str().unwrap());
        let (_, told) = rest.post_with(&path, &accepts, &json!({ "code": "x" })).await;
        assert_eq!(told["say"], json!({ "language": language, "text": says }));
    };
    check(Some("es-MX"), "fr", "es", "El código no es correcto. Le quedan 2 intentos.").await;
    check(None, "fr-CH, en;q=0.5", "fr", "Ce code est incorrect. Il vous reste 2 essais.").await;
    check(Some("de"), "", "de", "Dieser Code ist nicht richtig. Sie haben noch 2 Versuche.").await;
    check(Some("tr-TR"), "", "tr", "Bu kod doğru değil. 2 deneme hakkınız kaldı.").await;
    check(Some("ro"), "", "ro", "Codul nu este corect. Mai aveți 2 încercări.").await;
    check(Some("pt"), "pt", "en", "That code is not correct. You have 2 attempts left.").await;
}
