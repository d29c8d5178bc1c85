//! Data keys: one a UTC day, and the cipher that uses them.

use super::error::VaultError;
use crate::domain::code::Wiped;
use crate::domain::time::Timestamp;
use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// The key id of what is sealed under the standing key, which does not rotate.
pub const STANDING: u32 = u32::MAX;

/// Bytes that a value sealed in place leaves free before it: the nonce comes there.
pub const ROOM: usize = NONCE;

const NONCE: usize = 12;
const DAY_MILLIS: i64 = 86_400_000;

/// A sealed value and the id of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// Days since 1970-01-01 UTC of the data key, or [`STANDING`].
    pub day: u32,
    /// Nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

/// What was sealed, clear.
pub type Plain = Wiped;

/// Days since 1970-01-01 UTC of `at`; 0 before that.
pub fn day_of(at: Timestamp) -> u32 {
    u32::try_from(at.millis().div_euclid(DAY_MILLIS)).unwrap_or(0)
}

/// A cipher with one key; what it seals starts with the nonce.
pub(super) struct AeadKey(LessSafeKey);

impl AeadKey {
    /// AES-256-GCM (NIST SP 800-38D), where random nonces are good for 2^32 values.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(unbound))
    }

    /// AES-256-GCM-SIV (RFC 8452), for a key that lives as long as the data: each nonce gets keys of its own, and should two
    /// values ever share one, that tells no more than whether they are equal.
    pub(super) fn lasting(key: &[u8; 32]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, key).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(unbound))
    }

    pub(super) fn seal(&self, aad: &[u8], nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        let mut out = with_room(plain);
        self.seal_in_place(aad, nonce, &mut out);
        out
    }

    /// Seals what follows the first [`ROOM`] bytes, which become the nonce.
    pub(super) fn seal_in_place(&self, aad: &[u8], nonce: [u8; NONCE], bytes: &mut Vec<u8>) {
        let (room, plain) = bytes.split_at_mut(NONCE);
        room.copy_from_slice(&nonce);
        let tag = self.0.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plain);
        bytes.extend_from_slice(tag.expect("a value is far below what AES-GCM seals at once").as_ref());
    }

    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Plain, VaultError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::Sealed)?;
        let mut plain = Wiped(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut plain).map_err(|_| VaultError::Sealed)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// A copy of `plain` that can be sealed in place.
pub(super) fn with_room(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ROOM + plain.len() + AES_256_GCM.tag_len());
    out.extend_from_slice(&[0; ROOM]);
    out.extend_from_slice(plain);
    out
}

/// What one data key becomes: keys of their own for material and for rows, so that their nonces never meet.
pub(super) struct DayKeys {
    pub(super) day: u32,
    pub(super) material: AeadKey,
    pub(super) rows: AeadKey,
}

impl DayKeys {
    pub(super) fn new(day: u32, secret: &[u8; 32]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign day v1").extract(secret);
        let of = |purpose: &str| AeadKey::new(&super::derive::expand(&prk, purpose));
        Self { day, material: of("material"), rows: of("rows") }
    }
}

/// The data keys that are known, and the one in use.
#[derive(Default)]
pub(super) struct Days(RwLock<Known>);

#[derive(Default)]
struct Known {
    current: Option<Arc<DayKeys>>,
    all: HashMap<u32, Arc<DayKeys>>,
}

impl Days {
    pub(super) fn current(&self) -> Option<Arc<DayKeys>> {
        self.0.read().current.clone()
    }

    pub(super) fn get(&self, day: u32) -> Option<Arc<DayKeys>> {
        self.0.read().all.get(&day).cloned()
    }

    pub(super) fn learn(&self, keys: DayKeys) {
        self.0.write().all.insert(keys.day, Arc::new(keys));
    }

    pub(super) fn select(&self, day: u32) -> bool {
        let mut known = self.0.write();
        let found = known.all.get(&day).cloned();
        let there = found.is_some();
        if there {
            known.current = found;
        }
        there
    }

    pub(super) fn forget(&self, day: u32) {
        let mut known = self.0.write();
        known.all.remove(&day);
        if known.current.as_ref().is_some_and(|it| it.day == day) {
            known.current = None;
        }
    }
}
