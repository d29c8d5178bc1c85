//! A message that was read: what a caller says and asks.

use super::names::{Root, Version};
use super::security::Security;
use crate::domain::request::OobValidate;

/// A message that could be read. Who sent it is not yet proven, and no field is judged.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its SOAP version; the answer has the same.
    pub version: Version,
    /// Its security header, where it has one.
    pub security: Option<Security>,
    /// What it asks.
    pub operation: Operation,
}

impl Call {
    /// Whether the answer has to carry a `wsu:Timestamp`: exactly when the request did (`oobvalidate.md`, authentication).
    pub fn is_stamped(&self) -> bool {
        self.security.as_ref().is_some_and(|it| it.timestamp.is_some())
    }
}

/// What a message asks, by the root element of its body.
#[derive(Clone, Debug)]
pub enum Operation {
    /// `OOBValidate` or `OOBValidateRq`.
    OobValidate {
        /// Which of the two.
        root: Root,
        /// Its content.
        request: Box<OobValidate>,
    },
    /// `Ping` or `PingRq`: no authentication.
    Ping {
        /// Which of the two.
        root: Root,
        /// What to echo.
        text: String,
    },
}

impl Operation {
    /// The operation's name, as the SOAPAction ends.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OobValidate { .. } => "OOBValidate",
            Self::Ping { .. } => "Ping",
        }
    }
}
