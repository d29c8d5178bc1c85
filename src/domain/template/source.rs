//! The compiler: a source becomes segments in one pass (contract `oobvalidate.md`, template tags).

use super::target::Target;
use crate::domain::code::CodeKind;
use crate::domain::smart::Format;

/// Longest source, in bytes.
pub const SOURCE_LIMIT: usize = 65_536;
/// Most tags in a source.
pub const TAG_LIMIT: usize = 200;
/// Longest tag, in bytes, its ends included.
pub const TAG_LENGTH: usize = 512;
/// Longest name of a parameter, in characters.
pub const NAME_LENGTH: usize = 64;

/// Why a source is no template, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A piece of a body, in order.
#[derive(Clone, PartialEq)]
pub enum Segment {
    /// Text as it is sent.
    Literal(String),
    /// A code of ours.
    Code(CodeKind),
    /// A parameter.
    Parameter(Parameter),
}

/// A tag that shows a parameter.
#[derive(Clone, PartialEq)]
pub struct Parameter {
    /// Which.
    pub name: String,
    /// How.
    pub format: Option<Format>,
    /// What is shown when it isn't sent, or is empty: plain text, escaped as a value is.
    pub fallback: Option<String>,
}

/// Where a tag stands in its source, as bytes: from its `<%` to after its `%>`.
pub type Span = std::ops::Range<usize>;

/// Where the tags are, one after another; `Err` is the offset of a tag that isn't closed.
pub fn tags(source: &str) -> impl Iterator<Item = Result<Span, usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + source.get(from..)?.find("<%")?;
        let closed = source[start + 2..].find("%>").map(|at| start + 2 + at);
        // A tag ends in its own line, and before another begins.
        match closed.filter(|end| {
            end + 2 - start <= TAG_LENGTH && !source[start + 2..*end].contains(['\n', '\r']) && !source[start + 2..*end].contains("<%")
        }) {
            Some(end) => {
                from = end + 2;
                Some(Ok(start..end + 2))
            }
            None => {
                from = source.len() + 1;
                Some(Err(start))
            }
        }
    })
}

/// Compiles a source.
pub fn compile(source: &str, target: Target) -> Result<Vec<Segment>, TemplateError> {
    let fail = |at: usize, message: String| Err(located(source, at, message));
    if source.len() > SOURCE_LIMIT {
        return fail(0, format!("the text has {} bytes; at most {SOURCE_LIMIT} are allowed", source.len()));
    }
    // A subject read from a file has a line end that nobody means.
    let source = if target == Target::Subject { source.trim_end() } else { source };
    let mut segments = Vec::new();
    let (mut done, mut count, mut fixed) = (0, 0, 0);
    for tag in tags(source) {
        let span = match tag {
            Ok(span) => span,
            Err(at) => return fail(at, "the tag is not closed; write %> behind it, in the same line".into()),
        };
        count += 1;
        if count > TAG_LIMIT {
            return fail(span.start, format!("more than {TAG_LIMIT} tags; use fewer"));
        }
        fixed += literal(&source[done..span.start], target, &mut segments);
        done = span.end;
        match read_tag(&source[span.start + 2..span.end - 2]) {
            Ok(segment) => segments.push(segment),
            Err((at, message)) => return fail(span.start + 2 + at, message),
        }
    }
    fixed += literal(&source[done..], target, &mut segments);
    fixed += segments.iter().map(least).sum::<usize>();
    if fixed > target.limit() {
        return fail(0, format!("the text comes to {fixed} characters without its parameters; at most {} are sent", target.limit()));
    }
    Ok(segments)
}

fn literal(text: &str, target: Target, segments: &mut Vec<Segment>) -> usize {
    let mut clean = String::with_capacity(text.len());
    target.literal(text, &mut clean);
    let length = clean.chars().count();
    if !clean.is_empty() {
        segments.push(Segment::Literal(clean));
    }
    length
}

// Characters that a tag adds at the least; literals are counted as they are read.
fn least(segment: &Segment) -> usize {
    match segment {
        Segment::Literal(_) | Segment::Parameter(_) => 0,
        Segment::Code(kind) => kind.len(),
    }
}

// An error's offset counts from the first byte after `<%`.
fn read_tag(inner: &str) -> Result<Segment, (usize, String)> {
    let body = inner.trim_start();
    let lead = inner.len() - body.len();
    if let Some(constant) = body.strip_prefix('$') {
        return match constant.trim_end() {
            "otp" => Ok(Segment::Code(CodeKind::Otp)),
            "otpa" => Ok(Segment::Code(CodeKind::Otpa)),
            other if other.starts_with("otp") && other.contains([':', '|', '(']) => {
                Err((lead, "a code takes neither format nor fallback; write <%$otp%> or <%$otpa%>".into()))
            }
            other => Err((lead, format!("'${other}' is no system constant; write <%$otp%> or <%$otpa%>"))),
        };
    }
    let (head, fallback) = match inner.split_once('|') {
        Some((head, fallback)) => (head, Some(fallback.to_owned())),
        None => (inner, None),
    };
    let (name, format) = match head.split_once(':') {
        Some((name, format)) => (name, Some(read_format(format).map_err(|message| (name.len() + 1, message))?)),
        None => (head, None),
    };
    let name = name.trim();
    check_name(name).map_err(|message| (lead, message))?;
    Ok(Segment::Parameter(Parameter { name: name.to_owned(), format, fallback }))
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() {
        Err("the tag has no name; write <%name%>, or <%$otp%> for a code".into())
    } else if name.chars().count() > NAME_LENGTH {
        Err(format!("the parameter's name is too long; at most {NAME_LENGTH} characters are allowed"))
    } else if !name.starts_with(|c: char| c.is_alphanumeric()) || !name.chars().all(allowed) {
        Err(format!("'{name}' is no parameter's name; use letters, digits, '_', '-' and '.', a letter or digit first"))
    } else {
        Ok(())
    }
}

fn read_format(text: &str) -> Result<Format, String> {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('(') else {
        return Format::parse(text, &[]);
    };
    let list = rest.strip_suffix(')').ok_or("the options are not closed; write Format(option=value,option=value)")?;
    let mut options = Vec::new();
    for option in list.split(',').filter(|_| !list.trim().is_empty()) {
        let (name, value) = option.split_once('=').ok_or_else(|| format!("'{}' is no option; write option=value", option.trim()))?;
        options.push((name.trim(), value.trim()));
    }
    Format::parse(name.trim(), &options)
}

fn located(source: &str, at: usize, message: String) -> TemplateError {
    let (line, column) = place(source, at);
    TemplateError { line, column, message }
}

/// Line and column (1-based, in characters) of the byte `at`.
pub fn place(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at];
    (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}
