//! A session, as the model knows it.

use crate::errand::{Ask, To, Typed, Value};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::event::Act;
use countersign::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use countersign::domain::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Session {
    pub id: AggregateId,
    pub ask: Ask,
    /// The number that its messages come from.
    pub sender: Address,
    /// Our code, where it has one.
    pub code: Option<String>,
    pub opened: Timestamp,
    pub expires: Timestamp,
    pub attempts: u8,
    pub outcome: Option<(Act, Timestamp)>,
    /// Everything that was told of it, in order.
    pub acts: Vec<Act>,
    pub letters: Vec<Letter>,
    pub blocked_told: bool,
}

/// A message of a challenge.
#[derive(Clone, Debug)]
pub struct Letter {
    pub id: DeliveryId,
    pub channel: Channel,
    pub address: Address,
    pub stands: Stands,
    pub tries: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Waits,
    Taken,
    Refused,
    Late,
    TakenBack,
}

impl Session {
    pub fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// Whether a reply that arrived at `at` may still count (decision 9).
    pub fn hears(&self, at: Timestamp) -> bool {
        self.is_open() && at < self.expires && self.ask.two_way
    }

    pub fn writes_to(&self, phone: &Address) -> bool {
        self.letters.iter().any(|it| it.channel == Channel::Sms && it.address == *phone)
    }

    /// What it is the newest of (decision 16).
    pub fn slot(&self) -> Slot {
        slot(&self.ask)
    }

    /// Whose failures a reply from `phone` counts against.
    pub fn budgets(&self, phone: &Address) -> Vec<BudgetKey> {
        let mut keys = vec![BudgetKey::Address(self.ask.institution.clone(), phone.clone())];
        keys.extend(recipient_budget(&self.ask));
        keys
    }

    /// Whether the message holds an answer that this session could be tried with (decision 18): whether it is an attempt.
    pub fn is_tried_by(&self, typed: &Typed) -> bool {
        match (&self.ask.value, typed) {
            (_, Typed::Not(_) | Typed::Stop | Typed::Start | Typed::Yes | Typed::Help) => false,
            (_, Typed::Two(..)) => true,
            (Value::Otp, Typed::Six(_)) => true,
            (Value::Otp, _) => false,
            (Value::Static(_), _) => true,
            (Value::Then(_), Typed::Ten(_)) => true,
            (Value::Then(_), _) => false,
        }
    }

    pub fn is_answered_by(&self, typed: &Typed) -> bool {
        let code = || self.code.clone().unwrap_or_default();
        match (&self.ask.value, typed) {
            (Value::Otp, Typed::Six(number)) => *number == code(),
            (Value::Then(pin), Typed::Ten(number)) => *number == code() + pin,
            (Value::Static(value), Typed::Word(word)) => value.eq_ignore_ascii_case(word),
            (Value::Static(value), Typed::Yes) => value.eq_ignore_ascii_case("yes"),
            _ => false,
        }
    }

    /// Ends it: unsent messages are taken back, or told to be late; a OneWay session's time passes in silence (decision 13).
    pub fn end(&mut self, outcome: Act, at: Timestamp) {
        self.outcome = Some((outcome, at));
        for letter in self.letters.iter_mut().filter(|it| it.stands == Stands::Waits) {
            letter.stands = if outcome == Act::Expired { Stands::Late } else { Stands::TakenBack };
            if outcome == Act::Expired {
                self.acts.push(Act::MsgExpired);
            }
        }
        if outcome != Act::Expired || self.ask.two_way {
            self.acts.push(outcome);
        }
    }

    /// One wrong answer more.
    pub fn miss(&mut self, allowed: u8, at: Timestamp) {
        self.attempts += 1;
        if self.attempts >= allowed {
            self.end(Act::Failed, at);
        }
    }
}

/// Publisher, institution, and the phone (every request is for one product) or the recipient and which alert.
pub type Slot = (PublisherId, InstitutionId, String, Option<bool>);

pub fn slot(ask: &Ask) -> Slot {
    let (whom, alert) = match &ask.to {
        To::Phone(phone) => (phone.expose().to_owned(), None),
        To::Recipient { id, .. } => ((*id).to_owned(), Some(matches!(ask.value, Value::Static(_)))),
    };
    (ask.publisher.clone(), ask.institution.clone(), whom, alert)
}

pub fn recipient_budget(ask: &Ask) -> Option<BudgetKey> {
    match &ask.to {
        To::Phone(_) => None,
        To::Recipient { id, .. } => Some(BudgetKey::Recipient(ask.institution.clone(), ask.publisher.clone(), (*id).to_owned())),
    }
}
