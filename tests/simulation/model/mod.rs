//! What the contract says must be, written from its pages (`oobvalidate.md`, `decisions.md`, `events.md`). It never asks
//! `decide`: it knows who asked for what, what was typed where and when, and works out by itself what must follow.
//!
//! [`Model::predict`] says what a decision taken now may do; more than one way only where two sessions are equally new. When the
//! store has committed, [`Model::committed`] demands that the durable records are exactly one of them, and goes that way.

mod durable;
mod hand;
mod open;
mod reply;
mod session;

use crate::bank::Policy;
use crate::errand::Errand;
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::Address;
use countersign::domain::id::{AggregateId, PublisherId};
use countersign::domain::snapshot::Write;
use countersign::domain::time::Timestamp;
pub use durable::Durable;
use open::Draft;
pub use session::{Letter, Session, Stands};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Failures of an address or a recipient (decision 6).
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Tally {
    pub failures: Vec<Timestamp>,
    pub consecutive: u32,
}

impl Tally {
    pub fn of_day(&self, now: Timestamp) -> Vec<Timestamp> {
        self.failures.iter().copied().filter(|at| at.plus(DAY) > now).collect()
    }
}

/// What must be told to whoever asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// Opened, with the code that is known once it is committed.
    Opens,
    /// The first answer again, with the code while the session lives.
    Repeats(AggregateId, Option<String>),
    /// No, for these reasons.
    Refuses(BTreeSet<u32>),
    Judges(Verdict),
    Unlocks(bool),
    Nothing,
}

/// All that follows from one decision.
#[derive(Clone, Debug)]
pub struct Effect {
    pub says: Says,
    pub changed: Vec<Session>,
    pub opens: Option<Draft>,
    pub budgets: Vec<(BudgetKey, Tally)>,
    pub opt_outs: Vec<(PublisherId, Address, bool)>,
    /// A message that belongs to no session is kept, with its event.
    pub noted: bool,
}

impl Effect {
    pub fn only(says: Says) -> Self {
        Self { says, changed: Vec::new(), opens: None, budgets: Vec::new(), opt_outs: Vec::new(), noted: false }
    }

    /// Whether nothing durable follows.
    pub fn is_quiet(&self) -> bool {
        self.changed.is_empty() && self.opens.is_none() && self.budgets.is_empty() && self.opt_outs.is_empty() && !self.noted
    }
}

/// What a commit wrote, by name.
#[derive(Clone, Default, Debug)]
pub struct Touched {
    pub aggregates: Vec<AggregateId>,
    pub budgets: Vec<BudgetKey>,
    pub opt_outs: Vec<Address>,
}

impl Touched {
    pub fn by(writes: &[Write]) -> Self {
        let mut it = Self::default();
        for write in writes {
            match write {
                Write::Aggregate(aggregate) => it.aggregates.push(aggregate.id()),
                Write::Budget(key, _) => it.budgets.push(key.clone()),
                Write::OptOut(_, address, _) => it.opt_outs.push(address.clone()),
                Write::Recipient(..) => {}
            }
        }
        it
    }
}

/// What is known.
pub struct Model {
    pub policy: Policy,
    pub sessions: Vec<Session>,
    pub budgets: HashMap<BudgetKey, Tally>,
    pub opt_outs: BTreeSet<(PublisherId, Address)>,
    /// Messages that were judged, and what came of them.
    pub seen: HashMap<String, Vec<Says>>,
    /// Messages that belong to no session.
    pub notes: HashSet<AggregateId>,
    by_id: HashMap<AggregateId, usize>,
}

