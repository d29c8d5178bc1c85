//! Mail against a real SMTP server: aiosmtpd, started for each test on a free port.
//!
//! Needs a Python with aiosmtpd: `python3 -m venv target/peers && target/peers/bin/pip install aiosmtpd`, or the path of another in
//! `COUNTERSIGN_PEERS_PYTHON`. Without it the tests fail, so that they are never skipped unseen.

use countersign::connect::contract::{Body, Connector, Message};
use countersign::connect::smtp::{Settings, Smtp};
use countersign::domain::code::Secret;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::{AggregateId, DeliveryId};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;
use uuid::Uuid;

/// The server's process; killed when the test ends.
struct Sink {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Sink {
    fn start(mode: &str, tls: Option<&Identity>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("COUNTERSIGN_PEERS_PYTHON").map_or_else(|| root.join("target/peers/bin/python"), PathBuf::from);
        let mut command = Command::new(&python);
        command.arg(root.join("tests/peers/smtp_sink.py")).arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(tls) = tls {
            command.arg(tls.path("cert.pem")).arg(tls.path("key.pem"));
        }
        let how = "install it with `python3 -m venv target/peers && target/peers/bin/pip install aiosmtpd`, or name one in COUNTERSIGN_PEERS_PYTHON";
        let mut child = command.spawn().unwrap_or_else(|error| panic!("no Python at {}: {error}; {how}", python.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the SMTP server did not start (is aiosmtpd missing?); {how}"));
        Self { child, lines, port }
    }

    fn took(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn relay(&self, more: &str) -> Smtp {
        let toml = format!("name = 'relay'\nhost = 'localhost'\nport = {}\nfrom = 'Bank <alerts@bank.example>'\n{more}", self.port);
        let settings: Settings = toml::from_str(&toml).unwrap();
        Smtp::new(&settings).unwrap()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for localhost, signed by itself.
struct Identity(TempDir);

impl Identity {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(dir.path().join("password"), "pass word\n").unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn mail(id: u128, text: Option<&str>, html: Option<&str>) -> Message {
    Message {
        id: DeliveryId(Uuid::from_u128(id)),
        about: AggregateId(Uuid::from_u128(9)),
        to: Address::canonical("ann@home.example"),
        from: None,
        body: Body::Mail { subject: Secret::new("Ihr Prüfcode"), text: text.map(Secret::new), html: html.map(Secret::new) },
    }
}

/// The pool takes a connection back in a task of its own: lets it run.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn accepted(id: u128) -> Outcome {
    Outcome::Accepted { provider_id: Some(Uuid::from_u128(id).to_string()) }
}

#[tokio::test]
async fn text_html_or_both_arrive_whole() {
    let mut sink = Sink::start("plain", None);
    let relay = sink.relay("tls = 'none'");
    let bodies = [
        (Some("Code 123456 – né"), None, "text/plain"),
        (None, Some("<b>123456</b>"), "text/html"),
        (Some("t"), Some("<i>h</i>"), "multipart/alternative"),
    ];
    let mut peers = Vec::new();
    for (id, (text, html, kind)) in (1..).zip(bodies) {
        assert_eq!(relay.send(&mail(id, text, html)).await, accepted(id));
        let took = sink.took();
        assert_eq!(took["type"], kind);
        assert_eq!(took["to"][0], "ann@home.example");
        assert_eq!(took["headers"]["subject"], "Ihr Prüfcode");
        assert_eq!(took["headers"]["from"], "Bank <alerts@bank.example>");
        assert_eq!(took["headers"]["message-id"], format!("<{}@bank.example>", Uuid::from_u128(id)));
        assert_eq!(took["headers"]["auto-submitted"], "auto-generated");
        let part = |name: &str| took["parts"][name].as_str().map(|it| it.trim_end().to_owned());
        assert_eq!((part("text/plain").as_deref(), part("text/html").as_deref()), (text, html));
        peers.push(took["peer"].clone());
        settle().await;
    }
    assert!(peers.windows(2).all(|it| it[0] == it[1]), "one pooled connection: {peers:?}");
}

#[tokio::test]
async fn a_publishers_own_mailbox_is_the_sender() {
    let mut sink = Sink::start("plain", None);
    let message = Message { from: Some("Teller <t@credit.example>".to_owned()), ..mail(1, Some("x"), None) };
    assert_eq!(sink.relay("tls = 'none'").send(&message).await, accepted(1));
    let took = sink.took();
    assert_eq!((&took["from"], &took["headers"]["from"]), (&"t@credit.example".into(), &"Teller <t@credit.example>".into()));
}

#[tokio::test]
async fn starttls_and_login_protect_the_hand_over() {
    let identity = Identity::new();
    let mut sink = Sink::start("auth", Some(&identity));
    let (ca, password) = (identity.path("cert.pem"), identity.path("password"));
    let login = format!("ca_file = {ca:?}\nuser = 'bank'\npassword_file = {password:?}");
    assert_eq!(sink.relay(&login).send(&mail(1, Some("x"), None)).await, accepted(1));
    let took = sink.took();
    assert_eq!((&took["tls"], &took["login"]), (&true.into(), &true.into()));
    let wrong = login.replace("'bank'", "'eve'");
    let refused = sink.relay(&wrong).send(&mail(2, Some("x"), None)).await;
    assert_eq!(refused, Outcome::Later { reason: "the relay refuses our login (535)".to_owned(), after: None });
    let untrusted = sink.relay("").send(&mail(3, Some("x"), None)).await;
    assert!(matches!(untrusted, Outcome::Later { .. }), "{untrusted:?}");
}

#[tokio::test]
async fn no_mail_goes_in_clear_unless_set() {
    let sink = Sink::start("plain", None);
    let outcome = sink.relay("tls = 'starttls'").send(&mail(1, Some("x"), None)).await;
    assert!(matches!(outcome, Outcome::Later { .. }), "{outcome:?}");
}

#[tokio::test]
async fn tls_from_the_first_byte() {
    let identity = Identity::new();
    let mut sink = Sink::start("tls", Some(&identity));
    let relay = sink.relay(&format!("tls = 'tls'\nca_file = {:?}", identity.path("cert.pem")));
    assert_eq!(relay.send(&mail(1, Some("x"), None)).await, accepted(1));
    // This server speaks nothing but TLS.
    assert_eq!(sink.took()["to"][0], "ann@home.example");
}

#[tokio::test]
async fn a_relay_that_hangs_up_between_mails_loses_none() {
    let mut sink = Sink::start("hangup", None);
    let relay = sink.relay("tls = 'none'");
    for id in 1..=5 {
        assert_eq!(relay.send(&mail(id, Some("x"), None)).await, accepted(id));
        assert_eq!(sink.took()["headers"]["message-id"], format!("<{}@bank.example>", Uuid::from_u128(id)));
    }
}

#[tokio::test]
async fn a_relay_that_is_done_with_a_connection_is_asked_on_another() {
    let mut sink = Sink::start("farewell", None);
    let relay = sink.relay("tls = 'none'");
    let mut peers = Vec::new();
    for id in 1..=3 {
        assert_eq!(relay.send(&mail(id, Some("x"), None)).await, accepted(id));
        peers.push(sink.took()["peer"].as_u64().unwrap());
        settle().await;
    }
    peers.dedup();
    assert_eq!(peers.len(), 3, "{peers:?}");
}

#[tokio::test]
async fn a_no_is_for_good_or_for_now() {
    let check = async |mode: &str, expected: Outcome| {
        let sink = Sink::start(mode, None);
        let outcome = sink.relay("tls = 'none'\ntimeout_ms = 1000").send(&mail(1, Some("x"), None)).await;
        assert_eq!(outcome, expected, "{mode}");
    };
    let later = |reason: &str| Outcome::Later { reason: reason.to_owned(), after: None };
    check("refuse", Outcome::Refused { reason: "the relay said 550".to_owned() }).await;
    check("busy", later("the relay said 451")).await;
    check("silent", later("timed out")).await;
    let dead = Sink::start("plain", None);
    let relay = dead.relay("tls = 'none'");
    drop(dead);
    assert_eq!(relay.send(&mail(1, Some("x"), None)).await, later("the connection broke"));
}

#[tokio::test]
async fn an_sms_is_not_for_a_relay() {
    let relay = Smtp::new(&toml::from_str("name='r'\nhost='localhost'\ntls='none'\nfrom='a@b.example'").unwrap()).unwrap();
    let sms = Message { body: Body::Sms(Secret::new("x")), ..mail(1, None, None) };
    assert!(matches!(relay.send(&sms).await, Outcome::Refused { .. }));
}
