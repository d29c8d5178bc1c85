//! The handset's routes over real sockets, with a stage whose messages and events are set by hand.

mod http_stand;

use countersign::demo::{self, Message, Page, Soon, Stage};
use countersign::domain::challenge::Challenge;
use countersign::domain::code::Secret;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::engine::changes::Watch;
use countersign::http::{Service, Settings};
use http_stand::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Props {
    fake: Arc<Fake>,
    messages: Mutex<Vec<Message>>,
    paused: AtomicBool,
    shutdown: CancellationToken,
}

impl Stage for Props {
    fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    fn events<'a>(&'a self, after: &'a str) -> Soon<'a, Page> {
        Box::pin(async move {
            let publisher = "bank".into();
            let ask = countersign::http::Ask { publisher: &publisher, institution: None, after, max: 500 };
            let page = Service::events(&*self.fake, ask).await.ok()?;
            Some(Page { events: page.events, next: page.next })
        })
    }

    fn challenge(&self, _: AggregateId) -> Soon<'_, Challenge> {
        Box::pin(async { None })
    }

    fn changes(&self) -> Watch {
        Service::changes(&*self.fake)
    }

    fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }
}

async fn theatre() -> (Stand, Arc<Props>) {
    let (fake, shutdown) = (Arc::new(Fake::default()), CancellationToken::new());
    let props = Arc::new(Props {
        fake: fake.clone(),
        messages: Mutex::new(vec![message(1, Channel::Sms), message(2, Channel::Mail)]),
        paused: AtomicBool::new(false),
        shutdown: shutdown.clone(),
    });
    let stage = props.clone();
    let extra: countersign::http::Extra = Box::new(move |router| demo::add(router, stage));
    (stand_with(Settings::default(), &generated(), (fake, shutdown, Some(extra))).await, props)
}

fn message(id: u128, channel: Channel) -> Message {
    let mail = channel == Channel::Mail;
    Message {
        id: DeliveryId(Uuid::from_u128(id)),
        channel,
        to: Address::canonical(if mail { "solo@example.com" } else { "+12025550143" }),
        from: None,
        subject: mail.then(|| Secret::new("A subject")),
        text: Some(Secret::new("Reply 561126 <now>.")),
        html: mail.then(|| Secret::new("<p>Hello</p>")),
        sent_at: NOW,
    }
}

const OWN: &str = "Sec-Fetch-Site: same-origin\r\n";

#[tokio::test]
async fn messages_are_there_for_scripts() {
    let (stand, _) = theatre().await;
    let got = stand.at("localhost", "GET", "/sandbox/messages", "").await;
    let expected = "[{\"id\":\"00000000-0000-0000-0000-000000000001\",\"channel\":\"sms\",\"to\":\"+12025550143\",\
                    \"body\":\"Reply 561126 <now>.\",\"sent_at\":\"2026-11-21T21:00:00.000Z\"},\
                    {\"id\":\"00000000-0000-0000-0000-000000000002\",\"channel\":\"mail\",\"to\":\"solo@example.com\",\
                    \"subject\":\"A subject\",\"body\":\"Reply 561126 <now>.\",\"html\":\"<p>Hello</p>\",\"sent_at\":\"2026-11-21T21:00:00.000Z\"}]";
    assert_eq!((got.status, got.body.as_str()), (200, expected));
    let html = stand.at("localhost", "GET", "/sandbox/messages/00000000-0000-0000-0000-000000000002/html", OWN).await;
    assert!(html.body.ends_with("<p>Hello</p>") && html.head.contains("content-security-policy: sandbox; default-src 'none'"), "{html:?}");
    assert_eq!(stand.at("localhost", "GET", "/sandbox/messages/1/html", "").await.status, 404);
}

