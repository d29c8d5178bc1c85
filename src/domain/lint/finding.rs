//! What a lint finds.

use crate::domain::template::Target;
use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know: it costs something, or it is unusual.
    Note,
    /// Probably not meant so.
    Warning,
    /// A challenge with this alert fails, or harms.
    Error,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The body it is about; `None` when it is about several.
    pub body: Option<Target>,
    /// Line and column, 1-based, in that body's source.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Finding {
    /// A finding about one body, or about all.
    pub fn new(severity: Severity, body: impl Into<Option<Target>>, message: impl Into<String>) -> Self {
        Self { severity, body: body.into(), position: None, message: message.into() }
    }

    /// The same, at a place.
    #[must_use]
    pub const fn at(mut self, position: (usize, usize)) -> Self {
        self.position = Some(position);
        self
    }
}

/// `warning: SMS body, line 2, column 5: …`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let body = match self.body {
            Some(Target::Sms) => " SMS body",
            Some(Target::Subject) => " mail subject",
            Some(Target::Text) => " mail text",
            Some(Target::Html) => " mail HTML",
            None => " alert",
        };
        write!(f, "{severity}:{body}")?;
        if let Some((line, column)) = self.position {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}
