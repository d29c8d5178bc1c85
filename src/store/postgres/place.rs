//! Where a record of its own is: its shard, then its key. What belongs to an institution has the institution's shard; what is of an
//! address, a budget, and a provider's message have one of their own.

use crate::domain::budget::BudgetKey;
use crate::domain::challenge::{Slot, SlotSubject};
use crate::domain::contact::Address;
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::recipient::RecipientKey;
use crate::store::key::{Key, Keys, Route, kind};
use crate::store::transfer::item::counted;
use crate::vault::Vault;

/// A record's place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) shard: u16,
    pub(super) key: Key,
}

/// Bytes of a packed place.
const PACKED: usize = 2 + 17;

impl Place {
    /// Whether it is what is known of an address.
    pub(super) fn is_address(&self) -> bool {
        self.key.kind() == kind::ADDRESS
    }

    /// The shard of records that belong to nobody: notes, data keys, the root key's fingerprint.
    const COMMON: u16 = 0;

    /// One of an institution.
    pub(super) fn of(institution: &InstitutionId, key: Key) -> Self {
        Self { shard: institution.shard(), key }
    }

    /// One that all institutions share.
    pub(super) fn common(key: Key) -> Self {
        Self { shard: Self::COMMON, key }
    }

    /// What is known of an address.
    pub(super) fn address(route: Route) -> Self {
        Self::by_route(Key::new(kind::ADDRESS, route))
    }

    /// A provider's message.
    pub(super) fn seen(route: Route) -> Self {
        Self::by_route(Key::new(kind::SEEN, route))
    }

    /// A budget, whose key alone says where it is: so it can come from another store.
    pub(super) fn budget(key: Key) -> Self {
        Self::by_route(key)
    }

    fn by_route(key: Key) -> Self {
        Self { shard: u16::from_be_bytes([key.0[1], key.0[2]]), key }
    }

    /// Adds it to a list of places, as the database keeps them: two bytes of shard, then the key.
    pub(super) fn pack(&self, list: &mut Vec<u8>) {
        list.extend_from_slice(&self.shard.to_be_bytes());
        list.extend_from_slice(&self.key.0);
    }

    /// Packs several.
    pub(super) fn packed(all: impl IntoIterator<Item = Self>) -> Vec<u8> {
        let mut list = Vec::with_capacity(4 * PACKED);
        all.into_iter().for_each(|it| it.pack(&mut list));
        list
    }
}

/// Makes places.
pub(super) struct Places<'a>(pub(super) &'a Vault);

impl Places<'_> {
    fn keys(&self) -> Keys<'_> {
        Keys(self.0)
    }

    pub(super) fn address(&self, address: &Address) -> Place {
        Place::address(self.keys().address(address))
    }

    pub(super) fn budget(&self, key: &BudgetKey) -> Place {
        Place::budget(self.keys().budget(key))
    }

    pub(super) fn recipient(&self, key: &RecipientKey) -> Place {
        Place::of(&key.institution, self.keys().recipient(key))
    }

    pub(super) fn note(&self, name: &str) -> Place {
        Place::common(self.keys().note(name))
    }

    /// Where it is known who holds a slot, and the slot's routing MAC: a phone's are with what is known of the phone.
    pub(super) fn slot(&self, slot: &Slot) -> (Place, Route) {
        let route = self.keys().slot(slot);
        match &slot.subject {
            SlotSubject::Explicit { phone: address, .. } | SlotSubject::Direct { address, .. } => (self.address(address), route),
            SlotSubject::Native { .. } | SlotSubject::Client { .. } => (Place::of(&slot.institution, Key::new(kind::SLOT, route)), route),
        }
    }

    pub(super) fn repeat(&self, publisher: &PublisherId, institution: &InstitutionId, key: &str) -> Place {
        Place::of(institution, Key::new(kind::REPEAT, self.keys().repeat(publisher, institution, key)))
    }

    pub(super) fn seen(&self, provider_id: &str) -> Place {
        Place::seen(self.keys().seen(provider_id))
    }

    /// What a duty is known by.
    pub(super) fn duty(&self, name: &str) -> Route {
        self.0.index_tag(b'd', &[name.as_bytes()])
    }

    /// The number of an institution's feed: 64 bits of its routing MAC.
    pub(super) fn feed(&self, institution: &InstitutionId) -> i64 {
        number(&self.keys().feed(institution).rest())
    }

    /// The number that a publisher's challenges are counted under.
    pub(super) fn publisher(&self, publisher: &PublisherId) -> i64 {
        counted(self.0, publisher)
    }
}

fn number(route: &Route) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *route;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
