//! SendGrid's mail-send API: what is sent, how each answer is taken, and that nothing secret is told.

use super::Log;
use super::http_peer::{Files, Peer, Say, say};
use countersign::connect::contract::{Body, Connector, Message};
use countersign::connect::sendgrid::{SendGrid, Settings};
use countersign::domain::code::Secret;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::domain::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const KEY: [(&str, &str); 1] = [("key", "SG.canary-key\n")];

fn settings(url: &str, files: &Files, more: &str) -> Settings {
    let toml = format!(
        "base_url = '{url}'\napi_key_file = {:?}\nfrom = 'The Bank <alerts@bank.example>'\nallow_plain = true\n{more}",
        files.path("key")
    );
    toml::from_str(&toml).unwrap()
}

fn sendgrid(peer: &Peer, files: &Files, more: &str) -> SendGrid {
    SendGrid::new(settings(&peer.url(""), files, more), Arc::new(|| Timestamp::from_millis(1_000_000))).unwrap()
}

fn mail(text: Option<&str>, html: Option<&str>) -> Message {
    Message {
        id: DeliveryId(Uuid::from_u128(7)),
        about: AggregateId(Uuid::from_u128(9)),
        to: Address::canonical("ann@home.example"),
        from: None,
        body: Body::Mail { subject: Secret::new("Ihr Prüfcode"), text: text.map(Secret::new), html: html.map(Secret::new) },
    }
}

fn later(reason: &str, after: Option<u64>) -> Outcome {
    Outcome::Later { reason: reason.to_owned(), after: after.map(Duration::from_secs) }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused { reason: reason.to_owned() }
}

#[tokio::test]
async fn a_mail_is_one_request_that_tracks_nobody() {
    let (peer, files) = (Peer::start(None).await, Files::new(&KEY));
    let way = sendgrid(&peer, &files, "reply_to = 'help@bank.example'\ncategory = 'codes'");
    peer.says(Say { headers: vec![("x-message-id", "14c5d75ce93".to_owned())], ..say(202, "") });
    let sent = way.send(&mail(Some("Code 123456 \"né\""), Some("<b>123456</b>"))).await;
    assert_eq!(sent, Outcome::Accepted { provider_id: Some("14c5d75ce93".to_owned()) });
    let got = peer.last();
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/v3/mail/send"));
    assert_eq!((got.header("authorization"), got.header("content-type")), ("Bearer SG.canary-key", "application/json"));
    let expected = json!({
        "personalizations": [{
            "to": [{"email": "ann@home.example"}],
            "custom_args": {
                "countersign_challenge": "00000000-0000-0000-0000-000000000009",
                "countersign_delivery": "00000000-0000-0000-0000-000000000007",
            },
        }],
        "from": {"email": "alerts@bank.example", "name": "The Bank"},
        "reply_to": {"email": "help@bank.example"},
        "subject": "Ihr Prüfcode",
        "content": [{"type": "text/plain", "value": "Code 123456 \"né\""}, {"type": "text/html", "value": "<b>123456</b>"}],
        "categories": ["codes"],
        "headers": {"Auto-Submitted": "auto-generated"},
        "tracking_settings": {
            "click_tracking": {"enable": false, "enable_text": false},
            "open_tracking": {"enable": false},
            "subscription_tracking": {"enable": false},
            "ganalytics": {"enable": false},
        },
    });
    assert_eq!(serde_json::from_str::<Value>(&got.body).unwrap(), expected);
}

