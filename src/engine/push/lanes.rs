//! What takes more than one request goes out in several lanes at once, so that a subscriber that is far away, or slow, gets more than one
//! request's worth for each answer that we wait for. Events of a session share a lane, so their order holds.

use crate::domain::feed::FeedEvent;
use crate::domain::id::AggregateId;
use std::collections::HashMap;

/// Divides events into so many lanes, oldest first in each; one session is never in two.
pub(super) fn divide(events: Vec<FeedEvent>, count: usize) -> Vec<Vec<FeedEvent>> {
    if count <= 1 {
        return vec![events];
    }
    let mut lanes: Vec<Vec<FeedEvent>> = vec![Vec::with_capacity(events.len().div_ceil(count)); count];
    let mut taken: HashMap<AggregateId, usize> = HashMap::new();
    for event in events {
        let emptiest = || (0..count).min_by_key(|it| lanes[*it].len()).unwrap_or(0);
        let lane = *taken.entry(event.aggregate).or_insert_with(emptiest);
        lanes[lane].push(event);
    }
    lanes.retain(|it| !it.is_empty());
    lanes
}

/// What is left of lanes, as one page again.
pub(super) fn join(lanes: impl Iterator<Item = Vec<FeedEvent>>) -> Vec<FeedEvent> {
    let mut events: Vec<_> = lanes.flatten().collect();
    events.sort_unstable_by_key(|it| it.seq);
    events
}

#[cfg(test)]
mod tests {
    use super::super::asked::event;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_session_has_one_lane(sessions in proptest::collection::vec(0..200u128, 0..420), count in 0..9usize) {
            let events: Vec<_> = sessions.iter().enumerate().map(|(seq, it)| event(seq as u64 + 1, *it)).collect();
            let lanes = divide(events.clone(), count);
            prop_assert!(lanes.len() <= count.max(1));
            let mut seen = HashSet::new();
            for lane in &lanes {
                prop_assert!(lane.is_sorted_by_key(|it| it.seq));
                let own: HashSet<_> = lane.iter().map(|it| it.aggregate).collect();
                prop_assert!(own.is_disjoint(&seen), "a session in two lanes");
                seen.extend(own);
            }
            prop_assert_eq!(join(lanes.into_iter()), events);
        }
    }

    #[test]
    fn lanes_are_even_where_sessions_let_them() {
        let check = |sessions: &[u128], count: usize, expected: &[usize]| {
            let events = sessions.iter().enumerate().map(|(seq, it)| event(seq as u64 + 1, *it)).collect();
            assert_eq!(divide(events, count).iter().map(Vec::len).collect::<Vec<_>>(), expected);
        };
        check(&[], 1, &[0]);
        check(&[1; 120], 3, &[120]);
        check(&(0..50).collect::<Vec<_>>(), 1, &[50]);
        check(&(0..51).collect::<Vec<_>>(), 2, &[26, 25]);
        check(&(0..200).collect::<Vec<_>>(), 4, &[50, 50, 50, 50]);
        check(&(0..200).map(|it| it / 2).collect::<Vec<_>>(), 4, &[50, 50, 50, 50]);
        check(&[1, 2], 8, &[1, 1]);
    }
}
