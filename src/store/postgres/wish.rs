//! What a commit wants, sealed: before it is known what is there already.

use super::place::{Place, Places};
use crate::domain::aggregate::Aggregate;
use crate::domain::budget::BudgetKey;
use crate::domain::challenge::Mode;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Write};
use crate::store::contract::StoreError;
use crate::store::facts::Facts;
use crate::store::form::Form;
use crate::store::given::Given;
use crate::store::key::{Key, Route};
use crate::store::keyed::Keyed;
use crate::store::prepare::{encode_note, written_in};
use crate::store::{row, rows};
use crate::vault::{ROOM, SealedRow, Vault};
use std::sync::Arc;

/// The most that one commit may write, sealed.
const LARGEST_COMMIT: usize = 1024 * 1024;

/// An aggregate to be written.
pub(super) struct Body {
    pub(super) id: AggregateId,
    pub(super) sealed: SealedRow,
    /// It, where somebody may soon want it.
    pub(super) plain: Option<Arc<Aggregate>>,
    pub(super) facts: Arc<Facts>,
    /// How many events it has.
    pub(super) events: usize,
    /// Where it is known who holds its slot, if it ever holds one.
    pub(super) slot: Option<(Place, Route)>,
    /// Packed places of what is read with it: budgets and its slot.
    pub(super) also: Vec<u8>,
}

/// A record to be written whole, or removed.
pub(super) struct Record {
    pub(super) place: Place,
    pub(super) sealed: Option<SealedRow>,
    /// Packed places of what is read with it: a recipient's addresses and budgets.
    pub(super) also: Vec<u8>,
}

/// What a commit wants.
pub(super) struct Wish {
    /// The form that values are written in.
    form: Form,
    pub(super) bodies: Vec<Body>,
    pub(super) records: Vec<Record>,
    /// At which address, whose, and whether it stops.
    pub(super) opt_outs: Vec<(Place, PublisherId, bool)>,
    /// The versions that aggregates are expected at; 0: not there.
    pub(super) aggregates: Keyed<AggregateId, u64>,
    /// The versions that records are expected at; 0: not there.
    pub(super) versions: Keyed<Place, u64>,
    /// Who is expected in slots.
    pub(super) holders: Vec<((Place, Route), Option<AggregateId>)>,
    /// Leases that must not be another's; of each aggregate the oldest.
    pub(super) leases: Vec<Lease>,
    /// Two expectations contradict each other: they can't both hold.
    pub(super) contradicts: bool,
    /// The duty that this node must have, and its fence.
    pub(super) duty: Option<(Route, i64)>,
}

