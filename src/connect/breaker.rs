//! A circuit breaker as a pure state machine: time is an argument.
//!
//! Closed, it counts failures in a row; at the limit it opens. Open, it admits nothing until its wait is over; then it admits one
//! trial (half-open). The trial's success closes it, its failure opens it again for twice as long, up to a limit.

use crate::domain::time::Timestamp;
use serde::Deserialize;
use std::time::Duration;

/// Settings of a breaker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Failures in a row that open it; at least 1.
    pub failures: u32,
    /// First wait, in milliseconds.
    pub wait_ms: u64,
    /// Longest wait, in milliseconds.
    pub wait_max_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { failures: 5, wait_ms: 1_000, wait_max_ms: 60_000 }
    }
}

/// What it does with the next call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Admits every call.
    Closed,
    /// Admits none.
    Open,
    /// One trial is under way.
    HalfOpen,
}

/// The breaker of one peer.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// Failures in a row while closed.
    failures: u32,
    /// Times it opened since it was last closed: the wait's exponent.
    openings: u32,
    /// When the wait is over; half-open: when the trial counts as lost.
    until: Timestamp,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Closed, failures: 0, openings: 0, until: Timestamp::default() }
    }

    /// What it does now, for metrics.
    pub fn state(&self) -> State {
        self.state
    }

    /// Asks for a call. `Err`: not before this long. A trial that never reports is followed by another after the same wait.
    pub fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        match self.state {
            State::Closed => Ok(()),
            State::Open | State::HalfOpen if now < self.until => Err(self.until.since(now)),
            State::Open | State::HalfOpen => {
                self.state = State::HalfOpen;
                self.until = now.plus(self.wait());
                Ok(())
            }
        }
    }

    /// Reports how an admitted call went.
    pub fn record(&mut self, success: bool, now: Timestamp) {
        match (self.state, success) {
            (State::Closed | State::HalfOpen, true) => *self = Self::new(self.settings.clone()),
            (State::Closed, false) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= self.settings.failures.max(1) {
                    self.open(now);
                }
            }
            (State::HalfOpen, false) => self.open(now),
            // A call admitted before it opened: late news, and no trial.
            (State::Open, _) => {}
        }
    }

    fn open(&mut self, now: Timestamp) {
        self.state = State::Open;
        self.openings = self.openings.saturating_add(1);
        self.until = now.plus(self.wait());
    }

    fn wait(&self) -> Duration {
        let doubled = self.settings.wait_ms.max(1).saturating_mul(1 << self.openings.saturating_sub(1).min(32));
        Duration::from_millis(doubled.min(self.settings.wait_max_ms.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn it_opens_tries_once_and_waits_longer_each_time() {
        let mut breaker = Breaker::new(Settings { failures: 2, wait_ms: 10, wait_max_ms: 30 });
        let mut now = 0;
        breaker.record(false, at(now));
        assert_eq!(breaker.state(), State::Closed);
        breaker.record(false, at(now));
        for wait in [10, 20, 30, 30] {
            assert_eq!(breaker.state(), State::Open);
            assert_eq!(breaker.admit(at(now)), Err(Duration::from_millis(wait)));
            now += i64::try_from(wait).unwrap();
            assert_eq!(breaker.admit(at(now)), Ok(()));
            assert_eq!(breaker.state(), State::HalfOpen);
            assert!(breaker.admit(at(now)).is_err(), "one trial at a time");
            breaker.record(false, at(now));
        }
        now += 30;
        assert_eq!(breaker.admit(at(now)), Ok(()));
        breaker.record(true, at(now));
        assert_eq!((breaker.state(), breaker.admit(at(now))), (State::Closed, Ok(())));
    }

    proptest! {
        #[test]
        fn it_never_locks_up_and_never_floods(steps in prop::collection::vec((0i64..200, any::<bool>(), any::<bool>()), 1..200), failures in 1u32..5) {
            let settings = Settings { failures, wait_ms: 10, wait_max_ms: 100 };
            let mut breaker = Breaker::new(settings);
            let (mut now, mut in_a_row) = (0, 0);
            let mut last_trial = None;
            for (step, reports, success) in steps {
                now += step;
                let before = breaker.state();
                match breaker.admit(at(now)) {
                    Ok(()) => {
                        if before != State::Closed {
                            // Trials are at least the shortest wait apart.
                            prop_assert!(last_trial.is_none_or(|it| now - it >= 10));
                            last_trial = Some(now);
                        }
                        if reports {
                            breaker.record(success, at(now));
                            in_a_row = if success { 0 } else { in_a_row + 1 };
                            if success { last_trial = None; }
                        }
                    }
                    Err(wait) => {
                        // It refuses only after enough failures, and for a bounded time.
                        prop_assert!(in_a_row >= failures);
                        prop_assert!(wait <= Duration::from_millis(100));
                        prop_assert!(breaker.clone().admit(at(now).plus(wait)).is_ok());
                    }
                }
            }
        }
    }
}
