//! A caller of the engine: does things, and writes down what it is told, in a word or two.

use crate::world::{Secret, World};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::challenge::Challenge;
use countersign::domain::contact::Channel;
use countersign::domain::id::AggregateId;
use countersign::domain::limit::Limit;
use countersign::domain::publisher::Publisher;
use countersign::domain::request::{Asked, Origin, Pace, Policy};
use countersign::domain::told::{Checked, Closed, Refusal, Resent};
use countersign::engine::direct::{BusSlot, Call, Creation};
use std::time::Duration;

/// Something that a caller does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Do {
    /// Asks for a challenge.
    Create,
    /// Brings the code of this number to the challenge that it was made for.
    Right(usize),
    /// Brings the code of this number to the newest challenge.
    Newest(usize),
    /// Brings something else to the newest challenge.
    Wrong,
    /// Lets so many seconds pass.
    Wait(u64),
    /// Wants the newest challenge's message again.
    Again(Policy),
    /// Cancels the newest challenge.
    Cancel,
    /// Tells an outcome of the newest challenge.
    Tell(bool),
    /// What is due, ends.
    Tick,
}

pub struct Life {
    pub world: World,
    /// Each code, and the challenge that it was made for.
    pub codes: Vec<(AggregateId, String)>,
    pub ids: Vec<AggregateId>,
    pub asked: Asked,
}

impl Life {
    pub async fn new(asked: Asked, change: impl FnOnce(&mut Publisher)) -> Self {
        let world = World::with(|it| {
            it.attempts = 3;
            change(it);
        });
        Self { world: world.await, codes: Vec::new(), ids: Vec::new(), asked }
    }

    pub fn origin(&self) -> Origin {
        Origin::new("demo".into(), self.world.engine.now())
    }

    pub fn call(&self, id: AggregateId, key: Option<&str>) -> Call {
        Call { origin: self.origin(), id, key: key.map(str::to_owned) }
    }

    pub async fn create(&mut self, asked: Asked) -> String {
        match self.world.engine.create(self.origin(), asked).await.unwrap() {
            Creation::Opened { summary, code, repeated } => {
                if repeated {
                    assert!(self.ids.contains(&summary.id));
                    return format!("repeated{}", if code.is_some() { " with its code" } else { "" });
                }
                self.ids.push(summary.id);
                self.codes.push((summary.id, code.unwrap().expose().to_owned()));
                "opened".to_owned()
            }
            Creation::Invalid(errors) => errors.iter().map(|it| format!("{} {}", it.field, it.code.name())).collect::<Vec<_>>().join(", "),
            Creation::Refused(refusal) => refused(refusal),
        }
    }

    /// Does it; what it is told.
    pub async fn act(&mut self, what: Do) -> String {
        let newest = self.ids.last().copied();
        match (what, newest) {
            (Do::Wait(seconds), _) => {
                self.world.advance(Duration::from_secs(seconds));
                String::new()
            }
            (Do::Tick, _) => {
                self.world.engine.end_due(100).await;
                String::new()
            }
            (Do::Create, _) => self.create(self.asked.clone()).await,
            (_, None) => String::new(),
            (Do::Right(nth), _) => {
                let (id, code) = self.codes[nth % self.codes.len()].clone();
                self.verify(id, &code, None).await
            }
            (Do::Newest(nth), Some(id)) => {
                let code = self.codes[nth % self.codes.len()].1.clone();
                self.verify(id, &code, None).await
            }
            (Do::Wrong, Some(id)) => self.verify(id, "nonsense", None).await,
            (Do::Again(policy), Some(id)) => self.again(id, policy, None).await,
            (Do::Cancel, Some(id)) => closed(self.world.engine.cancel(self.call(id, None)).await.unwrap()),
            (Do::Tell(verified), Some(id)) => closed(self.world.engine.outcome(self.call(id, None), verified).await.unwrap()),
        }
    }

    pub async fn verify(&self, id: AggregateId, typed: &str, key: Option<&str>) -> String {
        checked(self.world.engine.verify(self.call(id, key), Secret::new(typed)).await.unwrap())
    }

    pub async fn verify_slot(&self, client: &str, typed: &str, key: Option<&str>) -> String {
        let slot = BusSlot { institution: None, client: client.to_owned(), channel: Channel::Sms };
        let key = key.map(str::to_owned);
        checked(self.world.engine.verify_slot(self.origin(), slot, Secret::new(typed), key).await.unwrap())
    }

    pub async fn again(&mut self, id: AggregateId, policy: Policy, key: Option<&str>) -> String {
        match self.world.engine.resend(self.call(id, key), policy, Pace::default()).await.unwrap() {
            Resent::Sent { summary, code } => {
                assert_eq!(summary.id, id);
                self.codes.extend(code.map(|it| (id, it.expose().to_owned())));
                "sent".to_owned()
            }
            Resent::Repeated => "repeated".to_owned(),
            Resent::TooSoon { .. } => "too soon".to_owned(),
            Resent::TooMany => "too many".to_owned(),
            Resent::Refused(refusal) => refused(refusal),
            Resent::Ended { outcome } => format!("ended {}", outcome.code()),
            Resent::Unknown => "unknown".to_owned(),
        }
    }

    pub async fn challenge(&self, id: AggregateId) -> Challenge {
        match self.world.engine.store().find(id).await.unwrap().unwrap().value {
            Aggregate::Challenge(it) => *it,
            Aggregate::Inbound(_) => panic!("a challenge"),
        }
    }

    pub fn sms() -> Asked {
        Asked { channel: Some("SMS".into()), recipient: Some(Secret::new("202-555-0123")), ..Asked::default() }
    }
}

pub fn checked(it: Checked) -> String {
    match it {
        Checked::Verified => "verified".to_owned(),
        Checked::Wrong { left } => format!("wrong {left}"),
        Checked::Failed => "failed".to_owned(),
        Checked::Expired => "expired".to_owned(),
        Checked::Used => "used".to_owned(),
        Checked::Superseded => "superseded".to_owned(),
        Checked::Cancelled => "cancelled".to_owned(),
        Checked::Blocked { .. } => "blocked".to_owned(),
        Checked::Unknown => "unknown".to_owned(),
    }
}

fn closed(it: Closed) -> String {
    match it {
        Closed::Done => "done".to_owned(),
        Closed::Ended { outcome } => format!("ended {}", outcome.code()),
        Closed::Unknown => "unknown".to_owned(),
    }
}

fn refused(it: Refusal) -> String {
    let why = match it {
        Refusal::KeyReused => "key reused",
        Refusal::OptedOut => "opted out",
        Refusal::Limit(Limit::Failures { .. }) => "failures",
        Refusal::Limit(Limit::Messages { .. }) => "messages",
        Refusal::Limit(Limit::Open { .. }) => "open",
        Refusal::Limit(Limit::Rate) => "rate",
        Refusal::Limit(Limit::Day { .. }) => "day",
        Refusal::Limit(Limit::Network { .. }) => "network",
        Refusal::Limit(Limit::Key { .. }) => "key",
        Refusal::Limit(Limit::Prefix { .. }) => "prefix",
        Refusal::Limit(Limit::Country { .. }) => "country",
        Refusal::Limit(Limit::Money { .. }) => "money",
    };
    format!("refused: {why}")
}
