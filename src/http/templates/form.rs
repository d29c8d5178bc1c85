//! Templates as they are sent: JSON (contract `otp-bus.md`, `/api/template`).

use crate::domain::code::Secret;
use crate::domain::message::{Key, Kind, Language, Parameter, Source};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// A template as it is sent. Unknown fields are refused: a slip in an optional field's name would go unseen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = Template)]
pub(in crate::http) struct Written {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 . _ -`, not `lint` and not `preview`. Where the path has it, it may be left out.
    #[serde(default)]
    pub name: Option<String>,
    /// What it makes.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Kept, and told again; it decides nothing. At most 64 bytes.
    #[serde(default)]
    pub strategy_type: Option<String>,
    /// Whether new challenges may use it; `true` when left out.
    #[serde(default = "yes")]
    pub active: bool,
    /// A language tag (`en`, `en-US`); null or empty: it stands in for every language that has none of its own.
    #[serde(default)]
    pub language: Option<String>,
    /// A mail's subject, or a push message's title: plain text, at most 1,000 bytes.
    #[serde(default)]
    pub subject: Option<String>,
    /// HTML for MAIL, plain text for SMS and PUSH; at most 65,536 bytes.
    pub body: String,
    /// Kept, and told again; it decides nothing. At most 20 texts of at most 100 bytes.
    #[serde(default)]
    pub context: Vec<String>,
    /// Declared parameters, at most 100.
    #[serde(default)]
    pub params: Vec<Param>,
    /// Values for `lint` and `preview`, by key; refused elsewhere.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub sample: Option<BTreeMap<String, Secretly>>,
    // What an answer of ours has: it may be sent back as it came.
    #[serde(default, rename = "version")]
    #[schema(ignore)]
    _version: Option<IgnoredAny>,
    #[serde(default, rename = "changedAt")]
    #[schema(ignore)]
    _changed_at: Option<IgnoredAny>,
}

/// What a template makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = TemplateType)]
pub(in crate::http) enum Type {
    /// A mail with an HTML body.
    Mail,
    /// A text message.
    Sms,
    /// A push message.
    Push,
}

/// A declared parameter.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TemplateParameter)]
pub(in crate::http) struct Param {
    /// Its key: a letter or `_`, then letters, digits, `.`, `_`, `-`; at most 64.
    pub key: String,
    /// Whether a message without it is refused; `false` when left out.
    #[serde(default)]
    pub mandatory: bool,
}

/// A value that no log shows.
pub(in crate::http) struct Secretly(pub Secret);

impl Written {
    /// As the engine has it, and the sample values; `name` is the path's. `Err` says what is wrong, and with which field.
    pub fn read(self, name: Option<&str>) -> Result<(Source, Vec<(String, Secret)>), String> {
        let name = match (self.name, name) {
            (Some(own), Some(path)) if own != path => return Err("name: it is not the path's; send the same, or leave it out".into()),
            (None, None) => return Err("name: send one".into()),
            (Some(own), _) => own,
            (None, Some(path)) => path.to_owned(),
        };
        if ["lint", "preview"].contains(&name.as_str()) {
            return Err(format!("name: '{name}' is the path of another request; choose another name"));
        }
        let source = Source {
            key: Key { name, kind: self.kind.into(), language: language(self.language.as_deref())? },
            strategy: self.strategy_type,
            active: self.active,
            subject: self.subject,
            body: self.body,
            context: self.context,
            parameters: self.params.into_iter().map(|it| Parameter { key: it.key, mandatory: it.mandatory }).collect(),
        };
        Ok((source, self.sample.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()))
    }
}

/// Reads a language; an empty text is none.
pub(in crate::http) fn language(text: Option<&str>) -> Result<Option<Language>, String> {
    match text.filter(|it| !it.is_empty()) {
        Some(text) => {
            Language::parse(text).map(Some).ok_or_else(|| "language: send a language tag such as en or en-US, or null".to_owned())
        }
        None => Ok(None),
    }
}

impl From<Type> for Kind {
    fn from(it: Type) -> Self {
        match it {
            Type::Mail => Self::Mail,
            Type::Sms => Self::Sms,
            Type::Push => Self::Push,
        }
    }
}

impl From<Kind> for Type {
    fn from(it: Kind) -> Self {
        match it {
            Kind::Mail => Self::Mail,
            Kind::Sms => Self::Sms,
            Kind::Push => Self::Push,
        }
    }
}

impl<'de> Deserialize<'de> for Secretly {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|it| Self(Secret::new(it)))
    }
}

impl fmt::Debug for Secretly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn yes() -> bool {
    true
}
