//! One guess at each of many challenges stays under every person's own budget; together the guesses don't (decision 6). Failed
//! replies are counted by institution, and an alarm is raised when they become unusual. It tells a person; it blocks nobody,
//! because whoever may write to a bank's number could otherwise close the bank.

use super::tally::{Kind, Tally};
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

/// Failed replies of late, at this node and, as others tell, at all.
pub struct Guesses {
    tally: Tally,
    windows: Mutex<HashMap<InstitutionId, Window>>,
    total: AtomicU64,
}

struct Window {
    begun: Timestamp,
    failed: u32,
    raised: bool,
}

impl Guesses {
    /// Nothing counted yet.
    pub fn new(tally: Tally) -> Self {
        Self { tally, windows: Mutex::default(), total: AtomicU64::new(0) }
    }

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

    /// Failed replies at this node since the start.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Institutions in alarm at `now`, of those whose recipients failed at this node. Whoever asks first hears of it in the log, too.
    pub fn alarms(&self, now: Timestamp) -> u64 {
        let mut windows = self.windows.lock();
        let live = windows.iter_mut().filter(|(_, window)| now.since(window.begun) < WINDOW);
        live.map(|(institution, window)| u64::from(self.is_alarm(institution, window))).sum()
    }

    fn failed(&self, institution: &InstitutionId, now: Timestamp) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut windows = self.windows.lock();
        let fresh = || Window { begun: now, failed: 0, raised: false };
        let window = windows.entry(institution.clone()).or_insert_with(fresh);
        if now.since(window.begun) >= WINDOW {
            *window = fresh();
        }
        window.failed = window.failed.saturating_add(1);
        let left = WINDOW.saturating_sub(now.since(window.begun));
        self.tally.tell(Kind::Guesses, &[institution.as_str().as_bytes()], window.failed, left);
        self.is_alarm(institution, window);
    }

    // An alarm is raised once a window.
    fn is_alarm(&self, institution: &InstitutionId, window: &mut Window) -> bool {
        let failed = window.failed.saturating_add(self.tally.others(Kind::Guesses, &[institution.as_str().as_bytes()]));
        if failed >= UNUSUAL && !std::mem::replace(&mut window.raised, true) {
            tracing::error!(%institution, failed, minutes = WINDOW.as_secs() / 60, "ALARM: unusually many failed replies; somebody may be guessing");
        }
        failed >= UNUSUAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Budget;
    use crate::domain::contact::Address;
    use crate::vault::Vault;
    use std::sync::Arc;

    fn guesses() -> Guesses {
        Guesses::new(Tally::alone(1, Arc::new(Vault::from_root(&[1; 32]))))
    }

    #[test]
    fn many_failures_of_one_institution_raise_an_alarm_that_passes() {
        let (guesses, start) = (guesses(), Timestamp::from_millis(1_000));
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
        let (guesses, now) = (guesses(), Timestamp::from_millis(9_000));
        let key = BudgetKey::Address("a".into(), Address::canonical("+12025550123"));
        guesses.count(&[Write::Budget(key, Budget { recent: vec![Timestamp::from_millis(1)], consecutive: 0 })], now);
        assert_eq!(guesses.total(), 0);
    }
}
