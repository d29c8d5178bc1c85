//! What the town keeps while it works: its record, and who does what next.

use super::dice::Dice;
use super::record::{Plan, Record, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Sessions that may wait for their person before callers hold back: replies cost more than requests, so that without an end
/// they would pile up for as long as the load lasts.
const BACKLOG: usize = 400;

/// What it keeps.
#[derive(Default)]
pub struct State {
    pub record: Record,
    /// By key; learned from the message.
    pub codes: BTreeMap<String, String>,
    /// Sessions that somebody is at just now.
    pub busy: BTreeSet<String>,
    /// How much of the peers' requests is in the record.
    pub polled: (usize, usize),
    pub cursor: String,
    pub journal: Option<PathBuf>,
    /// Names requests.
    pub round: usize,
    pub count: usize,
}

impl State {
    pub fn position(&self) -> u64 {
        self.journal.as_ref().map_or(0, |it| std::fs::metadata(it).map_or(0, |it| it.len()))
    }

    pub fn next_call(&mut self, dice: &mut Dice, fresh: bool) -> Option<String> {
        let mut waiting = self.record.sessions.iter().filter(|it| it.1.answers.is_empty()).map(|it| it.0);
        let waiting = waiting.find(|it| !self.busy.contains(*it)).cloned();
        let key = match waiting {
            Some(key) if !fresh || dice.chance(70) => key,
            _ if !fresh => return None,
            _ if dice.chance(10) && !self.record.sessions.is_empty() => {
                let nth = dice.below(self.record.sessions.len() as u64) as usize;
                let key = self.record.sessions.keys().nth(nth).unwrap().clone();
                return self.busy.insert(key.clone()).then_some(key);
            }
            _ if self.record.unreplied() >= BACKLOG => return None,
            _ => self.new_session(dice),
        };
        self.busy.insert(key.clone());
        Some(key)
    }

    fn new_session(&mut self, dice: &mut Dice) -> String {
        self.count += 1;
        let key = format!("r{}x{}", self.round, self.count);
        let plan = match dice.below(10) {
            0..=4 => Plan::Right(0),
            5..=6 => Plan::Right(1 + dice.below(3) as u32),
            7..=8 => Plan::Wrong,
            _ => Plan::Silent,
        };
        let phone = format!("{}", 2_012_000_000_u64 + self.count as u64);
        let session = Session { phone, plan, answers: Vec::new(), replied: Vec::new(), shown: None };
        self.record.sessions.insert(key.clone(), session);
        key
    }

    pub fn next_reply(&mut self) -> Option<(String, String, String, usize)> {
        let free = |it: &(&String, &Session)| self.codes.contains_key(it.0) && !self.busy.contains(it.0);
        let (key, session) = self.record.sessions.iter().find(|it| it.1.wants_reply() && free(it))?;
        let (nth, (_, wrong)) = (session.replied.len(), session.plan.replies());
        let code = &self.codes[key];
        let text = if (nth as u32) < wrong { other(code) } else { code.clone() };
        let next = (key.clone(), session.phone.clone(), text, nth);
        self.busy.insert(next.0.clone());
        Some(next)
    }
}

/// The code in a message.
pub fn code(text: &str) -> String {
    text.strip_prefix("Bank: ").and_then(|it| it.split(' ').next()).unwrap_or_default().to_owned()
}

/// A code of the same shape that is another.
pub fn other(code: &str) -> String {
    let (head, last) = code.split_at(code.len() - 1);
    format!("{head}{}", (last.parse::<u8>().expect("codes are digits") + 1) % 10)
}

/// The reader's place in the one institution's feed, as the server writes it: only to go back to a past that a power cut left.
pub fn cursor(read: usize) -> String {
    use base64::Engine as _;
    match read {
        0 => "0".to_owned(),
        read => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("1;011001276={read};")),
    }
}

/// The value of this name, wherever it is.
pub fn find<'a>(value: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map.get(name).or_else(|| map.values().find_map(|it| find(it, name))),
        serde_json::Value::Array(list) => list.iter().find_map(|it| find(it, name)),
        _ => None,
    }
}
