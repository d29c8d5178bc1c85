//! Who is let in, and how the others are told: over real sockets.

mod http_stand;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::domain::code::Secret;
use countersign::domain::credential::{Credential, StoredSecret};
use countersign::domain::fault::Violation;
use countersign::engine::Trouble;
use countersign::http::Settings;
use http_stand::*;
use std::time::Duration;

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const TYPE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#Password";

fn human(password: &str) -> StoredSecret {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    StoredSecret::Argon2(argon2.hash_password(password.as_bytes()).unwrap().to_string())
}

fn security(content: &str) -> String {
    envelope(&format!("<o:Security xmlns:o=\"{WSSE}\" xmlns:u=\"{WSU}\">{content}</o:Security>"))
}

fn token(user: &str, password: &str) -> String {
    security(&format!("<o:UsernameToken><o:Username>{user}</o:Username><o:Password>{password}</o:Password></o:UsernameToken>"))
}

fn digested(nonce: &[u8], created: &str, password: &str) -> String {
    let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[nonce, created.as_bytes(), password.as_bytes()].concat());
    security(&format!(
        "<o:UsernameToken><o:Username>publisher</o:Username><o:Password Type=\"{TYPE}Digest\">{}</o:Password><o:Nonce>{}</o:Nonce>\
         <u:Created>{created}</u:Created></o:UsernameToken>",
        STANDARD.encode(sum),
        STANDARD.encode(nonce)
    ))
}

fn with_digest() -> Vec<Credential> {
    generated().into_iter().map(|it| Credential { password_digest: true, ..it }).collect()
}

#[tokio::test]
async fn each_proof_has_its_answer() {
    let stand = stand(Settings::default(), &generated()).await;
    let check = async |headers: &str, body: String, expected: (u16, &str)| {
        let got = stand.post(IMS, headers, &body).await;
        assert_eq!(got.status, expected.0, "{headers} {body}: {}", got.body);
        assert!(got.body.contains(expected.1), "{headers} {body}: {}", got.body);
        got
    };
    let denied = "wsse:FailedAuthentication";
    let missing = check("", envelope(""), (401, denied)).await;
    assert!(missing.head.contains("www-authenticate: basic realm="), "{}", missing.head);
    assert!(missing.head.contains("content-type: text/xml; charset=utf-8"), "{}", missing.head);
    let good = check(BASIC, envelope(""), (200, "<AlrtPkgId>00000000-0000-0000-0000-0000000000a1</AlrtPkgId><OTP>561126</OTP>")).await;
    assert!(good.head.contains("x-correlation-id: "), "{}", good.head);
    check("", token("publisher", SECRET), (200, "OOBValidateRs")).await;
    check("", token("publisher", "wrong"), (500, denied)).await;
    check("", token("nobody", SECRET), (500, denied)).await;
    check("Authorization: Basic cHVibGlzaGVyOndyb25n\r\n", envelope(""), (500, denied)).await;
    // A wrong token is not rescued by a right Basic.
    check(BASIC, token("publisher", "wrong"), (500, denied)).await;
    check("", security("<o:UsernameToken><o:Username>publisher</o:Username></o:UsernameToken>"), (500, denied)).await;
    check("Content-Type: application/soap+xml\r\n", "x".into(), (400, "Sender")).await;
    let opened = stand.fake.opened.lock().unwrap();
    assert_eq!(opened.len(), 2);
    assert_eq!((opened[0].0.publisher.as_str(), opened[0].0.received_at), ("bank", NOW));
}

