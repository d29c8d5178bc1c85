//! Web Push: a push service and the browser behind it, which decrypts by the standard's words, not by our code.

use super::Log;
use super::http_peer::{Files, Got, Peer, Say, say};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::{hmac, signature};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use countersign::connect::contract::{Body, Connector, Message, Push};
use countersign::connect::webpush::WebPush;
use countersign::domain::code::Secret;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::domain::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The keys of RFC 8291's example.
const VAPID: [(&str, &str); 1] = [("key", "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw\n")];
const BROWSER: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

fn webpush(files: &Files, more: &str) -> Result<WebPush, String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let toml = format!("key_file = {:?}\ncontact = 'mailto:ops@bank.example'\n{more}", files.path("key"));
    let settings = toml::from_str(&toml).map_err(|error| error.to_string())?;
    WebPush::new(settings, Arc::new(|| Timestamp::from_millis(1_000_999))).map_err(|error| error.0)
}

fn open(files: &Files) -> WebPush {
    webpush(files, "allow_plain = true\nallow_private = true\ntimeout_ms = 300").unwrap()
}

fn subscription(endpoint: &str) -> String {
    json!({"endpoint": endpoint, "expirationTime": null, "keys": {"p256dh": P256DH, "auth": AUTH}}).to_string()
}

fn message(to: &str, push: Push) -> Message {
    Message {
        id: DeliveryId(Uuid::from_u128(7)),
        about: AggregateId(Uuid::from_u128(9)),
        to: Address::canonical(to),
        from: None,
        body: Body::Push(push),
    }
}

fn push() -> Push {
    Push {
        title: Secret::new("First Harbor"),
        text: Secret::new("Your code is 561126 – né"),
        data: vec![("challenge".to_owned(), Secret::new("c1"))],
        ttl: Duration::from_millis(299_900),
        topic: Some("slot-1_A".to_owned()),
    }
}

/// As the browser reads it (RFC 8291, sections 3.3 and 3.4; RFC 8188, section 2).
fn decrypted(body: &[u8]) -> Value {
    let (salt, rest) = body.split_at(16);
    assert_eq!(rest[..5], [0, 0, 16, 0, 65], "records of 4,096 bytes, and a point");
    let (sender, record) = rest[5..].split_at(65);
    let mac = |key: &[u8], parts: &[&[u8]]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref().to_vec();
    let own = PrivateKey::from_private_key(&ECDH_P256, &BASE64.decode(BROWSER).unwrap()).unwrap();
    let shared = agree(&own, UnparsedPublicKey::new(&ECDH_P256, sender), (), |it| Ok(it.to_vec())).unwrap();
    let prk = mac(&BASE64.decode(AUTH).unwrap(), &[&shared]);
    let ikm = mac(&prk, &[b"WebPush: info\0", &BASE64.decode(P256DH).unwrap(), sender, &[1]]);
    let prk = mac(salt, &[&ikm]);
    let key = mac(&prk, &[b"Content-Encoding: aes128gcm\0", &[1]]);
    let nonce = mac(&prk, &[b"Content-Encoding: nonce\0", &[1]]);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).unwrap());
    let mut record = record.to_vec();
    let plain = key.open_in_place(Nonce::try_assume_unique_for_key(&nonce[..12]).unwrap(), Aad::empty(), &mut record).unwrap();
    let (end, plain) = plain.split_last().unwrap();
    assert_eq!(*end, 2, "the last record");
    serde_json::from_slice(plain).unwrap()
}

fn claims(got: &Got) -> Value {
    let (token, key) = got.header("authorization").strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let (input, signed) = token.rsplit_once('.').unwrap();
    let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, BASE64.decode(key).unwrap());
    key.verify(input.as_bytes(), &BASE64.decode(signed).unwrap()).unwrap();
    serde_json::from_slice(&BASE64.decode(input.split_once('.').unwrap().1).unwrap()).unwrap()
}

#[tokio::test]
async fn only_the_browser_can_read_a_message() {
    let (peer, files) = (Peer::start(None).await, Files::new(&VAPID));
    let way = open(&files);
    peer.says(Say { headers: vec![("location", peer.url("/message/1"))], ..say(201, "") });
    let message = message(&subscription(&peer.url("/push/abc?d=1")), push());
    assert_eq!(way.send(&message).await, Outcome::Accepted { provider_id: None });
    let got = peer.last();
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/push/abc?d=1"));
    let headers = ["ttl", "urgency", "topic", "content-encoding", "content-type"].map(|it| got.header(it));
    assert_eq!(headers, ["299", "high", "slot-1_A", "aes128gcm", "application/octet-stream"]);
    let expected = json!({
        "id": "00000000-0000-0000-0000-000000000007",
        "title": "First Harbor",
        "body": "Your code is 561126 – né",
        "data": {"challenge": "c1"},
    });
    assert_eq!(decrypted(&got.bytes), expected);
    let origin = peer.url("");
    assert_eq!(claims(&got), json!({"aud": origin, "exp": 1_000 + 43_200, "sub": "mailto:ops@bank.example"}));
    assert_eq!(way.send(&message).await, Outcome::Accepted { provider_id: None });
    let again = peer.last();
    assert_eq!(decrypted(&again.bytes), expected);
    assert_ne!(again.bytes[..86], got.bytes[..86], "each message has a salt and a key of its own");
}

