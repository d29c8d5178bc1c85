//! WS-Security freshness: a token's `Created` must be recent, its nonce new (contract, authentication; decision 1).

use super::claim::{Arrival, Claim, Denied, Once, Proof};
use crate::domain::time::Timestamp;
use crate::engine::tally::{Kind, Taken, Tally};
use crate::http::settings::AuthSettings;
use std::sync::OnceLock;
use std::time::Duration;

/// Sees that nonces are taken once, for as long as their `Created` would still be accepted.
pub(super) struct Replay {
    /// A digest proves without the secret: whichever node it is shown to, it was seen or not.
    digests: Tally,
    /// Whoever shows the secret itself again could as well make a new token.
    texts: Tally,
    freshness: Duration,
    began: OnceLock<Timestamp>,
}

impl Replay {
    pub(super) fn new(settings: &AuthSettings, tally: Tally) -> Self {
        let freshness = Duration::from_secs(settings.freshness_seconds);
        Self { texts: tally.apart(settings.nonces), digests: tally, freshness, began: OnceLock::new() }
    }

    /// Whether `at` is recent, as seen at `now`.
    pub(super) fn is_fresh(&self, at: Timestamp, now: Timestamp) -> bool {
        at >= now.minus(self.freshness) && at <= now.plus(self.freshness)
    }

    /// Whether `expires` has not passed, as seen at `now`.
    pub(super) fn is_alive(&self, expires: Timestamp, now: Timestamp) -> bool {
        expires.plus(self.freshness) > now
    }

    /// Tells when the process began: from then on nonces are remembered, if nodes don't share them since before. Only the first call
    /// counts.
    pub(super) fn begin(&self, at: Timestamp) {
        self.began.get_or_init(|| self.digests.shared_since().unwrap_or(at));
    }

    /// Whether a nonce of this `Created` would be remembered, had it been used: it may have been before we began.
    pub(super) fn covers(&self, created: Timestamp) -> bool {
        self.began.get().is_none_or(|began| created >= *began)
    }

    /// Takes the nonce: new, or seen with the very same request (the same body) when that one is keyed, so that it gets the first
    /// answer. Without a key of its own it would open a second challenge.
    pub(super) async fn take(&self, claim: &Claim, once: &Once, arrival: &Arrival<'_>) -> Result<(), Denied> {
        let tally = if matches!(claim.proof, Proof::Digest(_)) { &self.digests } else { &self.texts };
        let parts = [claim.user.as_bytes(), &once.nonce];
        match tally.take(Kind::Nonce, &parts, (arrival.body, self.freshness * 2)).await {
            Ok(Taken::First) => Ok(()),
            Ok(Taken::Same) if arrival.keyed => Ok(()),
            Ok(_) => Err(Denied::Replayed),
            Err(error) => {
                tracing::warn!(%error, "whether a nonce was used can't be told for now");
                Err(Denied::Busy)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::Secret;
    use crate::vault::Vault;
    use std::sync::Arc;

    fn replay() -> Replay {
        let settings = AuthSettings::default();
        Replay::new(&settings, Tally::alone(settings.nonces, Arc::new(Vault::from_root(&[1; 32]))))
    }

    #[tokio::test]
    async fn a_nonce_counts_once_a_user_and_request() {
        let it = replay();
        let (peer, now) = ("192.0.2.1".parse().unwrap(), Timestamp::from_millis(0));
        let check = async |user: &str, nonce: &[u8], (body, keyed): (u8, bool), expected: bool| {
            for proof in [Proof::Digest(vec![1]), Proof::Password(Secret::new("x"))] {
                let once = Once { nonce: nonce.to_vec(), created_text: String::new(), created: None };
                let claim = Claim { user: user.to_owned(), proof, once: Some(once.clone()), window: None };
                let taken = it.take(&claim, &once, &Arrival::new(peer, now, &[body; 32]).keyed(keyed)).await;
                assert_eq!(taken.is_ok(), expected, "{user} {nonce:?} {body} {keyed}");
            }
        };
        check("a", b"n", (1, true), true).await;
        check("a", b"n", (1, true), true).await;
        check("a", b"n", (1, false), false).await;
        check("a", b"n", (2, true), false).await;
        check("b", b"n", (2, false), true).await;
        check("b", b"n", (2, false), false).await;
        check("a", b"m", (2, true), true).await;
    }

    #[test]
    fn what_may_have_been_used_before_the_start_is_not_covered() {
        let it = replay();
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
        let it = replay();
        let now = Timestamp::from_millis(10_000_000);
        let check = |millis, expected| assert_eq!(it.is_fresh(Timestamp::from_millis(millis), now), expected, "{millis}");
        check(10_000_000, true);
        check(9_700_000, true);
        check(9_699_999, false);
        check(10_300_000, true);
        check(10_300_001, false);
    }
}
