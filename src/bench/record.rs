//! What happened in a run: counts, errors by kind, and latencies as histograms.

use super::disk::micros;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Intervals that latencies are kept apart for, at most.
const INTERVALS: u32 = 120;
/// Longest latency that is told apart, in microseconds: a minute.
const LONGEST: u64 = 60_000_000;

/// Percentiles of a latency, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50_us: u64,
    /// 90 of 100 are below.
    pub p90_us: u64,
    /// 99 of 100 are below.
    pub p99_us: u64,
    /// 999 of 1,000 are below.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Percentiles {
    /// Those of a histogram of microseconds.
    pub fn of(times: &Histogram<u64>) -> Self {
        let at = |it| times.value_at_quantile(it);
        Self { p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), p999_us: at(0.999), max_us: times.max() }
    }
}

/// Collects what happens while it is open; outside, it only counts.
pub struct Recorder {
    began: Option<Instant>,
    every: Duration,
    /// Acknowledged while open.
    pub ok: u64,
    /// Not acknowledged while open.
    pub failed: u64,
    /// Due while open, and not sent by its end (open loop).
    pub waiting: u64,
    /// Acknowledged, open or not.
    pub acknowledged: u64,
    /// Failures by kind, open or not.
    pub errors: BTreeMap<String, u64>,
    /// Latencies in microseconds while open.
    pub times: Histogram<u64>,
    /// The same by interval.
    pub intervals: Vec<Histogram<u64>>,
    /// How long each stage of a whole life took, in their order.
    pub stages: [Histogram<u64>; Stage::COUNT],
}

/// A stage of a whole life: each begins where the one before it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// From the request to its answer.
    Answer,
    /// Until the message is at the carrier.
    Message,
    /// From the gateway's request with the reply to its answer.
    Reply,
    /// Until the outcome is at the subscriber.
    Outcome,
}

impl Stage {
    const COUNT: usize = Self::Outcome as usize + 1;
}

impl Recorder {
    /// For a run that stays open for `duration`.
    pub fn new(duration: Duration) -> Self {
        Self {
            began: None,
            every: (duration / INTERVALS).max(Duration::from_millis(250)),
            ok: 0,
            failed: 0,
            waiting: 0,
            acknowledged: 0,
            errors: BTreeMap::new(),
            times: histogram(3),
            intervals: Vec::new(),
            stages: std::array::from_fn(|_| histogram(3)),
        }
    }

    /// Begins to collect.
    pub fn open(&mut self, at: Instant) {
        self.began = Some(at);
    }

    /// Ends collecting.
    pub fn close(&mut self) {
        self.began = None;
    }

    /// Length of an interval.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// A unit of work that began, or should have begun, at `from`, was done at `to`.
    pub fn done(&mut self, from: Instant, to: Instant) {
        self.acknowledged += 1;
        self.ok += u64::from(self.began.is_some());
        self.lasted(from, to);
    }

    /// A unit of work that should have begun at `from` was still not begun at `to`: its latency is at least that.
    pub fn waits(&mut self, from: Instant, to: Instant) {
        self.waiting += u64::from(self.began.is_some());
        self.lasted(from, to);
    }

    fn lasted(&mut self, from: Instant, to: Instant) {
        let Some(began) = self.began else { return };
        let took = micros(to.saturating_duration_since(from));
        self.times.saturating_record(took);
        let interval = to.saturating_duration_since(began).as_nanos() / self.every.as_nanos();
        let interval = usize::try_from(interval).unwrap_or(usize::MAX).min(INTERVALS as usize);
        if self.intervals.len() <= interval {
            self.intervals.resize_with(interval + 1, || histogram(2));
        }
        self.intervals[interval].saturating_record(took);
    }

    /// A stage of a life that began at `from` is over now; the next one begins.
    pub fn passed(&mut self, stage: Stage, from: Instant) -> Instant {
        let now = Instant::now();
        if self.began.is_some() {
            self.stages[stage as usize].saturating_record(micros(now.saturating_duration_since(from)));
        }
        now
    }

    /// A unit of work failed.
    pub fn failed(&mut self, kind: String) {
        self.failed += u64::from(self.began.is_some());
        *self.errors.entry(kind).or_default() += 1;
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, digits).expect("these bounds and digits are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happens_while_open_is_measured() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut record = Recorder::new(Duration::from_secs(30));
        record.done(start, start + ms(1));
        record.failed("early".into());
        record.open(start);
        for it in 1..=100 {
            record.done(start + ms(10 * it), start + ms(11 * it));
        }
        record.failed("late".into());
        record.waits(start, start + ms(300));
        record.close();
        record.done(start, start + ms(1));
        assert_eq!((record.ok, record.failed, record.acknowledged, record.errors.len()), (100, 1, 102, 2));
        assert_eq!((record.waiting, record.times.max().div_ceil(1_000)), (1, 301), "what waits is among the latencies");
        let found = Percentiles::of(&record.times);
        assert!((50_900..51_200).contains(&found.p50_us) && (99_900..100_200).contains(&found.p99_us), "{found:?}");
        assert_eq!((record.every(), record.intervals.len()), (ms(250), 5));
        assert_eq!(record.intervals.iter().map(Histogram::len).sum::<u64>(), 101);
    }
}