impl Wish {
    /// Nothing yet; what comes is written in this form.
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            bodies: Vec::new(),
            records: Vec::new(),
            opt_outs: Vec::new(),
            aggregates: Keyed::default(),
            versions: Keyed::default(),
            holders: Vec::new(),
            leases: Vec::new(),
            contradicts: false,
            duty: None,
        }
    }

    /// Seals what a decision wants. Of two writes of one record the last stands.
    pub(super) fn of(vault: &Vault, form: Form, writes: Vec<Write>, expects: &[Expect]) -> Result<Self, StoreError> {
        written_in(form, &writes)?;
        let mut wish = Self::new(form);
        expects.iter().for_each(|it| wish.expect(&Places(vault), it));
        let given = Given::by(vault, expects);
        writes.into_iter().for_each(|it| wish.write(vault, &given, it));
        wish.bounded()
    }

    /// Seals notes, which have one form.
    pub(super) fn notes(vault: &Vault, values: &[(String, Option<Vec<u8>>)]) -> Result<Self, StoreError> {
        let mut wish = Self::new(Form::OLDEST);
        for (name, value) in values {
            let place = Places(vault).note(name);
            let sealed = value.as_ref().map(|value| row::seal_in_place(vault, &place.key, encode_note(name, value), true));
            wish.put(Record { place, sealed, also: Vec::new() });
        }
        wish.bounded()
    }

    fn bounded(self) -> Result<Self, StoreError> {
        let lengths = || {
            let bodies = self.bodies.iter().map(|it| row::length(&it.sealed, it.events));
            bodies.chain(self.records.iter().filter_map(|it| it.sealed.as_ref()).map(|it| row::length(it, 0)))
        };
        let fits = lengths().all(|it| it <= row::LARGEST) && lengths().sum::<usize>() <= LARGEST_COMMIT;
        if fits { Ok(self) } else { Err(StoreError::TooLarge) }
    }

    fn expect(&mut self, places: &Places<'_>, expect: &Expect) {
        match expect {
            Expect::Aggregate(id, version) => {
                let other = self.aggregates.insert(*id, *version);
                self.contradicts |= other.is_some_and(|it| it != *version);
            }
            Expect::Budget(key, version) => self.expect_at(places.budget(key), *version),
            Expect::Recipient(key, version) => self.expect_at(places.recipient(key), *version),
            Expect::Address(address, version) => self.expect_at(places.address(address), *version),
            Expect::Unrepeated(publisher, institution, key) => self.expect_at(places.repeat(publisher, institution, key), 0),
            Expect::Unseen(provider_id) => self.expect_at(places.seen(provider_id), 0),
            Expect::Slot(slot, holder) => self.holders.push((places.slot(slot), *holder)),
            Expect::Lease(lease) => self.expect_lease(*lease),
        }
    }

    // Fences of an aggregate only rise: where the oldest holds, all do.
    fn expect_lease(&mut self, lease: Lease) {
        match self.leases.iter_mut().find(|it| it.aggregate == lease.aggregate) {
            Some(known) if known.fence <= lease.fence => {}
            Some(known) => *known = lease,
            None => self.leases.push(lease),
        }
    }

    fn expect_at(&mut self, place: Place, version: u64) {
        let other = self.versions.insert(place, version);
        self.contradicts |= other.is_some_and(|it| it != version);
    }

    pub(super) fn write(&mut self, vault: &Vault, given: &Given<'_>, write: Write) {
        let places = Places(vault);
        match write {
            Write::Aggregate(it) => {
                let mut body = self.body(vault, given, &it);
                body.plain = Some(Arc::new(it));
                self.bodies.retain(|it| it.id != body.id);
                self.bodies.push(body);
            }
            Write::Budget(key, budget) => {
                let place = places.budget(&key);
                let sealed = row::seal_in_place(vault, &place.key, rows::encode_budget(&budget, self.form, ROOM), true);
                self.put(Record { place, sealed: Some(sealed), also: Vec::new() });
            }
            Write::OptOut(publisher, address, stopped) => self.opt_outs.push((places.address(&address), publisher, stopped)),
            Write::Recipient(name, recipient) => {
                let place = places.recipient(&name);
                let encoded = recipient.as_ref().map(|it| rows::encode_recipient(it, self.form, ROOM));
                let sealed = encoded.map(|it| row::seal_in_place(vault, &place.key, it, true));
                let also = recipient.as_ref().map(|it| around(&places, &name, it)).unwrap_or_default();
                self.put(Record { place, sealed, also });
            }
        }
    }

    pub(super) fn put(&mut self, record: Record) {
        self.records.retain(|it| it.place != record.place);
        self.records.push(record);
    }

    /// An aggregate, sealed.
    pub(super) fn body(&self, vault: &Vault, given: &Given<'_>, it: &Aggregate) -> Body {
        let key = Key::aggregate(it.id());
        let sealed = row::seal_in_place(vault, &key, rows::encode_aggregate(it, self.form, ROOM), false);
        let slot = it.challenge().map(|it| Places(vault).slot(&it.slot()));
        let also = beside(&Places(vault), it, slot);
        Body { id: it.id(), sealed, plain: None, facts: Arc::new(Facts::given(it, given)), events: it.events().len(), slot, also }
    }
}

// What a reply to a challenge must know beside it. A call does not come by the address, so it must know that, too.
fn beside(places: &Places<'_>, it: &Aggregate, slot: Option<(Place, Route)>) -> Vec<u8> {
    let Some(challenge) = it.challenge() else { return Vec::new() };
    let mut all: Vec<Place> = Vec::new();
    for delivery in &challenge.deliveries {
        all.extend(challenge.budgets(&delivery.address).map(|it| places.budget(&it)));
        all.extend((challenge.mode == Mode::OnCall).then(|| places.address(&delivery.address)));
    }
    all.extend(slot.map(|it| it.0).filter(|it| !it.is_address()));
    all.sort_unstable();
    all.dedup();
    Place::packed(all)
}

// What opening a challenge for a recipient must know beside the recipient.
fn around(places: &Places<'_>, key: &RecipientKey, it: &Recipient) -> Vec<u8> {
    let mut all = vec![places.budget(&BudgetKey::Recipient(key.institution.clone(), key.publisher.clone(), key.id.clone()))];
    for contact in &it.contacts {
        all.push(places.address(&contact.address));
        all.push(places.budget(&BudgetKey::Address(key.institution.clone(), contact.address.clone())));
    }
    all.sort_unstable();
    all.dedup();
    Place::packed(all)
}
