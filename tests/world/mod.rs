//! An engine over the store in memory, with the demo bank, a clock that only the test moves, and seeded chance.

#![allow(dead_code, reason = "each test file uses a part of this")]

use countersign::connect::sandbox::{Kept, Sandbox};
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::contact::Address;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::PublisherId;
use countersign::domain::publisher::Publisher;
use countersign::domain::request::{Field, Header, OobValidate, Origin, RecipientChoice, Sms};
use countersign::domain::snapshot::Write;
use countersign::domain::time::Timestamp;
use countersign::engine::draw::{Chance, Clock};
use countersign::engine::outbox::Outbox;
use countersign::engine::routes::Routes;
use countersign::engine::tally::Tally;
use countersign::engine::{Engine, Parts};
use countersign::store::memory::MemoryStore;
use countersign::vault::Vault;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

pub use countersign::domain::code::Secret;

/// A clock that stands still until it is moved.
#[derive(Default)]
pub struct Hands(AtomicI64);

impl Hands {
    pub fn at(millis: i64) -> Self {
        Self(AtomicI64::new(millis))
    }

    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The same draws every time.
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn from(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Chance for Seeded {
    fn generator(&self) -> StdRng {
        StdRng::seed_from_u64(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub struct World {
    pub engine: Arc<Engine>,
    pub outbox: Arc<Outbox>,
    pub sandbox: Sandbox,
    pub hands: Arc<Hands>,
    pub vault: Arc<Vault>,
}

/// 2026-11-21T12:00:00Z
pub const START: i64 = 1_795_262_400_000;
pub const PHONE: &str = "+12025550123";

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With the demo publisher changed.
    pub async fn with(change: impl FnOnce(&mut Publisher)) -> Self {
        let vault = Arc::new(Vault::from_root(&[7; 32]));
        let hands = Arc::new(Hands(AtomicI64::new(START)));
        let day = u32::try_from(START / 86_400_000).unwrap();
        vault.learn_day(day, &vault.new_day(day)).unwrap();
        assert!(vault.set_day(day));
        let store = Arc::new(MemoryStore::new(vault.clone()));
        let registered = countersign::registration::read(&countersign::demo::registration::files()).unwrap();
        let mut registry = registered.registry;
        let publisher = registry.publishers.get_mut(&PublisherId::from("demo")).unwrap();
        change(Arc::make_mut(publisher));
        let parts = Parts {
            store: store.clone(),
            notes: store,
            vault: vault.clone(),
            clock: hands.clone(),
            // The engine draws once for itself; decisions draw from 1 on.
            chance: Arc::new(Seeded(AtomicU64::new(0))),
            tally: Tally::alone(1, vault.clone()),
        };
        let engine = Arc::new(Engine::new(parts));
        engine.register(registry);
        let writes = registered.recipients.into_iter().map(|it| Write::Recipient(it.key.clone(), Some(it))).collect();
        engine.store().commit(writes, Vec::new()).await.unwrap();
        let clock = hands.clone();
        let sandbox = Sandbox::new(&Default::default(), Arc::new(move || clock.now()));
        let way = Arc::new(sandbox.clone());
        let outbox = Outbox::new(engine.clone(), Routes::only(way));
        Self { engine, outbox, sandbox, hands, vault }
    }

    pub fn advance(&self, span: Duration) {
        self.hands.advance(span);
    }

    pub async fn ask(&self, request: OobValidate) -> Answer {
        let origin = Origin::new("demo".into(), self.hands.now());
        self.engine.open(origin, Box::new(request)).await.unwrap()
    }

    /// Opens, and expects that it is opened: the id and the code.
    pub async fn opened(&self, request: OobValidate) -> (String, String) {
        match self.ask(request).await {
            Answer::Opened { id, otp } => (id.to_string(), otp.map(|it| it.expose().to_owned()).unwrap_or_default()),
            other => panic!("not opened: {other:?}"),
        }
    }

    /// Asks, and expects a refusal: its codes.
    pub async fn refused(&self, request: OobValidate) -> Vec<u32> {
        match self.ask(request).await {
            Answer::Refused(violations) => violations.iter().map(|it| it.code).collect(),
            other => panic!("not refused: {other:?}"),
        }
    }

    pub async fn reply(&self, from: &str, text: &str, id: &str) -> Verdict {
        let sms = Sms {
            gateway: "sandbox".to_owned(),
            provider_id: (!id.is_empty()).then(|| id.to_owned()),
            from: Address::canonical(from),
            to: None,
            text: Secret::new(text),
            received_at: self.hands.now(),
        };
        self.engine.reply(sms).await.unwrap()
    }

    /// Hands over everything that is due.
    pub async fn deliver(&self) -> Vec<Arc<Kept>> {
        loop {
            let leases = self.engine.store().lease(self.engine.now(), Duration::from_secs(180), 64).await.unwrap();
            if leases.is_empty() {
                return self.sandbox.messages();
            }
            for lease in leases {
                self.outbox.hand_over(lease).await;
            }
        }
    }

    pub async fn events(&self) -> Vec<FeedEvent> {
        self.engine.events(&"demo".into(), None, "0", 1_000).await.unwrap().events
    }

    /// Outcome codes of a challenge.
    pub async fn outcomes(&self, id: &str) -> Vec<&'static str> {
        let events = self.events().await;
        events.iter().filter(|it| it.aggregate.to_string() == id && it.act.is_outcome()).map(|it| it.act.code()).collect()
    }

    /// Every act of a challenge, oldest first.
    pub async fn acts(&self, id: &str) -> Vec<&'static str> {
        self.events().await.iter().filter(|it| it.aggregate.to_string() == id).map(|it| it.act.code()).collect()
    }
}

pub fn header() -> Header {
    Header { audit_usr_id: Some("teller".into()), audit_ws_id: Some("branch-1".into()), ..Header::default() }
}

/// An explicit request with an OTP in its text.
pub fn explicit(phone: &str) -> OobValidate {
    OobValidate {
        header: Some(header()),
        phone_num: Some(phone.trim_start_matches("+1").to_owned()),
        sms_text: Some(Secret::new("Your code is <%$otp%>.")),
        ..OobValidate::default()
    }
}

/// A native request.
pub fn native(alert: &str, recipient: &str, contacts: &[&str], parameters: &[(&str, &str)]) -> OobValidate {
    let choice = RecipientChoice {
        id: Field::Text(recipient.to_owned()),
        account: None,
        contacts: contacts.iter().map(|it| Field::Text((*it).to_owned())).collect(),
    };
    OobValidate {
        header: Some(header()),
        alrt_name: Some(alert.to_owned()),
        recipient: Some(choice),
        data: parameters.iter().map(|(name, value)| (Field::Text((*name).to_owned()), Some(Secret::new(*value)))).collect(),
        ..OobValidate::default()
    }
}

/// The seed's request.
pub fn hybrid(contacts: &[&str]) -> OobValidate {
    let parameters = [
        ("salutation", "Mr. Solo"),
        ("timeofday", "morning"),
        ("username", "Corellia"),
        ("OTPDuration", "1 hour"),
        ("OTPExpires", "2017-01-26T14:58:20Z"),
    ];
    native("Unknown User OOB Alert", "MERCHANT89785", contacts, &parameters)
}
