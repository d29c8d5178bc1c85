//! Gateways, webhooks and EES subscribers against an HTTP server in the same process, which answers what each test scripts.

mod http_peer;

use countersign::connect::client::{ANSWER_MAX, Call, Caller};
use countersign::connect::contract::{Body, Connector, Message, Pushed, Sink};
use countersign::connect::ees::EesSink;
use countersign::connect::gateway::{Gateway, preset};
use countersign::connect::guard::Reach;
use countersign::connect::webhook::Webhook;
use countersign::connect::{ees, gateway, webhook};
use countersign::domain::code::Secret;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::event::Act;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::{AggregateId, DeliveryId, EventId};
use countersign::domain::time::Timestamp;
use http_peer::{Files, Got, Peer, Say, say};
use hyper::header::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn sms() -> Message {
    Message {
        id: DeliveryId(Uuid::from_u128(7)),
        about: AggregateId(Uuid::from_u128(9)),
        to: Address::canonical("+12025550123"),
        from: Some("28849".to_owned()),
        body: Body::Sms(Secret::new("Code: 1&2 \"né\"\n@bank.example #123456")),
    }
}

fn later(reason: &str, after: Option<u64>) -> Outcome {
    Outcome::Later { reason: reason.to_owned(), after: after.map(Duration::from_secs) }
}

fn event(id: u128) -> FeedEvent {
    FeedEvent {
        seq: u64::try_from(id).unwrap(),
        id: EventId(Uuid::from_u128(id)),
        number: 90040,
        act: Act::Verified,
        at: Timestamp::from_millis(1_000),
        institution: "011001276".into(),
        product: "iPay".to_owned(),
        publisher: "ipay".into(),
        aggregate: AggregateId(Uuid::from_u128(99)),
        data: vec![("ENSActCode", "OOBVerified".to_owned())],
    }
}

