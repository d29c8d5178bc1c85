//! Whose turn it is: each institution has a line of its own to a subscriber, and none waits for what another's takes.

use super::TROUBLED;
use super::tenure::Number;
use crate::domain::id::{AggregateId, InstitutionId};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Institutions whose events are on their way to a subscriber at once.
const LINES: usize = 16;
/// How long to leave a feed alone that has numbers, but nothing to read.
const VOID: Duration = Duration::from_millis(500);

/// What became of a round.
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// In which it is served.
    pub tenure: Number,
    /// It is served once more without a look: that it finds nothing then says that it is through.
    again: bool,
    turn: u64,
    look: u64,
}

/// The lines of a subscriber.
pub(super) struct Lines {
    resting: HashMap<InstitutionId, Line>,
    under_way: HashSet<InstitutionId>,
    turns: u64,
    looks: u64,
    tenure: Number,
    // Some that have something wait for others to come back.
    crowded: bool,
}

/// What follows when a line was served.
pub(super) enum Next {
    /// There is more of it, and nobody else waits: it is served again.
    Again(InstitutionId, Line),
    /// There may be something that no commit will tell of any more.
    Look,
    /// Nothing, until something happens.
    Rest,
}

/// A line after it was served.
pub(super) type Served = (InstitutionId, Line, Round);

impl Line {
    fn new() -> Self {
        Self {
            failures: 0,
            until: Instant::now(),
            suspects: HashSet::new(),
            width: 1,
            taken: HashSet::new(),
            tenure: 0,
            again: false,
            turn: 0,
            look: 0,
        }
    }

    /// Nothing is known against it.
    pub fn is_well(&mut self) {
        (self.failures, self.until) = (0, Instant::now());
        self.suspects.clear();
    }
}

impl Lines {
    pub fn new() -> Self {
        Self { resting: HashMap::new(), under_way: HashSet::new(), turns: 0, looks: 0, tenure: 0, crowded: false }
    }

    /// What was known of failures is known no longer.
    pub fn forget(&mut self) {
        self.resting.clear();
    }

    pub fn is_under_way(&self, institution: &InstitutionId) -> bool {
        self.under_way.contains(institution)
    }

    /// Of those that have something, the ones to serve now, longest unserved first; and when the next one may be.
    pub fn start(&mut self, wanted: Vec<InstitutionId>, tenure: Number) -> (Vec<(InstitutionId, Line)>, Option<Instant>) {
        let now = Instant::now();
        let (mut ready, mut next) = (Vec::new(), None);
        for institution in wanted.into_iter().filter(|it| !self.under_way.contains(it)) {
            match self.resting.get(&institution).filter(|it| it.until > now) {
                Some(line) => next = next.into_iter().chain([line.until]).min(),
                None => ready.push((self.resting.get(&institution).map_or(0, |it| it.turn), institution)),
            }
        }
        ready.sort_unstable();
        let free = LINES.saturating_sub(self.under_way.len());
        self.crowded = ready.len() > free;
        (self.looks, self.tenure) = (self.looks + 1, tenure);
        ready.truncate(free);
        let start = |(_, institution): (u64, InstitutionId)| {
            let mut line = self.resting.remove(&institution).unwrap_or_else(Line::new);
            self.turns += 1;
            (line.turn, line.look, line.tenure, line.again) = (self.turns, self.looks, tenure, false);
            self.under_way.insert(institution.clone());
            (institution, line)
        };
        (ready.into_iter().map(start).collect(), next)
    }

