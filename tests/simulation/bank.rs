//! What is registered: two publishers at two institutions, three handsets, and recipients that share them.

use crate::dice::Dice;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::id::{InstitutionId, PublisherId};
use countersign::domain::publisher::{Publisher, Registry};
use countersign::domain::recipient::{Contact, Recipient, RecipientKey, Subscription};
use countersign::domain::snapshot::Write;
use std::sync::{Arc, OnceLock};

pub const PUBLISHERS: [&str; 2] = ["demo", "other"];
pub const INSTITUTIONS: [&str; 2] = ["011001276", "SECOND"];
/// The number that each publisher's messages come from.
pub const NUMBERS: [&str; 2] = ["+12025550190", "+12025550191"];
pub const PHONES: [&str; 3] = ["+12025550123", "+12025550124", "+12025550125"];
pub const MAILBOX: &str = "solo@corellia.example.com";

/// Contacts of each recipient; one of them has the same phone twice.
pub const RECIPIENTS: [(&str, &[(&str, &str)]); 3] = [
    ("PAIR", &[("one", PHONES[0]), ("two", PHONES[1])]),
    ("TWICE", &[("first", PHONES[2]), ("again", PHONES[2]), ("mail", MAILBOX)]),
    ("SINGLE", &[("mobile", PHONES[1])]),
];

/// The alert with a code of ours, by SMS and mail.
pub const CODED: &str = "Unknown User OOB Alert";
/// The alert without one, by SMS only.
pub const APPROVAL: &str = "ECS Admin Login OOB Alert";

/// What both publishers allow in one run.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub attempts: u8,
    pub daily: u32,
    pub consecutive: u32,
    pub ten_minutes: u32,
    pub day: u32,
    pub open: u32,
    pub supersede: bool,
    pub answers: u8,
}

impl Policy {
    pub fn of(dice: &mut Dice) -> Self {
        Self {
            attempts: u8::try_from(dice.between(1, 5)).unwrap(),
            daily: u32::try_from(dice.between(3, 9)).unwrap(),
            consecutive: u32::try_from(dice.between(4, 12)).unwrap(),
            ten_minutes: u32::try_from(dice.between(3, 6)).unwrap(),
            day: u32::try_from(dice.between(8, 30)).unwrap(),
            open: u32::try_from(dice.between(2, 5)).unwrap(),
            supersede: dice.percent(65),
            answers: u8::try_from(dice.between(0, 3)).unwrap(),
        }
    }

    fn set(&self, it: &mut Publisher) {
        it.attempts = self.attempts;
        it.supersede = self.supersede;
        it.answer_replies = self.answers > 0;
        it.answers_per_session = self.answers;
        it.budget.daily = self.daily;
        it.budget.consecutive = self.consecutive;
        it.limits.per_phone_ten_minutes = self.ten_minutes;
        it.limits.per_phone_day = self.day;
        it.limits.open_per_phone = self.open;
        it.limits.per_second = u32::MAX;
    }
}

/// The registry under `policy`.
pub fn registry(policy: &Policy) -> Registry {
    static READ: OnceLock<Registry> = OnceLock::new();
    let read = READ.get_or_init(|| countersign::registration::read(&countersign::demo::registration::files()).unwrap().registry);
    let demo = PublisherId::from(PUBLISHERS[0]);
    let mut registry = Registry::default();
    for (name, number) in PUBLISHERS.into_iter().zip(NUMBERS) {
        let mut publisher = Publisher::clone(&read.publishers[&demo]);
        publisher.id = name.into();
        publisher.sms_sender = Some(Address::canonical(number));
        publisher.institutions = INSTITUTIONS.iter().map(|it| (InstitutionId::from(*it), vec!["1.0".to_owned()])).collect();
        policy.set(&mut publisher);
        registry.libraries.insert((name.into(), "1.0".to_owned()), read.libraries[&(demo.clone(), "1.0".to_owned())].clone());
        registry.publishers.insert(name.into(), Arc::new(publisher));
    }
    registry
}

/// The recipients of both publishers at both institutions.
pub fn recipients() -> Vec<Write> {
    let places = PUBLISHERS.iter().flat_map(|publisher| INSTITUTIONS.iter().map(move |institution| (*publisher, *institution)));
    let all = places.flat_map(|place| RECIPIENTS.iter().map(move |it| recipient(place, it.0, it.1)));
    all.map(|it| Write::Recipient(it.key.clone(), Some(it))).collect()
}

fn recipient((publisher, institution): (&str, &str), id: &str, contacts: &[(&str, &str)]) -> Recipient {
    let contact = |(id, address): &(&str, &str)| Contact {
        id: (*id).to_owned(),
        channel: if address.contains('@') { Channel::Mail } else { Channel::Sms },
        address: Address::canonical(address),
        opted_in: true,
    };
    let subscription = |alert: &str, contacts: Vec<&(&str, &str)>| Subscription {
        account: None,
        alert: alert.to_owned(),
        active: true,
        utc_offset_minutes: None,
        contacts: contacts.into_iter().map(|it| it.0.to_owned()).collect(),
    };
    let phones = contacts.iter().filter(|it| !it.1.contains('@')).collect();
    Recipient {
        key: RecipientKey { publisher: publisher.into(), institution: institution.into(), id: id.to_owned() },
        uid: format!("uid-{id}"),
        active: true,
        name: None,
        contacts: contacts.iter().map(contact).collect(),
        subscriptions: vec![subscription(CODED, contacts.iter().collect()), subscription(APPROVAL, phones)],
    }
}
