//! A template made ready: compiled once, rendered for each message.

use super::expression::plain;
use super::html::html;
use super::language::DEFAULT;
use super::marked::{Bit, Form, Marked, bits};
use super::sanitise;
use super::source::{CODE, Invalid, Kind, Part, Source, VALUE_LIMIT};
use crate::domain::code::Secret;
use crate::domain::template::Target;
use std::fmt;
use zeroize::Zeroizing;

/// A template that can be rendered. `Debug` doesn't show its text.
#[derive(Clone, PartialEq)]
pub struct Compiled {
    kind: Kind,
    subject: Option<Text>,
    body: Text,
    keys: Vec<String>,
    mandatory: Vec<String>,
}

#[derive(Clone, PartialEq)]
struct Text {
    target: Target,
    pieces: Vec<Piece>,
}

#[derive(Clone, PartialEq)]
enum Piece {
    Literal(String),
    // A place in `keys`.
    Value(usize, Form),
}

/// What a template is rendered with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The generated code: what `otpValue` shows, whatever the parameters say.
    pub code: &'a Secret,
    /// Parameters by key; the first of a key wins. Those that the template doesn't show are ignored.
    pub parameters: &'a [(String, Secret)],
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendered {
    /// A mail's subject or a push message's title, on one line; `None`: the template has none.
    pub subject: Option<Secret>,
    /// A mail's HTML document, else a plain text.
    pub body: Secret,
}

/// Why there is no message: keys of parameters, never a value.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unrenderable {
    /// Mandatory, and not given or blank. In the order in which they were declared.
    pub missing: Vec<String>,
    /// Longer than [`VALUE_LIMIT`] bytes, or what makes the message longer than its kind can be.
    pub too_long: Vec<String>,
}

/// `mandatory parameters are missing: clientId; parameters are too long: name`
impl fmt::Display for Unrenderable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("mandatory parameters are missing", &self.missing), ("parameters are too long", &self.too_long)];
        let said: Vec<String> =
            parts.iter().filter(|(_, keys)| !keys.is_empty()).map(|(what, keys)| format!("{what}: {}", keys.join(", "))).collect();
        f.write_str(&said.join("; "))
    }
}
impl std::error::Error for Unrenderable {}

/// A source's texts, with marks where values stand.
pub(super) struct Parsed<'a> {
    pub subject: Option<Marked<'a>>,
    pub body: Marked<'a>,
}

/// Checks a source's fields and reads its texts.
pub(super) fn parse(source: &Source) -> Result<Parsed<'_>, Invalid> {
    source.check()?;
    let subject = source.subject.as_deref();
    let subject = subject.map(|it| plain(it).map_err(|(at, message)| Invalid::at((Part::Subject, it), at, message))).transpose()?;
    let read = if source.key.kind == Kind::Mail { html } else { plain };
    let body = read(&source.body).map_err(|(at, message)| Invalid::at((Part::Body, &source.body), at, message))?;
    Ok(Parsed { subject, body })
}

impl Compiled {
    /// Compiles a source: the first thing that is wrong with it is told with its place. Takes time in proportion to its length.
    pub fn new(source: &Source) -> Result<Self, Invalid> {
        Self::of(source, &parse(source)?)
    }

    /// Compiles what was read.
    pub(super) fn of(source: &Source, parsed: &Parsed<'_>) -> Result<Self, Invalid> {
        let kind = source.key.kind;
        let mut keys = Vec::new();
        let subject = parsed.subject.as_ref().map(|it| text(Target::Subject, it.text.trim_end(), it, &mut keys));
        let body = match kind {
            Kind::Mail => {
                let clean = sanitise::template(&parsed.body.text);
                if !sanitise::is_in_text(&clean) {
                    return Err(Invalid::whole(
                        Part::Body,
                        "a value stands inside a tag; close the tag before it, and quote its attributes",
                    ));
                }
                text(Target::Html, &framed(source, &clean), &parsed.body, &mut keys)
            }
            Kind::Sms | Kind::Push => text(Target::Sms, &parsed.body.text, &parsed.body, &mut keys),
        };
        let keys = keys.into_iter().map(str::to_owned).collect();
        let mandatory = source.parameters.iter().filter(|it| it.mandatory).map(|it| it.key.clone()).collect();
        let it = Self { kind, subject: subject.filter(|it| kind != Kind::Sms && !it.pieces.is_empty()), body, keys, mandatory };
        it.fits().map(|()| it)
    }

    /// What it makes.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Keys of the parameters it shows, the code's among them, without repeats.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Keys of the parameters without which there is no message.
    pub fn mandatory(&self) -> &[String] {
        &self.mandatory
    }

    /// Whether its body shows the code.
    pub fn shows_code(&self) -> bool {
        self.body.pieces.iter().any(|it| matches!(it, Piece::Value(key, _) if self.keys[*key] == CODE))
    }

