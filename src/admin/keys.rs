//! Commands about API keys.

use crate::engine::draw::{Chance, SystemChance};
use crate::engine::keys::text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is to be done with API keys. Whoever asks draws the ids of new keys ([`new_id`]), so that the audit log names them.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Keys {
    /// Make one.
    Create {
        /// Its id.
        id: String,
        /// Whom it acts for.
        publisher: String,
        /// What it may be used for.
        scopes: Vec<String>,
        /// What people call it.
        label: String,
        /// Networks or addresses it may come from; none: any.
        allow: Vec<String>,
        /// Seconds for which it lives.
        life: u64,
    },
    /// List them.
    List {
        /// Of this publisher only.
        publisher: Option<String>,
    },
    /// End one.
    Revoke {
        /// Which.
        id: String,
    },
    /// Make another one with the same rights, and have the old one end.
    Rotate {
        /// The old one.
        id: String,
        /// The id of the new one.
        new: String,
        /// Seconds for which the new one lives.
        life: u64,
        /// Seconds for which the old one lives on, at most.
        overlap: u64,
    },
}

/// A new key's id.
pub fn new_id() -> String {
    text::draw_id(&mut SystemChance.generator())
}

impl Keys {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "key create",
            Self::List { .. } => "key list",
            Self::Revoke { .. } => "key revoke",
            Self::Rotate { .. } => "key rotate",
        }
    }

    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List { .. })
    }

    pub(super) fn arguments(&self) -> Value {
        match self {
            Self::Create { id, publisher, scopes, label, allow, life } => {
                json!({ "id": id, "publisher": publisher, "scopes": scopes, "label": label, "allow": allow, "seconds": life })
            }
            Self::List { publisher } => json!({ "publisher": publisher }),
            Self::Revoke { id } => json!({ "id": id }),
            Self::Rotate { id, new, life, overlap } => json!({ "id": id, "new": new, "seconds": life, "overlap": overlap }),
        }
    }
}
