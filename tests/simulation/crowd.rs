//! Publishers and people: what they ask, and what they type.

use crate::bank::{INSTITUTIONS, NUMBERS, PHONES, PUBLISHERS, RECIPIENTS};
use crate::carrier::Arrival;
use crate::dice::Dice;
use crate::errand::{Ask, To, Typed, Value, Word};
use crate::model::{Model, Session};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::Address;
use countersign::domain::time::Timestamp;

/// A number that belongs to no publisher.
const NOBODYS: &str = "+12025550199";
const WORDS: [&str; 2] = ["Rover", "Yes"];
const PIN: &str = "4321";

#[derive(Default)]
pub struct Crowd {
    asked: Vec<Ask>,
    written: Vec<Word>,
}

impl Crowd {
    /// A request: new, or one that was sent before.
    pub fn ask(&mut self, dice: &mut Dice, now: Timestamp) -> Ask {
        let keyed: Vec<_> = self.asked.iter().rev().filter(|it| it.key.is_some()).take(6).collect();
        if !keyed.is_empty() && dice.percent(28) {
            let mut again = Ask { received_at: now, ..(*dice.pick(&keyed)).clone() };
            match dice.below(10) {
                0 => again.seconds += 1,
                1 => again.publisher = (*dice.pick(&PUBLISHERS)).into(),
                _ => {}
            }
            return again;
        }
        let ask = self.fresh(dice, now);
        self.asked.push(ask.clone());
        ask
    }

    fn fresh(&self, dice: &mut Dice, now: Timestamp) -> Ask {
        let to = match dice.percent(65) {
            true => To::Phone(Address::canonical(dice.pick::<&str>(&PHONES))),
            false => {
                let (id, contacts) = *dice.pick(&RECIPIENTS);
                let chosen = if dice.percent(50) { Vec::new() } else { vec![dice.pick(contacts).0] };
                To::Recipient { id, contacts: chosen }
            }
        };
        let to_mail = matches!(&to, To::Recipient { contacts, .. } if contacts.contains(&"mail"));
        let value = match dice.weighed(&[70, if to_mail { 0 } else { 15 }, 15]) {
            0 => Value::Otp,
            1 => Value::Static(WORDS[usize::from(dice.percent(20))]),
            _ => Value::Then(PIN),
        };
        let serial = self.asked.len();
        Ask {
            publisher: PUBLISHERS[usize::from(dice.percent(25))].into(),
            institution: INSTITUTIONS[usize::from(dice.percent(20))].into(),
            two_way: value != Value::Otp || dice.percent(85),
            to,
            value,
            seconds: u32::try_from(if dice.percent(30) { dice.between(15, 60) } else { dice.between(60, 900) }).unwrap(),
            key: [Some(format!("B:b-{serial}")), Some(format!("T:t-{serial}")), None][dice.weighed(&[40, 25, 35])].clone(),
            received_at: now,
        }
    }

    /// What the next person types.
    pub fn word(&mut self, dice: &mut Dice, model: &Model, arrived: &[Arrival], now: Timestamp) -> Word {
        let (from, to, typed) = if !arrived.is_empty() && dice.percent(35) {
            let at = arrived.len() - 1 - dice.below(arrived.len().min(6));
            Self::answer(dice, model, &arrived[at])
        } else {
            Self::guess(dice, model)
        };
        let serial = self.written.len();
        let word = Word {
            from,
            to: to.map(|it| Address::canonical(&it)),
            gateway: dice.pick::<&str>(&["east", "west"]),
            provider_id: dice.percent(85).then(|| format!("SM{serial}")),
            typed,
            received_at: now,
            begun_at: now,
        };
        self.written.push(word.clone());
        word
    }

    /// A gateway posts once more what it posted before, or what it never heard of again.
    pub fn again(&self, dice: &mut Dice, now: Timestamp) -> Option<Word> {
        let marked: Vec<_> = self.written.iter().rev().filter(|it| it.provider_id.is_some()).take(5).collect();
        let word = (!marked.is_empty()).then(|| (*dice.pick(&marked)).clone())?;
        Some(Word { received_at: now, begun_at: now, ..word })
    }

    /// Somebody does what the message says, or says that it was not them.
    fn answer(dice: &mut Dice, model: &Model, it: &Arrival) -> (Address, Option<String>, Typed) {
        let about = model.sessions.iter().rev().find(|session| session.code.as_ref().is_some_and(|code| it.text.contains(code.as_str())));
        let typed = match about {
            Some(_) if dice.percent(8) => Typed::Not(None),
            Some(session) => right(session),
            None => Typed::Word(WORDS[0]),
        };
        (it.phone.clone(), it.from.as_ref().filter(|_| dice.percent(80)).map(|it| it.expose().to_owned()), typed)
    }

    /// Somebody types anything, from anywhere, to any number.
    fn guess(dice: &mut Dice, model: &Model) -> (Address, Option<String>, Typed) {
        let from = Address::canonical(dice.pick::<&str>(&PHONES));
        let to = match dice.below(10) {
            0..=5 => None,
            6..=7 => Some(NUMBERS[0].to_owned()),
            8 => Some(NUMBERS[1].to_owned()),
            _ => Some(NOBODYS.to_owned()),
        };
        let lately: Vec<_> = model.sessions.iter().rev().take(8).collect();
        let known = |dice: &mut Dice| if lately.is_empty() { None } else { Some(*dice.pick(&lately)) };
        let typed = match dice.weighed(&[34, 20, 6, 4, 6, 6, 5, 5, 3, 3, 8]) {
            0 => Typed::Six(dice.six()),
            1 => known(dice).map_or(Typed::Help, right),
            2 => Typed::Two(dice.six(), known(dice).and_then(|it| it.code.clone()).unwrap_or_else(|| dice.six())),
            3 => Typed::Ten(dice.six() + PIN),
            4 => Typed::Word(if dice.percent(50) { WORDS[0] } else { "hello" }),
            5 => Typed::Not(known(dice).and_then(|it| it.code.clone()).filter(|_| dice.percent(50))),
            6 => Typed::Stop,
            7 => Typed::Start,
            8 => Typed::Yes,
            9 => Typed::Help,
            _ => Typed::Six(known(dice).and_then(|it| it.code.clone()).unwrap_or_else(|| dice.six())),
        };
        (from, to, typed)
    }

    /// A person unlocks what is blocked, or nothing.
    pub fn unlock(dice: &mut Dice, model: &Model) -> BudgetKey {
        let mut counted: Vec<_> = model.budgets.keys().cloned().collect();
        counted.sort();
        if counted.is_empty() || dice.percent(20) {
            return BudgetKey::Address(INSTITUTIONS[0].into(), Address::canonical(dice.pick::<&str>(&PHONES)));
        }
        dice.pick(&counted).clone()
    }
}

// The right answer to a session.
fn right(session: &Session) -> Typed {
    match (&session.ask.value, &session.code) {
        (Value::Otp, Some(code)) => Typed::Six(code.clone()),
        (Value::Then(pin), Some(code)) => Typed::Ten(format!("{code}{pin}")),
        (Value::Static("Yes"), _) => Typed::Yes,
        (Value::Static(word), _) => Typed::Word(word),
        _ => Typed::Help,
    }
}
