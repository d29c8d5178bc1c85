//! Keys of stored records: one byte for the kind, 16 for which. Names and addresses appear only as routing MACs.

use crate::domain::budget::BudgetKey;
use crate::domain::challenge::{Slot, SlotSubject};
use crate::domain::contact::{Address, Channel};
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use crate::domain::recipient::RecipientKey;
use crate::vault::Vault;
use uuid::Uuid;

/// A routing MAC, cut to 128 bits.
pub(crate) type Route = [u8; 16];

/// A record's key; also names what two commits may both want (address, slot, idempotency key, provider id), which is no
/// record of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Key(pub(crate) [u8; 17]);

/// Kinds of key: the first byte.
pub(crate) mod kind {
    /// A live aggregate, by id.
    pub(crate) const AGGREGATE: u8 = b'A';
    /// What an earlier form of the store left of an aggregate that moved to history, by id. No new ones are written.
    pub(crate) const TOMBSTONE: u8 = b'T';
    /// A failure budget.
    pub(crate) const BUDGET: u8 = b'B';
    /// An opt-out of a publisher's messages.
    pub(crate) const OPT_OUT: u8 = b'O';
    /// A recipient.
    pub(crate) const RECIPIENT: u8 = b'R';
    /// A note.
    pub(crate) const NOTE: u8 = b'N';
    /// A wrapped data key, by day.
    pub(crate) const DAY: u8 = b'K';
    /// How many aggregates a day of history has, at least.
    pub(crate) const HISTORY: u8 = b'H';
    /// An institution's last feed number.
    pub(crate) const FEED: u8 = b'F';
    /// Sequence and record count, in every batch.
    pub(crate) const META: u8 = b'M';
    /// The form of values that nodes of a database have in use.
    pub(crate) const FORM: u8 = b'V';
    /// An address: no record.
    pub(crate) const ADDRESS: u8 = b'a';
    /// A supersede slot: no record.
    pub(crate) const SLOT: u8 = b's';
    /// An idempotency key: no record.
    pub(crate) const REPEAT: u8 = b'r';
    /// A provider's message id: no record.
    pub(crate) const SEEN: u8 = b'p';
    /// A delivery, by id: no record.
    pub(crate) const DELIVERY: u8 = b'd';
}

impl Key {
    /// The meta record.
    pub(crate) const META: Self = Self::new(kind::META, [0; 16]);
    /// The record of the form in use.
    pub(crate) const FORM: Self = Self::new(kind::FORM, [0; 16]);

    pub(crate) const fn new(kind: u8, rest: [u8; 16]) -> Self {
        let mut key = [kind; 17];
        let mut at = 0;
        while at < 16 {
            key[at + 1] = rest[at];
            at += 1;
        }
        Self(key)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn kind(&self) -> u8 {
        self.0[0]
    }

    pub(crate) fn rest(&self) -> Route {
        let mut rest = [0; 16];
        rest.copy_from_slice(&self.0[1..]);
        rest
    }

    pub(crate) fn aggregate(id: AggregateId) -> Self {
        Self::new(kind::AGGREGATE, id.0.into_bytes())
    }

    pub(crate) fn tombstone(id: AggregateId) -> Self {
        Self::new(kind::TOMBSTONE, id.0.into_bytes())
    }

    pub(crate) fn delivery(id: DeliveryId) -> Self {
        Self::new(kind::DELIVERY, id.0.into_bytes())
    }

    /// The id of an aggregate's or tombstone's key.
    pub(crate) fn id(&self) -> AggregateId {
        AggregateId(Uuid::from_bytes(self.rest()))
    }

    pub(crate) fn day(day: u32) -> Self {
        Self::new(kind::DAY, of_day(day))
    }

    /// The id of a delivery's key.
    pub(crate) fn delivery_id(&self) -> DeliveryId {
        DeliveryId(Uuid::from_bytes(self.rest()))
    }

    /// What is known of a day of history.
    pub(crate) fn history(day: u32) -> Self {
        Self::new(kind::HISTORY, of_day(day))
    }

    /// The day of a data key's key, or of a day of history's.
    pub(crate) fn as_day(&self) -> u32 {
        u32::from_be_bytes([self.0[1], self.0[2], self.0[3], self.0[4]])
    }
}

fn of_day(day: u32) -> [u8; 16] {
    let mut rest = [0; 16];
    rest[..4].copy_from_slice(&day.to_be_bytes());
    rest
}

/// Makes keys whose rest is a MAC.
pub(crate) struct Keys<'a>(pub(crate) &'a Vault);

