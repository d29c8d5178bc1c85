//! A piece of an institution's feed on its way to a subscriber.

use crate::domain::feed::FeedEvent;

/// What was read after a cursor.
pub(super) struct Page {
    /// To be pushed, oldest first.
    pub ahead: Vec<FeedEvent>,
    /// Wait behind a held event of their session.
    pub behind: Vec<FeedEvent>,
    /// Events held already.
    pub held: usize,
    /// The last number that was looked at.
    pub last: u64,
    /// More follows it, or soon will.
    pub full: bool,
}

impl Page {
    /// Cuts it to so many events to be pushed, and what was looked at before the next one.
    pub fn shorten(&mut self, most: usize) {
        let Some(next) = self.ahead.get(most).map(|it| it.seq) else { return };
        self.ahead.truncate(most);
        self.behind.retain(|it| it.seq < next);
        (self.last, self.full) = (next - 1, true);
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::event;
    use super::*;

    #[test]
    fn what_is_cut_off_is_read_again_and_no_more() {
        // Numbers to be pushed, and that wait, of 1 to 20; after a cut to three: the same, and the last that is done with.
        let check = |ahead: &[u64], behind: &[u64], expected: (&[u64], &[u64], u64, bool)| {
            let events = |of: &[u64]| of.iter().map(|it| event(*it, 0)).collect();
            let numbers = |of: &[FeedEvent]| of.iter().map(|it| it.seq).collect::<Vec<_>>();
            let mut page = Page { ahead: events(ahead), behind: events(behind), held: 0, last: 20, full: false };
            page.shorten(3);
            let found = (numbers(&page.ahead), numbers(&page.behind), page.last, page.full);
            assert_eq!(found, (expected.0.to_vec(), expected.1.to_vec(), expected.2, expected.3));
        };
        check(&[2, 4, 6], &[3, 9], (&[2, 4, 6], &[3, 9], 20, false));
        check(&[2, 4, 6, 10, 12], &[3, 9, 11], (&[2, 4, 6], &[3, 9], 9, true));
        check(&[], &[1], (&[], &[1], 20, false));
    }
}