#[tokio::test]
async fn what_is_not_there_is_not_sent() {
    let (peer, files) = (Peer::start(None).await, Files::new(&KEY));
    let way = sendgrid(&peer, &files, "");
    peer.says(say(202, ""));
    let check = async |message: Message, expected: Result<Value, &str>| {
        let before = peer.count();
        match (way.send(&message).await, expected) {
            (Outcome::Accepted { provider_id: None }, Ok(expected)) => {
                let json: Value = serde_json::from_str(&peer.last().body).unwrap();
                assert_eq!(
                    (&json["content"], &json["from"], json.get("reply_to"), json.get("categories")),
                    (&expected[0], &expected[1], None, None)
                );
            }
            (outcome, Err(expected)) => {
                assert_eq!(outcome, refused(expected));
                assert_eq!(peer.count(), before, "nothing was sent");
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    };
    let bank = json!({"email": "alerts@bank.example", "name": "The Bank"});
    check(mail(Some("t"), None), Ok(json!([[{"type": "text/plain", "value": "t"}], bank]))).await;
    check(mail(Some(""), Some("h")), Ok(json!([[{"type": "text/html", "value": "h"}], bank]))).await;
    let own = Message { from: Some("desk@bank.example".to_owned()), ..mail(Some("t"), None) };
    check(own, Ok(json!([[{"type": "text/plain", "value": "t"}], {"email": "desk@bank.example"}]))).await;
    check(mail(None, None), Err("the mail has no body")).await;
    check(mail(Some(""), None), Err("the mail has no body")).await;
    let to = |text: &str| Message { to: Address::canonical(text), ..mail(Some("t"), None) };
    check(to("ann@home.example>, eve@evil.example"), Err("the address is no mailbox")).await;
    check(to("+12025550123"), Err("the address is no mailbox")).await;
    check(Message { from: Some("a@b.example\r\nBcc: eve".to_owned()), ..mail(Some("t"), None) }, Err("the sender is no mailbox")).await;
    let subject = Body::Mail { subject: Secret::new("a\nb"), text: Some(Secret::new("t")), html: None };
    check(Message { body: subject, ..mail(None, None) }, Err("the subject is more than one line")).await;
    check(Message { body: Body::Sms(Secret::new("t")), ..mail(None, None) }, Err("SendGrid sends mail only")).await;
}

#[tokio::test]
async fn each_answer_is_told_apart() {
    let (peer, files) = (Peer::start(None).await, Files::new(&KEY));
    let way = sendgrid(&peer, &files, "timeout_ms = 300");
    let check = async |say: Say, expected: Outcome| {
        let before = peer.count();
        peer.says(say);
        assert_eq!(way.send(&mail(Some("t"), None)).await, expected);
        assert_eq!(peer.count(), before + 1, "one hand-over, no redirect followed");
    };
    let with = |status, name, value: &str| Say { headers: vec![(name, value.to_owned())], ..say(status, "{}") };
    let blame = |field: &str| format!(r#"{{"errors":[{{"message":"ann@home.example is bad","field":{field},"help":"http://x"}}]}}"#);
    check(say(202, ""), Outcome::Accepted { provider_id: None }).await;
    check(with(202, "x-message-id", &"x".repeat(300)), Outcome::Accepted { provider_id: Some("x".repeat(256)) }).await;
    check(say(400, &blame("\"personalizations.0.to.0.email\"")), refused("status 400, field personalizations.0.to.0.email")).await;
    check(say(400, &blame("\"ann@home.example\"")), refused("status 400")).await;
    check(say(400, &blame("null")), refused("status 400")).await;
    check(say(400, "oh"), refused("status 400")).await;
    check(say(413, &blame("null")), refused("status 413")).await;
    check(say(403, &blame("\"from\"")), refused("status 403: the sender is not verified with SendGrid")).await;
    check(say(403, &blame("null")), later("SendGrid refuses our key or account (403)", None)).await;
    check(say(401, &blame("null")), later("SendGrid refuses our key or account (401)", None)).await;
    check(say(404, ""), later("status 404", None)).await;
    check(say(200, "<html>"), later("status 200", None)).await;
    check(say(429, "{}"), later("status 429", None)).await;
    check(with(429, "retry-after", "3"), later("status 429", Some(3))).await;
    let date = ("date", "Thu, 01 Jan 1970 00:16:40 GMT".to_owned());
    let reset = |headers| Say { headers, ..say(429, "{}") };
    check(reset(vec![("x-ratelimit-reset", "1007".to_owned()), date.clone()]), later("status 429", Some(7))).await;
    let both = vec![("x-ratelimit-reset", "1007".to_owned()), ("retry-after", "5".to_owned()), date];
    check(reset(both), later("status 429", Some(5))).await;
    check(with(503, "retry-after", "9"), later("status 503", Some(9))).await;
    check(say(500, "oh"), later("status 500", None)).await;
    check(Say { headers: vec![("location", peer.url("/other"))], ..say(307, "") }, later("status 307", None)).await;
    check(say(0, ""), later("timed out", None)).await;
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let log = Log::default();
    let _guard = log.listen();
    let (peer, files) = (Peer::start(None).await, Files::new(&KEY));
    let way = sendgrid(&peer, &files, "timeout_ms = 300");
    for status in [202, 400, 401, 429, 500, 0] {
        peer.says(say(status, r#"{"errors":[{"message":"ann@home.example","field":"ann@home.example"}]}"#));
        let outcome = way.send(&mail(Some("canary-561126"), Some("canary-html"))).await;
        tracing::info!(?outcome, "handed over");
    }
    log.is_clean_of(&["canary", "ann@", "Pr\u{fc}fcode", "561126"]);
}

#[test]
fn settings_that_can_not_work_are_told_at_start() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let files = Files::new(&[("key", "SG.x\n"), ("empty", "\n")]);
    let check = |more: &str, expected: Option<&str>| {
        let toml = format!("api_key_file = {:?}\n{more}", files.path("key"));
        let built = toml::from_str(&toml).map_err(|error| error.to_string());
        let error = built.and_then(|it| SendGrid::new(it, Arc::new(Timestamp::default)).map_err(|error| error.0)).err();
        assert_eq!(error.is_some(), expected.is_some(), "{more}: {error:?}");
        assert!(error.as_deref().unwrap_or_default().contains(expected.unwrap_or_default()), "{more}: {error:?}");
    };
    let from = "from = 'The Bank <a@bank.example>'";
    check(from, None);
    check(&format!("{from}\nbase_url = 'https://api.eu.sendgrid.com'\nname = 'eu'"), None);
    check("", Some("from"));
    check("from = 'nobody'", Some("from is no mailbox"));
    check(&format!("{from}\nreply_to = 'x'"), Some("reply_to is no mailbox"));
    check(&format!("{from}\ncategory = ''"), Some("category"));
    check(&format!("{from}\ncategory = '{}'", "c".repeat(256)), Some("category"));
    check(&format!("{from}\nbase_url = 'http://api.example'"), Some("allow_plain"));
    check(&format!("{from}\nbase_url = 'https://api.example/?k=1'"), Some("query"));
    check(&format!("{from}\ntimeout_ms = 0"), Some("timeout_ms"));
    check(&format!("{from}\napi_key = 'SG.x'"), Some("api_key"));
    let webhook = |key: &str| {
        let toml = format!("{from}\napi_key_file = 'k'\nwebhook_key = '{key}'");
        toml::from_str::<Settings>(&toml).unwrap().webhook().map(|it| it.is_some()).map_err(|error| error.0)
    };
    let key =
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    assert_eq!(webhook(key), Ok(true));
    assert!(webhook("MFkw").is_err_and(|it| it.contains("webhook_key must be")));
    let missing = toml::from_str(&format!("{from}\napi_key_file = '{}'", files.path("empty").display())).unwrap();
    assert!(SendGrid::new(missing, Arc::new(Timestamp::default)).is_err_and(|error| error.0.contains("empty")));
}
