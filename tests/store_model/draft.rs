//! From acts to a commit: what it writes, and what it may expect.

use super::pairs::Name;
use super::steps::{Act, How};
use super::town::{self, Town};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::Budget;
use countersign::domain::challenge::Slot;
use countersign::domain::challenge::{Challenge, Seen, State};
use countersign::domain::contact::Address;
use countersign::domain::delivery::{Delivery, Purpose, Status};
use countersign::domain::event;
use countersign::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use countersign::domain::snapshot::Write;
use countersign::domain::time::Timestamp;
use countersign::store::contract::Store;
use countersign::store::memory::MemoryStore;
use std::collections::HashMap;
use std::time::Duration;

/// What a commit may expect; which version, who holds it, is found out when it is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    At(Name),
    /// It must not be there: a challenge is opened once.
    Absent(AggregateId),
    Slot(Slot),
    Unrepeated(PublisherId, InstitutionId, String),
    Unseen(String),
    /// The lease that it settles; `true`: one that was lost, if there is.
    Lease(DeliveryId, bool),
}

/// A commit in the making.
pub struct Draft<'a> {
    pub model: &'a MemoryStore,
    pub town: Town,
    pub now: Timestamp,
    pub writes: Vec<Write>,
    pub targets: Vec<Target>,
    values: HashMap<AggregateId, Aggregate>,
}

impl<'a> Draft<'a> {
    pub async fn of(model: &'a MemoryStore, town: Town, now: Timestamp, acts: &[Act]) -> Self {
        let mut draft = Self { model, town, now, writes: Vec::new(), targets: Vec::new(), values: HashMap::new() };
        for act in acts {
            draft.act(act).await;
        }
        draft
    }

    async fn act(&mut self, act: &Act) {
        let (town, now) = (self.town, self.now);
        match act {
            Act::Open { n, to, later, repeat } => self.open(town.challenge(*n, to, (now, *later), *repeat), *repeat),
            Act::Change { n, how } => {
                if let Some(Aggregate::Challenge(it)) = self.value(town.id(*n)).await {
                    self.change(*n, *it, how);
                }
            }
            Act::Inbound { k, phone, seen, answer } => match self.value(town.inbound_id(*k)).await {
                Some(it) => self.settle_inbound(it),
                None => {
                    self.targets.push(Target::Absent(town.inbound_id(*k)));
                    self.targets.extend(seen.map(|it| Target::Unseen(town.seen(it))));
                    self.put(town.inbound(*k, *phone, (*seen, *answer), now));
                }
            },
            Act::Budget { of, count } => {
                let key = town.budget(*of);
                self.targets.push(Target::At(Name::Budget(key.clone())));
                self.writes.push(Write::Budget(key, Budget { recent: vec![now], consecutive: u32::from(*count) }));
            }
            Act::OptOut { publisher, phone, stop } => {
                self.expect_address(&town.phone(*phone));
                self.writes.push(Write::OptOut(town.publisher(*publisher), town.phone(*phone), *stop));
            }
            Act::Recipient { k, phones } => {
                let key = town.recipient(*k);
                self.targets.push(Target::At(Name::Recipient(key.clone())));
                self.writes.push(Write::Recipient(key, phones.as_ref().map(|it| town.person(*k, it))));
            }
        }
    }

    fn open(&mut self, it: Challenge, repeat: Option<u8>) {
        self.targets.push(Target::Absent(it.id));
        self.targets.push(Target::Slot(it.slot()));
        let unrepeated = repeat.map(|key| Target::Unrepeated(it.publisher.clone(), it.institution.clone(), town::key(key)));
        self.targets.extend(unrepeated);
        it.deliveries.iter().for_each(|it| self.expect_address(&it.address));
        self.put(Aggregate::Challenge(Box::new(it)));
    }

    fn change(&mut self, n: u8, mut it: Challenge, how: &How) {
        let (town, now) = (self.town, self.now);
        self.targets.push(Target::At(Name::Aggregate(it.id)));
        match how {
            How::Attempt => it.attempts = it.attempts.saturating_add(1),
            How::Seen(k) => {
                self.targets.push(Target::Unseen(town.seen(*k)));
                it.seen.push(Seen { provider_id: town.seen(*k), at: now, verdict: Verdict::Wrong { left: n } });
            }
            How::Settle { which, end, lost } => {
                let (at, provider_id) = (now, Some(format!("gw-{which}")));
                let status =
                    [Status::Accepted { at, provider_id }, Status::Undeliverable { at }, Status::Expired { at }, Status::Cancelled { at }];
                self.settle(&mut it.deliveries, (*which, *lost), status[usize::from(*end % 4)].clone());
                it.events.push(town.event(n, it.events.len(), (event::Act::MsgSent, now), None));
            }
            How::Retry { which, seconds, lost } => {
                let next_at = now.plus(Duration::from_secs((*seconds).into()));
                self.settle(&mut it.deliveries, (*which, *lost), Status::Queued { next_at });
            }
            How::Answer(phone) => {
                let answer = (Purpose::Answer("That was wrong.".into()), now);
                it.deliveries.push(town.delivery(n, it.deliveries.len(), *phone, answer));
            }
            How::Receipt => it.events.push(town.event(n, it.events.len(), (event::Act::MsgDelivered, now), None)),
            How::End(outcome) => self.end(n, &mut it, *outcome),
        }
        self.put(Aggregate::Challenge(Box::new(it)));
    }

    // An end is final.
    fn end(&mut self, n: u8, it: &mut Challenge, outcome: u8) {
        if it.state != State::Open {
            return;
        }
        let outcome = event::Act::ALL[usize::from(outcome % 5)];
        self.targets.push(Target::Slot(it.slot()));
        it.deliveries.iter().for_each(|it| self.expect_address(&it.address));
        it.state = State::Ended { outcome, at: self.now };
        it.material = None;
        let waiting = it.deliveries.iter_mut().filter(|it| it.purpose == Purpose::Challenge && it.status.due().is_some());
        waiting.for_each(|it| it.status = Status::Cancelled { at: self.now });
        it.events.push(self.town.event(n, it.events.len(), (outcome, self.now), None));
    }

    fn settle(&mut self, all: &mut [Delivery], (which, lost): (u8, bool), status: Status) {
        let mut waiting: Vec<&mut Delivery> = all.iter_mut().filter(|it| it.status.due().is_some()).collect();
        if waiting.is_empty() {
            return;
        }
        let at = usize::from(which) % waiting.len();
        let it = &mut waiting[at];
        self.targets.push(Target::Lease(it.id, lost));
        it.tries += 1;
        it.status = status;
    }

    fn settle_inbound(&mut self, mut it: Aggregate) {
        self.targets.push(Target::At(Name::Aggregate(it.id())));
        self.settle(it.deliveries_mut(), (0, false), Status::Accepted { at: self.now, provider_id: None });
        self.put(it);
    }

    fn expect_address(&mut self, address: &Address) {
        self.targets.push(Target::At(Name::address(address)));
    }

    // As this commit would leave it.
    async fn value(&self, id: AggregateId) -> Option<Aggregate> {
        match self.values.get(&id) {
            Some(it) => Some(it.clone()),
            None => self.model.find(id).await.expect("the model reads").map(|it| it.value),
        }
    }

    // Each moment is another, so that nothing is in doubt about what came first.
    fn put(&mut self, it: Aggregate) {
        self.now = self.now.plus(Duration::from_millis(1));
        self.values.insert(it.id(), it.clone());
        self.writes.push(Write::Aggregate(it));
    }
}
