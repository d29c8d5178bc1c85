//! Older nodes, watched until they were silent for long enough. By this machine's clock, and only while the database answers: a clock
//! that is put right, or a database that was away for a while, makes nobody silent.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Whoever did not look for longer has not watched.
const GAP: Duration = Duration::from_secs(10);

/// What is known of older nodes, by the form that they don't read.
#[derive(Default)]
pub(super) struct Watch(HashMap<i32, Watched>);

struct Watched {
    heard: String,
    since: Instant,
    last: Instant,
}

impl Watch {
    /// Whether nodes that don't read form `wanted`, of which `heard` is the last that was heard, were silent for `span`, or there are
    /// none. It is `now`.
    pub(super) fn is_silent(&mut self, (wanted, heard): (i32, &str), now: Instant, span: Duration) -> bool {
        let fresh = || Watched { heard: heard.to_owned(), since: now, last: now };
        let watched = self.0.entry(wanted).or_insert_with(fresh);
        if watched.heard != heard || now.duration_since(watched.last) > GAP {
            *watched = fresh();
        }
        watched.last = now;
        heard.is_empty() || now.duration_since(watched.since) >= span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_watched_all_the_time_was_silent() {
        let (begun, span) = (Instant::now(), Duration::from_secs(20));
        // Second, what was heard last, and whether that is silence.
        let cases = [
            (0, "1 7", false),
            (9, "1 7", false),
            (19, "1 7", false),
            (20, "1 7", true),
            (21, "1 8", false),
            (30, "1 8", false),
            // Nobody looked for longer than the gap: it begins anew.
            (41, "1 8", false),
            (51, "1 8", false),
            (60, "1 8", false),
            (61, "1 8", true),
            (62, "1 8,2 9", false),
            (63, "", true),
        ];
        let mut watch = Watch::default();
        for (second, heard, expected) in cases {
            let found = watch.is_silent((2, heard), begun + Duration::from_secs(second), span);
            assert_eq!(found, expected, "{second} s");
        }
    }
}
