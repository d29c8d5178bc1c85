//! WS-Security freshness: a token's `Created` must be recent, its nonce new (contract, authentication; decision 1).

use crate::domain::time::Timestamp;
use crate::http::settings::AuthSettings;
use aws_lc_rs::digest;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::OnceLock;
use std::time::Duration;

/// Remembers nonces for as long as their `Created` would still be accepted.
pub(super) struct Replay {
    seen: Cache<[u8; 32], [u8; 32]>,
    freshness: Duration,
    began: OnceLock<Timestamp>,
}

impl Replay {
    pub(super) fn new(settings: &AuthSettings) -> Self {
        let freshness = Duration::from_secs(settings.freshness_seconds);
        let seen = Cache::builder()
            .max_capacity(settings.nonces)
            .time_to_live(freshness * 2)
            // The default policy may turn new entries away when it is full; a new nonce must always be remembered.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { seen, freshness, began: OnceLock::new() }
    }

    /// Whether `at` is recent, as seen at `now`.
    pub(super) fn is_fresh(&self, at: Timestamp, now: Timestamp) -> bool {
        at >= now.minus(self.freshness) && at <= now.plus(self.freshness)
    }

    /// Whether `expires` has not passed, as seen at `now`.
    pub(super) fn is_alive(&self, expires: Timestamp, now: Timestamp) -> bool {
        expires.plus(self.freshness) > now
    }

    /// Tells from when on nonces are remembered. Only the first call counts.
    pub(super) fn begin(&self, at: Timestamp) {
        self.began.get_or_init(|| at);
    }

    /// Whether a nonce of this `Created` would be remembered, had it been used: it may have been before we began.
    pub(super) fn covers(&self, created: Timestamp) -> bool {
        self.began.get().is_none_or(|began| created >= *began)
    }

    /// Takes the nonce: new, or seen with the very same request (the same `body`) when that one is `keyed`, so that it
    /// gets the first answer. Without a key of its own it would open a second challenge.
    pub(super) fn take(&self, (user, nonce): (&str, &[u8]), body: &[u8], keyed: bool) -> bool {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(user.len() as u64).to_le_bytes());
        context.update(user.as_bytes());
        context.update(nonce);
        let (key, body) = (bytes(context.finish()), bytes(digest::digest(&digest::SHA256, body)));
        let entry = self.seen.entry(key).or_insert(body);
        entry.is_fresh() || (keyed && *entry.value() == body)
    }
}

fn bytes(sum: digest::Digest) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(sum.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_a_user_and_request() {
        let it = Replay::new(&AuthSettings::default());
        let check = |user, nonce: &[u8], (body, keyed), expected| {
            assert_eq!(it.take((user, nonce), &[body; 32], keyed), expected, "{user} {nonce:?} {body} {keyed}");
        };
        check("a", b"n", (1, true), true);
        check("a", b"n", (1, true), true);
        check("a", b"n", (1, false), false);
        check("a", b"n", (2, true), false);
        check("b", b"n", (2, false), true);
        check("b", b"n", (2, false), false);
        check("a", b"m", (2, true), true);
    }

    #[test]
    fn what_may_have_been_used_before_the_start_is_not_covered() {
        let it = Replay::new(&AuthSettings::default());
        let check = |millis, expected| assert_eq!(it.covers(Timestamp::from_millis(millis)), expected, "{millis}");
        check(0, true);
        it.begin(Timestamp::from_millis(10_000));
        it.begin(Timestamp::from_millis(20_000));
        check(9_999, false);
        check(10_000, true);
        check(19_999, true);
    }

    #[test]
    fn created_may_lie_five_minutes_either_way() {
        let it = Replay::new(&AuthSettings::default());
        let now = Timestamp::from_millis(10_000_000);
        let check = |millis, expected| assert_eq!(it.is_fresh(Timestamp::from_millis(millis), now), expected, "{millis}");
        check(10_000_000, true);
        check(9_700_000, true);
        check(9_699_999, false);
        check(10_300_000, true);
        check(10_300_001, false);
    }
}
