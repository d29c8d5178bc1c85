//! FCM: one stand-in gives access tokens and takes messages, as Google's two services do.

use super::Log;
use super::http_peer::{Files, Got, Peer, Say, say};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use countersign::connect::contract::{Body, Connector, Message, Push};
use countersign::connect::fcm::Fcm;
use countersign::domain::code::Secret;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::domain::time::Timestamp;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use uuid::Uuid;

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

const TOKEN: &str = r#"{"access_token":"ya29.canary-1","expires_in":3599,"token_type":"Bearer"}"#;
const OTHER: &str = r#"{"access_token":"ya29.canary-2","expires_in":3599,"token_type":"Bearer"}"#;
const SENT: &str = r#"{"name":"projects/bank-1/messages/0:1"}"#;

fn key_file(change: impl FnOnce(&mut Value)) -> Files {
    let der = AsDer::<Pkcs8V1Der>::as_der(&*KEY).unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref()));
    let mut file = json!({
        "type": "service_account",
        "project_id": "bank-1",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "push@bank-1.example",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    change(&mut file);
    Files::new(&[("key", &file.to_string())])
}

/// A way out whose clock the test turns, in seconds.
fn fcm(peer: &Peer, files: &Files) -> (Fcm, Arc<AtomicI64>) {
    let toml = format!(
        "key_file = {:?}\nbase_url = '{}'\ntoken_url = '{}'\nallow_plain = true\ntimeout_ms = 2000",
        files.path("key"),
        peer.url(""),
        peer.url("/token")
    );
    let clock = Arc::new(AtomicI64::new(1_000));
    let reader = clock.clone();
    let now = Arc::new(move || Timestamp::from_millis(reader.load(Ordering::SeqCst) * 1_000));
    (Fcm::new(toml::from_str(&toml).unwrap(), now).unwrap(), clock)
}

fn message() -> Message {
    let push = Push {
        title: Secret::new("First Harbor"),
        text: Secret::new("Your code is 561126"),
        data: Vec::new(),
        ttl: Duration::from_secs(300),
        topic: None,
    };
    Message {
        id: DeliveryId(Uuid::from_u128(7)),
        about: AggregateId(Uuid::from_u128(9)),
        to: Address::canonical("canary-device"),
        from: None,
        body: Body::Push(push),
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { provider_id: Some("projects/bank-1/messages/0:1".to_owned()) }
}

fn later(reason: &str, after: Option<u64>) -> Outcome {
    Outcome::Later { reason: reason.to_owned(), after: after.map(Duration::from_secs) }
}

fn targets(peer: &Peer) -> Vec<String> {
    peer.got.lock().iter().map(|it| it.target.clone()).collect()
}

/// Header and claims of the token that a request for an access token carries; its signature verified.
fn assertion(got: &Got) -> (Value, Value) {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(got.body.as_bytes()).into_owned().collect();
    assert_eq!(pairs[0], ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
    assert_eq!(got.header("content-type"), "application/x-www-form-urlencoded");
    let (input, signed) = pairs[1].1.rsplit_once('.').unwrap();
    let key = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref());
    key.verify(input.as_bytes(), &BASE64.decode(signed).unwrap()).unwrap();
    let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).unwrap()).unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    (read(header), read(claims))
}

#[tokio::test]
async fn a_message_goes_out_with_a_token_that_is_kept() {
    let (peer, files) = (Peer::start(None).await, key_file(|_| {}));
    let (way, clock) = fcm(&peer, &files);
    peer.says_next(say(200, TOKEN));
    peer.says(say(200, SENT));
    for _ in 0..2 {
        assert_eq!(way.send(&message()).await, accepted());
    }
    const SEND: &str = "/v1/projects/bank-1/messages:send";
    assert_eq!(targets(&peer), ["/token", SEND, SEND]);
    let (header, claims) = assertion(&peer.got.lock()[0]);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let scope = "https://www.googleapis.com/auth/firebase.messaging";
    let expected = json!({"iss": "push@bank-1.example", "scope": scope, "aud": peer.url("/token"), "iat": 1_000, "exp": 4_600});
    assert_eq!(claims, expected);
    let got = peer.last();
    assert_eq!((got.header("authorization"), got.header("content-type")), ("Bearer ya29.canary-1", "application/json"));
    let json: Value = serde_json::from_str(&got.body).unwrap();
    let told = (&json["message"]["token"], &json["message"]["notification"]["body"], &json["message"]["android"]["ttl"]);
    assert_eq!(told, (&json!("canary-device"), &json!("Your code is 561126"), &json!("300s")));
    clock.fetch_add(3_298, Ordering::SeqCst);
    assert_eq!(way.send(&message()).await, accepted());
    assert_eq!(peer.count(), 4, "kept until five minutes before its end");
    clock.fetch_add(1, Ordering::SeqCst);
    peer.says_next(say(200, OTHER));
    assert_eq!(way.send(&message()).await, accepted());
    assert_eq!((targets(&peer)[4].as_str(), peer.last().header("authorization")), ("/token", "Bearer ya29.canary-2"));
}

