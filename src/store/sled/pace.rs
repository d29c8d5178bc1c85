//! How many commits a step waits for: a sync costs the same for one as for many, so those who come at the same time share one.
//!
//! Nothing is configured. The number that is waited for follows from what came: it is what the last steps got, now and then one
//! more to try. Whoever commits alone never waits.

use std::time::Duration;

/// How long a step waits at most, after its first commit came.
pub(super) const PATIENCE: Duration = Duration::from_millis(2);
/// Between two looks at who came. Nobody wakes the writer meanwhile: that would cost more than it saves.
pub(super) const PAUSE: Duration = Duration::from_micros(200);
/// Steps that got their number in a row before one more is waited for.
const SURE: u32 = 8;

/// What the next step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    wanted: usize,
    in_a_row: u32,
}

impl Pace {
    /// At first nobody is waited for.
    pub(super) fn new() -> Self {
        Self { wanted: 1, in_a_row: 0 }
    }

    /// Commits that are waited for.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// A step got so many.
    pub(super) fn got(&mut self, count: usize) {
        if count < self.wanted {
            (self.wanted, self.in_a_row) = (count.max(1), 0);
            return;
        }
        self.in_a_row += 1;
        // More than were waited for: they come faster. Alone, there is nobody to wait for.
        if count > self.wanted {
            (self.wanted, self.in_a_row) = (count, 0);
        } else if self.in_a_row >= SURE && count > 1 {
            (self.wanted, self.in_a_row) = (count + 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &[usize], expected: usize) {
        let mut pace = Pace::new();
        counts.iter().for_each(|it| pace.got(*it));
        assert_eq!(pace.wanted(), expected, "{counts:?}");
    }

    #[test]
    fn it_waits_for_as_many_as_come() {
        check(&[], 1);
        check(&[1; 100], 1);
        check(&[1, 3], 3);
        check(&[3, 3, 3], 3);
        check(&[3, 2], 2);
        check(&[3; 9], 4);
        check(&[3, 3, 3, 3, 3, 3, 3, 3, 3, 3], 3);
        check(&[5, 0], 1);
    }
}
