//! What a person wrote: the fields of a template, and their limits (contract `otp-bus.md`, `POST /api/template`).

use super::language::Language;
use crate::domain::template::place;
use std::fmt;

/// Longest body, in bytes.
pub const BODY_LIMIT: usize = 65_536;
/// Longest subject, in bytes; rendered it has at most 250 characters.
pub const SUBJECT_LIMIT: usize = 1_000;
/// Most parameters that a template declares.
pub const PARAMETER_LIMIT: usize = 100;
/// Most places of a subject and a body where a value stands.
pub const USE_LIMIT: usize = 200;
/// Longest key of a parameter, in characters.
pub const KEY_LENGTH: usize = 64;
/// Longest value of a parameter, in bytes.
pub const VALUE_LIMIT: usize = 4_096;
/// Longest name of a template, in characters.
pub const NAME_LENGTH: usize = 64;
/// Most entries of `context`, and of each the longest, in bytes.
pub const CONTEXT_LIMIT: (usize, usize) = (20, 100);
/// The key that shows the generated code.
pub const CODE: &str = "otpValue";

/// What a template makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A mail with an HTML body.
    Mail,
    /// A text message.
    Sms,
    /// A push message: a title (the subject) and a text.
    Push,
}

impl Kind {
    /// As the contract writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "MAIL",
            Self::Sms => "SMS",
            Self::Push => "PUSH",
        }
    }

    /// Reads the contract's word, and no other.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mail, Self::Sms, Self::Push].into_iter().find(|it| it.name() == text)
    }
}

/// Which template of a publisher: of one key there is one at a time, in versions.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// What it makes.
    pub kind: Kind,
    /// Its language; `None`: it stands in for every language that has none of its own.
    pub language: Option<Language>,
}

/// `MAIL/en-US/otpMail`; `-` stands for no language.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.name(), self.language.as_ref().map_or("-", Language::as_str), self.name)
    }
}

/// A parameter that a template declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its key.
    pub key: String,
    /// Whether a message without it is refused.
    pub mandatory: bool,
}

/// A template as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Which.
    pub key: Key,
    /// `strategyType`: kept, and told again; it decides nothing.
    pub strategy: Option<String>,
    /// Whether new challenges may use it.
    pub active: bool,
    /// A mail's subject, or a push message's title.
    pub subject: Option<String>,
    /// HTML for mail, plain text for all else.
    pub body: String,
    /// Kept, and told again; it decides nothing.
    pub context: Vec<String>,
    /// Declared parameters.
    pub parameters: Vec<Parameter>,
}

/// A part of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Its name.
    Name,
    /// `strategyType`.
    Strategy,
    /// Its subject.
    Subject,
    /// Its body.
    Body,
    /// `context`.
    Context,
    /// Its declared parameters.
    Parameters,
}

impl Part {
    /// As the contract names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Strategy => "strategyType",
            Self::Subject => "subject",
            Self::Body => "body",
            Self::Context => "context",
            Self::Parameters => "params",
        }
    }
}

/// Why a source is no template, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid {
    /// In which part.
    pub part: Part,
    /// Line and column, 1-based, in characters; `None`: the part as a whole.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Invalid {
    /// A part as a whole is wrong.
    pub(super) fn whole(part: Part, message: impl Into<String>) -> Self {
        Self { part, position: None, message: message.into() }
    }

    /// The byte `at` of a part is where it is wrong.
    pub(super) fn at((part, text): (Part, &str), at: usize, message: String) -> Self {
        Self { part, position: Some(place(text, at)), message }
    }
}

/// `body, line 1, column 5: …`
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.name())?;
        if let Some((line, column)) = self.position {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}
impl std::error::Error for Invalid {}

impl Source {
    /// Whether its fields keep their limits: the first that doesn't.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let (entries, length) = CONTEXT_LIMIT;
        let strategy = self.strategy.as_deref().unwrap_or_default();
        let rules = [
            (is_name(&self.key.name), Part::Name, format!("a name has 1 to {NAME_LENGTH} of A-Z a-z 0-9 . _ -")),
            (strategy.len() <= NAME_LENGTH, Part::Strategy, format!("it has at most {NAME_LENGTH} bytes")),
            (
                self.context.len() <= entries && self.context.iter().all(|it| it.len() <= length),
                Part::Context,
                format!("at most {entries} texts of at most {length} bytes"),
            ),
            (self.subject.as_ref().is_none_or(|it| it.len() <= SUBJECT_LIMIT), Part::Subject, format!("at most {SUBJECT_LIMIT} bytes")),
            (!self.body.trim().is_empty(), Part::Body, "it is empty; write the message".to_owned()),
            (self.body.len() <= BODY_LIMIT, Part::Body, format!("it has {} bytes; at most {BODY_LIMIT} are taken", self.body.len())),
            (self.parameters.len() <= PARAMETER_LIMIT, Part::Parameters, format!("at most {PARAMETER_LIMIT} parameters")),
        ];
        match rules.into_iter().find(|(kept, ..)| !kept) {
            Some((_, part, message)) => Err(Invalid::whole(part, message)),
            None => self.check_keys(),
        }
    }

    fn check_keys(&self) -> Result<(), Invalid> {
        let keys: Vec<&str> = self.parameters.iter().map(|it| it.key.as_str()).collect();
        for (at, key) in keys.iter().enumerate() {
            if !is_key(key) {
                return Err(Invalid::whole(Part::Parameters, format!("params[{at}].key: {KEY_RULE}")));
            }
            if keys[..at].contains(key) {
                return Err(Invalid::whole(Part::Parameters, format!("params[{at}].key: '{key}' is declared twice; keep one")));
            }
        }
        Ok(())
    }
}

/// What a key looks like.
pub(super) const KEY_RULE: &str = "a key begins with a letter or _, goes on with letters, digits, . _ - and has at most 64 characters";

/// Whether it can be a parameter's key: ASCII.
pub(super) fn is_key(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_');
    first && text.len() <= KEY_LENGTH && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'))
}

// It stands in paths, so it is neither a step up nor here.
fn is_name(text: &str) -> bool {
    let right = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
    (1..=NAME_LENGTH).contains(&text.len()) && text.bytes().all(right) && !text.bytes().all(|it| it == b'.')
}
