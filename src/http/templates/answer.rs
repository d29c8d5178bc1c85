//! What is told of templates: JSON (contract `otp-bus.md`, `/api/template`).

use super::form::{Param, Type};
use crate::domain::lint::Severity;
use crate::domain::message::lint::Finding;
use crate::domain::segment::{Encoding, Segments};
use crate::engine::templates::{Entry, Stored};
use serde::Serialize;
use utoipa::ToSchema;

/// A template as it is told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StoredTemplate)]
pub(in crate::http) struct Told {
    /// Its name.
    pub name: String,
    /// What it makes.
    #[serde(rename = "type")]
    pub kind: Type,
    /// As it was sent.
    pub strategy_type: Option<String>,
    /// Whether new challenges may use it.
    pub active: bool,
    /// Its language in the usual form; null: it stands in for every language that has none of its own.
    pub language: Option<String>,
    /// Its subject or title.
    pub subject: Option<String>,
    /// Its body as it was sent.
    pub body: String,
    /// As it was sent.
    pub context: Vec<String>,
    /// Declared parameters.
    pub params: Vec<Param>,
    /// Its version, also in `ETag`.
    pub version: u32,
    /// When this version was made (ISO 8601, UTC).
    pub changed_at: String,
}

/// A template in a list, and what a change is answered with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ListedTemplate)]
pub(in crate::http) struct Listed {
    /// Its name.
    pub name: String,
    /// What it makes.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Its language.
    pub language: Option<String>,
    /// Whether new challenges may use it.
    pub active: bool,
    /// Its version.
    pub version: u32,
    /// When this version was made; null in the answer to a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
}

/// All templates of a publisher.
#[derive(Serialize, ToSchema)]
#[schema(as = Templates)]
pub(in crate::http) struct All {
    /// By name, type and language.
    pub templates: Vec<Listed>,
}

/// What the linter found.
#[derive(Serialize, ToSchema)]
#[schema(as = LintedTemplate)]
pub(in crate::http) struct Linted {
    /// Errors first, then warnings and notes.
    pub findings: Vec<Found>,
}

/// One finding.
#[derive(Serialize, ToSchema)]
#[schema(as = LintFinding)]
pub(in crate::http) struct Found {
    /// What was found, for programs; stable.
    pub code: &'static str,
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// The field it is about.
    pub part: &'static str,
    /// Line in that field, from 1; null: the field as a whole.
    pub line: Option<usize>,
    /// Column in that line, from 1, in characters.
    pub column: Option<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A message made of sample values.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewedTemplate)]
pub(in crate::http) struct Previewed {
    /// Its subject or title.
    pub subject: Option<String>,
    /// Its body.
    pub body: String,
    /// What it takes, for SMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<Taken>,
}

/// What an SMS takes.
#[derive(Serialize, ToSchema)]
#[schema(as = SmsSize)]
pub(in crate::http) struct Taken {
    /// `GSM` or `UTF-16`.
    pub encoding: &'static str,
    /// Messages it is split into.
    pub segments: usize,
    /// Septets or UTF-16 units in all.
    pub units: usize,
}

impl Told {
    /// A version of a template.
    pub fn new(stored: Stored) -> Self {
        let source = stored.source;
        Self {
            name: source.key.name,
            kind: source.key.kind.into(),
            strategy_type: source.strategy,
            active: source.active,
            language: source.key.language.map(|it| it.to_string()),
            subject: source.subject,
            body: source.body,
            context: source.context,
            params: source.parameters.into_iter().map(|it| Param { key: it.key, mandatory: it.mandatory }).collect(),
            version: stored.version,
            changed_at: stored.made_at.to_string(),
        }
    }
}

impl From<&Entry> for Listed {
    fn from(it: &Entry) -> Self {
        Self {
            name: it.key.name.clone(),
            kind: it.key.kind.into(),
            language: it.key.language.as_ref().map(ToString::to_string),
            active: it.active,
            version: it.version,
            changed_at: Some(it.changed_at.to_string()),
        }
    }
}

impl From<Finding> for Found {
    fn from(it: Finding) -> Self {
        let severity = match it.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let (line, column) = it.position.unzip();
        Self { code: it.code, severity, part: it.part.name(), line, column, message: it.message }
    }
}

impl From<Segments> for Taken {
    fn from(it: Segments) -> Self {
        let encoding = if it.encoding == Encoding::Gsm { "GSM" } else { "UTF-16" };
        Self { encoding, segments: it.segments, units: it.units }
    }
}
