//! Who may call us, and how they prove it (decision 4). Read from files, never stored with challenges.

use super::code::Secret;
use super::id::PublisherId;
use ipnet::IpNet;

/// One way for a publisher to prove itself. Two may be active at once, so that a secret can be rotated.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user name of UsernameToken or Basic.
    pub user: String,
    /// Whom it proves.
    pub publisher: PublisherId,
    /// What is compared; more than one while rotating.
    pub secrets: Vec<StoredSecret>,
    /// Networks it may come from; empty: any.
    pub allow: Vec<IpNet>,
    /// WS-Security PasswordDigest is accepted (needs a clear secret; off by default).
    pub password_digest: bool,
}

/// A secret at rest.
#[derive(Clone, Debug)]
pub enum StoredSecret {
    /// A human password as an argon2id PHC string: one argon2 run, then a MAC cache.
    Argon2(String),
    /// A generated secret of at least 128 bits, from a file; compared by MAC.
    Generated(Secret),
}
