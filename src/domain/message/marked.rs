//! A text in which marks stand for values, so that a sanitiser can work on all of it at once.

use super::source::USE_LIMIT;

/// Begins a mark, which holds the number of a use: private characters that no text may hold.
pub(super) const OPEN: char = '\u{f0000}';
/// Ends a mark.
pub(super) const CLOSE: char = '\u{f0001}';

/// Where in a text something is wrong (a byte), and what.
pub(super) type Refusal = (usize, String);

/// How a value is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As text.
    Escaped,
    /// As markup, where there is any: sanitised.
    Raw,
}

/// A place where a value stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Use<'a> {
    /// Which value.
    pub key: &'a str,
    /// How.
    pub form: Form,
    /// The byte of the source where it begins.
    pub at: usize,
}

/// A text with marks.
#[derive(Default)]
pub(super) struct Marked<'a> {
    /// The text.
    pub text: String,
    /// What its marks stand for, by their number.
    pub uses: Vec<Use<'a>>,
    /// What was left out of it, and from where: elements and attributes that no mail can have.
    pub dropped: Vec<(usize, String)>,
}

impl<'a> Marked<'a> {
    /// Adds a mark.
    pub fn put(&mut self, it: Use<'a>) -> Result<(), Refusal> {
        if self.uses.len() == USE_LIMIT {
            return Err((it.at, format!("values stand in more than {USE_LIMIT} places; use fewer")));
        }
        self.text.push(OPEN);
        self.text.push_str(&self.uses.len().to_string());
        self.text.push(CLOSE);
        self.uses.push(it);
        Ok(())
    }
}

/// What a text with marks consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bit<'a> {
    /// Text.
    Text(&'a str),
    /// A mark: the number of its use.
    Mark(usize),
}

/// Takes a text with marks apart.
pub(super) fn bits(text: &str) -> impl Iterator<Item = Bit<'_>> {
    text.split_inclusive([OPEN, CLOSE]).map(|it| match it.strip_suffix(CLOSE) {
        Some(number) => number.parse().map_or(Bit::Text(""), Bit::Mark),
        None => Bit::Text(it.strip_suffix(OPEN).unwrap_or(it)),
    })
}

/// Whether a source holds no mark of ours; the byte where it does.
pub(super) fn check(source: &str) -> Result<(), Refusal> {
    match source.find([OPEN, CLOSE]) {
        Some(at) => Err((at, "a private character (U+F0000 or U+F0001) can't be used; leave it out".to_owned())),
        None => Ok(()),
    }
}
