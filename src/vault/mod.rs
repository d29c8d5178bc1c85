//! Keys, and the only place that uses them (decisions 2, 3): everything is derived from one root file, kept apart by purpose.

mod days;
mod derive;
mod error;
mod root;

use crate::domain::code::{HashKind, Sealed, Tag};
use crate::domain::id::AggregateId;
use crate::domain::keyring::Keyring;
use aws_lc_rs::{digest, hkdf, hmac};
use days::{AeadKey, DayKeys, Days, with_room};
use derive::{ShortMac, expand, mac, random, secret};
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
    // What was stored under them is compared by them until it is over: an hour for codes, 72 hours for payloads.
    former_pepper: hmac::Key,
    former_payload: hmac::Key,
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
        let former = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, derive(purpose).as_slice());
        Self {
            pepper: mac("code pepper v2"),
            payload: mac("payload tag v2"),
            index: mac("index tag v3"),
            credential: mac("credential tag v2"),
            former_pepper: former("code pepper"),
            former_payload: former("payload tag"),
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
        Tag::short(self.credential.tag(0, &[user.as_bytes(), secret.as_bytes()]))
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
        Tag::short(self.pepper.tag(0, &[challenge.0.as_bytes(), value]))
    }

    fn is_code(&self, challenge: AggregateId, value: &[u8], tag: &Tag) -> bool {
        if tag.is_short() {
            return self.code_tag(challenge, value) == *tag;
        }
        Tag(mac(&self.former_pepper, &[challenge.0.as_bytes(), value])) == *tag
    }

    fn payload_tag(&self, fields: &[u8]) -> Tag {
        Tag::short(self.payload.tag(0, &[fields]))
    }

    fn is_payload(&self, fields: &[u8], tag: &Tag) -> bool {
        if tag.is_short() {
            return self.payload_tag(fields) == *tag;
        }
        Tag(mac(&self.former_payload, &[fields])) == *tag
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
mod tests {
    use super::*;
    use uuid::Uuid;

    fn vault() -> Vault {
        Vault::from_root(&[7; 32])
    }

    fn id(n: u128) -> AggregateId {
        AggregateId(Uuid::from_u128(n))
    }

    #[test]
    fn tags_depend_on_key_purpose_and_every_part() {
        let vault = vault();
        let other = Vault::from_root(&[8; 32]);
        assert_eq!(vault.code_tag(id(1), b"123456"), vault.code_tag(id(1), b"123456"));
        assert_ne!(vault.code_tag(id(1), b"123456"), vault.code_tag(id(2), b"123456"));
        assert_ne!(vault.code_tag(id(1), b"123456"), other.code_tag(id(1), b"123456"));
        assert_ne!(vault.credential_tag("ab", "c"), vault.credential_tag("a", "bc"));
        assert_ne!(vault.index_tag(1, &[b"ab", b"c"]), vault.index_tag(1, &[b"a", b"bc"]));
        assert_ne!(vault.index_tag(1, &[b"a"]), vault.index_tag(2, &[b"a"]));
        let long = |last: u8| [&[5; 500][..], &[last]].concat();
        assert_eq!(vault.index_tag(1, &[&long(1)]), vault.index_tag(1, &[&long(1)]));
        assert_ne!(vault.index_tag(1, &[&long(1)]), vault.index_tag(1, &[&long(2)]));
        assert_ne!(vault.index_tag(1, &[b"a"]), other.index_tag(1, &[b"a"]));
        assert_ne!(vault.fingerprint(), other.fingerprint());
    }

    #[test]
    fn what_was_kept_by_an_earlier_form_still_counts() {
        let vault = vault();
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign root v1").extract(&[7; 32]);
        let former = |purpose: &str, parts: &[&[u8]]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, expand(&prk, purpose).as_slice());
            let text = parts.iter().fold(Vec::new(), |text, it| [&text[..], &(it.len() as u64).to_be_bytes(), it].concat());
            Tag(hmac::sign(&key, &text).as_ref().try_into().unwrap())
        };
        let code = former("code pepper", &[id(1).0.as_bytes(), b"123456"]);
        let payload = former("payload tag", &[b"fields"]);
        for (code, payload) in [(code, payload), (vault.code_tag(id(1), b"123456"), vault.payload_tag(b"fields"))] {
            assert!(vault.is_code(id(1), b"123456", &code) && vault.is_payload(b"fields", &payload));
            assert!(!vault.is_code(id(1), b"123457", &code) && !vault.is_code(id(2), b"123456", &code));
            assert!(!vault.is_payload(b"field", &payload) && !vault.is_payload(b"fields", &code));
        }
        assert!(!vault.is_code(id(1), b"123456", &Tag([0; 32])));
    }

    #[test]
    fn hashes_are_those_of_the_standards() {
        let hex_of = |kind, value: &[u8], salt: &[u8]| hex::encode(vault().hash(kind, value, salt));
        assert_eq!(hex_of(HashKind::Sha1, b"a", b"bc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex_of(HashKind::Sha256, b"abc", b""), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(vault().hash(HashKind::Sha512, b"", b"").len(), HashKind::Sha512.len());
    }

    #[test]
    fn material_opens_for_its_own_challenge_only_and_the_nonce_decides_the_bytes() {
        let vault = vault();
        let sealed = vault.seal(id(1), [3; 12], b"123456");
        assert_eq!(sealed, vault.seal(id(1), [3; 12], b"123456"));
        assert_ne!(sealed, vault.seal(id(1), [4; 12], b"123456"));
        assert_eq!(vault.open(id(1), &sealed).unwrap()[..], *b"123456");
        assert!(vault.open(id(2), &sealed).is_err());
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(vault.open(id(1), &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_forgotten_day_key_ends_everything_sealed_under_it() {
        let vault = vault();
        let wrapped = vault.new_day(5);
        assert!(!vault.set_day(5));
        vault.learn_day(5, &wrapped).unwrap();
        assert!(vault.learn_day(6, &wrapped).is_err(), "a wrapped key is bound to its day");
        assert!(vault.set_day(5));
        let row = vault.seal_row(false, b"key", b"value");
        let standing = vault.seal_row(true, b"key", b"value");
        assert_eq!((row.day, standing.day), (5, STANDING));
        let material = vault.seal(id(1), [0; 12], b"x");
        assert_eq!(vault.open_row(5, b"key", &row.bytes).unwrap()[..], *b"value");
        assert!(vault.open_row(5, b"other", &row.bytes).is_err());
        vault.forget_day(5);
        assert!(vault.open_row(5, b"key", &row.bytes).is_err());
        assert!(vault.open(id(1), &material).is_err());
        assert_eq!(vault.open_row(STANDING, b"key", &standing.bytes).unwrap()[..], *b"value");
        let again = Vault::from_root(&[7; 32]);
        again.learn_day(5, &wrapped).unwrap();
        assert_eq!(again.open_row(5, b"key", &row.bytes).unwrap()[..], *b"value");
    }
}
