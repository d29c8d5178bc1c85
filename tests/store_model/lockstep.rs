//! Takes the model and another store through the same steps, and tells the first difference.

use super::draft::{Draft, Target};
use super::leases::Leases;
use super::pairs::{Name, Pairs};
use super::steps::{Act, CHALLENGES, Case, FEW, How, Look, PHONES, Step};
use super::town::Town;
use super::views::{compare, same};
use crate::sample::{Time, at};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Query, Versioned, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Notes, Store, StoreError};
use countersign::store::memory::MemoryStore;
use std::time::Duration;

pub trait Engine: Store + Notes {}
impl<T: Store + Notes> Engine for T {}

/// What a lease is for: longer than all short waits between two long ones.
pub const SPAN: Duration = Duration::from_secs(180);
/// All short waits between two long ones, at most.
const SHORT: Duration = Duration::from_secs(100);
/// A long wait: what was leased before is over.
const LONG: Duration = Duration::from_secs(400);

/// The store under test: one or more nodes of it, that take turns.
pub struct Subject {
    pub nodes: Vec<Box<dyn Engine>>,
    pub time: Time,
    /// Timers that it told it tells nobody else for so long.
    pub hides: Option<Duration>,
    /// What is over leaves for history, and an address's version rises when it comes back.
    pub revives: bool,
}

/// A case under way.
pub struct Lockstep<'a> {
    model: &'a MemoryStore,
    subject: &'a Subject,
    town: Town,
    now: Timestamp,
    waited: Duration,
    turn: usize,
    pairs: Pairs,
    leases: Leases,
}

/// Takes both through `case`; `number` is its alone on this store.
pub async fn run(model: &MemoryStore, subject: &Subject, number: u32, case: &Case) -> Result<(), String> {
    let start = at(if case.late { 11 * 3600 + 3500 } else { 0 });
    let town = Town { case: number, start };
    let (pairs, leases) = (Pairs::new(subject.revives), Leases::new(subject.hides));
    let mut it = Lockstep { model, subject, town, now: start, waited: Duration::ZERO, turn: 0, pairs, leases };
    for (at, step) in case.steps.iter().enumerate() {
        it.pass(Duration::from_millis(100));
        it.step(step).await.map_err(|why| format!("step {at}, {step:?}: {why}"))?;
    }
    it.end().await.map_err(|why| format!("at the end: {why}"))
}