#[tokio::test]
async fn a_timestamp_is_judged_and_answered_in_kind() {
    let stand = stand(Settings::default(), &generated()).await;
    let check = async |created: &str, expires: &str, expected: u16| {
        let stamp = format!("<u:Timestamp><u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp>");
        let user = format!("<o:UsernameToken><o:Username>publisher</o:Username><o:Password>{SECRET}</o:Password></o:UsernameToken>");
        let got = stand.post(IMS, "", &security(&format!("{stamp}{user}"))).await;
        assert_eq!(got.status, expected, "{created} {expires}: {}", got.body);
        assert!(got.body.contains("Timestamp"), "{}", got.body);
    };
    check("2026-11-21T21:00:00Z", "2026-11-21T21:05:00Z", 200).await;
    check("2026-11-21T20:40:00Z", "2026-11-21T20:55:00.001Z", 200).await;
    check("2026-11-21T20:40:00Z", "2026-11-21T20:55:00Z", 500).await;
    check("2026-11-21T21:05:00.001Z", "2026-11-21T21:10:00Z", 500).await;
    let plain = stand.post(IMS, BASIC, &envelope("")).await;
    assert!(!plain.body.contains("Timestamp"), "{}", plain.body);
}

#[tokio::test]
async fn a_digest_counts_where_it_is_allowed_and_a_nonce_once() {
    let stand = stand(Settings::default(), &with_digest()).await;
    let check = async |body: &str, expected: u16| {
        let got = stand.post(IMS, "", body).await;
        assert_eq!(got.status, expected, "{body}: {}", got.body);
    };
    let first = digested(b"n-1", "2026-11-21T20:55:00Z", SECRET);
    check(&first, 200).await;
    check(&first, 500).await; // It would open a second challenge.
    check(&first.replace("2025550123", "2025550199"), 500).await;
    check(&digested(b"n-2", "2026-11-21T20:54:59Z", SECRET), 500).await;
    check(&digested(b"n-3", "2026-11-21T21:05:01Z", SECRET), 500).await;
    check(&digested(b"n-4", "nonsense", SECRET), 500).await;
    check(&digested(b"n-5", "2026-11-21T21:00:00Z", "wrong"), 500).await;
    // The failed one did not use up its nonce.
    check(&digested(b"n-5", "2026-11-21T21:00:00Z", SECRET), 200).await;
    let off = http_stand::stand(Settings::default(), &generated()).await;
    assert_eq!(off.post(IMS, "", &digested(b"n-1", "2026-11-21T21:00:00Z", SECRET)).await.status, 500);
}

/// With an idempotency key of its own the repetition gets the first answer, which is the engine's to give.
#[tokio::test]
async fn a_repeated_request_needs_a_key_of_its_own() {
    let stand = stand(Settings::default(), &with_digest()).await;
    let check = async |nonce: &str, extra: &str, expected: (u16, u16)| {
        let header = digested(nonce.as_bytes(), "2026-11-21T21:00:00Z", SECRET);
        let body = header.replace("</jXchangeHdr>", &format!("{extra}</jXchangeHdr>"));
        assert_eq!(stand.post(IMS, "", &body).await.status, expected.0, "{extra}");
        assert_eq!(stand.post(IMS, "", &body).await.status, expected.1, "{extra}, repeated");
        assert_eq!(stand.post(IMS, "", &body.replace("2025550123", "2025550199")).await.status, 500, "{extra}, another body");
    };
    check("n-1", "", (200, 500)).await;
    check("n-2", "<jXLogTrackingId>t-1</jXLogTrackingId>", (200, 200)).await;
    check("n-3", "<BusCorrelId>b-1</BusCorrelId>", (200, 200)).await;
    check("n-4", "<WorkflowCorrelId>w-1</WorkflowCorrelId>", (200, 500)).await;
    let text = stand.get("/metrics", OPERATOR).await.body;
    assert!(text.contains("countersign_auth_failures_total{reason=\"replayed\"} 6"), "{text}");
}