    /// The message for these values. A parameter that is not mandatory, and is not given, shows nothing.
    pub fn render(&self, values: &Values<'_>) -> Result<Rendered, Unrenderable> {
        let given: Vec<&str> = self.keys.iter().map(|key| find(values, key)).collect();
        let mut troubles = Unrenderable {
            missing: self.mandatory.iter().filter(|key| find(values, key).trim().is_empty()).cloned().collect(),
            too_long: self.keys.iter().zip(&given).filter(|(_, it)| it.len() > VALUE_LIMIT).map(|(key, _)| key.clone()).collect(),
        };
        if troubles != Unrenderable::default() {
            return Err(troubles);
        }
        let made = self.subject.as_ref().map(|it| it.render(&given)).transpose();
        match made.and_then(|subject| self.body.render(&given).map(|body| Rendered { subject, body })) {
            Ok(rendered) => Ok(rendered),
            Err(longest) => {
                troubles.too_long.push(self.keys[longest].clone());
                Err(troubles)
            }
        }
    }

    // What it says by itself is not longer than what is sent.
    fn fits(&self) -> Result<(), Invalid> {
        let parts = self.subject.iter().map(|it| (Part::Subject, it)).chain([(Part::Body, &self.body)]);
        for (part, text) in parts {
            let (length, most) = (text.fixed(), text.target.limit());
            if length > most {
                let message = format!("it comes to {length} characters without its parameters; at most {most} are sent");
                return Err(Invalid::whole(part, message));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compiled({}, {} keys)", self.kind.name(), self.keys.len())
    }
}

impl Text {
    fn fixed(&self) -> usize {
        self.pieces.iter().map(|it| if let Piece::Literal(text) = it { text.chars().count() } else { 0 }).sum()
    }

    // `Err`: the key whose value takes the most room, when all is too long.
    fn render(&self, given: &[&str]) -> Result<Secret, usize> {
        let markup: Vec<Option<Zeroizing<String>>> = self.markup(given);
        let most = self.target.limit() * 4;
        // Reserved at once: a buffer that grows leaves copies behind that nobody wipes.
        let mut out = Zeroizing::new(String::with_capacity(self.room(given, &markup).min(most + VALUE_LIMIT * 6)));
        let mut longest = (0, 0);
        for piece in &self.pieces {
            let before = out.len();
            match piece {
                Piece::Literal(text) => out.push_str(text),
                // What is too long already is not made longer: the work stays bounded.
                Piece::Value(..) if before > most => {}
                Piece::Value(key, form) => {
                    match (form, &markup[*key]) {
                        (Form::Raw, Some(markup)) => out.push_str(markup),
                        _ => self.target.value(given[*key], &mut out),
                    }
                    longest = longest.max((out.len() - before, *key));
                }
            }
        }
        if out.chars().count() > self.target.limit() { Err(longest.1) } else { Ok(Secret::new(std::mem::take(&mut *out))) }
    }

    // Values that are shown as markup, sanitised: each once, however often it is shown.
    fn markup(&self, given: &[&str]) -> Vec<Option<Zeroizing<String>>> {
        let mut all = vec![None; given.len()];
        if self.target == Target::Html {
            for piece in &self.pieces {
                if let Piece::Value(key, Form::Raw) = piece {
                    all[*key].get_or_insert_with(|| sanitised(given[*key]));
                }
            }
        }
        all
    }

    // Bytes that are surely enough.
    fn room(&self, given: &[&str], markup: &[Option<Zeroizing<String>>]) -> usize {
        let grows = if self.target == Target::Html { 6 } else { 1 };
        let of = |piece: &Piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Value(key, _) => (given[*key].len() * grows).max(markup[*key].as_ref().map_or(0, |it| it.len())),
        };
        self.pieces.iter().map(of).fold(0, usize::saturating_add)
    }
}

// Controls and marks that turn the writing direction go last: they may have been written as entities.
fn sanitised(value: &str) -> Zeroizing<String> {
    let clean = Zeroizing::new(sanitise::value(value));
    let mut out = Zeroizing::new(String::with_capacity(clean.len()));
    Target::Text.value(&clean, &mut out);
    out
}

fn text<'a>(target: Target, marked: &str, from: &Marked<'a>, keys: &mut Vec<&'a str>) -> Text {
    let mut pieces = Vec::new();
    for bit in bits(marked) {
        match bit {
            Bit::Text(text) => {
                let mut clean = String::with_capacity(text.len());
                target.literal(text, &mut clean);
                if !clean.is_empty() {
                    pieces.push(Piece::Literal(clean));
                }
            }
            Bit::Mark(number) => {
                let Some(shown) = from.uses.get(number) else { continue };
                let known = keys.iter().position(|it| *it == shown.key);
                let key = known.unwrap_or_else(|| {
                    keys.push(shown.key);
                    keys.len() - 1
                });
                pieces.push(Piece::Value(key, shown.form));
            }
        }
    }
    Text { target, pieces }
}

// The sanitiser leaves a fragment; a mail is a document.
fn framed(source: &Source, fragment: &str) -> String {
    let language = source.key.language.as_ref().map_or(DEFAULT, |it| it.as_str());
    format!("<!DOCTYPE html><html lang=\"{language}\"><head><meta charset=\"utf-8\"></head><body>{fragment}</body></html>")
}

// An empty text for what is not given.
fn find<'a>(values: &Values<'a>, key: &str) -> &'a str {
    if key == CODE {
        return values.code.expose();
    }
    values.parameters.iter().find(|(it, _)| it == key).map_or("", |(_, value)| value.expose())
}
