//! Replies through gateways, over real sockets: acknowledged only when they were judged.

mod http_stand;

use countersign::engine::Trouble;
use countersign::http::Settings;
use http_stand::*;
use std::time::Duration;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
/// `gw:gateway-secret`
const GATEWAY: &str = "Authorization: Basic Z3c6Z2F0ZXdheS1zZWNyZXQ=\r\n";
const BODY: &str = "From=%2B12025550123&To=28849&Body=123456&MessageSid=SM1";

#[tokio::test]
async fn a_reply_is_proved_read_and_judged() {
    let stand = stand(Settings::default(), &[]).await;
    let check = async |path: &str, headers: &str, body: &str, expected: u16| {
        let got = stand.post(&format!("/inbound/sms/{path}"), headers, body).await;
        assert_eq!(got.status, expected, "{path} {headers} {body}: {}", got.body);
    };
    check("sandbox", FORM, BODY, 200).await;
    check("sandbox", FORM, "From=x&Body=1&MessageSid=SM1", 400).await;
    check("sandbox", JSON, BODY, 415).await;
    check("sandbox", FORM, "From=%2B12025550123&MessageSid=SM1", 400).await;
    // Only the sandbox takes a message without an id: a person may have typed it by hand.
    assert_eq!(stand.get("/inbound/sms/kannel?from=2025550123&text=yes", "").await.status, 400);
    check("none", FORM, BODY, 404).await;
    check("far", FORM, BODY, 403).await;
    let json = "{\"from\":\"2025550123\",\"text\":\"1\",\"id\":\"a\"}";
    check("basic", JSON, json, 401).await;
    check("basic", &format!("{JSON}Authorization: Basic Z3c6eA==\r\n"), json, 403).await;
    check("basic", &format!("{JSON}{GATEWAY}"), json, 200).await;
    let query = stand.get("/inbound/sms/kannel?from=2025550123&text=yes&id=k1", "").await;
    assert_eq!((query.status, query.body.as_str()), (200, ""));
    let replies = stand.fake.replies.lock().unwrap();
    let seen: Vec<_> = replies.iter().map(|it| (it.gateway.as_str(), it.from.expose(), it.text.expose())).collect();
    assert_eq!(seen, [("sandbox", "+12025550123", "123456"), ("basic", "+12025550123", "1"), ("kannel", "+12025550123", "yes")]);
    assert_eq!((replies[0].received_at, replies[0].provider_id.as_deref()), (NOW, Some("SM1")));
}

#[tokio::test]
async fn a_gateways_name_may_be_escaped_in_the_path() {
    let stand = stand(Settings::default(), &[]).await;
    let check = async |path: &str, expected: u16| {
        let got = stand.post(&format!("/inbound/sms/{path}"), FORM, BODY).await;
        assert_eq!(got.status, expected, "{path}: {}", got.body);
    };
    for path in ["sandbox", "%73andbox", "s%61ndb%6Fx?a=b"] {
        check(path, 200).await;
    }
    for path in ["", "sandbox/", "sandbox/sandbox", "sandbox%2F", "Sandbox"] {
        check(path, 404).await;
    }
    assert_eq!(stand.at("a", "DELETE", "/inbound/sms/sandbox", "").await.status, 405);
    let replies = stand.fake.replies.lock().unwrap();
    assert!(replies.len() == 3 && replies.iter().all(|it| it.gateway == "sandbox"), "{replies:?}");
}

/// `gw:x`
const WRONG: &str = "Authorization: Basic Z3c6eA==\r\n";

#[tokio::test]
async fn guessing_a_gateways_password_is_cut_short() {
    let json = "{\"from\":\"2025550123\",\"text\":\"1\",\"id\":\"a\"}";
    let stand = stand(auth(|it| it.failures_per_address = 2), &generated()).await;
    let check = async |path: &str, headers: &str, body: &str, expected: u16| {
        let got = stand.post(path, headers, body).await;
        assert_eq!(got.status, expected, "{path} {headers}: {}", got.body);
    };
    let basic = "/inbound/sms/basic";
    check(basic, JSON, json, 401).await; // Nothing was guessed.
    check(basic, &format!("{JSON}{WRONG}"), json, 403).await;
    check(basic, &format!("{JSON}{GATEWAY}"), json, 200).await;
    check(basic, &format!("{JSON}{WRONG}"), json, 403).await;
    check(basic, &format!("{JSON}{GATEWAY}"), json, 403).await;
    // One count for all that an address guesses at; who shows no secret is not concerned.
    check(IMS, BASIC, &envelope(""), 500).await;
    check("/inbound/sms/sandbox", FORM, BODY, 200).await;
    assert_eq!(stand.fake.replies.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_durable_is_not_acknowledged() {
    let stand = stand(Settings::default(), &[]).await;
    for trouble in [Trouble::Failed, Trouble::Busy { retry_after: Duration::from_secs(2) }] {
        *stand.fake.trouble.lock().unwrap() = Some(trouble.clone());
        let got = stand.post("/inbound/sms/sandbox", FORM, BODY).await;
        assert!(got.status == 503 && got.head.contains("retry-after: "), "{trouble:?}: {got:?}");
    }
}
