//! Whose turn it is: each institution has a line of its own to a subscriber, and none waits for what another's takes.

use super::TROUBLED;
use crate::domain::id::{AggregateId, InstitutionId};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Institutions whose events are on their way to a subscriber at once.
const LINES: usize = 16;
/// How long to leave a feed alone that has numbers, but nothing to read.
const VOID: Duration = Duration::from_millis(500);

/// What became of a round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// There was nothing to do, or nothing could be done.
    Idle,
    /// Something moved, and all that there was has been looked at.
    Moved,
    /// Something moved, and there is more.
    More,
    /// The store can't be read or written, or another process pushes now.
    Troubled,
}

/// How the head of an institution's feed is doing.
pub(super) struct Line {
    /// Rounds in a row in which it failed.
    pub failures: u32,
    /// Not before.
    pub until: Instant,
    /// Sessions whose event failed, but not for sure by its own fault.
    pub suspects: HashSet<AggregateId>,
    /// How many pages of the usual length are read at once: more with each full one that is taken, one after a failure.
    pub width: usize,
    /// Numbers after the cursor that were taken while others of their page were not: they are not pushed again with the next try.
    pub taken: HashSet<u64>,
    turn: u64,
}

/// The lines of a subscriber.
pub(super) struct Lines {
    resting: HashMap<InstitutionId, Line>,
    under_way: HashSet<InstitutionId>,
    turns: u64,
}

/// A line after it was served.
pub(super) type Served = (InstitutionId, Line, Round);

impl Line {
    fn new() -> Self {
        Self { failures: 0, until: Instant::now(), suspects: HashSet::new(), width: 1, taken: HashSet::new(), turn: 0 }
    }

    /// Nothing is known against it.
    pub fn is_well(&mut self) {
        (self.failures, self.until) = (0, Instant::now());
        self.suspects.clear();
    }
}

impl Lines {
    pub fn new() -> Self {
        Self { resting: HashMap::new(), under_way: HashSet::new(), turns: 0 }
    }

    /// What was known of failures is known no longer.
    pub fn forget(&mut self) {
        self.resting.clear();
    }

    pub fn is_under_way(&self, institution: &InstitutionId) -> bool {
        self.under_way.contains(institution)
    }

    /// Of those that have something, the ones to serve now, longest unserved first; and when the next one may be.
    pub fn start(&mut self, wanted: Vec<InstitutionId>) -> (Vec<(InstitutionId, Line)>, Option<Instant>) {
        let now = Instant::now();
        let (mut ready, mut next) = (Vec::new(), None);
        for institution in wanted.into_iter().filter(|it| !self.under_way.contains(it)) {
            match self.resting.get(&institution).filter(|it| it.until > now) {
                Some(line) => next = next.into_iter().chain([line.until]).min(),
                None => ready.push((self.resting.get(&institution).map_or(0, |it| it.turn), institution)),
            }
        }
        ready.sort_unstable();
        ready.truncate(LINES.saturating_sub(self.under_way.len()));
        let start = |(_, institution): (u64, InstitutionId)| {
            let mut line = self.resting.remove(&institution).unwrap_or_else(Line::new);
            self.turns += 1;
            line.turn = self.turns;
            self.under_way.insert(institution.clone());
            (institution, line)
        };
        (ready.into_iter().map(start).collect(), next)
    }

    /// One was served.
    pub fn back(&mut self, (institution, mut line, round): Served) {
        let rest = match round {
            Round::Idle => VOID,
            Round::Troubled => TROUBLED,
            Round::Moved | Round::More => Duration::ZERO,
        };
        line.until = line.until.max(Instant::now() + rest);
        self.under_way.remove(&institution);
        self.resting.insert(institution, line);
    }
}