#[tokio::test]
async fn each_answer_is_told_apart() {
    let (peer, files) = (Peer::start(None).await, Files::new(&VAPID));
    let way = open(&files);
    let message = message(&subscription(&peer.url("/push/abc")), Push { topic: Some("not a topic!".to_owned()), ..push() });
    let check = async |say: Say, expected: Outcome| {
        let before = peer.count();
        peer.says(say);
        assert_eq!(way.send(&message).await, expected);
        assert_eq!((peer.count(), peer.last().header("topic")), (before + 1, ""), "one request, no redirect followed, no bad topic");
    };
    let refused = |reason: &str| Outcome::Refused { reason: reason.to_owned() };
    let later = |reason: &str, after: Option<u64>| Outcome::Later { reason: reason.to_owned(), after: after.map(Duration::from_secs) };
    let with = |status, after: &str| Say { headers: vec![("retry-after", after.to_owned())], ..say(status, "") };
    for status in [200, 201, 202] {
        check(say(status, ""), Outcome::Accepted { provider_id: None }).await;
    }
    for status in [404, 410] {
        check(say(status, ""), refused("the subscription is gone")).await;
    }
    check(say(413, ""), refused("the push service finds the message too large")).await;
    check(say(403, ""), refused("the subscription was made for another key")).await;
    check(say(400, "canary"), refused("the push service refuses the request (400)")).await;
    check(say(401, ""), later("status 401", None)).await;
    check(with(429, "3"), later("status 429", Some(3))).await;
    check(with(503, "9"), later("status 503", Some(9))).await;
    check(say(500, ""), later("status 500", None)).await;
    check(Say { headers: vec![("location", peer.url("/other"))], ..say(307, "") }, later("status 307", None)).await;
    check(say(0, ""), later("timed out", None)).await;
}

#[tokio::test]
async fn an_endpoint_does_not_lead_into_our_network() {
    let (peer, files) = (Peer::start(None).await, Files::new(&VAPID));
    peer.says(say(201, ""));
    let check = async |more: &str, endpoint: &str, expected: Outcome| {
        let way = webpush(&files, more).unwrap();
        assert_eq!(way.send(&message(&subscription(endpoint), push())).await, expected, "{more} {endpoint}");
    };
    let refused = |why: &str| Outcome::Refused { reason: format!("the subscription's endpoint: {why}") };
    let private = "the URL leads to a private address; set allow_private = true if that is meant";
    check("", "https://127.0.0.1/push", refused(private)).await;
    check("", "https://169.254.169.254/latest", refused(private)).await;
    check("", "https://localhost/push", refused(private)).await;
    check("", "https://8.8.8.8/push", refused("the URL must name a domain, not an address")).await;
    check("", &peer.url("/push"), refused("the URL must be https; set allow_plain = true to use http")).await;
    check("allow_plain = true", &peer.url("/push"), refused(private)).await;
    assert_eq!(peer.count(), 0);
}

#[tokio::test]
async fn what_is_no_subscription_is_refused() {
    let files = Files::new(&VAPID);
    let way = open(&files);
    let check = async |to: &str, expected: &str| {
        let outcome = way.send(&message(to, push())).await;
        assert_eq!(outcome, Outcome::Refused { reason: expected.to_owned() }, "{to}");
    };
    let keys =
        |p256dh: &str, auth: &str| json!({"endpoint": "https://push.example/a", "keys": {"p256dh": p256dh, "auth": auth}}).to_string();
    const WRONG: &str = "the address is no push subscription";
    check("", WRONG).await;
    check("device-token", WRONG).await;
    check(r#"{"endpoint": "https://push.example/a"}"#, WRONG).await;
    check(&subscription("push.example"), WRONG).await;
    check(&keys(AUTH, AUTH), WRONG).await;
    check(&keys(P256DH, P256DH), WRONG).await;
    check(&keys(P256DH, "***"), WRONG).await;
    check(&keys(&BASE64.encode([4; 65]), AUTH), "the subscription's key is none over P-256").await;
    check(&subscription(&format!("https://push.example/{}", "x".repeat(4_096))), WRONG).await;
    let long = Push { text: Secret::new("x".repeat(4_000)), ..push() };
    let outcome = way.send(&message(&keys(&format!("{P256DH}="), AUTH), long)).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("at most 3993")), "{outcome:?}");
    let sms = Message { body: Body::Sms(Secret::new("x")), ..message("", push()) };
    assert_eq!(way.send(&sms).await, Outcome::Refused { reason: "Web Push sends push messages only".to_owned() });
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let log = Log::default();
    let _guard = log.listen();
    let (peer, files) = (Peer::start(None).await, Files::new(&VAPID));
    let way = open(&files);
    for status in [201, 400, 401, 410, 500, 0] {
        peer.says(say(status, "canary"));
        let message = message(&subscription(&peer.url("/canary-endpoint")), push());
        tracing::info!(outcome = ?way.send(&message).await, ?message, "handed over");
    }
    log.is_clean_of(&["canary", "561126", "First Harbor", P256DH, AUTH, VAPID[0].1.trim()]);
}

#[test]
fn settings_that_can_not_work_are_told_at_start() {
    let files = Files::new(&VAPID);
    let check = |more: &str, expected: Option<&str>| {
        let error = webpush(&files, more).err();
        assert_eq!(error.is_some(), expected.is_some(), "{more}: {error:?}");
        assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()), "{more}");
    };
    check("", None);
    check("timeout_ms = 120001", Some("timeout_ms"));
    check("private_key = 'x'", Some("private_key"));
    let public = webpush(&files, "").unwrap().public_key().to_owned();
    assert_eq!(public, "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
}
