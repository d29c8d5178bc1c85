//! What an operator sets for challenges that are asked for over REST.

use crate::domain::request::Pace;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The `[challenges]` section. Unknown keys are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seconds between two messages of a challenge, at least: 0 to 3600.
    pub resend_gap_seconds: u32,
    /// How often a challenge's message may be sent again: 0 to 10.
    pub resends: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { resend_gap_seconds: 30, resends: 3 }
    }
}

impl Settings {
    /// How often a message may be sent again.
    pub fn pace(self) -> Pace {
        Pace { gap: Duration::from_secs(self.resend_gap_seconds.into()), most: self.resends }
    }
}