impl Model {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            sessions: Vec::new(),
            budgets: HashMap::new(),
            opt_outs: BTreeSet::new(),
            seen: HashMap::new(),
            notes: HashSet::new(),
            by_id: HashMap::new(),
        }
    }

    pub fn session(&self, id: AggregateId) -> Option<&Session> {
        self.by_id.get(&id).map(|at| &self.sessions[*at])
    }

    /// What a decision at `now` may do. `about`: the one challenge that is looked at, where the errand doesn't say.
    pub fn predict(&self, errand: &Errand, about: Option<AggregateId>, now: Timestamp) -> Vec<Effect> {
        match errand {
            Errand::Open(ask) => vec![self.open(ask, now)],
            Errand::Reply(word) => self.reply(word, now),
            Errand::Hand { lease, said } => vec![self.hand(lease.aggregate, lease.delivery, said.as_ref(), now)],
            Errand::Tick => vec![about.map_or(Effect::only(Says::Nothing), |id| self.tick(id, now))],
            Errand::Unlock(key) => vec![self.unlock(key)],
            Errand::Push => Vec::new(),
        }
    }

    /// Takes in what has become durable; the error says what should not be, or is missing. Gives back what may be answered.
    pub fn committed(&mut self, errand: &Errand, now: Timestamp, touched: &Touched, durable: &Durable<'_>) -> Result<Vec<Says>, String> {
        let about = touched.aggregates.first().copied();
        let predicted = self.predict(errand, about, now);
        let judged: Vec<_> = predicted.into_iter().map(|it| self.agrees(errand, it, touched, durable)).collect();
        let (right, wrong): (Vec<_>, Vec<_>) = judged.into_iter().partition(Result::is_ok);
        let right: Vec<Effect> = right.into_iter().flatten().collect();
        let says = right.iter().map(|it| match (&it.says, it.changed.last()) {
            (Says::Opens, Some(new)) => Says::Repeats(new.id, new.code.clone()),
            (says, _) => says.clone(),
        });
        let says: Vec<_> = says.collect();
        let Some(effect) = right.into_iter().next() else {
            let why = wrong.into_iter().find_map(Result::err);
            return Err(why.unwrap_or_else(|| format!("{} writes, and nothing may follow from it", errand.told())));
        };
        if effect.noted {
            let sessions = &self.by_id;
            self.notes.extend(touched.aggregates.iter().filter(|it| !sessions.contains_key(it)));
        }
        self.take(effect);
        if let Errand::Reply(word) = errand {
            self.seen.extend(word.mark().map(|mark| (mark, says.clone())));
        }
        Ok(says)
    }

    fn take(&mut self, effect: Effect) {
        for session in effect.changed {
            match self.by_id.get(&session.id) {
                Some(at) => self.sessions[*at] = session,
                None => {
                    self.by_id.insert(session.id, self.sessions.len());
                    self.sessions.push(session);
                }
            }
        }
        self.budgets.extend(effect.budgets);
        for (publisher, address, out) in effect.opt_outs {
            match out {
                true => self.opt_outs.insert((publisher, address)),
                false => self.opt_outs.remove(&(publisher, address)),
            };
        }
    }

    fn unlock(&self, key: &BudgetKey) -> Effect {
        let counted = self.budgets.get(key).is_some_and(|it| *it != Tally::default());
        let mut effect = Effect::only(Says::Unlocks(counted));
        effect.budgets.extend(counted.then(|| (key.clone(), Tally::default())));
        effect
    }

    /// Whether failures block this budget at `now`.
    fn blocks(&self, key: &BudgetKey, now: Timestamp) -> bool {
        self.budgets
            .get(key)
            .is_some_and(|it| it.consecutive >= self.policy.consecutive || it.of_day(now).len() >= self.policy.daily as usize)
    }
}

impl Says {
    /// Whether an answer is this one.
    pub fn is(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (Self::Repeats(id, code), Answer::Opened { id: said, otp }) => {
                id == said && code.as_deref() == otp.as_ref().map(|it| it.expose())
            }
            (Self::Refuses(codes), Answer::Refused(violations)) => *codes == violations.iter().map(|it| it.code).collect(),
            (Self::Judges(verdict), Answer::Replied(said)) => verdict == said,
            _ => false,
        }
    }
}
