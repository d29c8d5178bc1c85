//! A batch that fails is taken apart, to tell a poisoned event from a subscriber that is not there.

use crate::connect::contract::{Pushed, Sink};
use crate::domain::feed::FeedEvent;
use crate::domain::id::AggregateId;
use std::collections::HashSet;
use tokio_util::sync::CancellationToken;

/// Failures in a row, of as many sessions, after which the subscriber counts as absent.
const IN_A_ROW: u32 = 3;

/// What was found.
#[derive(Default)]
pub(super) struct Apart<'a> {
    /// Failed by themselves, or follow in a session that did, while the subscriber took others.
    pub failed: Vec<&'a FeedEvent>,
    /// Won't be taken, and why.
    pub refused: Vec<(&'a FeedEvent, String)>,
    /// Up to this number everything is decided; `None`: nothing was answered, the subscriber is not there.
    pub upto: Option<u64>,
    /// All events were looked at.
    pub whole: bool,
    /// Sessions whose event failed, but not for sure by its own fault: to be left out the next time, so that the one after
    /// them gets its try.
    pub suspects: HashSet<AggregateId>,
}

/// Pushes events one by one, oldest first, but none of a session in `suspects` or behind a failed one. Stops when the subscriber seems
/// gone, or when we are told to `stop`; what it answered until then is kept.
pub(super) async fn take_apart<'a>(
    sink: &dyn Sink,
    events: &'a [FeedEvent],
    suspects: HashSet<AggregateId>,
    stop: &CancellationToken,
) -> Apart<'a> {
    let mut apart = Apart { suspects, ..Apart::default() };
    // Failed since the last answer: whose fault it is, is open.
    let mut open: Vec<&FeedEvent> = Vec::new();
    let mut row = 0;
    for event in events {
        if apart.suspects.contains(&event.aggregate) {
            open.push(event);
            continue;
        }
        // Each may take a time-out.
        if stop.is_cancelled() {
            return apart.stopped(&open);
        }
        match sink.push(std::slice::from_ref(event)).await {
            Pushed::Taken => {}
            Pushed::Refused(reason) => apart.refused.push((event, reason)),
            Pushed::Later(_) => {
                apart.suspects.insert(event.aggregate);
                open.push(event);
                row += 1;
                if row == IN_A_ROW {
                    return apart.stopped(&open);
                }
                continue;
            }
        }
        row = 0;
        apart.failed.append(&mut open);
        apart.upto = Some(event.seq);
    }
    // Either all is decided, or all were tried in vain and the next time begins anew.
    apart.suspects.clear();
    apart.whole = true;
    apart.failed.extend(open.iter().filter(|_| apart.upto.is_some()));
    apart
}

impl Apart<'_> {
    fn stopped(mut self, open: &[&FeedEvent]) -> Self {
        if self.upto.is_some() {
            self.suspects = open.iter().map(|it| it.aggregate).collect();
        }
        self
    }
}
