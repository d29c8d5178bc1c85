//! Everything a decision may look at, and everything it wants: [`Query`] in, [`View`] out, [`Decision`] back.

use super::aggregate::Aggregate;
use super::answer::Answer;
use super::budget::{Budget, BudgetKey};
use super::challenge::{Challenge, Slot};
use super::code::{Sealed, Tag};
use super::contact::Address;
use super::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use super::limit::Limit;
use super::material::Material;
use super::recipient::{Recipient, RecipientKey};
use super::time::Timestamp;

/// A value and the version at which it was read; version 0 is "not there".
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// What was read.
    pub value: T,
    /// When, as the store counts.
    pub version: u64,
}

/// What to read for a decision: one round trip.
#[derive(Clone, Debug)]
pub enum Query {
    /// For opening a challenge.
    Open {
        /// Who asks.
        publisher: PublisherId,
        /// Where.
        institution: InstitutionId,
        /// The idempotency key, if the request has one.
        repeat: Option<String>,
        /// The recipient, at the native level; over the bus the client, who need not be registered.
        recipient: Option<RecipientKey>,
        /// The phone, at the explicit level; the address, over REST or Kafka. At the native level the addresses are those of the
        /// recipient's contacts.
        phone: Option<Address>,
        /// The place it would take.
        slot: Slot,
        /// For counting what this address and publisher had lately.
        now: Timestamp,
    },
    /// For judging an answer that a publisher brings to a challenge.
    Call {
        /// Which.
        id: AggregateId,
        /// What the call is remembered by ([`super::challenge::call_key`]), if it has a key.
        key: Option<String>,
        /// An address that its message is to be sent to again, and when.
        again: Option<(Address, Timestamp)>,
    },
    /// The same, to whichever open challenge holds a slot.
    Slot {
        /// Which.
        slot: Slot,
        /// What the call is remembered by.
        key: Option<String>,
    },
    /// For judging a reply.
    Reply {
        /// The handset.
        from: Address,
        /// `gateway/provider id`, if the provider gives one.
        provider_id: Option<String>,
        /// For counting.
        now: Timestamp,
    },
    /// For a timer, a settlement, or a look at one.
    One(AggregateId),
    /// For handing over what is leased: as the process that has the lease wrote it a moment ago, where it still knows. What others have
    /// written since comes out when it is settled, as when they write between any look and what follows from it.
    Leased(AggregateId),
    /// A recipient by itself.
    Recipient(RecipientKey),
    /// A failure budget by itself, for a person who unlocks it.
    Budget(BudgetKey),
}

/// What was read: all of it durable (decision 7).
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The first answer to this idempotency key.
    pub prior: Option<Prior>,
    /// The recipient.
    pub recipient: Option<Versioned<Recipient>>,
    /// Failure budgets concerned (version 0 and empty where there is none yet). For opening: of each address at the query's
    /// institution, and of the recipient. For a reply: of the handset at the institution of each challenge in `open` and
    /// `ended`, and of those challenges' recipients. For a call: those that an answer to the challenge counts against
    /// ([`Challenge::own_budgets`]). Each key once.
    pub budgets: Vec<(BudgetKey, Versioned<Budget>)>,
    /// Each address concerned: the phone, or all of the recipient's contacts (without repeats).
    pub addresses: Vec<AddressView>,
    /// The open challenge that holds the slot.
    pub holder: Option<Box<Versioned<Challenge>>>,
    /// The aggregate asked for by id, or the challenge that holds the slot asked for.
    pub one: Option<Versioned<Aggregate>>,
    /// For a reply or a call that was seen before: what was answered.
    pub seen: Option<super::answer::Verdict>,
    /// What the messages of the challenge in `one` are made of, for sending one with another code. The engine opens it; a store
    /// leaves it out.
    pub material: Option<Material>,
    /// Challenges that this publisher opened in the UTC day of `now`.
    pub publisher_today: u64,
    /// Challenges that this publisher asked for in the second of `now`, this one included. The engine counts them; a store leaves
    /// it zero.
    pub publisher_this_second: u32,
    /// A quota that the message would go beyond. The engine counts them; a store leaves it out.
    pub quota: Option<Limit>,
    /// Messages that came from the handset in the last hour or so, this one included. The engine counts them; a
    /// store leaves it zero.
    pub messages_this_hour: u32,
}

/// An address as the store knows it.
#[derive(Clone, Debug)]
pub struct AddressView {
    /// Which.
    pub address: Address,
    /// Counts every change of what is open on it, and of its opt-out.
    pub version: u64,
    /// Open challenges with a message to it, of any mode, newest first.
    pub open: Vec<Versioned<Challenge>>,
    /// Challenges that were sent to it and ended in the last hour (any mode), newest first, at most 5: a late answer can be
    /// told from a wrong one.
    pub ended: Vec<Versioned<Challenge>>,
    /// Challenge messages queued to it in the last 24 hours, oldest first.
    pub sends: Vec<Timestamp>,
    /// Publishers whose messages it opted out of.
    pub opt_outs: Vec<PublisherId>,
}

/// The first answer to an idempotency key: from a live challenge, or the tombstone of one.
#[derive(Clone, Debug)]
pub struct Prior {
    /// `AlrtPkgId`
    pub id: AggregateId,
    /// MAC over the body fields of the first request.
    pub payload: Tag,
    /// Where the code is, while the session lives.
    pub material: Option<Sealed>,
}

/// All consequences of a request, as data.
#[derive(Debug)]
pub struct Decision {
    /// What to tell whoever asked, once it is durable.
    pub answer: Answer,
    /// What to write, all or nothing. Empty: nothing happened.
    pub writes: Vec<Write>,
    /// What must still hold when it is written; else it is decided again.
    pub expects: Vec<Expect>,
}

impl Decision {
    /// An answer that changes nothing.
    pub fn only(answer: Answer) -> Self {
        Self { answer, writes: Vec::new(), expects: Vec::new() }
    }
}

/// One record to write.
#[derive(Clone, Debug)]
pub enum Write {
    /// An aggregate: new, or changed. Events beyond those it had get the next numbers of its institution's feed.
    Aggregate(Aggregate),
    /// A budget.
    Budget(BudgetKey, Budget),
    /// An opt-out: `true` stops messages of this publisher to this address, `false` lets them again.
    OptOut(PublisherId, Address, bool),
    /// A recipient; `None` removes it.
    Recipient(RecipientKey, Option<Recipient>),
}

/// A condition of the commit (decision 5).
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// The aggregate is still at this version (0: not there).
    Aggregate(AggregateId, u64),
    /// The budget is still at this version.
    Budget(BudgetKey, u64),
    /// The recipient is still at this version.
    Recipient(RecipientKey, u64),
    /// What is open on the address is still as read.
    Address(Address, u64),
    /// The slot is still held by this challenge, or free.
    Slot(Slot, Option<AggregateId>),
    /// The idempotency key is still unused.
    Unrepeated(PublisherId, InstitutionId, String),
    /// The provider's message id is still unseen.
    Unseen(String),
    /// Nobody else has this lease meanwhile: a worker that was away for longer than its lease settles nothing (decision 8).
    Lease(Lease),
}

/// A delivery that is due, handed to one worker for a while (decision 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its aggregate.
    pub aggregate: AggregateId,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Which handing-out this is, as the store counts: the next one to a worker has another number.
    pub fence: u64,
    /// Until when it is this worker's alone.
    pub until: Timestamp,
}