impl Keys<'_> {
    pub(crate) fn address(&self, address: &Address) -> Route {
        self.0.index_tag(kind::ADDRESS, &[address.expose().as_bytes()])
    }

    pub(crate) fn budget(&self, key: &BudgetKey) -> Key {
        let rest = match key {
            BudgetKey::Address(institution, address) => {
                self.0.index_tag(kind::BUDGET, &[b"a", institution.as_str().as_bytes(), address.expose().as_bytes()])
            }
            BudgetKey::Recipient(institution, publisher, id) => {
                self.0.index_tag(kind::BUDGET, &[b"r", institution.as_str().as_bytes(), publisher.as_str().as_bytes(), id.as_bytes()])
            }
        };
        Key::new(kind::BUDGET, rest)
    }

    pub(crate) fn opt_out(&self, publisher: &PublisherId, address: &Address) -> Key {
        Key::new(kind::OPT_OUT, self.0.index_tag(kind::OPT_OUT, &[publisher.as_str().as_bytes(), address.expose().as_bytes()]))
    }

    /// An opt-out that came from a store that does not keep it by its own key.
    pub(crate) fn foreign_opt_out(&self, publisher: &str, address: &Route) -> Key {
        Key::new(kind::OPT_OUT, self.0.index_tag(kind::OPT_OUT, &[b"foreign", publisher.as_bytes(), address]))
    }

    pub(crate) fn recipient(&self, key: &RecipientKey) -> Key {
        let parts = [key.publisher.as_str().as_bytes(), key.institution.as_str().as_bytes(), key.id.as_bytes()];
        Key::new(kind::RECIPIENT, self.0.index_tag(kind::RECIPIENT, &parts))
    }

    pub(crate) fn note(&self, name: &str) -> Key {
        Key::new(kind::NOTE, self.0.index_tag(kind::NOTE, &[name.as_bytes()]))
    }

    pub(crate) fn feed(&self, institution: &InstitutionId) -> Key {
        Key::new(kind::FEED, self.0.index_tag(kind::FEED, &[institution.as_str().as_bytes()]))
    }

    pub(crate) fn slot(&self, slot: &Slot) -> Route {
        let (publisher, institution) = (slot.publisher.as_str().as_bytes(), slot.institution.as_str().as_bytes());
        let (form, one, two): (&[u8], _, _) = match &slot.subject {
            SlotSubject::Native { recipient, alert } => (b"n", recipient.as_str(), alert.as_str()),
            SlotSubject::Explicit { phone, product } => (b"e", phone.expose(), product.as_str()),
            SlotSubject::Direct { address, channel, product } => (by(*channel, [b"ds", b"dm", b"dp"]), address.expose(), product.as_str()),
            SlotSubject::Client { client, channel } => (by(*channel, [b"cs", b"cm", b"cp"]), client.as_str(), ""),
        };
        self.0.index_tag(kind::SLOT, &[form, publisher, institution, one.as_bytes(), two.as_bytes()])
    }

    pub(crate) fn repeat(&self, publisher: &PublisherId, institution: &InstitutionId, key: &str) -> Route {
        self.0.index_tag(kind::REPEAT, &[publisher.as_str().as_bytes(), institution.as_str().as_bytes(), key.as_bytes()])
    }

    pub(crate) fn seen(&self, provider_id: &str) -> Route {
        self.0.index_tag(kind::SEEN, &[provider_id.as_bytes()])
    }
}

// The name of a channel among three.
fn by(channel: Channel, [sms, mail, push]: [&'static [u8; 2]; 3]) -> &'static [u8] {
    match channel {
        Channel::Sms => sms,
        Channel::Mail => mail,
        Channel::Push => push,
    }
}
