//! A server on a free port around a service that keeps what it was asked.
#![allow(dead_code)]

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use countersign::dialect::Dialect;
use countersign::dialect::sendgrid::EventWebhook;
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::code::{Secret, Tag};
use countersign::domain::credential::{Credential, StoredSecret};
use countersign::domain::decide::order::FieldError;
use countersign::domain::event::Act;
use countersign::domain::fault::Violation;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::{AggregateId, EventId, PublisherId};
use countersign::domain::receipt::Receipt;
use countersign::domain::request::{Asked, OobValidate, Origin, Pace, Policy, Sms};
use countersign::domain::time::Timestamp;
use countersign::domain::told::{Checked, Closed, Resent};
use countersign::engine::changes::{Changes, Watch};
use countersign::engine::direct::{Call, Creation, Looked};
use countersign::engine::draw::SystemChance;
use countersign::engine::keys::Keys;
use countersign::engine::tally::Tally;
use countersign::engine::templates::Templates;
use countersign::engine::{Page, Trouble};
use countersign::http::auth::Mac;
use countersign::http::settings::AuthSettings;
use countersign::http::{
    Action, Ask, Calls, Credentials, Extra, Gateway, Gateways, Metrics, Operators, Parts, Pulse, Served, Server, Service, Settings, Step,
    Trail,
};
use countersign::store::memory::MemoryStore;
use countersign::vault::Vault;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// 2026-11-21T21:00:00Z
pub const NOW: Timestamp = Timestamp::from_millis(1_795_294_800_000);
/// When the server began: 2026-11-21T20:00:00Z
pub const BEGAN: Timestamp = Timestamp::from_millis(1_795_291_200_000);
pub const IMS: &str = "/jxchange/2008/ServiceGateway/IMS.svc";
/// `publisher:a-generated-secret`
pub const BASIC: &str = "Authorization: Basic cHVibGlzaGVyOmEtZ2VuZXJhdGVkLXNlY3JldA==\r\n";
pub const SECRET: &str = "a-generated-secret";
/// `operator:watch`
pub const OPERATOR: &str = "Authorization: Basic b3BlcmF0b3I6d2F0Y2g=\r\n";

/// A MAC with a fixed key.
pub struct FixedMac;

impl Mac for FixedMac {
    fn tag(&self, user: &str, secret: &str) -> Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a fixed key for tests");
        let mut context = hmac::Context::with_key(&key);
        context.update(&(user.len() as u64).to_le_bytes());
        context.update(user.as_bytes());
        context.update(secret.as_bytes());
        Tag(context.sign().as_ref()[..16].try_into().unwrap())
    }
}

/// Keeps what it was asked; answers what it is told.
pub struct Fake {
    pub trouble: Mutex<Option<Trouble>>,
    pub refuse: Mutex<Vec<Violation>>,
    pub opened: Mutex<Vec<(Origin, OobValidate)>>,
    pub replies: Mutex<Vec<Sms>>,
    pub receipts: Mutex<Vec<Receipt>>,
    pub events: Mutex<Vec<FeedEvent>>,
    pub ready: AtomicBool,
    /// While there, `open` waits for it to be cancelled.
    pub gate: Mutex<Option<CancellationToken>>,
    pub changes: Changes,
    pub clock: Mutex<Timestamp>,
    /// Cursors that were asked for.
    pub asked: Mutex<Vec<String>>,
    /// Events that one page looks at, at most.
    pub looks_at: AtomicUsize,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            trouble: Mutex::default(),
            refuse: Mutex::default(),
            opened: Mutex::default(),
            replies: Mutex::default(),
            receipts: Mutex::default(),
            events: Mutex::default(),
            ready: AtomicBool::new(true),
            gate: Mutex::default(),
            changes: Changes::default(),
            clock: Mutex::new(BEGAN),
            asked: Mutex::default(),
            looks_at: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Fake {
    fn trouble(&self) -> Result<(), Trouble> {
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    pub fn add_event(&self, seq: u64) {
        let event = FeedEvent {
            seq,
            id: EventId(Uuid::from_u128(u128::from(seq))),
            number: 90040,
            act: Act::Verified,
            at: NOW,
            institution: "011001276".into(),
            product: "Demo".into(),
            publisher: "bank".into(),
            aggregate: AggregateId(Uuid::from_u128(1)),
            data: vec![("ENSActCode", "OOBVerified".into()), ("AlrtPkgId", "p".into())],
        };
        self.events.lock().unwrap().push(event);
        self.changes.happened();
    }
}

impl Service for Fake {
    fn open(&self, origin: Origin, request: Box<OobValidate>) -> Served<'_, Answer> {
        Box::pin(async move {
            self.opened.lock().unwrap().push((origin, *request));
            let gate = self.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.cancelled().await;
            }
            self.trouble()?;
            let refused = self.refuse.lock().unwrap().clone();
            if !refused.is_empty() {
                return Ok(Answer::Refused(refused));
            }
            Ok(Answer::Opened { id: AggregateId(Uuid::from_u128(0xA1)), otp: Some(Secret::new("561126")) })
        })
    }

