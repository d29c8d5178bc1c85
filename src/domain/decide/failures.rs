//! Wrong answers and right ones, however they came: by a reply or by a call. What they do to a session's attempts and to the
//! failure budgets (decision 6).

use super::session::end;
use crate::domain::budget::{Budget, BudgetKey, BudgetRule, Standing};
use crate::domain::challenge::Challenge;
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::snapshot::{Expect, Versioned, Write};
use crate::domain::time::Timestamp;

/// Failure budgets: as they were read, and those that a decision changes.
pub struct Failures<'a> {
    known: &'a [(BudgetKey, Versioned<Budget>)],
    changed: Vec<(BudgetKey, Versioned<Budget>)>,
}

impl<'a> Failures<'a> {
    /// Those that were read; one that was not is empty.
    pub fn of(known: &'a [(BudgetKey, Versioned<Budget>)]) -> Self {
        Self { known, changed: Vec::new() }
    }

    /// Whether all of them still let anybody try.
    pub fn standing(&self, keys: impl IntoIterator<Item = BudgetKey>, rule: BudgetRule, now: Timestamp) -> Standing {
        let standings = keys.into_iter().map(|key| self.read(&key).value.standing(rule, now));
        standings.into_iter().find(|it| *it != Standing::Free).unwrap_or(Standing::Free)
    }

    /// A failure: it counts once a budget, however many sessions it missed.
    pub fn count(&mut self, keys: impl IntoIterator<Item = BudgetKey>, rule: BudgetRule, now: Timestamp) {
        for key in keys {
            if self.changed.iter().any(|(counted, _)| *counted == key) {
                continue;
            }
            let mut budget = self.read(&key);
            budget.value.fail(rule, now);
            self.changed.push((key, budget));
        }
    }

    /// A success that we verified.
    pub fn forgive(&mut self, keys: impl IntoIterator<Item = BudgetKey>) {
        for key in keys {
            let mut budget = self.read(&key);
            // Nothing to reset, nothing to write.
            if budget.value.consecutive > 0 {
                budget.value.succeed();
                self.changed.push((key, budget));
            }
        }
    }

    /// That every budget is still as it was read: also one that stays as it is, since it let the answer count (decision 5).
    pub fn expectations(&self) -> impl Iterator<Item = Expect> + '_ {
        let kept = self.known.iter().filter(|(key, _)| !self.changed.iter().any(|(changed, _)| changed == key));
        kept.chain(&self.changed).map(|(key, budget)| Expect::Budget(key.clone(), budget.version))
    }

    /// What is to be written.
    pub fn into_writes(self) -> impl Iterator<Item = Write> {
        self.changed.into_iter().map(|(key, budget)| Write::Budget(key, budget.value))
    }

    fn read(&self, key: &BudgetKey) -> Versioned<Budget> {
        let known = self.known.iter().find(|(it, _)| it == key);
        known.map_or(Versioned { value: Budget::default(), version: 0 }, |(_, budget)| budget.clone())
    }
}

/// A wrong answer to a session: one attempt, and its end when it was the last. How many are left.
pub fn miss(challenge: &mut Challenge, draw: &mut Draw) -> u8 {
    challenge.attempts = challenge.attempts.saturating_add(1);
    if challenge.attempts >= challenge.attempts_allowed {
        end(challenge, Act::Failed, "The allowed attempts are used up.", draw);
    }
    challenge.attempts_allowed.saturating_sub(challenge.attempts)
}
