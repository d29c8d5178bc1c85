//! Keys, and the only place that uses them (decisions 2, 3): everything is derived from one root file, kept apart by purpose.

use crate::domain::code::{HashKind, Sealed, Tag};
use crate::domain::id::AggregateId;
use crate::domain::keyring::Keyring;
use zeroize::Zeroizing;

/// Holds the derived keys for the life of the process.
pub struct Vault {}

/// Why a vault can't be had, or bytes can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The root file is missing, too short, or readable by others; the text says what to do.
    #[error("{0}")]
    Root(String),
    /// The bytes were not sealed here, were changed, or their data key is destroyed.
    #[error("the sealed bytes can't be opened")]
    Sealed,
}

impl Vault {
    /// From the root key: 32 random bytes.
    pub fn from_root(root: &[u8; 32]) -> Self {
        let _ = root;
        Self {}
    }

    /// Which root this is, for telling a mismatch; says nothing of the key. Stored beside the data.
    pub fn fingerprint(&self) -> String {
        String::new()
    }

    /// Opens what [`Keyring::seal`] sealed for `challenge`.
    pub fn open(&self, challenge: AggregateId, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let _ = (challenge, sealed);
        Err(VaultError::Sealed)
    }

    /// MAC for comparing a caller's secret without keeping it (decision 4).
    pub fn credential_tag(&self, user: &str, secret: &str) -> Tag {
        let _ = (user, secret);
        Tag([0; 32])
    }
}

impl Keyring for Vault {
    fn code_tag(&self, challenge: AggregateId, value: &[u8]) -> Tag {
        let _ = (challenge, value);
        Tag([0; 32])
    }

    fn payload_tag(&self, fields: &[u8]) -> Tag {
        let _ = fields;
        Tag([0; 32])
    }

    fn seal(&self, challenge: AggregateId, nonce: [u8; 12], plain: &[u8]) -> Sealed {
        let _ = (challenge, nonce, plain);
        Sealed(Box::default())
    }

    fn hash(&self, kind: HashKind, value: &[u8], salt: &[u8]) -> Vec<u8> {
        let _ = (kind, value, salt);
        Vec::new()
    }
}