#[tokio::test]
async fn many_wait_for_one_token() {
    let (peer, files) = (Peer::start(None).await, key_file(|_| {}));
    let (way, _) = fcm(&peer, &files);
    peer.says_next(say(200, TOKEN));
    peer.says(say(200, SENT));
    let messages: Vec<_> = (0..8).map(|_| message()).collect();
    let outcomes = futures_util::future::join_all(messages.iter().map(|it| way.send(it))).await;
    assert!(outcomes.iter().all(|it| *it == accepted()), "{outcomes:?}");
    assert_eq!((peer.count(), targets(&peer).iter().filter(|it| *it == "/token").count()), (9, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let (peer, files) = (Peer::start(None).await, key_file(|_| {}));
    let (way, _) = fcm(&peer, &files);
    let no = r#"{"error":{"status":"UNAUTHENTICATED"}}"#;
    [say(200, TOKEN), say(401, no), say(200, OTHER), say(200, SENT)].into_iter().for_each(|it| peer.says_next(it));
    assert_eq!(way.send(&message()).await, accepted());
    assert_eq!((peer.count(), peer.last().header("authorization")), (4, "Bearer ya29.canary-2"));
    [say(401, no), say(200, TOKEN), say(401, no)].into_iter().for_each(|it| peer.says_next(it));
    assert_eq!(way.send(&message()).await, later("FCM refuses our service account (401)", None));
    assert_eq!(peer.count(), 7, "once, not for ever");
}

#[tokio::test]
async fn trouble_is_told_apart() {
    let (peer, files) = (Peer::start(None).await, key_file(|_| {}));
    let (way, _) = fcm(&peer, &files);
    let wait = |status, body: &str| Say { headers: vec![("retry-after", "9".to_owned())], ..say(status, body) };
    let check = async |answers: Vec<Say>, expected: Outcome| {
        answers.into_iter().for_each(|it| peer.says_next(it));
        assert_eq!(way.send(&message()).await, expected);
    };
    // Without a token nothing is sent, whatever it is about.
    check(
        vec![say(400, r#"{"error":"invalid_grant","error_description":"canary"}"#)],
        later("no access token: status 400 (invalid_grant)", None),
    )
    .await;
    check(vec![wait(503, "")], later("no access token: status 503", Some(9))).await;
    check(vec![say(200, "{}")], later("no access token: the answer is none of OAuth's", None)).await;
    check(vec![say(302, "")], later("no access token: status 302", None)).await;
    assert!(targets(&peer).iter().all(|it| it == "/token"));
    check(vec![say(200, TOKEN), wait(503, r#"{"error":{"status":"UNAVAILABLE"}}"#)], later("status 503, code UNAVAILABLE", Some(9))).await;
    let gone = r#"{"error":{"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}"#;
    check(vec![say(404, gone)], Outcome::Refused { reason: "the device is no longer registered".to_owned() }).await;
    let sms = Message { body: Body::Sms(Secret::new("x")), ..message() };
    assert_eq!(way.send(&sms).await, Outcome::Refused { reason: "FCM sends push messages only".to_owned() });
    let before = peer.count();
    check(vec![say(0, "")], later("timed out", None)).await;
    assert_eq!(peer.count(), before + 1);
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let log = Log::default();
    let _guard = log.listen();
    let (peer, files) = (Peer::start(None).await, key_file(|_| {}));
    let (way, _) = fcm(&peer, &files);
    let blames =
        r#"{"error":{"status":"INVALID_ARGUMENT","message":"canary-device","details":[{"fieldViolations":[{"field":"canary device"}]}]}}"#;
    let answers =
        [say(400, r#"{"error":"x","error_description":"canary"}"#), say(200, TOKEN), say(200, SENT), say(400, blames), say(500, "canary")];
    answers.into_iter().for_each(|it| peer.says_next(it));
    for _ in 0..4 {
        let message = message();
        tracing::info!(outcome = ?way.send(&message).await, ?message, "handed over");
    }
    assert_eq!(peer.count(), 5);
    log.is_clean_of(&["canary", "561126", "First Harbor", "PRIVATE KEY", "push@bank-1"]);
}

#[test]
fn settings_that_can_not_work_are_told_at_start() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let check = |change: fn(&mut Value), more: &str, expected: Option<&str>| {
        let files = key_file(change);
        let built = toml::from_str(&format!("key_file = {:?}\n{more}", files.path("key"))).map_err(|error| error.to_string());
        let error = built.and_then(|it| Fcm::new(it, Arc::new(Timestamp::default)).map_err(|error| error.0)).err();
        assert_eq!(error.is_some(), expected.is_some(), "{more}: {error:?}");
        assert!(error.as_deref().unwrap_or_default().contains(expected.unwrap_or_default()), "{more}: {error:?}");
        assert!(!error.unwrap_or_default().contains("canary"));
    };
    check(|_| {}, "", None);
    check(|it| it["project_id"] = Value::Null, "project = 'bank-2'", None);
    check(|it| it["token_uri"] = Value::Null, "", None);
    check(|it| it["project_id"] = Value::Null, "", Some("set project"));
    check(|_| {}, "project = 'a/b'", Some("no project id"));
    check(|_| {}, "base_url = 'http://fcm.example'", Some("allow_plain"));
    check(|_| {}, "token_url = 'http://tokens.example'", Some("allow_plain"));
    check(|it| it["token_uri"] = "http://tokens.example".into(), "", Some("token_uri"));
    check(|it| it["private_key"] = "canary".into(), "", Some("private_key is no RSA key"));
    check(|it| *it = "canary".into(), "", Some("no key file"));
    check(|_| {}, "timeout_ms = 0", Some("timeout_ms"));
    check(|_| {}, "key = 'x'", Some("key"));
}
