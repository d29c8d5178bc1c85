//! Who is let in to the REST interface, and for what.

use crate::domain::id::PublisherId;
use crate::domain::scope::{Scope, Scopes};

/// A caller that has proved itself.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For whom it acts.
    pub publisher: PublisherId,
    /// What it may do.
    pub scopes: Scopes,
    /// The id of its API key; `None`: it showed its publisher's own credentials.
    pub key: Option<String>,
}

impl Caller {
    /// One with its publisher's own credentials: it may do everything.
    pub fn publisher(publisher: PublisherId) -> Self {
        Self { publisher, scopes: Scopes::all(), key: None }
    }

    /// Whether it may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }
}
