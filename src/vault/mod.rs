//! Keys, and the only place that uses them (decisions 2, 3): everything is derived from one root file, kept apart by purpose.

mod days;
mod derive;
mod error;
mod root;

use crate::domain::code::{HashKind, Sealed, Tag};
use crate::domain::id::AggregateId;
use crate::domain::keyring::Keyring;
use aws_lc_rs::{digest, hkdf};
use days::{AeadKey, DayKeys, Days, with_room};
use derive::{ShortMac, expand, random, secret};
use std::path::Path;
use std::sync::Arc;

pub use days::{Plain, ROOM, STANDING, SealedRow, day_of};
pub use error::VaultError;

/// Holds the derived keys for the life of the process.
///
/// Keys of their own for: the code pepper, the payload MAC, the index MAC, the credential MAC, wrapping data keys, and what is
/// long-lived (recipients, budgets, notes). Challenges are sealed under a random data key a UTC day, which the store keeps
/// wrapped and destroys after retention (decision 3). There a random nonce is good for 2^32 messages under one key; the key for
/// what is long-lived is used in a way that knows no such limit.
pub struct Vault {
    pepper: ShortMac,
    payload: ShortMac,
    index: ShortMac,
    credential: ShortMac,
    wrapping: AeadKey,
    standing: DayKeys,
    standing_rows: AeadKey,
    fingerprint: String,
    days: Days,
}

impl Vault {
    /// From the root key: 32 random bytes.
    pub fn from_root(root: &[u8; 32]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign root v1").extract(root);
        let derive = |purpose: &str| expand(&prk, purpose);
        let mac = |purpose: &str| ShortMac::new(&derive(purpose));
        Self {
            pepper: mac("code pepper v2"),
            payload: mac("payload tag v2"),
            index: mac("index tag v3"),
            credential: mac("credential tag v2"),
            wrapping: AeadKey::new(&derive("wrapping")),
            standing: DayKeys::new(STANDING, &derive("standing")),
            standing_rows: AeadKey::lasting(&derive("standing rows v2")),
            fingerprint: hex::encode(&derive("fingerprint v3")[..8]),
            days: Days::default(),
        }
    }

    /// Reads the root file at `path`; refuses one that others may read, and one that is not 64 hexadecimal digits.
    pub fn from_file(path: &Path) -> Result<Self, VaultError> {
        root::read(path).map(|bytes| Self::from_root(&bytes))
    }

    /// Makes a new root file at `path` (mode 0600), durably. Refuses to overwrite.
    pub fn init_file(path: &Path) -> Result<Self, VaultError> {
        root::create(path).map(|bytes| Self::from_root(&bytes))
    }

    /// Which root this is, for telling a mismatch; says nothing of the key. Stored beside the data.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Opens what [`Keyring::seal`] sealed for `challenge`.
    pub fn open(&self, challenge: AggregateId, sealed: &Sealed) -> Result<Plain, VaultError> {
        let (head, rest) = sealed.0.split_at_checked(MATERIAL_HEAD).ok_or(VaultError::Sealed)?;
        let day = head[1..5].try_into().map(u32::from_be_bytes).map_err(|_| VaultError::Sealed)?;
        if head[0] != MATERIAL_FORM {
            return Err(VaultError::Sealed);
        }
        self.keys_of(day)?.material.open(&material_aad(challenge, day), rest)
    }

    /// MAC for comparing a caller's secret without keeping it (decision 4).
    pub fn credential_tag(&self, user: &str, secret: &str) -> Tag {
        Tag(self.credential.tag(0, &[user.as_bytes(), secret.as_bytes()]))
    }

    /// Routing MAC of `parts` for one `purpose`, 16 bytes: equal parts give equal tags. Its key does not rotate.
    pub fn index_tag(&self, purpose: u8, parts: &[&[u8]]) -> [u8; 16] {
        self.index.tag(purpose, parts)
    }

    /// Seals a stored value: `long_lived` under the standing key, else under the current day's. `aad`, at most 27 bytes, is
    /// bound to it.
    pub fn seal_row(&self, long_lived: bool, aad: &[u8], plain: &[u8]) -> SealedRow {
        self.seal_row_in_place(long_lived, aad, with_room(plain))
    }

    /// [`Vault::seal_row`] of what `bytes` holds after its first [`ROOM`], which are free: no clear copy of it stays behind.
    pub fn seal_row_in_place(&self, long_lived: bool, aad: &[u8], mut bytes: Vec<u8>) -> SealedRow {
        let current = self.days.current().filter(|_| !long_lived);
        let (day, key) = current.as_ref().map_or((STANDING, &self.standing_rows), |keys| (keys.day, &keys.rows));
        key.seal_in_place(&row_aad(day, aad), random(), &mut bytes);
        SealedRow { day, bytes }
    }

