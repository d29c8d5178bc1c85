//! Points in time, as milliseconds; nothing here asks what time it is.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use std::fmt;
use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This point, `span` later (saturating).
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This point, `span` earlier (saturating).
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same point as chrono knows it; the epoch where chrono's range ends.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

/// ISO 8601 in UTC with milliseconds: `2026-11-21T21:25:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_utc().naive_utc();
        // By hand: each answer and each event has two or three, and as a general format each costs as much as an element that is read.
        let year = match u32::try_from(at.year()) {
            Ok(year @ ..=9999) => year,
            _ => return f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)),
        };
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put::<4>(&mut text, 0, year);
        let pairs = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
        (5..).step_by(3).zip(pairs).for_each(|(place, number)| put::<2>(&mut text, place, number));
        put::<3>(&mut text, 20, at.and_utc().timestamp_subsec_millis());
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

// Writes a number with `DIGITS` digits from `at` on.
fn put<const DIGITS: usize>(text: &mut [u8; 24], at: usize, mut number: u32) {
    for digit in text[at..at + DIGITS].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_written_as_the_standard_has_it(millis in prop_oneof![any::<i64>(), -70_000_000_000_000..300_000_000_000_000_i64]) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(at.to_string(), at.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true));
        }
    }
}