#[tokio::test]
async fn only_this_machine_is_answered() {
    let (stand, _) = theatre().await;
    let check = async |host: &str, path: &str, headers: &str, expected: u16| {
        let got = stand.at(host, "GET", path, headers).await;
        assert_eq!(got.status, expected, "{host} {path} {headers}");
    };
    check("localhost:8080", "/handset", "", 200).await;
    check("127.0.0.1", "/", "", 303).await;
    check("evil.example", "/handset", "", 403).await;
    check("evil.example", "/sandbox/messages", "", 403).await;
    check("evil.example", "/v1/events", BASIC, 403).await;
    check("localhost", "/sandbox/messages", "Sec-Fetch-Site: cross-site\r\n", 403).await;
    let wsdl = format!("{IMS}?wsdl");
    check("localhost", &wsdl, "", 200).await;
    check("evil.example", &wsdl, "", 403).await;
    check("localhost", &wsdl, "Sec-Fetch-Site: cross-site\r\n", 403).await;
    check("localhost", "/handset", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", 200).await;
    check("localhost", "/handset", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", 403).await;
    let outside = http_stand::stand(Settings::default(), &[]).await;
    for path in ["/handset", "/sandbox/messages", "/sandbox/stream"] {
        assert_eq!(outside.get(path, "").await.status, 404, "{path} exists outside demo mode");
    }
}

#[tokio::test]
async fn no_challenge_is_opened_under_another_name() {
    let (stand, _) = theatre().await;
    let check = async |host: &str, headers: &str, expected: (u16, usize)| {
        let body = envelope("");
        let head =
            format!("POST {IMS} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{BASIC}{headers}\r\n", body.len());
        let got = stand.send(format!("{head}{body}").as_bytes()).await;
        let opened = stand.fake.opened.lock().unwrap().len();
        assert_eq!((got.status, opened), expected, "{host} {headers}: {}", got.body);
    };
    check("evil.example", "", (403, 0)).await;
    check("evil.example", OWN, (403, 0)).await;
    check("localhost", "Sec-Fetch-Site: cross-site\r\n", (403, 0)).await;
    check("localhost", "Sec-Fetch-Site: same-site\r\n", (403, 0)).await;
    check("localhost", OWN, (200, 1)).await;
    check("127.0.0.1:8080", "", (200, 2)).await;
    let metrics = stand.at("localhost", "GET", "/metrics", OPERATOR).await.body;
    assert!(metrics.contains("operation=\"oob_validate\",outcome=\"opened\"} 2"), "counted behind the router too: {metrics}");
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (stand, _) = theatre().await;
    let page = stand.at("localhost", "GET", "/handset", "").await;
    assert!(page.head.contains("content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'"), "{}", page.head);
    for path in ["/handset", "/handset.css", "/handset.js", "/favicon.ico"] {
        let got = stand.at("localhost", "GET", path, "").await;
        assert_eq!(got.status, 200, "{path}");
        for outside in ["src=\"http", "href=\"http", "@import", "url(", "style=\"", "onclick=", "eval("] {
            assert!(!got.body.contains(outside), "{path} has {outside}");
        }
    }
}

#[tokio::test]
async fn the_outbox_is_paused_and_let_go_on() {
    let (stand, props) = theatre().await;
    for (verb, expected) in [("pause", true), ("pause", true), ("resume", false)] {
        let got = stand.at("localhost", "POST", &format!("/sandbox/outbox/{verb}"), "").await;
        assert_eq!((got.status, got.body), (200, format!("{{\"paused\":{expected}}}")));
        assert_eq!(props.paused.load(Ordering::SeqCst), expected);
    }
    assert_eq!(stand.at("localhost", "POST", "/sandbox/outbox/pause", "Sec-Fetch-Site: cross-site\r\n").await.status, 403);
    assert!(!props.paused.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_stream_shows_what_is_there_then_what_comes_and_ends_with_us() {
    let (stand, props) = theatre().await;
    stand.fake.add_event(1);
    let mut stream = TcpStream::connect(stand.address).await.unwrap();
    stream.write_all(b"GET /sandbox/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    until(&mut stream, &mut text, "solo@example.com").await;
    assert!(text.contains("event: outbox") && text.contains("\"paused\":false"), "{text}");
    assert!(text.contains("event: event") && text.contains("\"seq\":1") && text.contains("+12025550143"), "{text}");
    props.messages.lock().unwrap().push(Message { text: Some(Secret::new("a third")), ..message(3, Channel::Sms) });
    stand.fake.add_event(2);
    until(&mut stream, &mut text, "a third").await;
    assert!(text.contains("\"seq\":2"), "{text}");
    assert_eq!(text.matches("solo@example.com").count(), 1, "shown once: {text}");
    stand.shutdown.cancel();
    stand.served.await.unwrap();
}

async fn until(stream: &mut TcpStream, text: &mut String, wanted: &str) {
    let mut bytes = [0; 4096];
    while !text.contains(wanted) {
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "ended before {wanted}: {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
}
