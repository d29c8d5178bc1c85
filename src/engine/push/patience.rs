//! For how long a push has failed, while we were there to try.

use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a gap between two tries counts at most. Longer than tries are apart, so that our own downtime is not the subscriber's.
const COUNTED: Duration = Duration::from_secs(3_600);

/// A row of failed tries. Durable, so that a restart doesn't begin the count anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failing {
    // The last try, in milliseconds of the epoch.
    last: i64,
    // Milliseconds spent so far.
    spent: u64,
}

impl Failing {
    /// The row after one more failure.
    pub fn again(before: Option<Self>, now: Timestamp) -> Self {
        let more = before.map_or(Duration::ZERO, |it| now.since(Timestamp::from_millis(it.last)).min(COUNTED));
        let spent = before.map_or(0, |it| it.spent).saturating_add(u64::try_from(more.as_millis()).unwrap_or(u64::MAX));
        Self { last: now.millis(), spent }
    }

    /// Since the first failure, less our own downtime.
    pub fn spent(&self) -> Duration {
        Duration::from_millis(self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_in_which_we_tried_counts() {
        let check = |minutes: &[i64], expected: u64| {
            let at = |minute: &i64| Timestamp::from_millis(minute * 60_000);
            let row = minutes.iter().fold(None, |row, minute| Some(Failing::again(row, at(minute))));
            assert_eq!(row.map(|it| it.spent().as_secs() / 60), Some(expected), "{minutes:?}");
        };
        check(&[7], 0);
        check(&[0, 5, 30], 30);
        check(&[0, 5, 5 + 4 * 1_440], 65);
        // A clock set back takes nothing away.
        check(&[0, 30, 10, 20], 40);
    }
}
