//! Message templates: `<%name%>` tags, compiled when an alert is deployed (contract `oobvalidate.md`, template tags).

mod explicit;
mod source;
mod target;

pub use explicit::{ExplicitError, explicit};
pub use source::{NAME_LENGTH, SOURCE_LIMIT, Span, TAG_LIMIT, TemplateError, place, tags};
pub use target::Target;

use super::code::{CodeKind, Secret};
use super::smart::{Format, Zone};
use super::time::Timestamp;
use source::{Parameter, Segment};
use std::fmt;
use zeroize::Zeroizing;

/// A compiled body. `Debug` doesn't show its text, which at the explicit level can hold what only the recipient may read.
#[derive(Clone, PartialEq)]
pub struct Template {
    source: String,
    target: Target,
    segments: Vec<Segment>,
}

/// What a template is rendered with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// For `<%$otp%>`.
    pub otp: Option<&'a Secret>,
    /// For `<%$otpa%>`.
    pub otpa: Option<&'a Secret>,
    /// For `<%name%>`; the first of a name wins.
    pub parameters: &'a [(String, Secret)],
    /// For "today" and "tomorrow".
    pub now: Timestamp,
    /// Where the recipient is.
    pub zone: Zone,
}

/// Why a body can't be rendered: which tag, and what is wrong with it. Never a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// The parameter's name, or `$otp` or `$otpa`.
    pub name: String,
    /// What is wrong.
    pub fault: TroubleKind,
}

/// What is wrong with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TroubleKind {
    /// Not sent, or empty, and the tag has no fallback (39007).
    Missing,
    /// Its format can't read it (39007).
    Unreadable,
    /// With it, the body is longer than [`Target::limit`] (39007).
    TooLong,
}

impl Template {
    /// Compiles `source`; an unknown tag or format, or a malformed tag, is refused with its position. At most [`SOURCE_LIMIT`]
    /// bytes and [`TAG_LIMIT`] tags, and no more text than `target` can carry.
    pub fn compile(source: &str, target: Target) -> Result<Self, TemplateError> {
        Ok(Self { segments: source::compile(source, target)?, source: source.to_owned(), target })
    }

    /// What it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it was compiled for.
    pub const fn target(&self) -> Target {
        self.target
    }

    /// Whether it shows a code of this kind.
    pub fn shows(&self, kind: CodeKind) -> bool {
        self.segments.iter().any(|it| matches!(it, Segment::Code(shown) if *shown == kind))
    }

    /// Whether it shows codes of both kinds (3156).
    pub fn shows_both(&self) -> bool {
        self.shows(CodeKind::Otp) && self.shows(CodeKind::Otpa)
    }

    /// Names of the parameters it needs: used, and without a fallback. Without repeats, in order of appearance.
    pub fn needs(&self) -> Vec<&str> {
        unique(self.tags().filter(|it| it.fallback.is_none()))
    }

    /// Names of all parameters it uses, with a fallback or without: its tags other than those of codes. Without repeats, in
    /// order of appearance.
    pub fn parameters(&self) -> Vec<&str> {
        unique(self.tags())
    }

    /// The text for these values. `Err` holds the names of parameters that are missing, can't be read by their format, or make
    /// the text too long (never a value), without repeats.
    pub fn render(&self, values: &Values<'_>) -> Result<Secret, Vec<String>> {
        self.try_render(values).map_err(|all| {
            let mut names: Vec<String> = Vec::new();
            for it in all {
                if !names.contains(&it.name) {
                    names.push(it.name);
                }
            }
            names
        })
    }

    /// Whether it can be rendered, as [`Template::render`] says. The text is made only where it may be too long.
    pub fn check(&self, values: &Values<'_>) -> Result<(), Vec<String>> {
        let shown = |segment: &Segment| match segment {
            Segment::Literal(_) => true,
            Segment::Code(kind) => code(values, *kind).is_some(),
            Segment::Parameter(tag) => match find(values, &tag.name) {
                Some(value) => tag.format.is_none_or(|it| it.reads(value)),
                None => tag.fallback.is_some(),
            },
        };
        match self.segments.iter().all(shown) && self.room(values) <= self.target.limit() {
            true => Ok(()),
            false => self.render(values).map(drop),
        }
    }

