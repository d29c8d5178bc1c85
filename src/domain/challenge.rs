//! A challenge: one code, one attempt counter, n deliveries, exactly one outcome (decisions 13, 14).

use super::budget::BudgetKey;
use super::code::{Sealed, Tag};
use super::contact::Address;
use super::delivery::{Delivery, Purpose};
use super::direct::Direct;
use super::event::{Act, Event};
use super::id::{AggregateId, InstitutionId, PublisherId};
use super::time::Timestamp;

pub use super::slot::{Slot, SlotSubject};
pub use super::verifier::{CODES_A_SESSION, Check, Shape, Verifier};

/// The aggregate behind one `OOBValidate`, or one request over REST or Kafka: its session, deliveries, attempts and events, stored as
/// one record.
#[derive(Clone, PartialEq, Debug)]
pub struct Challenge {
    /// `AlrtPkgId`
    pub id: AggregateId,
    /// Whose it is.
    pub publisher: PublisherId,
    /// `InstRtId`
    pub institution: InstitutionId,
    /// `ConsumerProd`
    pub product: String,
    /// How it was addressed.
    pub level: Level,
    /// Whether a reply is awaited.
    pub mode: Mode,
    /// `AlrtTestType`: everything but the hand-over to a carrier.
    pub test: bool,
    /// `jXLogTrackingId` and `BusCorrelId` as sent.
    pub tracking_id: Option<String>,
    /// `BusCorrelId` as sent.
    pub bus_correl_id: Option<String>,
    /// The idempotency key's owner and payload, where the request had one (decision 1).
    pub repeat: Option<RepeatKey>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// From this moment on it is expired (decision 9).
    pub expires_at: Timestamp,
    /// How an answer is judged; `None` when nothing was to be verified (OneWay with a text only).
    pub verifier: Option<Verifier>,
    /// Wrong answers so far.
    pub attempts: u8,
    /// Wrong answers at which it fails: 1 to 10.
    pub attempts_allowed: u8,
    /// Open, or how it ended.
    pub state: State,
    /// Code, parameters and text ([`super::material::Material`]), sealed; destroyed when the session ends.
    pub material: Option<Sealed>,
    /// Messages, in the order they were queued.
    pub deliveries: Vec<Delivery>,
    /// Events, in the order they happened.
    pub events: Vec<Event>,
    /// Provider ids of replies already counted, and keys of calls, with what was answered: duplicates are answered alike. Newest
    /// last, at most [`SEEN_REPLIES`].
    pub seen: Vec<Seen>,
}

/// How many provider ids a challenge remembers: more than the attempts it can have.
pub const SEEN_REPLIES: usize = 24;

/// An answer that was counted.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// Gateway and the provider's message id, joined by `/`, or the key of a call ([`call_key`]); empty where there is none.
    pub provider_id: String,
    /// When it reached our edge.
    pub at: Timestamp,
    /// What came of it.
    pub verdict: super::verdict::Verdict,
}

/// How the key of a publisher's call, of these parts, is remembered: apart from the messages of gateways, whose names have no
/// such character.
pub fn call_key(publisher: &PublisherId, key: &[&str]) -> String {
    let around = [CALL, publisher.as_str(), "/"];
    let mut text = String::with_capacity(around.iter().chain(key).map(|it| it.len()).sum());
    text.extend(around.iter().chain(key).copied());
    text
}

const CALL: &str = "\u{1}";

impl Seen {
    /// Whether it was no answer, but a wish of the publisher to have the message sent again.
    pub fn is_wish(&self) -> bool {
        self.verdict == super::verdict::Verdict::Unread && self.provider_id.starts_with(CALL)
    }
}

/// How a challenge was addressed (contract `oobvalidate.md`, behaviour 1).
#[derive(Clone, PartialEq, Debug)]
pub enum Level {
    /// Recipient-subscription: a deployed alert to contacts of a registered recipient.
    Native {
        /// `AlrtName`
        alert: String,
        /// `PubVer`: the version it was opened with is the one that is rendered.
        version: String,
        /// `ConsmRecipId`
        recipient: String,
        /// `AlrtRecipId`: our id of the recipient.
        recipient_uid: String,
        /// `ConsmRecipAcctId`
        account: Option<String>,
        /// `ConsmRecipName`
        name: Option<String>,
        /// Where times are local to, as minutes east of UTC, when the subscription says so.
        utc_offset_minutes: Option<i32>,
    },
    /// A phone number and a text.
    Explicit {
        /// Where to.
        phone: Address,
    },
    /// One address of any channel, over REST or Kafka.
    Direct(Direct),
}

