//! A circuit breaker as a pure state machine: time is an argument.
//!
//! Closed, it counts failures in a row of distinct subjects; at the limit it opens. One subject that fails again and again tells of
//! itself, not of the peer. Open, it admits nothing until its wait is over; then it admits one
//! trial (half-open). The trial's success closes it, its failure opens it again for twice as long, up to a limit.

use crate::domain::time::Timestamp;
use serde::Deserialize;
use std::time::Duration;

/// Settings of a breaker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Subjects that have to fail in a row to open it; at least 1.
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

/// The breaker of one peer. `K` is what calls are about.
#[derive(Clone, Debug)]
pub struct Breaker<K> {
    settings: Settings,
    state: State,
    /// Subjects that failed in a row while closed; at most `settings.failures`.
    failed: Vec<K>,
    /// Times it opened since it was last closed: the wait's exponent.
    openings: u32,
    /// When the wait is over; half-open: when the trial counts as lost.
    until: Timestamp,
}

impl<K: PartialEq> Breaker<K> {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Closed, failed: Vec::new(), openings: 0, until: Timestamp::default() }
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

    /// Reports that an admitted call went well.
    pub fn succeeded(&mut self) {
        // Open: a call admitted before, late news and no trial.
        if self.state != State::Open {
            *self = Self::new(self.settings.clone());
        }
    }

    /// Reports that an admitted call about `subject` failed.
    pub fn failed(&mut self, subject: K, now: Timestamp) {
        match self.state {
            State::Closed => {
                if !self.failed.contains(&subject) {
                    self.failed.push(subject);
                }
                if self.failed.len() >= self.settings.failures.max(1) as usize {
                    self.open(now);
                }
            }
            State::HalfOpen => self.open(now),
            State::Open => {}
        }
    }

    fn open(&mut self, now: Timestamp) {
        self.state = State::Open;
        self.failed.clear();
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
        for subject in [1, 1, 1] {
            breaker.failed(subject, at(now));
            assert_eq!(breaker.state(), State::Closed, "one subject alone never opens it");
        }
        breaker.failed(2, at(now));
        for wait in [10, 20, 30, 30] {
            assert_eq!(breaker.state(), State::Open);
            assert_eq!(breaker.admit(at(now)), Err(Duration::from_millis(wait)));
            now += i64::try_from(wait).unwrap();
            assert_eq!(breaker.admit(at(now)), Ok(()));
            assert_eq!(breaker.state(), State::HalfOpen);
            assert!(breaker.admit(at(now)).is_err(), "one trial at a time");
            breaker.failed(1, at(now));
        }
        now += 30;
        assert_eq!(breaker.admit(at(now)), Ok(()));
        breaker.succeeded();
        assert_eq!((breaker.state(), breaker.admit(at(now))), (State::Closed, Ok(())));
    }

    proptest! {
        #[test]
        fn it_never_locks_up_and_never_floods(steps in prop::collection::vec((0i64..200, any::<bool>(), prop::option::of(0u8..4)), 1..200), failures in 1u32..5) {
            let settings = Settings { failures, wait_ms: 10, wait_max_ms: 100 };
            let mut breaker = Breaker::new(settings);
            let (mut now, mut in_a_row) = (0, std::collections::HashSet::new());
            let mut last_trial = None;
            for (step, reports, failed) in steps {
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
                            match failed {
                                Some(subject) => {
                                    breaker.failed(subject, at(now));
                                    in_a_row.insert(subject);
                                }
                                None => {
                                    breaker.succeeded();
                                    in_a_row.clear();
                                    last_trial = None;
                                }
                            }
                        }
                    }
                    Err(wait) => {
                        // It refuses only after enough subjects failed, and for a bounded time.
                        prop_assert!(in_a_row.len() >= failures as usize);
                        prop_assert!(wait <= Duration::from_millis(100));
                        prop_assert!(breaker.clone().admit(at(now).plus(wait)).is_ok());
                    }
                }
            }
        }
    }
}