    fn reply(&self, sms: Sms) -> Served<'_, Verdict> {
        Box::pin(async move {
            self.trouble()?;
            self.replies.lock().unwrap().push(sms);
            Ok(Verdict::Verified)
        })
    }

    fn receive(&self, receipt: Receipt) -> Served<'_, ()> {
        Box::pin(async move {
            self.trouble()?;
            self.receipts.lock().unwrap().push(receipt);
            Ok(())
        })
    }

    fn events<'a>(&'a self, ask: Ask<'a>) -> Served<'a, Page> {
        Box::pin(async move {
            self.trouble()?;
            let after: u64 = ask.after.parse().map_err(|_| Trouble::Cursor)?;
            self.asked.lock().unwrap().push(ask.after.into());
            let all = self.events.lock().unwrap();
            let (mut events, mut next) = (Vec::new(), after);
            for it in all.iter().filter(|it| it.seq > after).take(self.looks_at.load(Ordering::SeqCst)) {
                if events.len() == ask.max {
                    break;
                }
                next = it.seq;
                events.extend((it.publisher == *ask.publisher).then(|| it.clone()));
            }
            Ok(Page { events, next: next.to_string() })
        })
    }

    fn changes(&self) -> Watch {
        self.changes.watch()
    }

    fn now(&self) -> Timestamp {
        *self.clock.lock().unwrap()
    }

    fn pulse(&self) -> Pulse {
        Pulse { ready: self.ready.load(Ordering::SeqCst), open: 3, ..Pulse::default() }
    }
}

/// Has no challenges: `tests/rest` has.
impl Calls for Fake {
    fn create(&self, _: Origin, _: Box<Asked>) -> Served<'_, Creation> {
        Box::pin(async { Err(Trouble::Failed) })
    }

    fn breaches(&self, _: Origin, _: Box<Asked>) -> Served<'_, Vec<FieldError>> {
        Box::pin(async { Err(Trouble::Failed) })
    }

    fn verify(&self, _: Call, _: Secret) -> Served<'_, (Checked, Option<String>)> {
        Box::pin(async { Err(Trouble::Failed) })
    }

    fn resend(&self, _: Call, _: Policy, _: Pace) -> Served<'_, Resent> {
        Box::pin(async { Err(Trouble::Failed) })
    }

    fn cancel(&self, _: Call) -> Served<'_, Closed> {
        Box::pin(async { Err(Trouble::Failed) })
    }

    fn outcome(&self, _: Call, _: bool) -> Served<'_, Closed> {
        Box::pin(async { Err(Trouble::Failed) })
    }

    fn look<'a>(&'a self, _: &'a PublisherId, _: AggregateId) -> Served<'a, Option<Looked>> {
        Box::pin(async { Err(Trouble::Failed) })
    }
}

/// The service's clock.
struct FakeClock(Arc<Fake>);

impl countersign::engine::draw::Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Keeps what is recorded, one line an entry; can be made to fail.
#[derive(Default)]
pub struct Recorder {
    pub lines: Mutex<Vec<String>>,
    pub broken: AtomicBool,
}

impl Trail for Recorder {
    fn write(&self, _: Timestamp, act: &Action, step: Step) -> std::io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("no space"));
        }
        self.lines.lock().unwrap().push(format!("{} {} {} {step:?}", act.user, act.action, act.arguments));
        Ok(())
    }
}

/// A server that runs.
pub struct Stand {
    pub notes: Arc<MemoryStore>,
    pub templates: Arc<Templates>,
    pub keys: Arc<Keys>,
    pub trail: Arc<Recorder>,
    pub fake: Arc<Fake>,
    pub credentials: Arc<Credentials>,
    pub address: SocketAddr,
    pub tls: Option<Arc<countersign::http::Tls>>,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
}

pub fn publisher(user: &str, secret: StoredSecret) -> Credential {
    Credential { user: user.into(), publisher: PublisherId::from("bank"), secrets: vec![secret], allow: vec![], password_digest: false }
}

pub fn generated() -> Vec<Credential> {
    vec![publisher("publisher", StoredSecret::Generated(Secret::new(SECRET)))]
}

/// A server on a free port of loopback.
pub async fn stand(settings: Settings, credentials: &[Credential]) -> Stand {
    stand_with(settings, credentials, (Arc::default(), CancellationToken::new(), None)).await
}