#[tokio::test]
async fn kannel_gets_its_query() {
    let peer = Peer::start(None).await;
    let files = Files::new(&[("password", "p&w\n")]);
    let settings = preset::kannel("kannel", &peer.url("/cgi-bin/sendsms"), "bank", files.path("password"));
    assert!(Gateway::new(settings.clone()).is_err(), "plain http only when it is set");
    let gateway = Gateway::new(gateway::Settings { allow_plain: true, ..settings }).unwrap();
    peer.says(say(202, "0: Accepted for delivery"));
    assert_eq!(gateway.send(&sms()).await, Outcome::Accepted { provider_id: None });
    let got = peer.last();
    let url = url::Url::parse(&peer.url(&got.target)).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [
        ("username", "bank"),
        ("password", "p&w"),
        ("to", "+12025550123"),
        ("from", "28849"),
        ("text", "Code: 1&2 \"né\"\n@bank.example #123456"),
        ("charset", "UTF-8"),
        ("coding", "2"),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((got.method.as_str(), got.body.as_str()), ("GET", ""));
    peer.says(say(503, "Temporal failure, try again later."));
    assert_eq!(gateway.send(&sms()).await, later("status 503", None));
}

#[tokio::test]
async fn twilio_gets_its_form() {
    let peer = Peer::start(None).await;
    let files = Files::new(&[("token", "t0ken")]);
    let settings = preset::twilio("twilio", &peer.url("/2010-04-01/Accounts/AC1/Messages.json"), "AC1", files.path("token"));
    let gateway = Gateway::new(gateway::Settings { allow_plain: true, from: Some("+12025550100".to_owned()), ..settings }).unwrap();
    peer.says(say(201, r#"{"sid":"SM9","status":"queued"}"#));
    let message = Message { from: None, ..sms() };
    assert_eq!(gateway.send(&message).await, Outcome::Accepted { provider_id: Some("SM9".to_owned()) });
    let got = peer.last();
    assert_eq!(got.header("authorization"), "Basic QUMxOnQwa2Vu");
    assert_eq!(got.header("content-type"), "application/x-www-form-urlencoded");
    let pairs: Vec<_> = url::form_urlencoded::parse(got.body.as_bytes()).into_owned().collect();
    assert_eq!(pairs[0], ("To".to_owned(), "+12025550123".to_owned()));
    assert_eq!(pairs[1], ("From".to_owned(), "+12025550100".to_owned()));
    assert_eq!(pairs[2], ("Body".to_owned(), "Code: 1&2 \"né\"\n@bank.example #123456".to_owned()));
}

#[tokio::test]
async fn trouble_of_a_gateway_is_told_apart() {
    let peer = Peer::start(None).await;
    let files = Files::new(&[("token", "t")]);
    let settings = preset::twilio("twilio", &peer.url("/m"), "AC1", files.path("token"));
    let gateway = Gateway::new(gateway::Settings { allow_plain: true, timeout_ms: 300, ..settings }).unwrap();
    let check = async |say: Say, expected: Outcome| {
        let before = peer.count();
        peer.says(say);
        assert_eq!(gateway.send(&sms()).await, expected);
        assert_eq!(peer.count(), before + 1, "one hand-over, no redirect followed");
    };
    let wait = |status, value: &str| Say { headers: vec![("retry-after", value.to_owned())], ..say(status, "{}") };
    check(say(400, r#"{"code":21211}"#), Outcome::Refused { reason: "status 400, code 21211".to_owned() }).await;
    check(wait(429, "3"), later("status 429", Some(3))).await;
    check(wait(503, "Wed, 21 Oct 2015 07:28:00 GMT"), later("status 503", Some(0))).await;
    check(say(500, "oh"), later("status 500", None)).await;
    check(Say { headers: vec![("location", peer.url("/other"))], ..say(307, "") }, later("status 307", None)).await;
    check(say(201, &"x".repeat(ANSWER_MAX * 20)), later("status 201", None)).await;
    check(say(0, ""), later("timed out", None)).await;
    let mail = Message { body: Body::Mail { subject: Secret::new("s"), text: None, html: None }, ..sms() };
    assert!(matches!(gateway.send(&mail).await, Outcome::Refused { .. }));
}

#[tokio::test]
async fn a_described_gateway_sends_json_with_a_secret_header() {
    let peer = Peer::start(None).await;
    let files = Files::new(&[("key", "k3y")]);
    let toml = format!(
        r#"
        name = "acme"
        url = "{}"
        allow_plain = true
        secret_file = {:?}
        headers = {{ X-Api-Key = "{{secret}}", Idempotency-Key = "{{id}}" }}
        answer.success = {{ pointer = "/status", equals = "0" }}
        answer.message_id = {{ pointer = "/message/id" }}
        answer.permanent = {{ pointer = "/status", codes = ["6"] }}
        [body]
        json = '{{"dst": "{{to_digits}}", "src": "{{from}}", "body": "{{text}}"}}'
        "#,
        peer.url("/v1"),
        files.path("key")
    );
    let gateway = Gateway::new(toml::from_str(&toml).unwrap()).unwrap();
    peer.says(say(200, r#"{"status":0,"message":{"id":12}}"#));
    assert_eq!(gateway.send(&sms()).await, Outcome::Accepted { provider_id: Some("12".to_owned()) });
    let got = peer.last();
    let json: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    let expected = serde_json::json!({"dst": "12025550123", "src": "28849", "body": "Code: 1&2 \"né\"\n@bank.example #123456"});
    assert_eq!(json, expected);
    assert_eq!((got.header("x-api-key"), got.header("content-type")), ("k3y", "application/json"));
    assert_eq!(got.header("idempotency-key"), Uuid::from_u128(7).to_string());
    peer.says(say(200, r#"{"status":6}"#));
    assert_eq!(gateway.send(&sms()).await, Outcome::Refused { reason: "status 200, code 6".to_owned() });
}

#[tokio::test]
async fn the_resolver_keeps_out_of_our_own_network() {
    let peer = Peer::start(None).await;
    peer.says(say(200, ""));
    let call = || Call {
        method: hyper::Method::GET,
        uri: format!("http://localhost:{}/", peer.port).parse().unwrap(),
        headers: HeaderMap::new(),
        body: Vec::new(),
    };
    let caller = |private| Caller::new(Reach { plain: true, private, literal: false }, None, Duration::from_secs(5)).unwrap();
    assert_eq!(caller(false).exchange(call()).await.err(), Some("can't connect"));
    assert_eq!(peer.count(), 0);
    assert_eq!(caller(true).exchange(call()).await.map(|it| it.status), Ok(200));
}

const SECRETS: [(&str, &str); 2] =
    [("new", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), ("old", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\n")];

fn webhook(peer: &Peer, files: &Files, more: &str) -> Webhook {
    let toml = format!(
        "name = 'hook'\nurl = '{}'\nsecret_file = {:?}\nallow_plain = true\nallow_private = true\ntimeout_ms = 300\n{more}",
        peer.url("/hook"),
        files.path("new")
    );
    let settings: webhook::Settings = toml::from_str(&toml).unwrap();
    Webhook::new(settings, Arc::new(|| Timestamp::from_millis(1_614_265_330_999))).unwrap()
}

/// Signs as the specification says, by another way than the code under test.
fn signature(secret: &str, got: &Got) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let key = BASE64_STANDARD.decode(secret.trim().trim_start_matches("whsec_")).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let content = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    format!("v1,{}", BASE64_STANDARD.encode(aws_lc_rs::hmac::sign(&key, content.as_bytes())))
}

#[tokio::test]
async fn a_webhook_is_signed_and_one_event_a_request() {
    let (peer, files) = (Peer::start(None).await, Files::new(&SECRETS));
    peer.says(say(204, ""));
    let hook = webhook(&peer, &files, &format!("previous_secret_file = {:?}", files.path("old")));
    assert_eq!(hook.push(&[event(1), event(2)]).await, Pushed::Taken);
    let got = peer.got.lock().clone();
    assert_eq!(got.len(), 2);
    for (id, got) in (1..).zip(&got) {
        assert_eq!(got.header("webhook-id"), Uuid::from_u128(id).to_string());
        assert_eq!(got.header("webhook-timestamp"), "1614265330");
        assert_eq!(got.header("webhook-signature"), SECRETS.map(|it| signature(it.1, got)).join(" "));
        assert_eq!((got.method.as_str(), got.header("content-type")), ("POST", "application/cloudevents+json"));
        let json: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!((&json["id"], &json["type"]), (&Uuid::from_u128(id).to_string().into(), &"countersign.OOBVerified".into()));
    }
}

#[tokio::test]
async fn a_batch_is_one_array_with_a_stable_id() {
    let (peer, files) = (Peer::start(None).await, Files::new(&SECRETS));
    peer.says(say(200, "ok"));
    let hook = webhook(&peer, &files, "batch = 'array'");
    let events: Vec<_> = (1..=101).map(event).collect();
    assert_eq!(hook.push(&events).await, Pushed::Taken);
    let got = peer.got.lock().clone();
    let sizes: Vec<_> = got.iter().map(|it| serde_json::from_str::<Vec<serde_json::Value>>(&it.body).unwrap().len()).collect();
    assert_eq!(sizes, [100, 1]);
    assert_eq!(got[0].header("content-type"), "application/cloudevents-batch+json");
    assert_eq!(got[0].header("webhook-signature"), signature(SECRETS[0].1, &got[0]));
    assert_eq!(hook.push(&events).await, Pushed::Taken);
    assert_eq!(peer.got.lock()[2].header("webhook-id"), got[0].header("webhook-id"));
    assert_eq!(hook.push(&[]).await, Pushed::Taken);
    assert_eq!(peer.count(), 4);
}

#[tokio::test]
async fn a_subscribers_no_is_for_good_or_for_now() {
    let (peer, files) = (Peer::start(None).await, Files::new(&SECRETS));
    let hook = webhook(&peer, &files, "");
    let check = async |status: u16, refused: Option<bool>| {
        let before = peer.count();
        peer.says(Say { headers: vec![("location", peer.url("/other"))], ..say(status, "") });
        let pushed = hook.push(&[event(1), event(2)]).await;
        let told = match pushed {
            Pushed::Taken => None,
            Pushed::Refused(_) => Some(true),
            Pushed::Later(_) => Some(false),
        };
        assert_eq!(told, refused, "{status}");
        assert_eq!(peer.count() - before, if refused.is_none() { 2 } else { 1 }, "{status}: stops at the first no");
    };
    for status in [200, 202, 204] {
        check(status, None).await;
    }
    for status in [400, 409, 413, 422] {
        check(status, Some(true)).await;
    }
    for status in [301, 302, 307, 401, 403, 404, 405, 408, 410, 415, 425, 429, 451, 500, 502, 503, 0] {
        check(status, Some(false)).await;
    }
}

#[tokio::test]
async fn a_webhook_into_our_network_is_refused_at_start() {
    let files = Files::new(&SECRETS);
    let check = |url: &str, more: &str, expected: bool| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let toml = format!("name = 'h'\nurl = '{url}'\nsecret_file = {:?}\n{more}", files.path("new"));
        let made = Webhook::new(toml::from_str(&toml).unwrap(), Arc::new(Timestamp::default));
        assert_eq!(made.is_ok(), expected, "{url} {more}");
    };
    check("https://subscriber.example/hook", "", true);
    check("http://subscriber.example/hook", "", false);
    check("http://subscriber.example/hook", "allow_plain = true", true);
    check("https://169.254.169.254/latest/meta-data", "", false);
    check("https://[::ffff:127.0.0.1]/", "", false);
    check("https://localhost/", "", false);
    check("https://10.0.0.1/", "allow_private = true", true);
    check("https://subscriber.example/hook", "timeout_ms = 0", false);
}

fn subscriber(url: &str, files: &Files, more: &str) -> EesSink {
    let basic = format!("basic = {{ user = 'ens', password_file = {:?} }}", files.path("password"));
    let toml = format!("name = 'ees'\nurl = '{url}'\n{more}\n{basic}");
    let settings: ees::Settings = toml::from_str(&toml).unwrap();
    EesSink::new(settings, Arc::new(|| Timestamp::from_millis(0))).unwrap()
}

const OK: &str = "<EESEventAddResponse xmlns='http://jackhenry.com/jxchange/JES/2008'/>";

fn envelope(body: &str) -> String {
    format!("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>{body}</s:Body></s:Envelope>")
}

fn fault(code: &str, text: &str) -> String {
    envelope(&format!("<s:Fault><faultcode>s:{code}</faultcode><faultstring>{text}</faultstring></s:Fault>"))
}

#[tokio::test]
async fn a_soap_subscriber_gets_and_answers_envelopes() {
    let (peer, files) = (Peer::start(None).await, Files::new(&[("password", "pw")]));
    let sink = subscriber(&peer.url("/ees"), &files, "allow_plain = true\nallow_private = true\nallow_address = true\ntimeout_ms = 300");
    let check = async |say: Say, expected: Pushed| {
        peer.says(say);
        assert_eq!(sink.push(&[event(1), event(2)]).await, expected);
    };
    check(say(200, &envelope(OK)), Pushed::Taken).await;
    check(say(202, &envelope("<other/>")), Pushed::Taken).await;
    check(say(200, "<html>"), Pushed::Later("the answer is no SOAP envelope".to_owned())).await;
    check(say(500, &fault("Client", "bad\nevent")), Pushed::Refused("fault: bad event".to_owned())).await;
    check(say(200, &fault("Client", "bad\nevent")), Pushed::Refused("fault: bad event".to_owned())).await;
    check(say(400, &fault("Client.Schema", "bad")), Pushed::Refused("fault: bad".to_owned())).await;
    check(say(401, ""), Pushed::Later("status 401".to_owned())).await;
    check(say(500, &envelope(OK)), Pushed::Later("status 500".to_owned())).await;
    check(say(0, ""), Pushed::Later("timed out".to_owned())).await;
    let got = peer.last();
    assert_eq!(got.body.matches("<EESEventInfo>").count(), 2);
    assert!(got.body.contains(">1970-01-01T00:00:00.000Z<") && got.body.contains(">1970-01-01T00:05:00.000Z<"), "{}", got.body);
    assert!(got.body.contains(&format!("<jXLogTrackingId>{}</jXLogTrackingId>", Uuid::from_u128(1))), "{}", got.body);
    assert_eq!((got.header("content-type"), got.header("authorization")), ("text/xml; charset=utf-8", "Basic ZW5zOnB3"));
    assert_eq!(got.header("soapaction"), "\"http://jackhenry.com/ws/EESEventAdd\"");
    // More than a call takes.
    peer.says(say(200, &envelope(OK)));
    let many: Vec<FeedEvent> = (1..=51).map(event).collect();
    assert_eq!(sink.push(&many).await, Pushed::Taken);
    assert_eq!(peer.last().body.matches("<EESEventInfo>").count(), 1, "fifty before it");
    assert_eq!(sink.push(&many[..50]).await, Pushed::Taken);
    assert_eq!(peer.last().body.matches("<EESEventInfo>").count(), 50);
}

#[tokio::test]
async fn trouble_with_login_or_address_refuses_no_event() {
    let (peer, files) = (Peer::start(None).await, Files::new(&[("password", "pw")]));
    let sink = subscriber(&peer.url("/ees"), &files, "allow_plain = true\nallow_private = true\nallow_address = true");
    let check = async |status: u16, code: &str, text: &str| {
        peer.says(say(status, &fault(code, text)));
        let pushed = sink.push(&[event(1)]).await;
        assert_eq!(pushed, Pushed::Later(format!("status {status}, fault s:{code}: {text}")), "{status} {code}");
    };
    for status in [401, 403, 404, 405, 407, 408, 429, 502, 503] {
        check(status, "Client", "no").await;
    }
    for code in ["Server.Busy", "Receiver", "Client.Authentication", "Client.Authorization", "FailedAuthentication", "InvalidSecurity"] {
        check(500, code, "no").await;
        check(200, code, "no").await;
    }
    for code in ["VersionMismatch", "MustUnderstand", "MessageExpired", "DestinationUnreachable", "ActionNotSupported"] {
        check(500, code, "no").await;
    }
    check(500, "Client", "Server did not recognize the value of HTTP Header SOAPAction").await;
    let failed = "<s:Fault><faultcode>Client</faultcode><faultstring>bad</faultstring></s:Fault>";
    peer.says(say(500, &envelope(failed)));
    assert_eq!(sink.push(&[event(1)]).await, Pushed::Refused("fault: bad".to_owned()), "a bare code means the same");
}

#[tokio::test]
async fn a_soap_subscriber_is_trusted_by_its_certificate() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = Files::new(&[("password", "pw"), ("ca.pem", &made.cert.pem())]);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let peer = Peer::start(Some(Arc::new(config).into())).await;
    peer.says(say(200, &envelope(OK)));
    let url = format!("https://localhost:{}/ees", peer.port);
    let trusting = subscriber(&url, &files, &format!("allow_private = true\nca_file = {:?}", files.path("ca.pem")));
    assert_eq!(trusting.push(&[event(1)]).await, Pushed::Taken);
    let other = subscriber(&url, &files, "allow_private = true");
    assert_eq!(other.push(&[event(1)]).await, Pushed::Later("can't connect".to_owned()));
    let misnamed = format!("https://127.0.0.1:{}/ees", peer.port);
    let more = format!("allow_private = true\nallow_address = true\nca_file = {:?}", files.path("ca.pem"));
    assert_eq!(subscriber(&misnamed, &files, &more).push(&[event(1)]).await, Pushed::Later("can't connect".to_owned()));
    assert_eq!(peer.count(), 1);
}
