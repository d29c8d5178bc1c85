//! The little world of a case: names that no other case has, so that cases can share a database, and the aggregates in it.

use crate::sample;
use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::BudgetKey;
use countersign::domain::challenge::{Challenge, Level, RepeatKey, Slot, SlotSubject};
use countersign::domain::code::Tag;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::delivery::{Delivery, Purpose, Status};
use countersign::domain::event::{Act, Event};
use countersign::domain::id::{AggregateId, DeliveryId, EventId, InstitutionId, PublisherId};
use countersign::domain::inbound::Inbound;
use countersign::domain::recipient::{Contact, Recipient, RecipientKey};
use countersign::domain::snapshot::Query;
use countersign::domain::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// A case's names.
#[derive(Clone, Copy)]
pub struct Town {
    pub case: u32,
    pub start: Timestamp,
}

impl Town {
    pub fn publisher(self, i: u8) -> PublisherId {
        PublisherId::from(&*format!("publisher-{}-{}", self.case, i % 2))
    }

    pub fn institution(self, i: u8) -> InstitutionId {
        InstitutionId::from(&*format!("{:09}", self.case * 2 + u32::from(i % 2)))
    }

    pub fn phone(self, i: u8) -> Address {
        Address::canonical(&format!("+1{:08}{i}", self.case))
    }

    pub fn recipient(self, k: u8) -> RecipientKey {
        let (publisher, institution) = [(0, 1), (1, 1), (0, 0)][usize::from(k % 3)];
        RecipientKey { publisher: self.publisher(publisher), institution: self.institution(institution), id: format!("r{k}") }
    }

    pub fn seen(self, k: u8) -> String {
        format!("gateway/{}-{k}", self.case)
    }

    pub fn note(self, k: u8) -> String {
        format!("case/{}/{k}", self.case)
    }

    pub fn budget(self, of: u8) -> BudgetKey {
        match of {
            0..3 => BudgetKey::Address(self.institution(of), self.phone(of)),
            3 => BudgetKey::Address(self.institution(1), self.phone(0)),
            _ => {
                let it = self.recipient(of % 2);
                BudgetKey::Recipient(it.institution, it.publisher, it.id)
            }
        }
    }

    /// Challenge `n`: every fourth has an id that tells no day.
    pub fn id(self, n: u8) -> AggregateId {
        let drawn = Uuid::from_u128((u128::from(self.case) << 24) | (u128::from(n) + 1));
        if n % 4 == 1 { AggregateId(drawn) } else { AggregateId::placed(&self.institution_of(n), self.start, drawn) }
    }

    /// A message that belongs to no challenge.
    pub fn inbound_id(self, k: u8) -> AggregateId {
        self.id(100 + k)
    }

    /// Whether an id is of this case: its low bits tell.
    pub fn has(self, id: AggregateId) -> bool {
        (id.0.as_u128() >> 24) as u32 == self.case
    }

    pub fn institution_of(self, n: u8) -> InstitutionId {
        self.institution(n / 2)
    }

    /// Two of four are addressed to a recipient.
    pub fn recipient_of(self, n: u8) -> Option<RecipientKey> {
        (n % 4 >= 2).then(|| self.recipient(n % 2))
    }

    pub fn slot(self, n: u8, phone: u8) -> Slot {
        let subject = match self.recipient_of(n) {
            Some(it) => SlotSubject::Native { recipient: it.id, alert: "Login".into() },
            None => SlotSubject::Explicit { phone: self.phone(phone), product: "Demo".into() },
        };
        Slot { publisher: self.publisher(n), institution: self.institution_of(n), subject }
    }

    pub fn opening(self, n: u8, phone: u8, repeat: Option<u8>, now: Timestamp) -> Query {
        let recipient = self.recipient_of(n);
        Query::Open {
            publisher: self.publisher(n),
            institution: self.institution_of(n),
            repeat: repeat.map(key),
            phone: recipient.is_none().then(|| self.phone(phone)),
            recipient,
            slot: self.slot(n, phone),
            now,
        }
    }

