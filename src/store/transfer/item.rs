//! What travels between stores: the content of one record, with the feed numbers of its events, without version and seal.

use crate::domain::aggregate::Aggregate;
use crate::domain::budget::Budget;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::store::codec::Encoder;
use crate::store::form::Form;
use crate::store::rows;
use crate::vault::Vault;
use aws_lc_rs::digest;
use std::fmt;

/// A routing MAC (see `key`): the same in every store of one root key.
pub type Route = [u8; 16];
/// SHA-256 of an item's canonical form.
pub type Digest = [u8; 32];

/// One record's content.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A day's data key, wrapped.
    DataKey {
        /// The UTC day, in days since 1970-01-01.
        day: u32,
        /// The key, wrapped by the root key.
        wrapped: Vec<u8>,
    },
    /// A challenge, or a message that belongs to none; live or from history.
    Aggregate {
        /// It.
        value: Box<Aggregate>,
        /// The feed numbers of its events, in order.
        seqs: Vec<u64>,
        /// The day whose data key seals it, so that it is erased with that key wherever it is.
        sealed: u32,
    },
    /// A failure budget.
    Budget {
        /// Whose.
        key: Route,
        /// It.
        budget: Budget,
    },
    /// An opt-out of a publisher's messages.
    OptOut {
        /// Of which address.
        address: Route,
        /// Whose messages.
        publisher: PublisherId,
        /// The routing MAC of both, where a store has it: sled keeps by it what it was told itself.
        key: Option<Route>,
    },
    /// A registered recipient.
    Recipient(Box<Recipient>),
    /// A subscriber's cursor, a parked event, and the like.
    Note {
        /// Its name.
        name: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// The last number of an institution's feed.
    Feed {
        /// Whose.
        institution: InstitutionId,
        /// The last number that was given.
        last: u64,
    },
    /// How many challenges a publisher opened in a day.
    Opened {
        /// Who.
        publisher: PublisherId,
        /// The UTC day.
        day: u32,
        /// How many.
        count: u64,
    },
}

/// Kinds of items.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// [`Item::DataKey`]
    DataKey,
    /// [`Item::Aggregate`]
    Aggregate,
    /// [`Item::Budget`]
    Budget,
    /// [`Item::OptOut`]
    OptOut,
    /// [`Item::Recipient`]
    Recipient,
    /// [`Item::Note`]
    Note,
    /// [`Item::Feed`]
    Feed,
    /// [`Item::Opened`]
    Opened,
    /// What follows from aggregates and is no item: how they are found by idempotency key, provider's message, phone and slot.
    Index,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DataKey => "data keys",
            Self::Aggregate => "sessions and messages",
            Self::Budget => "budgets",
            Self::OptOut => "opt-outs",
            Self::Recipient => "recipients",
            Self::Note => "cursors and parked events",
            Self::Feed => "feeds",
            Self::Opened => "daily counts",
            Self::Index => "index entries",
        })
    }
}

/// Which record an item is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Ident {
    /// The data key of a day.
    DataKey(u32),
    /// By id.
    Aggregate(AggregateId),
    /// By routing MAC.
    Budget(Route),
    /// By the address's routing MAC and the publisher.
    OptOut(Route, PublisherId),
    /// By key.
    Recipient(RecipientKey),
    /// By name.
    Note(String),
    /// Of an institution.
    Feed(InstitutionId),
    /// By the number that the publisher's challenges are counted under, and the day.
    Opened(i64, u32),
}

impl Ident {
    /// What kind it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::DataKey(_) => Kind::DataKey,
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Budget(_) => Kind::Budget,
            Self::OptOut(..) => Kind::OptOut,
            Self::Recipient(_) => Kind::Recipient,
            Self::Note(_) => Kind::Note,
            Self::Feed(_) => Kind::Feed,
            Self::Opened(..) => Kind::Opened,
        }
    }
}

impl Item {
    /// Which record it is.
    pub fn ident(&self, vault: &Vault) -> Ident {
        match self {
            Self::DataKey { day, .. } => Ident::DataKey(*day),
            Self::Aggregate { value, .. } => Ident::Aggregate(value.id()),
            Self::Budget { key, .. } => Ident::Budget(*key),
            Self::OptOut { address, publisher, .. } => Ident::OptOut(*address, publisher.clone()),
            Self::Recipient(it) => Ident::Recipient(it.key.clone()),
            Self::Note { name, .. } => Ident::Note(name.clone()),
            Self::Feed { institution, .. } => Ident::Feed(institution.clone()),
            Self::Opened { publisher, day, .. } => Ident::Opened(counted(vault, publisher), *day),
        }
    }

    /// The digest of what it says. Two records that say the same have the same, whatever store they are in.
    pub fn digest(&self) -> Digest {
        let mut out = Encoder::with_capacity(1536);
        match self {
            Self::DataKey { wrapped, .. } => out.bytes(wrapped),
            Self::Aggregate { value, seqs, .. } => {
                out.list(seqs, |out, it| out.number(*it));
                out.bytes(&rows::encode_aggregate(value, Form::OLDEST, 0));
            }
            Self::Budget { budget, .. } => out.bytes(&rows::encode_budget(budget, Form::OLDEST, 0)),
            Self::OptOut { .. } => {}
            Self::Recipient(it) => out.bytes(&rows::encode_recipient(it, Form::OLDEST, 0)),
            Self::Note { value, .. } => out.bytes(value),
            Self::Feed { last, .. } => out.number(*last),
            Self::Opened { count, .. } => out.number(*count),
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, &out.finish()).as_ref());
        digest
    }
}

/// The number that a publisher's challenges are counted under: 64 bits of a routing MAC.
pub(in crate::store) fn counted(vault: &Vault, publisher: &PublisherId) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = vault.index_tag(b'c', &[publisher.as_str().as_bytes()]);
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