/// The same, around a service that is there already, with routes of somebody else's.
pub async fn stand_with(
    mut settings: Settings,
    credentials: &[Credential],
    (fake, shutdown, extra): (Arc<Fake>, CancellationToken, Option<Extra>),
) -> Stand {
    settings.listen = "127.0.0.1:0".parse().unwrap();
    let tally = Tally::alone(settings.auth.nonces, Arc::new(Vault::from_root(&[7; 32])));
    let credentials = Arc::new(Credentials::new(credentials, Arc::new(FixedMac), &settings.auth, tally));
    let operators = Operators::new(Some(("operator".into(), Secret::new("watch"))), Some(Secret::new("scrape-token")), Arc::new(FixedMac));
    let notes = Arc::new(MemoryStore::new(Arc::new(Vault::from_root(&[7; 32]))));
    let (templates, trail) = (Arc::new(Templates::new(notes.clone(), Arc::new(FakeClock(fake.clone())))), Arc::<Recorder>::default());
    let vault = Arc::new(Vault::from_root(&[7; 32]));
    let keys = Arc::new(Keys::new(notes.clone(), vault, Arc::new(FakeClock(fake.clone())), Arc::new(SystemChance)));
    keys.register([PublisherId::from("bank")]);
    let parts = Parts {
        service: fake.clone(),
        calls: fake.clone(),
        pace: Pace::default(),
        templates: templates.clone(),
        keys: keys.clone(),
        trail: trail.clone(),
        credentials: credentials.clone(),
        operators,
        gateways: gateways(),
        metrics: Arc::new(Metrics::new(Registry::default(), None)),
        extra,
        shutdown: shutdown.clone(),
    };
    let server = Server::bind(&settings, parts).await.unwrap();
    let (address, tls) = (server.address(), server.tls());
    *fake.clock.lock().unwrap() = NOW;
    Stand { notes, templates, keys, trail, fake, credentials, address, tls, shutdown, served: tokio::spawn(server.serve()) }
}

pub fn auth(change: impl FnOnce(&mut AuthSettings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings.auth);
    settings
}

// One that its network proves, one that Basic does, and one that sends a query.
fn gateways() -> Gateways {
    let gateway = |settings: &str| Gateway {
        dialect: Dialect::new(toml::from_str(settings).unwrap()).unwrap(),
        secrets: vec![Secret::new("gateway-secret")],
    };
    Gateways::new(vec![
        gateway("name = 'sandbox'\npreset = 'sandbox'\nproof = 'networks'\nnetworks = ['127.0.0.0/8']"),
        gateway("name = 'basic'\npreset = 'json'\nproof = { basic = { user = 'gw' } }\nsecret_file = 'x'"),
        gateway("name = 'kannel'\npreset = 'kannel'\nproof = 'networks'\nnetworks = ['127.0.0.1']"),
        gateway("name = 'far'\npreset = 'kannel'\nproof = 'networks'\nnetworks = ['10.0.0.0/8']"),
    ])
    .unwrap()
    .reporting(
        "sendgrid",
        EventWebhook::new(&BASE64_STANDARD.encode(AsDer::<PublicKeyX509Der>::as_der(REPORTER.public_key()).unwrap().as_ref())).unwrap(),
    )
}

/// What signs receipts of the way out `sendgrid`.
pub static REPORTER: LazyLock<EcdsaKeyPair> = LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap());

/// The headers of a batch that was signed now.
pub fn signed_receipts(body: &str) -> String {
    let stamp = (NOW.millis() / 1_000).to_string();
    let signature = REPORTER.sign(&SystemRandom::new(), format!("{stamp}{body}").as_bytes()).unwrap();
    format!(
        "Content-Type: application/json\r\nX-Twilio-Email-Event-Webhook-Timestamp: {stamp}\r\n\
         X-Twilio-Email-Event-Webhook-Signature: {}\r\n",
        BASE64_STANDARD.encode(signature)
    )
}

/// An answer: status, head and body.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Stand {
    pub async fn send(&self, request: &[u8]) -> Got {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        read(&mut stream).await
    }

    pub async fn get(&self, path: &str, headers: &str) -> Got {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n").as_bytes()).await
    }

    /// A request without a body to us under this name.
    pub async fn at(&self, host: &str, method: &str, path: &str, headers: &str) -> Got {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
        self.send(head.as_bytes()).await
    }

    pub async fn post(&self, path: &str, headers: &str, body: &str) -> Got {
        let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        self.send(format!("{head}{body}").as_bytes()).await
    }
}

/// Reads until the peer closes.
pub async fn read<S: AsyncReadExt + Unpin>(stream: &mut S) -> Got {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    Got { status, head: head.to_ascii_lowercase(), body: body.into() }
}

/// A request as SOAP 1.1 with this header content.
pub fn envelope(header: &str) -> String {
    let header = if header.is_empty() { String::new() } else { format!("<s:Header>{header}</s:Header>") };
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">{header}<s:Body><OOBValidateRq \
         xmlns=\"http://jackhenry.com/jxchange/TPG/2008\"><MsgRqHdr><jXchangeHdr><AuditUsrId>u</AuditUsrId><AuditWsId>w</AuditWsId>\
         </jXchangeHdr></MsgRqHdr><PhoneNum>2025550123</PhoneNum></OOBValidateRq></s:Body></s:Envelope>"
    )
}