    /// As [`Template::render`], saying what is wrong with each.
    pub fn try_render(&self, values: &Values<'_>) -> Result<Secret, Vec<Trouble>> {
        // Reserved at once: a buffer that grows leaves copies behind that nobody wipes.
        let mut out = Zeroizing::new(String::with_capacity(self.room(values).min(self.target.limit() * 4)));
        let mut troubles = Vec::new();
        let mut longest: (usize, &str) = (0, "");
        for segment in &self.segments {
            let before = out.len();
            let (name, fault) = match segment {
                Segment::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Segment::Code(kind) => (constant(*kind), put_code(code(values, *kind), &mut out)),
                Segment::Parameter(tag) => (tag.name.as_str(), put(tag, values, self.target, &mut out)),
            };
            troubles.extend(fault.map(|fault| Trouble { name: name.to_owned(), fault }));
            longest = longest.max((out.len() - before, name));
        }
        if out.chars().count() > self.target.limit() {
            troubles.push(Trouble { name: longest.1.to_owned(), fault: TroubleKind::TooLong });
        }
        if troubles.is_empty() { Ok(Secret::new(std::mem::take(&mut *out))) } else { Err(troubles) }
    }

    /// What it may look like at its longest: codes and formats filled in, any other parameter as `plain`. For estimates.
    pub fn sample(&self, plain: &str) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Code(CodeKind::Otp) => out.push_str("000000"),
                Segment::Code(CodeKind::Otpa) => out.push_str("AAAAA"),
                Segment::Parameter(tag) => {
                    let shown = tag.format.map_or_else(|| plain.to_owned(), |it| it.sample(plain));
                    let fallback = tag.fallback.as_deref().unwrap_or_default();
                    self.target.value(if fallback.chars().count() > shown.chars().count() { fallback } else { &shown }, &mut out);
                }
            }
        }
        out
    }

    fn tags(&self) -> impl Iterator<Item = &Parameter> {
        self.segments.iter().filter_map(|it| match it {
            Segment::Parameter(tag) => Some(tag),
            _ => None,
        })
    }

    // Bytes that are surely enough.
    fn room(&self, values: &Values<'_>) -> usize {
        let grows = if self.target == Target::Html { 6 } else { 1 };
        let of = |segment: &Segment| match segment {
            Segment::Literal(text) => text.len(),
            Segment::Code(kind) => code(values, *kind).map_or(0, |it| it.expose().len()),
            Segment::Parameter(tag) => {
                let value = find(values, &tag.name).map_or(0, str::len);
                let shown = if tag.format.is_some() { Format::longest(value) } else { value };
                shown.max(tag.fallback.as_ref().map_or(0, String::len)).saturating_mul(grows)
            }
        };
        self.segments.iter().map(of).fold(0, usize::saturating_add)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?}, {} B)", self.target, self.source.len())
    }
}

fn unique<'a>(tags: impl Iterator<Item = &'a Parameter>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for tag in tags {
        if !names.contains(&tag.name.as_str()) {
            names.push(&tag.name);
        }
    }
    names
}

const fn constant(kind: CodeKind) -> &'static str {
    match kind {
        CodeKind::Otp => "$otp",
        CodeKind::Otpa => "$otpa",
    }
}

fn code<'a>(values: &Values<'a>, kind: CodeKind) -> Option<&'a Secret> {
    match kind {
        CodeKind::Otp => values.otp,
        CodeKind::Otpa => values.otpa,
    }
    .filter(|it| !it.is_empty())
}

fn put_code(code: Option<&Secret>, out: &mut String) -> Option<TroubleKind> {
    match code {
        Some(code) => out.push_str(code.expose()),
        None => return Some(TroubleKind::Missing),
    }
    None
}

// An empty value would leave a hole in the text, as one that isn't sent.
fn find<'a>(values: &Values<'a>, name: &str) -> Option<&'a str> {
    values.parameters.iter().find(|(it, _)| it == name).map(|(_, value)| value.expose()).filter(|it| !it.trim().is_empty())
}

fn put(tag: &Parameter, values: &Values<'_>, target: Target, out: &mut String) -> Option<TroubleKind> {
    // A body that is already too long is not made longer: the work stays bounded.
    let over = out.len() > target.limit() * 8;
    match (find(values, &tag.name), &tag.fallback) {
        _ if over => {}
        (Some(value), _) => match tag.format {
            Some(format) => match format.apply(value, values.now, values.zone).map(Zeroizing::new) {
                Some(shown) => target.value(&shown, out),
                None => return Some(TroubleKind::Unreadable),
            },
            None => target.value(value, out),
        },
        (None, Some(fallback)) => target.value(fallback, out),
        (None, None) => return Some(TroubleKind::Missing),
    }
    None
}

#[cfg(test)]
mod tests;
