//! A challenge: one code, one attempt counter, n deliveries, exactly one outcome (decisions 13, 14).

use super::budget::BudgetKey;
use super::code::{CodeKind, HashKind, Sealed, Secret, Tag};
use super::contact::Address;
use super::delivery::Delivery;
use super::event::{Act, Event};
use super::id::{AggregateId, InstitutionId, PublisherId};
use super::time::Timestamp;

/// The aggregate behind one `OOBValidate`: its session, deliveries, attempts and events, stored as one record.
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
    /// Provider ids of replies already counted, with what was answered: duplicates are answered alike. Newest last, at
    /// most [`SEEN_REPLIES`].
    pub seen: Vec<Seen>,
}

/// How many provider ids a challenge remembers: more than the attempts it can have.
pub const SEEN_REPLIES: usize = 24;

/// A reply that was counted.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// Gateway and the provider's message id, joined by `/`; empty where the provider gives none.
    pub provider_id: String,
    /// When it reached our edge.
    pub at: Timestamp,
    /// What came of it.
    pub verdict: super::answer::Verdict,
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
}

impl Level {
    /// `AlrtName`, for a native challenge.
    pub fn alert(&self) -> Option<&str> {
        match self {
            Self::Native { alert, .. } => Some(alert),
            Self::Explicit { .. } => None,
        }
    }
}

/// `OOBModeType`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The publisher verifies; a reply has no route here.
    OneWay,
    /// An SMS reply is verified by us.
    TwoWay,
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

/// How an answer is judged, without the value itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Verifier {
    /// What an answer looks like: what the reply reader looks for.
    pub shape: Shape,
    /// What it must equal.
    pub check: Check,
}

/// What an answer looks like. Says nothing of the value (decision 18).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// So many digits: our OTP, or a publisher's numeric value.
    Digits(u8),
    /// Five letters and digits: our OTPA.
    Otpa,
    /// Anything: a publisher's static or hashed value.
    Free,
    /// Our OTP, then a publisher's value, nothing between.
    OtpThen,
    /// Our OTPA, then a publisher's value, nothing between.
    OtpaThen,
}

/// What an answer must equal.
#[derive(Clone, PartialEq, Debug)]
pub enum Check {
    /// MAC of the whole answer. `fold`: compared in upper case (OTPA and plain values; decision 18).
    Value {
        /// MAC(pepper, id ‖ value)
        tag: Tag,
        /// Whether letters' case is ignored.
        fold: bool,
    },
    /// The publisher's own hash of `value ‖ salt`, kept as a MAC of the digest; before it, possibly our code.
    Hashed {
        /// Our code's kind and MAC, when the value follows one.
        prefix: Option<(CodeKind, Tag)>,
        /// MAC(pepper, id ‖ digest)
        tag: Tag,
        /// The publisher's hash.
        kind: HashKind,
        /// The publisher's salt.
        salt: Secret,
    },
}

/// Who repeats which request (decision 1).
#[derive(Clone, PartialEq, Debug)]
pub struct RepeatKey {
    /// The value as sent, after its kind: `B:` BusCorrelId or `T:` jXLogTrackingId.
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
            Level::Explicit { .. } => None,
        };
        [address].into_iter().chain(recipient)
    }

    /// What stands in for it when a newer challenge asks for the same (decision 16).
    pub fn slot(&self) -> Slot {
        let asks = match &self.level {
            Level::Native { alert, recipient, .. } => SlotSubject::Native { recipient: recipient.clone(), alert: alert.clone() },
            Level::Explicit { phone } => SlotSubject::Explicit { phone: phone.clone(), product: self.product.clone() },
        };
        Slot { publisher: self.publisher.clone(), institution: self.institution.clone(), subject: asks }
    }
}

/// The place that only one open challenge holds (decision 16).
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Slot {
    /// Whose.
    pub publisher: PublisherId,
    /// Where.
    pub institution: InstitutionId,
    /// For what.
    pub subject: SlotSubject,
}

/// What a [`Slot`] is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum SlotSubject {
    /// (recipient, alert)
    Native {
        /// `ConsmRecipId`
        recipient: String,
        /// `AlrtName`
        alert: String,
    },
    /// (phone, product)
    Explicit {
        /// The number.
        phone: Address,
        /// `ConsumerProd`
        product: String,
    },
}