    /// One was served: what is to be done now.
    pub fn back(&mut self, (institution, mut line, round): Served) -> Next {
        if line.tenure != self.tenure {
            // What it knows was true before another process pushed.
            self.under_way.remove(&institution);
            return Next::Look;
        }
        if round == Round::More && !self.crowded {
            line.again = true;
            return Next::Again(institution, line);
        }
        let rest = match round {
            Round::Troubled => TROUBLED,
            Round::Idle if !line.again => VOID,
            Round::Idle | Round::Moved | Round::More => Duration::ZERO,
        };
        line.until = line.until.max(Instant::now() + rest);
        // What a look found in the meantime was left to this line, which may have read before it.
        let is_missed = self.crowded || line.look != self.looks;
        self.under_way.remove(&institution);
        self.resting.insert(institution, line);
        if is_missed { Next::Look } else { Next::Rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<InstitutionId> {
        range.map(|it| InstitutionId::from(format!("{it:03}").as_str())).collect()
    }

    fn started(lines: &mut Lines, wanted: Vec<InstitutionId>) -> (Vec<(InstitutionId, Line)>, Vec<InstitutionId>) {
        let ready = lines.start(wanted, 1).0;
        let names = ready.iter().map(|it| it.0.clone()).collect();
        (ready, names)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_longest_is_next_and_nobody_is_served_twice_at_once() {
        let mut lines = Lines::new();
        let (first, who) = started(&mut lines, names(0..40));
        assert_eq!(who, names(0..LINES));
        assert_eq!(started(&mut lines, names(0..40)).1, [], "no room");
        // There is more of them, but others wait.
        for (institution, line) in first {
            assert!(matches!(lines.back((institution, line, Round::More)), Next::Look));
        }
        assert_eq!(started(&mut lines, names(0..40)).1, names(LINES..2 * LINES));
    }

    #[tokio::test(start_paused = true)]
    async fn what_rests_has_its_turn_when_it_has_rested() {
        let check = async |round: Round, expected: Option<Duration>| {
            let (mut lines, one) = (Lines::new(), names(0..1));
            let (mut ready, _) = started(&mut lines, one.clone());
            let (institution, line) = ready.pop().unwrap();
            match lines.back((institution, line, round)) {
                Next::Again(again, _) => assert!(round == Round::More && lines.is_under_way(&again)),
                Next::Look => panic!("nothing was missed"),
                Next::Rest => {
                    let (ready, next) = lines.start(one.clone(), 1);
                    let rest = next.map(|it| it - Instant::now());
                    assert_eq!((ready.len(), rest), (usize::from(expected.is_none()), expected));
                    if let Some(rest) = rest {
                        tokio::time::advance(rest).await;
                        assert_eq!(started(&mut lines, one).1.len(), 1);
                    }
                }
            }
        };
        check(Round::More, None).await;
        check(Round::Moved, None).await;
        check(Round::Idle, Some(VOID)).await;
        check(Round::Troubled, Some(TROUBLED)).await;

        // When there was more, and then there is none, it is through.
        let (mut lines, one) = (Lines::new(), names(0..1));
        let (institution, line) = started(&mut lines, one.clone()).0.pop().unwrap();
        let Next::Again(institution, line) = lines.back((institution, line, Round::More)) else { panic!("there is more") };
        assert!(matches!(lines.back((institution, line, Round::Idle)), Next::Rest));
        let (institution, line) = started(&mut lines, one.clone()).0.pop().unwrap();
        assert!(matches!(lines.back((institution, line, Round::Idle)), Next::Rest));
        assert_eq!(started(&mut lines, one).1, [], "a look found what there is not");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_tenure_knew_is_forgotten() {
        let (mut lines, one) = (Lines::new(), names(0..1));
        let (institution, mut line) = started(&mut lines, one.clone()).0.pop().unwrap();
        line.failures = 5;
        lines.forget();
        assert_eq!(lines.start(one.clone(), 2).0.len(), 0, "still under way");
        assert!(matches!(lines.back((institution, line, Round::More)), Next::Look));
        let fresh = lines.start(one, 2).0.pop().unwrap().1;
        assert_eq!((fresh.failures, fresh.tenure), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_look_left_to_a_line_is_looked_for_again() {
        let (mut lines, one) = (Lines::new(), names(0..1));
        let (mut ready, _) = started(&mut lines, one.clone());
        assert_eq!(started(&mut lines, one).1, []);
        let (institution, line) = ready.pop().unwrap();
        assert!(matches!(lines.back((institution, line, Round::Moved)), Next::Look));
    }
}
