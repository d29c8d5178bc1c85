//! Aggregates and stores for the tests of the store.
#![allow(dead_code)]

use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::challenge::{Challenge, Check, Level, Mode, RepeatKey, Seen, Shape, Slot, State, Verifier};
use countersign::domain::code::Tag;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::delivery::{Delivery, Purpose, Status};
use countersign::domain::direct::{Direct, Message};
use countersign::domain::event::{Act, Event};
use countersign::domain::id::{AggregateId, DeliveryId, EventId, InstitutionId, PublisherId};
use countersign::domain::keyring::Keyring;
use countersign::domain::recipient::{Contact, Recipient, RecipientKey, Subscription};
use countersign::domain::snapshot::Query;
use countersign::domain::time::Timestamp;
use countersign::store::sled::{Settings, SledStore};
use countersign::vault::Vault;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use uuid::Uuid;

pub const NOON: i64 = 1_795_262_400_000; // 2026-11-21T12:00:00Z

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON + seconds * 1000)
}

pub fn id(n: u128) -> AggregateId {
    AggregateId(Uuid::from_u128(n))
}

pub fn delivery_id(n: u128) -> DeliveryId {
    DeliveryId(Uuid::from_u128(n * 1000 + 1))
}

pub fn demo() -> PublisherId {
    "demo".into()
}

pub fn bank() -> InstitutionId {
    "011001276".into()
}

pub fn phone() -> Address {
    Address::canonical("+12025550123")
}

pub fn vault() -> Arc<Vault> {
    Arc::new(Vault::from_root(&[42; 32]))
}

/// An open TwoWay challenge number `n`, opened at second `n`, with one event and one delivery that is due at once.
pub fn challenge(n: u128, to: &Address) -> Challenge {
    static SEALING: OnceLock<Arc<Vault>> = OnceLock::new();
    let (opened_at, vault) = (at(n as i64), SEALING.get_or_init(vault));
    Challenge {
        id: id(n),
        publisher: demo(),
        institution: bank(),
        product: "Demo".into(),
        level: Level::Explicit { phone: to.clone() },
        mode: Mode::TwoWay,
        test: false,
        tracking_id: Some(format!("track-{n}")),
        bus_correl_id: None,
        repeat: Some(RepeatKey { key: format!("T:track-{n}"), payload: Tag([n as u8; 16]) }),
        opened_at,
        expires_at: opened_at.plus(Duration::from_secs(600)),
        verifier: Some(Verifier { shape: Shape::Digits(6), check: Check::Value { tag: vault.code_tag(id(n), b"493817"), fold: false } }),
        attempts: 0,
        attempts_allowed: 3,
        state: State::Open,
        material: Some(vault.seal(id(n), [n as u8; 12], b"493817 and CANARY-PARAMETER")),
        deliveries: vec![Delivery {
            id: delivery_id(n),
            channel: Channel::Sms,
            address: to.clone(),
            contact: None,
            sender: None,
            purpose: Purpose::Challenge,
            status: Status::Queued { next_at: opened_at },
            tries: 0,
        }],
        events: vec![event(n, 1, Act::MsgAccepted, opened_at, Some(delivery_id(n)))],
        seen: Vec::new(),
    }
}

/// The same, asked for over the bus for a client: it is verified by a call.
pub fn on_call(n: u128, to: &Address, client: Option<&str>) -> Challenge {
    let direct = Direct {
        channel: Channel::Sms,
        address: to.clone(),
        message: Message::Text,
        locale: Some("en-US".into()),
        reference: None,
        client: client.map(str::to_owned),
    };
    let repeat = Some(RepeatKey { key: format!("P:track-{n}"), payload: Tag([n as u8; 16]) });
    Challenge { level: Level::Direct(direct), mode: Mode::OnCall, tracking_id: None, repeat, ..challenge(n, to) }
}

pub fn event(n: u128, which: u128, act: Act, at: Timestamp, delivery: Option<DeliveryId>) -> Event {
    Event { id: EventId(Uuid::from_u128(n * 1000 + 500 + which)), at, act, feedback: "A message.".into(), delivery }
}

/// The same, verified at `when` with its message accepted: nothing is left to do.
pub fn ended(mut it: Challenge, when: Timestamp) -> Challenge {
    it.state = State::Ended { outcome: Act::Verified, at: when };
    it.material = None;
    it.seen.push(Seen { provider_id: format!("sandbox/{}", it.id), at: it.opened_at, verdict: Verdict::Verified });
    it.deliveries[0].status = Status::Accepted { at: when, provider_id: Some("gw-1".into()) };
    let next = it.events.len() as u128 + 1;
    it.events.push(event(it.id.0.as_u128(), next, Act::Verified, when, None));
    it
}

pub fn boxed(it: &Challenge) -> Aggregate {
    Aggregate::Challenge(Box::new(it.clone()))
}

pub fn opening(it: &Challenge, now: Timestamp) -> Query {
    let Level::Explicit { phone } = &it.level else { panic!("explicit challenges only") };
    Query::Open {
        publisher: it.publisher.clone(),
        institution: it.institution.clone(),
        repeat: it.repeat.as_ref().map(|it| it.key.clone()),
        recipient: None,
        phone: Some(phone.clone()),
        slot: it.slot(),
        now,
    }
}

pub fn reply_from(from: &Address, provider_id: Option<&str>, now: Timestamp) -> Query {
    Query::Reply { from: from.clone(), provider_id: provider_id.map(str::to_owned), now }
}

pub fn slot_of(it: &Challenge) -> Slot {
    it.slot()
}

pub fn recipient(name: &str) -> Recipient {
    let contact =
        |id: &str, address: &str, channel| Contact { id: id.into(), channel, address: Address::canonical(address), opted_in: true };
    Recipient {
        key: RecipientKey { publisher: demo(), institution: bank(), id: name.into() },
        uid: format!("uid-{name}"),
        active: true,
        name: Some("CANARY Person".into()),
        contacts: vec![
            contact("1", "+12025550123", Channel::Sms),
            contact("2", "canary@example.com", Channel::Mail),
            contact("3", "+12025550123", Channel::Sms),
        ],
        subscriptions: vec![Subscription {
            account: Some("123".into()),
            alert: "Login".into(),
            active: true,
            utc_offset_minutes: Some(-300),
            contacts: vec!["1".into()],
        }],
    }
}

/// A clock that a test sets.
#[derive(Clone)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    pub fn at(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(at(seconds).millis())))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub fn settings(dir: &Path, time: &Time) -> Settings {
    let time = time.clone();
    let mut settings = Settings::new(dir);
    settings.clock = Arc::new(move || time.now());
    settings.linger = Duration::ZERO;
    settings.cache_bytes = 8 * 1024 * 1024;
    settings.fatal = Arc::new(|why| panic!("a durable step failed: {why}"));
    settings
}

pub fn open(dir: &Path, time: &Time) -> Arc<SledStore> {
    SledStore::open(settings(dir, time), vault(), time.now()).expect("the store opens")
}