impl Lockstep<'_> {
    fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.subject.time.set(self.now);
        self.turn += 1;
    }

    fn node(&self) -> &dyn Engine {
        &*self.subject.nodes[self.turn % self.subject.nodes.len()]
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Wait(seconds) => {
                let span = Duration::from_secs((*seconds).into());
                if self.waited + span < SHORT {
                    self.waited += span;
                    self.pass(span);
                }
                Ok(())
            }
            Step::WaitLong => {
                self.waited = Duration::ZERO;
                self.leases.all_over();
                self.pass(LONG);
                Ok(())
            }
            Step::Commit { acts, dice } => self.commit(acts, *dice).await,
            Step::Notes(values) => self.set_notes(values).await,
            Step::Look(look) => self.look(look).await,
        }
    }

    async fn commit(&mut self, acts: &[Act], dice: u64) -> Result<(), String> {
        let draft = Draft::of(self.model, self.town, self.now, acts).await;
        let (writes, targets, now) = (draft.writes, draft.targets, draft.now);
        self.pass(now.since(self.now));
        let (mut ours, mut theirs, mut lost) = (Vec::new(), Vec::new(), false);
        let mut dice = Dice(dice);
        for target in targets {
            let Some((model, other)) = self.expects(&target, &mut dice).await? else { continue };
            lost |= matches!(&model, Expect::Lease(it) if self.leases.is_lost(it));
            ours.push(model);
            theirs.push(other);
        }
        let before = self.before(&writes).await;
        let told = format!("{ours:?}");
        let expected = self.model.commit(writes.clone(), ours).await;
        let outcome = self.node().commit(writes.clone(), theirs).await;
        // Of two reasons either may be told.
        let either = lost
            && matches!(
                (&expected, &outcome),
                (Err(StoreError::Conflict), Err(StoreError::Fenced)) | (Err(StoreError::Fenced), Err(StoreError::Conflict))
            );
        if !either {
            same(&format!("what comes of a commit that expects {told}"), &expected, &outcome)?;
        }
        if expected.is_ok() {
            for (old, new) in before.iter().zip(aggregates(&writes)) {
                self.written(old.as_ref(), new);
            }
        }
        self.touched(&writes).await
    }

    fn written(&mut self, old: Option<&Aggregate>, new: &Aggregate) {
        self.leases.changed(old, new);
        if self.subject.revives && old.is_some_and(Aggregate::is_finished) {
            new.deliveries().iter().for_each(|it| self.pairs.forget(&Name::address(&it.address)));
        }
    }

    async fn before(&self, writes: &[Write]) -> Vec<Option<Aggregate>> {
        let mut before = Vec::new();
        for it in aggregates(writes) {
            before.push(self.model.find(it.id()).await.expect("the model reads").map(|it| it.value));
        }
        before
    }

    // What a commit expects in either store; `None`: nothing of this.
    async fn expects(&mut self, target: &Target, dice: &mut Dice) -> Result<Option<(Expect, Expect)>, String> {
        let both = |it: Expect| Ok(Some((it.clone(), it)));
        let throw = dice.throw();
        Ok(match target {
            Target::Absent(id) => return both(Expect::Aggregate(*id, 0)),
            Target::Unrepeated(publisher, institution, key) => {
                return both(Expect::Unrepeated(publisher.clone(), institution.clone(), key.clone()));
            }
            Target::Unseen(id) => return both(Expect::Unseen(id.clone())),
            Target::Lease(delivery, lost) => {
                self.leases.of(*delivery, *lost).map(|(ours, theirs)| (Expect::Lease(ours), Expect::Lease(theirs)))
            }
            Target::Slot(slot) => {
                let holder = match throw {
                    0..22 => self.holder(slot).await,
                    22..27 => return Ok(None),
                    27..30 => None,
                    _ => Some(self.town.id(throw)),
                };
                return both(Expect::Slot(slot.clone(), holder));
            }
            Target::At(name) => {
                let now = match throw {
                    25..29 => return Ok(None),
                    _ => self.versions(name).await?,
                };
                let passing = self.subject.revives && matches!(name, Name::Address(_));
                let pair = match throw {
                    0..25 => now,
                    29 | 30 if passing => now,
                    29 => (0, 0),
                    30 => self.pairs.stale(name, now, usize::from(throw)).unwrap_or((0, 0)),
                    _ => (now.0 + 1_000_000, now.1 + 1_000_000),
                };
                Some((at_version(name, pair.0), at_version(name, pair.1)))
            }
        })
    }

    async fn holder(&self, slot: &countersign::domain::challenge::Slot) -> Option<AggregateId> {
        let query = Query::Open {
            publisher: slot.publisher.clone(),
            institution: slot.institution.clone(),
            repeat: None,
            recipient: None,
            phone: None,
            slot: slot.clone(),
            now: self.now,
        };
        self.model.load(&query).await.expect("the model reads").holder.map(|it| it.value.id)
    }

    // The version of a record in either, as it is now.
    async fn versions(&mut self, name: &Name) -> Result<(u64, u64), String> {
        let query = match name {
            Name::Aggregate(id) => Query::One(*id),
            Name::Budget(key) => Query::Budget(key.clone()),
            Name::Recipient(key) => Query::Recipient(key.clone()),
            Name::Address(address) => Query::Reply { from: Address::canonical(address), provider_id: None, now: self.now },
        };
        let mut pair = [0; 2];
        let stores: [&dyn Engine; 2] = [self.model, self.node()];
        for (version, store) in pair.iter_mut().zip(stores) {
            let view = store.load(&query).await.map_err(|error| format!("{name:?}: {error}"))?;
            *version = match name {
                Name::Aggregate(_) => view.one.map_or(0, |it| it.version),
                Name::Budget(_) => view.budgets[0].1.version,
                Name::Recipient(_) => view.recipient.map_or(0, |it| it.version),
                Name::Address(_) => view.addresses[0].version,
            };
        }
        self.pairs.see(name.clone(), (pair[0], pair[1]))?;
        Ok((pair[0], pair[1]))
    }

    // All that a commit may have changed, whether it did or not.
    async fn touched(&mut self, writes: &[Write]) -> Result<(), String> {
        let mut phones: Vec<Address> = Vec::new();
        for write in writes {
            match write {
                Write::Aggregate(it) => {
                    self.load(Query::One(it.id())).await?;
                    phones.extend(it.deliveries().iter().map(|it| it.address.clone()));
                }
                Write::Budget(key, _) => self.load(Query::Budget(key.clone())).await?,
                Write::OptOut(_, address, _) => phones.push(address.clone()),
                Write::Recipient(key, _) => self.load(Query::Recipient(key.clone())).await?,
            }
        }
        phones.sort();
        phones.dedup();
        for from in phones {
            self.load(Query::Reply { from, provider_id: None, now: self.now }).await?;
        }
        Ok(())
    }

    async fn load(&mut self, query: Query) -> Result<(), String> {
        let model = self.model.load(&query).await.expect("the model reads");
        let other = self.node().load(&query).await.map_err(|error| format!("{query:?}: {error}"))?;
        compare(&mut self.pairs, model, other).map_err(|why| format!("{query:?}: {why}"))
    }

    async fn look(&mut self, look: &Look) -> Result<(), String> {
        let (town, now) = (self.town, self.now);
        match look {
            Look::Open { n, phone, repeat } => self.load(town.opening(*n, *phone, *repeat, now)).await,
            Look::Reply { phone, seen } => {
                self.load(Query::Reply { from: town.phone(*phone), provider_id: seen.map(|it| town.seen(it)), now }).await
            }
            Look::One(n) => self.load(Query::One(town.id(*n))).await,
            Look::Recipient(k) => self.load(Query::Recipient(town.recipient(*k))).await,
            Look::Budget(of) => self.load(Query::Budget(town.budget(*of))).await,
            Look::Lease => self.leases.lease((self.model, self.subject), (town, now)).await,
            Look::Due => self.leases.due((self.model, self.subject), (town, now)).await,
            Look::Feed { institution, after, max } => self.feed(*institution, u64::from(*after), usize::from(*max)).await,
            Look::Recipients { publisher, after, max } => self.recipients(*publisher, *after, usize::from(*max)).await,
            Look::Note(k) => {
                let name = town.note(*k);
                same("a note", &self.model.note(&name).await, &self.node().note(&name).await)
            }
            Look::Notes => {
                let prefix = format!("case/{}/", town.case);
                same("the notes", &self.model.notes(&prefix).await, &self.node().notes(&prefix).await)
            }
        }
    }

    async fn feed(&self, institution: u8, after: u64, max: usize) -> Result<(), String> {
        let institution = self.town.institution(institution);
        let (model, other) = (self.model.feed(&institution, after, max).await, self.node().feed(&institution, after, max).await);
        same("the feed", &model, &other)
    }

    async fn recipients(&mut self, publisher: u8, after: Option<u8>, max: usize) -> Result<(), String> {
        let publisher = self.town.publisher(publisher);
        let after = after.map(|it| RecipientKey { publisher: publisher.clone(), ..self.town.recipient(it) });
        let page = self.node().recipients(&publisher, after.as_ref(), max).await.map_err(|error| error.to_string())?;
        let model = self.model.recipients(&publisher, after.as_ref(), max).await.expect("the model reads");
        let values = |all: &[Versioned<Recipient>]| all.iter().map(|it| it.value.clone()).collect::<Vec<_>>();
        same("the page of recipients", &values(&model), &values(&page))?;
        let pairs = model.iter().zip(&page).map(|(ours, theirs)| (ours.value.key.clone(), (ours.version, theirs.version)));
        pairs.into_iter().try_for_each(|(key, pair)| self.pairs.see(Name::Recipient(key), pair))
    }

    async fn set_notes(&mut self, values: &[(u8, Option<u32>)]) -> Result<(), String> {
        let value = |(k, length): &(u8, Option<u32>)| (self.town.note(*k), length.map(|it| vec![*k; it as usize]));
        let values: Vec<_> = values.iter().map(value).collect();
        let (model, other) = (self.model.set_notes(values.clone()).await, self.node().set_notes(values).await);
        same("what comes of notes", &model, &other)?;
        self.look(&Look::Notes).await
    }

    // Everything once more; and nothing is left to do for those who come after.
    async fn end(&mut self) -> Result<(), String> {
        for n in 0..CHALLENGES {
            let phone = n % PHONES;
            self.look(&Look::Open { n, phone, repeat: Some(n % super::steps::NAMES) }).await?;
            self.look(&Look::Reply { phone, seen: Some(n % super::steps::NAMES) }).await?;
        }
        for n in 0..2 {
            self.look(&Look::Feed { institution: n, after: 0, max: 250 }).await?;
            self.look(&Look::Recipients { publisher: n, after: None, max: 9 }).await?;
        }
        self.pass(LONG);
        self.look(&Look::Lease).await?;
        self.look(&Look::Due).await?;
        let ends = (0..CHALLENGES).map(|n| Act::Change { n, how: How::End(2) });
        let inbound = (0..FEW).map(|k| Act::Inbound { k, phone: 0, seen: None, answer: false });
        self.commit(&ends.chain(inbound).collect::<Vec<_>>(), 0).await?;
        let settled = |which| (0..CHALLENGES).map(move |n| Act::Change { n, how: How::Settle { which, end: 2, lost: false } });
        for which in 0..2 {
            self.commit(&settled(which).collect::<Vec<_>>(), 0).await?;
        }
        Ok(())
    }
}

fn aggregates(writes: &[Write]) -> impl Iterator<Item = &Aggregate> {
    writes.iter().filter_map(|it| match it {
        Write::Aggregate(it) => Some(it),
        _ => None,
    })
}

fn at_version(name: &Name, version: u64) -> Expect {
    match name {
        Name::Aggregate(id) => Expect::Aggregate(*id, version),
        Name::Budget(key) => Expect::Budget(key.clone(), version),
        Name::Recipient(key) => Expect::Recipient(key.clone(), version),
        Name::Address(address) => Expect::Address(Address::canonical(address), version),
    }
}

/// Throws of 32 sides.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u8 {
        let throw = (self.0 % 32) as u8;
        self.0 /= 32;
        throw
    }
}