impl Level {
    /// `AlrtName`, for a native challenge.
    pub fn alert(&self) -> Option<&str> {
        match self {
            Self::Native { alert, .. } => Some(alert),
            Self::Explicit { .. } | Self::Direct(_) => None,
        }
    }

    /// What was asked for over REST or Kafka.
    pub fn direct(&self) -> Option<&Direct> {
        match self {
            Self::Direct(direct) => Some(direct),
            Self::Native { .. } | Self::Explicit { .. } => None,
        }
    }
}

/// `OOBModeType`, and what REST and Kafka add to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The publisher verifies; a reply has no route here.
    OneWay,
    /// An SMS reply is verified by us.
    TwoWay,
    /// The publisher brings the answer by a call, and we verify it; a reply has no route here.
    OnCall,
}

/// Whether a challenge is open, or how it ended. An end is final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Waiting for an answer (or, OneWay, for its time to pass).
    Open,
    /// Over.
    Ended {
        /// An outcome ([`Act::is_outcome`]).
        outcome: Act,
        /// When.
        at: Timestamp,
    },
}

/// Who repeats which request (decision 1).
#[derive(Clone, PartialEq, Debug)]
pub struct RepeatKey {
    /// The value as sent, after its kind: `B:` BusCorrelId, `T:` jXLogTrackingId, `K:` the `Idempotency-Key` of REST, or `P:` what
    /// tells a record of the bus from every other (decision 25).
    pub key: String,
    /// MAC over the parsed body fields.
    pub payload: Tag,
}

impl Challenge {
    /// Whether an answer at `at` can still count.
    pub fn is_open_at(&self, at: Timestamp) -> bool {
        self.state == State::Open && at < self.expires_at
    }

    /// Whether replies by SMS reach it: TwoWay, and something to verify.
    pub fn awaits_reply(&self) -> bool {
        self.mode == Mode::TwoWay && self.verifier.is_some()
    }

    /// Whether we verify the answer, however it comes: then it has exactly one outcome event (decision 14).
    pub fn is_judged(&self) -> bool {
        self.mode != Mode::OneWay && self.verifier.is_some()
    }

    /// When it ends by itself: never, once it has ended.
    pub fn timer(&self) -> Option<Timestamp> {
        (self.state == State::Open).then_some(self.expires_at)
    }

    /// Whose failures a reply from `handset` to it counts against: the handset's, and the recipient's when it has one
    /// (decision 6).
    pub fn budgets(&self, handset: &Address) -> impl Iterator<Item = BudgetKey> + use<> {
        let address = BudgetKey::Address(self.institution.clone(), handset.clone());
        let recipient = match &self.level {
            Level::Native { recipient, .. } => {
                Some(BudgetKey::Recipient(self.institution.clone(), self.publisher.clone(), recipient.clone()))
            }
            Level::Direct(Direct { client: Some(client), .. }) => {
                Some(BudgetKey::Recipient(self.institution.clone(), self.publisher.clone(), client.clone()))
            }
            Level::Explicit { .. } | Level::Direct(_) => None,
        };
        [address].into_iter().chain(recipient)
    }

    /// Whose failures an answer by a call counts against: those of every address that its messages went to, and of its recipient.
    /// Each once.
    pub fn own_budgets(&self) -> Vec<BudgetKey> {
        let mut keys = Vec::with_capacity(2);
        for delivery in self.deliveries.iter().filter(|it| it.purpose == Purpose::Challenge) {
            for key in self.budgets(&delivery.address) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    /// What stands in for it when a newer challenge asks for the same (decision 16).
    pub fn slot(&self) -> Slot {
        let asks = match &self.level {
            Level::Native { alert, recipient, .. } => SlotSubject::Native { recipient: recipient.clone(), alert: alert.clone() },
            Level::Explicit { phone } => SlotSubject::Explicit { phone: phone.clone(), product: self.product.clone() },
            Level::Direct(direct) => SlotSubject::of(direct, &self.product),
        };
        Slot { publisher: self.publisher.clone(), institution: self.institution.clone(), subject: asks }
    }
}
