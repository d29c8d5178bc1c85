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
            // It may not even have been begun.
            Pushed::Later(_) if stop.is_cancelled() => return apart.stopped(&open),
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

#[cfg(test)]
mod tests {
    use super::super::asked::event;
    use super::*;
    use crate::connect::contract::Soon;
    use uuid::Uuid;

    /// Says of the event with number n what the n-th letter stands for. `s`: we are told to stop before it has a place.
    struct Scripted(Vec<char>, CancellationToken);

    impl Sink for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
            let said = match self.0[usize::try_from(events[0].seq).unwrap() - 1] {
                't' => Pushed::Taken,
                'r' => Pushed::Refused("no".to_owned()),
                'l' => Pushed::Later("down".to_owned()),
                's' => {
                    self.1.cancel();
                    Pushed::Later("we are about to end".to_owned())
                }
                _ => panic!("event {} must not be pushed", events[0].seq),
            };
            Box::pin(std::future::ready(said))
        }
    }

    fn session(letter: char) -> AggregateId {
        AggregateId(Uuid::from_u128(letter.into()))
    }

    #[tokio::test]
    async fn what_is_proven_is_kept_and_what_is_not_is_left_open() {
        // Sessions of events 1, 2, …; what is said of each; sessions left out before. Then: failed, refused, decided up to, whole,
        // sessions to leave out.
        let check = async |sessions: &str, said: &str, before: &str, expected: (&[u64], &[u64], Option<u64>, bool, &str)| {
            let events: Vec<FeedEvent> =
                sessions.chars().enumerate().map(|(index, letter)| event(index as u64 + 1, letter.into())).collect();
            let (suspects, stop) = (before.chars().map(session).collect(), CancellationToken::new());
            let apart = take_apart(&Scripted(said.chars().collect(), stop.clone()), &events, suspects, &stop).await;
            let failed: Vec<u64> = apart.failed.iter().map(|it| it.seq).collect();
            let refused: Vec<u64> = apart.refused.iter().map(|it| it.0.seq).collect();
            assert_eq!(
                (failed.as_slice(), refused.as_slice(), apart.upto, apart.whole),
                (expected.0, expected.1, expected.2, expected.3),
                "{said}"
            );
            assert_eq!(apart.suspects, expected.4.chars().map(session).collect(), "{said}");
        };
        check("abc", "ttt", "", (&[], &[], Some(3), true, "")).await;
        check("abc", "ltr", "", (&[1], &[3], Some(3), true, "")).await;
        // The end of the page says nothing against the last ones, but they failed alone.
        check("abc", "tll", "", (&[2, 3], &[], Some(1), true, "")).await;
        // What follows in the session of a failed one waits untried.
        check("abab", "lt-t", "", (&[1, 3], &[], Some(4), true, "")).await;
        // Absent: nothing is known of the three, and the next time begins behind them.
        check("abcd", "lll-", "", (&[], &[], None, false, "abc")).await;
        check("abcd", "---t", "abc", (&[1, 2, 3], &[], Some(4), true, "")).await;
        check("abcd", "---l", "abc", (&[], &[], None, true, "")).await;
        // Gone half-way: what was answered stands.
        check("abcdefg", "ltrlll-", "", (&[1], &[3], Some(3), false, "def")).await;
        check("ab", "ll", "", (&[], &[], None, true, "")).await;
        // What was not begun has not failed, and nor is it said of what failed right before it.
        check("abc", "tts", "", (&[], &[], Some(2), false, "")).await;
        check("abc", "tls", "", (&[], &[], Some(1), false, "b")).await;
        check("ab", "s-", "", (&[], &[], None, false, "")).await;
    }

    #[tokio::test]
    async fn it_stops_when_told_to() {
        let (stop, events) = (CancellationToken::new(), [event(1, 'a'.into())]);
        stop.cancel();
        let apart = take_apart(&Scripted(vec!['-'], stop.clone()), &events, HashSet::new(), &stop).await;
        assert_eq!((apart.upto, apart.whole), (None, false));
    }
}
