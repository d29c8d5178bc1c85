//! What `decide` may do with keys, without seeing one (decisions 2, 26).

use super::code::{HashKind, Sealed, Tag};
use super::id::AggregateId;

/// Keyed, deterministic operations. The vault implements it; a test implements it with a fixed key.
pub trait Keyring: Send + Sync {
    /// MAC(pepper, challenge id ‖ value): what is kept of a code.
    fn code_tag(&self, challenge: AggregateId, value: &[u8]) -> Tag;

    /// MAC over a request's parsed body fields: what is kept of a payload for the idempotency check (decision 1).
    fn payload_tag(&self, fields: &[u8]) -> Tag;

    /// Seals `plain` for `challenge` under today's data key; the same nonce gives the same bytes.
    fn seal(&self, challenge: AggregateId, nonce: [u8; 12], plain: &[u8]) -> Sealed;

    /// A publisher's unkeyed hash of `value ‖ salt`, for verification values that arrive hashed.
    fn hash(&self, kind: HashKind, value: &[u8], salt: &[u8]) -> Vec<u8>;
}