    pub fn challenge(self, n: u8, to: &[u8], (now, later): (Timestamp, u8), repeat: Option<u8>) -> Challenge {
        // Whoever asks for a phone sends to it: what holds its slot and what is sent to it change together.
        let to = if to.is_empty() && self.recipient_of(n).is_none() { &[0] } else { to };
        let first = to.first().copied().unwrap_or(0);
        let mut it = sample::challenge(u128::from(n), &self.phone(first));
        it.id = self.id(n);
        (it.publisher, it.institution) = (self.publisher(n), self.institution_of(n));
        if let Some(recipient) = self.recipient_of(n) {
            it.level = Level::Native {
                alert: "Login".into(),
                version: "1".into(),
                recipient: recipient.id,
                recipient_uid: "uid".into(),
                account: None,
                name: None,
                utc_offset_minutes: None,
            };
        }
        it.repeat = repeat.map(|it| RepeatKey { key: key(it), payload: Tag([n; 16]) });
        it.opened_at = now;
        it.expires_at = now.plus(Duration::from_secs([5, 60, 700][usize::from(n % 3)]));
        (it.deliveries, it.events) = (Vec::new(), Vec::new());
        for phone in to {
            let next_at = now.plus(Duration::from_secs(later.into()));
            let delivery = self.delivery(n, it.deliveries.len(), *phone, (Purpose::Challenge, next_at));
            it.events.push(self.event(n, it.events.len(), (Act::MsgAccepted, now), Some(delivery.id)));
            it.deliveries.push(delivery);
        }
        it
    }

    pub fn delivery(self, n: u8, which: usize, phone: u8, (purpose, next_at): (Purpose, Timestamp)) -> Delivery {
        Delivery {
            id: DeliveryId(self.part(n, which, 1)),
            channel: Channel::Sms,
            address: self.phone(phone),
            contact: None,
            sender: None,
            purpose,
            status: Status::Queued { next_at },
            tries: 0,
        }
    }

    pub fn event(self, n: u8, which: usize, (act, at): (Act, Timestamp), delivery: Option<DeliveryId>) -> Event {
        Event { id: EventId(self.part(n, which, 2)), at, act, feedback: "A message.".into(), delivery }
    }

    pub fn inbound(self, k: u8, phone: u8, (seen, answer): (Option<u8>, bool), now: Timestamp) -> Aggregate {
        let n = 100 + k;
        let answer = answer.then(|| self.delivery(n, 0, phone, (Purpose::Answer("Thank you.".into()), now)));
        Aggregate::Inbound(Box::new(Inbound {
            id: self.inbound_id(k),
            publisher: self.publisher(n),
            institution: self.institution_of(n),
            product: "Demo".into(),
            from: self.phone(phone),
            at: now,
            provider_id: seen.map(|it| self.seen(it)),
            verdict: Verdict::Helped,
            deliveries: answer.into_iter().collect(),
            events: vec![self.event(n, 0, (Act::RecipMsg, now), None)],
        }))
    }

    pub fn person(self, k: u8, phones: &[u8]) -> Recipient {
        let contact =
            |(at, phone): (usize, &u8)| Contact { id: at.to_string(), channel: Channel::Sms, address: self.phone(*phone), opted_in: true };
        let contacts = phones.iter().enumerate().map(contact).collect();
        Recipient { key: self.recipient(k), contacts, ..sample::recipient("anna") }
    }

    fn part(self, n: u8, which: usize, kind: u8) -> Uuid {
        Uuid::from_u128((u128::from(self.case) << 64) | (u128::from(n) << 32) | ((which as u128) << 8) | u128::from(kind))
    }
}

/// An idempotency key: unique within a publisher and an institution.
pub fn key(k: u8) -> String {
    format!("T:{k}")
}
