//! The MAC that secrets are compared by.

use crate::domain::code::Tag;
use crate::vault::Vault;

/// The MAC that secrets are compared by. The vault has the key.
pub trait Mac: Send + Sync {
    /// MAC of a user's secret.
    fn tag(&self, user: &str, secret: &str) -> Tag;
}

impl Mac for Vault {
    fn tag(&self, user: &str, secret: &str) -> Tag {
        self.credential_tag(user, secret)
    }
}
