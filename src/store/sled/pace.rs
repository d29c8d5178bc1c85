//! How many commits a step waits for: a sync costs the same for one as for many, so those who come at the same time share one.
//!
//! Nothing is configured. The number that is waited for follows from what came: it is what the last steps got, now and then one
//! more to try. Few don't wait for each other: while one is synced the others are decided, and that is worth more.

use std::time::Duration;

/// How long a step waits at most, after its first commit came.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);
/// Between two looks at who came. Nobody wakes the writer meanwhile: that would cost more than it saves.
pub(super) const PAUSE: Duration = Duration::from_micros(200);
/// Steps that got their number in a row before one more is waited for.
const SURE: u32 = 8;
/// Fewer than these don't wait.
const FEW: usize = 5;

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
        if count == self.wanted {
            self.in_a_row += 1;
        } else {
            // More than were waited for: they come faster. Fewer: the rest is not there.
            (self.wanted, self.in_a_row) = (count, 0);
        }
        if self.in_a_row >= SURE {
            (self.wanted, self.in_a_row) = (count + 1, 0);
        }
        if count < FEW {
            *self = Self::new();
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
        check(&[4; 100], 1);
        check(&[1, 9], 9);
        check(&[9, 9, 9], 9);
        check(&[9, 8], 8);
        check(&[9, 12], 12);
        check(&[9; 9], 10);
        check(&[9, 9, 9, 9, 9, 9, 9, 9, 9, 9], 9);
        check(&[9, 4], 1);
        check(&[9, 0], 1);
    }
}
