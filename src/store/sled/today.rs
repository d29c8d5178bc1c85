//! How many challenges each publisher opened today: after a restart, history has most of them.

use super::history::History;
use crate::domain::time::Timestamp;
use crate::store::key::Key;
use crate::store::past::Past;
use crate::store::published::Published;
use crate::vault::day_of;

/// Counts the challenges of today and yesterday that moved to history. What was copied and did not leave yet is counted already.
pub(super) fn count(published: &mut Published, history: &History, now: Timestamp) -> std::io::Result<()> {
    let today = day_of(now);
    for day in [today.saturating_sub(1), today] {
        for (publisher, count) in history.tally(day)? {
            published.count(&publisher.as_str().into(), day, count);
        }
    }
    let hot: Vec<_> = published.entries.iter().filter(|it| it.1.facts.challenge).map(|it| (*it.0, it.1.facts.clone())).collect();
    for (id, facts) in hot {
        let (publisher, day) = (facts.publisher.clone(), day_of(facts.at));
        if history.may_know(&Key::aggregate(id)) && published.opened(&publisher, day) > 0 && history.has(id, day)? {
            published.uncount(&publisher, day);
        }
    }
    Ok(())
}
