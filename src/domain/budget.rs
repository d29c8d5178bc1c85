//! The failure budget: how often a person may be wrong, over sessions, channels, re-issues and restarts (decision 6;
//! NIST SP 800-63B-4 3.1.3.2 and 3.2.2).

use super::contact::Address;
use super::id::{InstitutionId, PublisherId};
use super::time::Timestamp;
use std::time::Duration;

/// Whose failures are counted: either blocks.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum BudgetKey {
    /// A phone or mail address, at an institution.
    Address(InstitutionId, Address),
    /// A registered recipient, at an institution.
    Recipient(InstitutionId, PublisherId, String),
}

/// Failed replies so far. A record of its own, never archived with challenges.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Budget {
    /// Moments of failures in the last [`WINDOW`], oldest first; never more than [`KEPT`], or the rule's `daily` where that
    /// is larger. Publishers with different rules share it.
    pub recent: Vec<Timestamp>,
    /// Failures since the last success that we verified ourselves.
    pub consecutive: u32,
}

/// How long a failure counts towards the daily limit.
pub const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Moments of failures that are kept, however few the rule at hand needs.
pub const KEPT: usize = 100;

/// The limits (settings; the defaults are the standards page's).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BudgetRule {
    /// Failures in 24 hours at which new challenges are refused and replies no longer judged.
    pub daily: u32,
    /// Consecutive failures at which only a person can unlock.
    pub consecutive: u32,
}

impl Default for BudgetRule {
    fn default() -> Self {
        Self { daily: 20, consecutive: 100 }
    }
}

/// Whether a budget still lets anybody try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Yes.
    Free,
    /// Not before this moment.
    Until(Timestamp),
    /// Not before a person unlocks it.
    Locked,
}

impl Budget {
    /// How it stands at `now`.
    pub fn standing(&self, rule: BudgetRule, now: Timestamp) -> Standing {
        if self.consecutive >= rule.consecutive {
            return Standing::Locked;
        }
        let live: Vec<_> = self.live(now).collect();
        match live.len().checked_sub(rule.daily as usize) {
            Some(over) => Standing::Until(live[over].plus(WINDOW)),
            None => Standing::Free,
        }
    }

    /// One failure more.
    pub fn fail(&mut self, rule: BudgetRule, now: Timestamp) {
        self.recent = self.live(now).chain([now]).collect();
        let over = self.recent.len().saturating_sub(KEPT.max(rule.daily as usize));
        self.recent.drain(..over);
        self.consecutive = self.consecutive.saturating_add(1);
    }

    /// A success verified by us: the consecutive count starts anew, the 24-hour one does not.
    pub fn succeed(&mut self) {
        self.consecutive = 0;
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        self.recent.iter().copied().filter(move |at| at.plus(WINDOW) > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn the_daily_limit_blocks_until_its_oldest_failure_is_a_day_old() {
        let rule = BudgetRule { daily: 3, consecutive: 100 };
        let mut budget = Budget::default();
        for hour in [0, 1, 2] {
            assert_eq!(budget.standing(rule, at(hour)), Standing::Free);
            budget.fail(rule, at(hour));
        }
        assert_eq!(budget.standing(rule, at(3)), Standing::Until(at(24)));
        budget.succeed();
        assert_eq!(budget.standing(rule, at(3)), Standing::Until(at(24)), "a success does not reset the day");
        assert_eq!(budget.standing(rule, at(24)), Standing::Free);
    }

    #[test]
    fn consecutive_failures_lock_until_a_person_acts_and_a_success_resets_them() {
        let rule = BudgetRule { daily: 1000, consecutive: 4 };
        let mut budget = Budget::default();
        for day in 0..3 {
            budget.fail(rule, at(day * 48));
        }
        budget.succeed();
        for day in 0..4 {
            assert_eq!(budget.standing(rule, at(200 + day * 48)), Standing::Free);
            budget.fail(rule, at(200 + day * 48));
        }
        assert_eq!(budget.standing(rule, at(2000)), Standing::Locked);
    }

    #[test]
    fn what_it_keeps_is_bounded_and_serves_a_rule_that_is_wider() {
        let (narrow, wide) = (BudgetRule { daily: 5, consecutive: 1000 }, BudgetRule { daily: 20, consecutive: 1000 });
        let mut budget = Budget::default();
        (0..20).for_each(|_| budget.fail(narrow, at(1)));
        assert_ne!(budget.standing(wide, at(1)), Standing::Free);
        (0..1000).for_each(|_| budget.fail(narrow, at(1)));
        assert_eq!(budget.recent.len(), KEPT);
    }
}
