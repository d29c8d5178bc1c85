//! One guess at each of many challenges stays under every person's own budget; together the guesses don't (decision 6). Failed
//! replies are counted by institution, and an alarm is raised when they become unusual. It tells a person; it blocks nobody,
//! because whoever may write to a bank's number could otherwise close the bank.

use crate::domain::budget::BudgetKey;
use crate::domain::id::InstitutionId;
use crate::domain::snapshot::Write;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The span that failures are counted over.
pub const WINDOW: Duration = Duration::from_secs(600);
/// Failed replies of an institution's recipients in a window, from which on it is an alarm.
pub const UNUSUAL: u32 = 100;

/// Failed replies of late.
#[derive(Default)]
pub struct Guesses {
    windows: Mutex<HashMap<InstitutionId, (Timestamp, u32)>>,
    total: AtomicU64,
}

impl Guesses {
    /// Counts what a commit wrote: an address budget with a failure in it.
    pub fn count(&self, writes: &[Write], now: Timestamp) {
        for write in writes {
            if let Write::Budget(BudgetKey::Address(institution, _), budget) = write
                && budget.recent.last() == Some(&now)
            {
                self.failed(institution, now);
            }
        }
    }

    /// Failed replies since the start.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Institutions in alarm at `now`.
    pub fn alarms(&self, now: Timestamp) -> u64 {
        let live = |(begun, count): &&(Timestamp, u32)| now.since(*begun) < WINDOW && *count >= UNUSUAL;
        self.windows.lock().values().filter(live).count() as u64
    }

    fn failed(&self, institution: &InstitutionId, now: Timestamp) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut windows = self.windows.lock();
        let window = windows.entry(institution.clone()).or_insert((now, 0));
        if now.since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        if window.1 == UNUSUAL {
            tracing::error!(%institution, failed = UNUSUAL, minutes = WINDOW.as_secs() / 60, "ALARM: unusually many failed replies; somebody may be guessing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Budget;
    use crate::domain::contact::Address;

    #[test]
    fn many_failures_of_one_institution_raise_an_alarm_that_passes() {
        let (guesses, start) = (Guesses::default(), Timestamp::from_millis(1_000));
        let fail = |institution: &str, at: Timestamp| {
            let key = BudgetKey::Address(institution.into(), Address::canonical("+12025550123"));
            guesses.count(&[Write::Budget(key, Budget { recent: vec![at], consecutive: 1 })], at);
        };
        (1..UNUSUAL).for_each(|_| fail("a", start));
        fail("b", start);
        assert_eq!((guesses.total(), guesses.alarms(start)), (u64::from(UNUSUAL), 0));
        fail("a", start);
        assert_eq!(guesses.alarms(start), 1);
        assert_eq!(guesses.alarms(start.plus(WINDOW)), 0);
        fail("a", start.plus(WINDOW));
        assert_eq!(guesses.alarms(start.plus(WINDOW)), 0, "a new window counts from zero");
    }

    #[test]
    fn a_success_is_no_failure() {
        let (guesses, now) = (Guesses::default(), Timestamp::from_millis(9_000));
        let key = BudgetKey::Address("a".into(), Address::canonical("+12025550123"));
        guesses.count(&[Write::Budget(key, Budget { recent: vec![Timestamp::from_millis(1)], consecutive: 0 })], now);
        assert_eq!(guesses.total(), 0);
    }
}
