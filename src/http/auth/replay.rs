//! WS-Security freshness: a token's `Created` must be recent, its nonce new (contract, authentication; decision 1).

use crate::domain::time::Timestamp;
use crate::http::settings::AuthSettings;
use aws_lc_rs::digest;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::time::Duration;

/// Remembers nonces for as long as their `Created` would still be accepted.
pub(super) struct Replay {
    seen: Cache<[u8; 32], [u8; 32]>,
    freshness: Duration,
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
        Self { seen, freshness }
    }

    /// Whether `at` is recent, as seen at `now`.
    pub(super) fn is_fresh(&self, at: Timestamp, now: Timestamp) -> bool {
        at >= now.minus(self.freshness) && at <= now.plus(self.freshness)
    }

    /// Whether `expires` has not passed, as seen at `now`.
    pub(super) fn is_alive(&self, expires: Timestamp, now: Timestamp) -> bool {
        expires.plus(self.freshness) > now
    }

    /// Takes the nonce: new, or seen with the very same request (`body` is its digest).
    pub(super) fn take(&self, user: &str, nonce: &[u8], body: [u8; 32]) -> bool {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(user.len() as u64).to_le_bytes());
        context.update(user.as_bytes());
        context.update(nonce);
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        let entry = self.seen.entry(key).or_insert(body);
        entry.is_fresh() || *entry.value() == body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_a_user_and_request() {
        let it = Replay::new(&AuthSettings::default());
        let check = |user, nonce: &[u8], body, expected| assert_eq!(it.take(user, nonce, [body; 32]), expected, "{user} {nonce:?} {body}");
        check("a", b"n", 1, true);
        check("a", b"n", 1, true);
        check("a", b"n", 2, false);
        check("b", b"n", 2, true);
        check("a", b"m", 2, true);
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