/// A digest does not cover the body, and the nonces of before the start are forgotten.
#[tokio::test]
async fn a_digest_from_before_the_start_is_refused() {
    let stand = stand(Settings::default(), &with_digest()).await;
    *stand.fake.clock.lock().unwrap() = BEGAN.plus(Duration::from_secs(60));
    let check = async |body: &str, expected: u16| assert_eq!(stand.post(IMS, "", body).await.status, expected, "{body}");
    check(&digested(b"n-1", "2026-11-21T19:59:59.999Z", SECRET), 500).await;
    check(&digested(b"n-1", "2026-11-21T20:00:00Z", SECRET), 200).await;
    // Who sends the password itself has proved all the same.
    let text = digested(b"n-2", "2026-11-21T19:59:59Z", SECRET);
    let (start, end) = (text.find("<o:Password").unwrap(), text.find("<o:Nonce>").unwrap());
    check(&format!("{}<o:Password>{SECRET}</o:Password>{}", &text[..start], &text[end..]), 200).await;
}

#[tokio::test]
async fn a_human_password_costs_argon2_once() {
    let credentials = [publisher("publisher", human(SECRET)), publisher("other", human("else"))];
    let stand = stand(Settings::default(), &credentials).await;
    let runs = async |headers: &str, body: &str, status: u16, expected: u64| {
        let before = stand.credentials.argon2_runs();
        assert_eq!(stand.post(IMS, headers, body).await.status, status);
        assert_eq!(stand.credentials.argon2_runs() - before, expected, "{body}");
    };
    runs(BASIC, &envelope(""), 200, 1).await;
    runs(BASIC, &envelope(""), 200, 0).await;
    runs("", &token("publisher", SECRET), 200, 0).await;
    runs("", &token("other", SECRET), 500, 1).await;
    // An unknown user costs as much as a wrong password.
    runs("", &token("nobody", SECRET), 500, 1).await;
    runs("", &token("nobody", "else"), 500, 1).await;
    // After a reload nothing is remembered, and an old password is worth nothing.
    stand.credentials.replace(&[publisher("publisher", human("new"))]);
    runs(BASIC, &envelope(""), 500, 1).await;
    runs("", &token("publisher", "new"), 200, 1).await;
}

#[tokio::test]
async fn two_secrets_are_active_while_one_is_rotated() {
    let mut both = publisher("publisher", StoredSecret::Generated(Secret::new("old-secret")));
    both.secrets.push(StoredSecret::Generated(Secret::new("new-secret")));
    both.secrets.push(human("human"));
    let stand = stand(Settings::default(), &[both]).await;
    for (password, expected) in [("old-secret", 200), ("new-secret", 200), ("human", 200), ("older", 500)] {
        assert_eq!(stand.post(IMS, "", &token("publisher", password)).await.status, expected, "{password}");
    }
}

#[tokio::test]
async fn guessing_is_cut_short() {
    let credentials = [publisher("publisher", human(SECRET))];
    let stand = stand(auth(|it| it.failures_per_pair = 3), &credentials).await;
    for _ in 0..3 {
        assert_eq!(stand.post(IMS, "", &token("publisher", "guess")).await.status, 500);
    }
    let before = stand.credentials.argon2_runs();
    assert_eq!(stand.post(IMS, BASIC, &envelope("")).await.status, 500);
    assert_eq!(stand.credentials.argon2_runs(), before, "denied unseen");
    let metrics = stand.get("/metrics", OPERATOR).await.body;
    assert!(metrics.contains("countersign_auth_failures_total{reason=\"blocked\"} 1"), "{metrics}");
    assert!(metrics.contains("countersign_auth_failures_total{reason=\"wrong\"} 3"), "{metrics}");
}

#[tokio::test]
async fn a_publisher_comes_from_its_networks_only() {
    for (network, expected) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 500)] {
        let mut credential = generated().remove(0);
        credential.allow = vec![network.parse().unwrap()];
        let stand = stand(Settings::default(), &[credential]).await;
        assert_eq!(stand.post(IMS, BASIC, &envelope("")).await.status, expected, "{network}");
    }
}

