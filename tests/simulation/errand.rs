//! What is asked of the engine, as the one who asks knows it.

use crate::bank::{APPROVAL, CODED};
use crate::world::{Secret, header, native};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::{InstitutionId, PublisherId};
use countersign::domain::request::{OobValidate, Sms};
use countersign::domain::snapshot::Lease;
use countersign::domain::time::Timestamp;

/// One thing under way.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A publisher asks for a challenge.
    Open(Ask),
    /// A gateway brings what a person wrote.
    Reply(Word),
    /// A worker hands a message over; what the carrier said to it.
    Hand { lease: Lease, said: Option<Outcome> },
    /// The timers' look.
    Tick,
    /// A person unlocks a budget.
    Unlock(BudgetKey),
    /// A subscriber is served, for as long as the process lives.
    Push,
}

impl Errand {
    /// For the trace, with whole addresses: nobody real has one of these.
    pub fn told(&self) -> String {
        match self {
            Self::Open(it) => {
                let to = match &it.to {
                    To::Phone(phone) => phone.expose().to_owned(),
                    To::Recipient { id, contacts } => format!("{id} {contacts:?}"),
                };
                let mode = if it.two_way { "TwoWay" } else { "OneWay" };
                format!("{} at {} asks: {mode} {:?} to {to} for {} s, key {:?}", it.publisher, it.institution, it.value, it.seconds, it.key)
            }
            Self::Reply(it) => {
                let to = it.to.as_ref().map_or("?", |it| it.expose());
                format!("{} writes to {to}: {:?}, mark {:?}", it.from.expose(), it.typed, it.mark())
            }
            other => format!("{other:?}"),
        }
    }

    pub fn hand(lease: Lease) -> Self {
        Self::Hand { lease, said: None }
    }
}

/// What a challenge is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A code of ours.
    Otp,
    /// A word that the recipient knows.
    Static(&'static str),
    /// A code of ours, followed by a PIN.
    Then(&'static str),
}

/// A request, before it is an envelope's.
#[derive(Clone, Debug)]
pub struct Ask {
    pub publisher: PublisherId,
    pub institution: InstitutionId,
    /// A phone, or a recipient and the contacts chosen.
    pub to: To,
    pub value: Value,
    pub two_way: bool,
    pub seconds: u32,
    /// The idempotency key as sent: `B:` or `T:` and the value.
    pub key: Option<String>,
    pub received_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub enum To {
    Phone(Address),
    Recipient { id: &'static str, contacts: Vec<&'static str> },
}

impl Ask {
    /// Whether the bodies of two requests are the same.
    pub fn same_body(&self, other: &Self) -> bool {
        (&self.institution, &self.to, &self.value, self.two_way, self.seconds)
            == (&other.institution, &other.to, &other.value, other.two_way, other.seconds)
    }

    pub fn request(&self) -> OobValidate {
        let mut head = header();
        match self.key.as_deref().and_then(|it| it.split_once(':')) {
            Some(("B", key)) => head.bus_correl_id = Some(key.to_owned()),
            Some((_, key)) => head.tracking_id = Some(key.to_owned()),
            None => {}
        }
        let parameters = [
            ("salutation", "Mr. Solo"),
            ("timeofday", "morning"),
            ("username", "Corellia"),
            ("OTPDuration", "1 hour"),
            ("OTPExpires", "2026-11-22T14:58:20Z"),
        ];
        let body = match (&self.to, &self.value) {
            (To::Phone(phone), value) => OobValidate {
                phone_num: Some(phone.expose().trim_start_matches("+1").to_owned()),
                sms_text: match value {
                    Value::Otp => Some(Secret::new("Your code is <%$otp%>.")),
                    Value::Static(_) => Some(Secret::new("Please answer.")),
                    Value::Then(_) => None,
                },
                ..OobValidate::default()
            },
            (To::Recipient { id, contacts }, Value::Static(_)) => native(APPROVAL, id, contacts, &[]),
            (To::Recipient { id, contacts }, _) => native(CODED, id, contacts, &parameters),
        };
        OobValidate {
            header: Some(head),
            inst_rt_id: Some(self.institution.to_string()),
            mode: (!self.two_way).then(|| "OneWay".to_owned()),
            exp_sec: Some(self.seconds.to_string()),
            verif_val: match &self.value {
                Value::Otp => None,
                Value::Static(word) | Value::Then(word) => Some(Secret::new(*word)),
            },
            ..body
        }
    }
}

/// What a person types.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// A number of six digits.
    Six(String),
    /// Two numbers of six digits.
    Two(String, String),
    /// A number of ten digits.
    Ten(String),
    /// One word, none of those below.
    Word(&'static str),
    /// A denial, and perhaps a number beside it.
    Not(Option<String>),
    Stop,
    Start,
    Yes,
    Help,
}

impl Typed {
    pub fn text(&self) -> String {
        match self {
            Self::Six(code) if code.ends_with(['3', '7']) => format!("{} {}", &code[..3], &code[3..]),
            Self::Six(code) if code.ends_with('5') => format!("Code: {code}. Thanks!"),
            Self::Six(code) | Self::Ten(code) => code.clone(),
            Self::Two(one, other) => format!("{one} or {other}"),
            Self::Word(word) => (*word).to_owned(),
            Self::Not(None) => "That was not me!".to_owned(),
            Self::Not(Some(code)) => format!("No {code}"),
            Self::Stop => "STOP".to_owned(),
            Self::Start => "START".to_owned(),
            Self::Yes => "Yes".to_owned(),
            Self::Help => "help".to_owned(),
        }
    }
}

/// A message from a handset.
#[derive(Clone, Debug)]
pub struct Word {
    pub from: Address,
    /// The number written to, where the gateway tells.
    pub to: Option<Address>,
    pub gateway: &'static str,
    pub provider_id: Option<String>,
    pub typed: Typed,
    pub received_at: Timestamp,
    /// When the engine began with it.
    pub begun_at: Timestamp,
}

impl Word {
    pub fn sms(&self) -> Sms {
        Sms {
            gateway: self.gateway.to_owned(),
            provider_id: self.provider_id.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            text: Secret::new(self.typed.text()),
            received_at: self.received_at,
        }
    }

    /// How a duplicate is told.
    pub fn mark(&self) -> Option<String> {
        self.provider_id.as_ref().map(|id| format!("{}/{id}", self.gateway))
    }
}
