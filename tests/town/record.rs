//! What the world around the server saw: what it asked, what it was told, what it was handed. Facts only; `check` judges them.

use std::collections::{BTreeMap, BTreeSet};

/// Wrong answers that a session takes.
pub const ATTEMPTS: u32 = 5;

/// What the person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// So many wrong answers (fewer than [`ATTEMPTS`]), then the right one.
    Right(u32),
    /// Wrong answers only.
    Wrong,
    /// Nothing.
    Silent,
}

impl Plan {
    /// How many replies, and how many of them wrong.
    pub fn replies(self) -> (u32, u32) {
        match self {
            Self::Right(wrong) => (wrong + 1, wrong),
            Self::Wrong => (ATTEMPTS, ATTEMPTS),
            Self::Silent => (0, 0),
        }
    }

    pub fn outcome(self) -> &'static str {
        match self {
            Self::Right(_) => "OOBVerified",
            Self::Wrong => "OOBFailed",
            Self::Silent => "OOBExpired",
        }
    }
}

/// Something, and the length that the disk's journal had when it was known: everything it rests on is before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    pub what: T,
    pub at: u64,
}

/// A request, repeated under one `BusCorrelId` until it was answered, and after.
#[derive(Clone, Debug)]
pub struct Session {
    pub phone: String,
    pub plan: Plan,
    /// `AlrtPkgId` of each answer.
    pub answers: Vec<Seen<String>>,
    /// Acknowledgements of the person's replies, in order; each reply has an id of its own and is repeated until acknowledged.
    pub replied: Vec<Seen<()>>,
    /// Wrong answers and replies in all, as `challenge show` tells them at the end.
    pub shown: Option<(u32, u32)>,
}

impl Session {
    /// Whether its person has something left to say.
    pub fn wants_reply(&self) -> bool {
        (self.replied.len() as u32) < self.plan.replies().0
    }
}

/// A message that the gateway took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Whose, as its text says.
    pub key: String,
    /// The id under which it was handed over.
    pub id: String,
    pub text: String,
}

/// An event, as the feed or the webhook tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; 0 where it is not told.
    pub seq: u64,
    pub id: String,
    pub act: String,
    /// `AlrtPkgId`
    pub package: String,
}

/// Failed replies of a phone: how many there were, and how many the budget counted.
#[derive(Clone, Debug)]
pub struct Exam {
    pub key: String,
    pub failed: u32,
    pub counted: u32,
}

/// Sent around the moment when the power failed. If the disk kept that it was done, it is not done again.
#[derive(Clone, Debug, Default)]
pub struct Perhaps {
    pub handed: Vec<Handed>,
    pub pushed: Vec<Event>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub sessions: BTreeMap<String, Session>,
    pub handed: Vec<Seen<Handed>>,
    /// By a reader who follows the feed by cursor through all crashes.
    pub read: Vec<Seen<Event>>,
    /// At the end, from the start.
    pub feed: Vec<Event>,
    pub pushed: Vec<Seen<Event>>,
    /// After a power cut: what was handed over or pushed, perhaps before it, perhaps after.
    pub perhaps: Perhaps,
    pub exams: Vec<Exam>,
    /// What should not have been answered at all.
    pub odd: Vec<String>,
}

impl Record {
    /// How far it got: answers, replies, events read, and events pushed, each counted once. While nobody asks anything new it
    /// can't grow for ever.
    pub fn reached(&self) -> [usize; 4] {
        let sum = |count: fn(&Session) -> usize| self.sessions.values().map(count).sum();
        let pushed: BTreeSet<&str> = self.pushed.iter().map(|it| it.what.id.as_str()).collect();
        [sum(|it| it.answers.len()), sum(|it| it.replied.len()), self.read.len(), pushed.len()]
    }

    /// Sessions whose person has something left to say.
    pub fn unreplied(&self) -> usize {
        self.sessions.values().filter(|it| it.wants_reply()).count()
    }

    /// What was known when the journal had this length. What became known later may or may not have happened.
    pub fn until(&self, at: u64) -> Self {
        fn cut<T: Clone>(list: &[Seen<T>], at: u64) -> Vec<Seen<T>> {
            list.iter().filter(|it| it.at <= at).cloned().collect()
        }
        fn rest<T: Clone>(list: &[Seen<T>], at: u64) -> impl Iterator<Item = T> {
            list.iter().filter(move |it| it.at > at).map(|it| it.what.clone())
        }
        let mut perhaps = self.perhaps.clone();
        perhaps.handed.extend(rest(&self.handed, at));
        perhaps.pushed.extend(rest(&self.pushed, at));
        let session = |it: &Session| Session { answers: cut(&it.answers, at), replied: cut(&it.replied, at), shown: None, ..it.clone() };
        Self {
            sessions: self.sessions.iter().map(|(key, it)| (key.clone(), session(it))).collect(),
            handed: cut(&self.handed, at),
            read: cut(&self.read, at),
            feed: Vec::new(),
            pushed: cut(&self.pushed, at),
            perhaps,
            exams: Vec::new(),
            odd: self.odd.clone(),
        }
    }

    /// All that is known now counts as before everything that a new journal tells.
    pub fn settle(&mut self) {
        fn zero<T>(list: &mut [Seen<T>]) {
            list.iter_mut().for_each(|it| it.at = 0);
        }
        for session in self.sessions.values_mut() {
            zero(&mut session.answers);
            zero(&mut session.replied);
        }
        zero(&mut self.handed);
        zero(&mut self.read);
        zero(&mut self.pushed);
    }
}