    /// Opens what [`Vault::seal_row`] sealed under the key of `day` with the same `aad`.
    pub fn open_row(&self, day: u32, aad: &[u8], bytes: &[u8]) -> Result<Plain, VaultError> {
        let aad = row_aad(day, aad);
        match day {
            STANDING => self.standing_rows.open(&aad, bytes),
            _ => self.days.get(day).ok_or(VaultError::Sealed)?.rows.open(&aad, bytes),
        }
    }

    /// A new random data key for `day` (days since 1970-01-01 UTC), wrapped: for the store to keep. Not yet known here.
    pub fn new_day(&self, day: u32) -> Vec<u8> {
        self.wrapping.seal(&row_aad(day, b"data key"), random(), secret().as_slice())
    }

    /// Unwraps and learns the data key of `day`.
    pub fn learn_day(&self, day: u32, wrapped: &[u8]) -> Result<(), VaultError> {
        let plain = self.wrapping.open(&row_aad(day, b"data key"), wrapped)?;
        let secret: &[u8; 32] = plain.as_slice().try_into().map_err(|_| VaultError::Sealed)?;
        self.days.learn(DayKeys::new(day, secret));
        Ok(())
    }

    /// Whether the data key of `day` is known.
    pub fn knows_day(&self, day: u32) -> bool {
        day == STANDING || self.days.get(day).is_some()
    }

    /// Seals from now on under the key of `day`; `false` (and no change) when that key is not known.
    pub fn set_day(&self, day: u32) -> bool {
        self.days.select(day)
    }

    /// Forgets the data key of `day`: what it sealed can no longer be opened here.
    pub fn forget_day(&self, day: u32) {
        self.days.forget(day);
    }

    fn keys_of(&self, day: u32) -> Result<KeysOf<'_>, VaultError> {
        if day == STANDING {
            return Ok(KeysOf::Standing(&self.standing));
        }
        self.days.get(day).map(KeysOf::Day).ok_or(VaultError::Sealed)
    }
}

impl Keyring for Vault {
    fn code_tag(&self, challenge: AggregateId, value: &[u8]) -> Tag {
        Tag(self.pepper.tag(0, &[challenge.0.as_bytes(), value]))
    }

    fn payload_tag(&self, fields: &[u8]) -> Tag {
        Tag(self.payload.tag(0, &[fields]))
    }

    fn seal(&self, challenge: AggregateId, nonce: [u8; 12], plain: &[u8]) -> Sealed {
        let current = self.days.current();
        let keys = current.as_deref().unwrap_or(&self.standing);
        let sealed = keys.material.seal(&material_aad(challenge, keys.day), nonce, plain);
        let mut out = Vec::with_capacity(MATERIAL_HEAD + sealed.len());
        out.push(MATERIAL_FORM);
        out.extend_from_slice(&keys.day.to_be_bytes());
        out.extend_from_slice(&sealed);
        Sealed(out.into_boxed_slice())
    }

    fn hash(&self, kind: HashKind, value: &[u8], salt: &[u8]) -> Vec<u8> {
        let algorithm = match kind {
            HashKind::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            HashKind::Sha256 => &digest::SHA256,
            HashKind::Sha512 => &digest::SHA512,
        };
        let mut context = digest::Context::new(algorithm);
        context.update(value);
        context.update(salt);
        context.finish().as_ref().to_vec()
    }
}

const MATERIAL_FORM: u8 = 1;
const MATERIAL_HEAD: usize = 5;
/// Bytes that a row may be bound to.
const AAD_MOST: usize = 27;

enum KeysOf<'a> {
    Standing(&'a DayKeys),
    Day(Arc<DayKeys>),
}

impl std::ops::Deref for KeysOf<'_> {
    type Target = DayKeys;

    fn deref(&self) -> &DayKeys {
        match self {
            Self::Standing(keys) => keys,
            Self::Day(keys) => keys,
        }
    }
}

fn material_aad(challenge: AggregateId, day: u32) -> [u8; 28] {
    let mut out = [0; 28];
    out[..8].copy_from_slice(b"material");
    out[8..12].copy_from_slice(&day.to_be_bytes());
    out[12..].copy_from_slice(challenge.0.as_bytes());
    out
}

// Two blocks, whatever it is: with its length it can't be taken for another.
fn row_aad(day: u32, aad: &[u8]) -> [u8; 32] {
    assert!(aad.len() <= AAD_MOST, "a row is bound to a key of 17 bytes, or to a name that is not longer than {AAD_MOST}");
    let mut out = [0; 32];
    out[..4].copy_from_slice(&day.to_be_bytes());
    out[4] = aad.len() as u8;
    out[5..5 + aad.len()].copy_from_slice(aad);
    out
}

#[cfg(test)]
mod tests;