#[tokio::test]
async fn trouble_is_told_without_its_cause() {
    let stand = stand(Settings::default(), &generated()).await;
    let set = |trouble| *stand.fake.trouble.lock().unwrap() = Some(trouble);
    set(Trouble::Busy { retry_after: Duration::from_millis(1500) });
    let busy = stand.post(IMS, BASIC, &envelope("")).await;
    assert!(busy.status == 503 && busy.head.contains("retry-after: 2") && busy.body.contains("s:Server"), "{busy:?}");
    set(Trouble::Failed);
    let failed = stand.post(IMS, BASIC, &envelope("")).await;
    let id = failed.head.split("x-correlation-id: ").nth(1).and_then(|it| it.get(..36)).unwrap();
    assert!(failed.status == 500 && failed.body.contains(id), "{failed:?}");
    *stand.fake.trouble.lock().unwrap() = None;
    *stand.fake.refuse.lock().unwrap() = vec![Violation::new(3154, "AlrtName", "Give one."), Violation::new(3160, "OOBExpSec", "Outside.")];
    let refused = stand.post(IMS, BASIC, &envelope("")).await;
    assert!(refused.status == 500 && refused.body.contains("3154, 3160"), "{refused:?}");
}

#[tokio::test]
async fn ping_and_the_contract_need_no_proof() {
    let stand = stand(Settings::default(), &[]).await;
    let ping = envelope("").replace("OOBValidateRq", "Ping");
    let start = ping.find("<MsgRqHdr>").unwrap();
    let end = ping.find("</Ping>").unwrap();
    let ping = format!("{}<PingRq>hello</PingRq>{}", &ping[..start], &ping[end..]);
    let got = stand.post(IMS, "", &ping).await;
    assert!(got.status == 200 && got.body.contains("<PingRs>hello</PingRs>"), "{got:?}");
    let wsdl = stand.get(&format!("{IMS}?wsdl"), "").await;
    assert!(wsdl.status == 200 && wsdl.body.contains(&format!("http://h{IMS}?xsd=")), "{wsdl:?}");
    assert_eq!(stand.get(&format!("{IMS}?xsd=TPG_IMS.xsd"), "").await.status, 200);
    assert_eq!(stand.get(&format!("{IMS}?xsd=none"), "").await.status, 404);
    assert_eq!(stand.send(format!("PUT {IMS} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes()).await.status, 405);
}

#[tokio::test]
async fn metrics_are_for_operators() {
    let stand = stand(Settings::default(), &generated()).await;
    let check = async |headers: &str, expected: u16| assert_eq!(stand.get("/metrics", headers).await.status, expected, "{headers}");
    check("", 401).await;
    check(BASIC, 401).await;
    check("Authorization: Bearer wrong\r\n", 401).await;
    check("Authorization: Bearer scrape-token\r\n", 200).await;
    check(OPERATOR, 200).await;
    stand.post(IMS, BASIC, &envelope("")).await;
    let text = stand.get("/metrics", OPERATOR).await.body;
    for line in [
        "countersign_requests_total{operation=\"oob_validate\",outcome=\"opened\"} 1",
        "countersign_requests_total{operation=\"metrics\",outcome=\"denied\"} 3",
        "countersign_sessions_open 3",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
}

#[tokio::test]
async fn guessing_an_operators_secret_is_cut_short() {
    let stand = stand(auth(|it| it.failures_per_address = 3), &generated()).await;
    let check = async |headers: &str, expected: u16| assert_eq!(stand.get("/metrics", headers).await.status, expected, "{headers}");
    for _ in 0..5 {
        check("", 401).await;
    }
    check("Authorization: Bearer wrong\r\n", 401).await;
    check(BASIC, 401).await;
    check(OPERATOR, 200).await;
    check("Authorization: Bearer wrong\r\n", 401).await;
    check(OPERATOR, 401).await;
    check("Authorization: Bearer scrape-token\r\n", 401).await;
}
