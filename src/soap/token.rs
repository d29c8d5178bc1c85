//! Cuts a document into tokens, front to back and without copies: text is what stands before the next markup, and quick-xml finds
//! where markup ends. What it lets pass is looked at here: tokens are held to XML 1.0 as far as one by itself shows it, and end tags
//! to their start tags; what tokens mean, and where they may stand, is the reader's.

use super::malformed::{Malformed, Position, Read};
pub use super::piece::{Name, Text, Token};
use super::text::{is_xml, text_len};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Most attributes of an element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 32;
/// Longest start tag, in bytes.
pub const MAX_TAG: usize = 8 * 1024;

/// A document on its way through.
pub struct Tokens<'a> {
    /// The attributes of the start tag read last, in order: no two of one name, each value without its quotes.
    pub pairs: Vec<(Name<'a>, &'a str)>,
    /// The elements that are open, outermost first.
    pub open: Vec<Name<'a>>,
    cutter: Reader<&'a [u8]>,
    /// The document.
    pub(super) text: &'a str,
    /// Where the token read last begins.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// How far it was looked at.
    pub(super) at: usize,
}

impl<'a> Tokens<'a> {
    /// The tokens of `text`; at most `depth` elements are open at once.
    pub fn new(text: &'a str, depth: usize) -> Self {
        let mut cutter = Reader::from_str(text);
        cutter.config_mut().check_comments = true;
        // Names are compared here, without a copy of each.
        cutter.config_mut().check_end_names = false;
        cutter.config_mut().allow_unmatched_ends = true;
        Self { pairs: Vec::new(), open: Vec::with_capacity(depth), cutter, text, start: 0, end: 0, at: 0 }
    }

    /// The next token. What is refused by its first bytes is refused before it is read.
    pub fn next(&mut self) -> Read<Token<'a>> {
        self.start = self.end;
        match *self.rest() {
            [b'<', second, ..] => self.markup(second),
            [b'<', ..] => self.cut(),
            [b'&', ..] => self.reference(),
            [] => Ok(Token::End),
            _ => self.text(),
        }
    }

    /// The token read last, whole.
    pub fn source(&self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Passes over white space before a tag, which a pretty message has before each: as a token it would cost as much as a tag.
    pub fn pass_blank(&mut self) {
        let (rest, mut blank) = (self.rest(), 0);
        loop {
            match rest.get(blank..).unwrap_or_default() {
                [b' ', b' ', b' ', b' ', ..] => blank += 4,
                [byte, ..] if is_blank(*byte) => blank += 1,
                [b'<', ..] => return self.pass(blank),
                _ => return,
            }
        }
    }

    /// The text of the open element, and passes over its end tag: where there is nothing else in it, as in most that hold any.
    pub fn leaf(&mut self) -> Option<Text<'a>> {
        let (len, traits) = text_len(self.rest());
        let end = self.end_len(self.end + len).filter(|_| !traits.is_odd())?;
        let source = &self.text[self.end..][..len];
        self.pass(len + end);
        self.start = self.end - end;
        Some(Text { source, has_return: traits.has_return() })
    }

    /// A refusal at the token read last. `message` never quotes content.
    #[cold]
    pub fn fail(&self, message: impl Into<String>) -> Box<Malformed> {
        Box::new(Malformed::at(Position::of(self.text, self.start), message))
    }

    #[cold]
    pub(super) fn broken(&self) -> Box<Malformed> {
        self.fail("The XML is not well-formed here.")
    }

    // What comes after the token read last.
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.end..).unwrap_or_default()
    }

    // So many bytes are looked at here, and not by the cutter.
    fn pass(&mut self, bytes: usize) {
        self.end += bytes;
    }

    fn text(&mut self) -> Read<Token<'a>> {
        if self.start == 0 && self.text.starts_with('\u{FEFF}') {
            return Err(self.fail("The document starts with a second byte order mark."));
        }
        let (len, traits) = text_len(self.rest());
        self.pass(len);
        let source = self.source();
        if traits.is_odd() && !is_xml(source) {
            return Err(self.fail(NO_CHARACTER));
        }
        if traits.is_odd() && source.contains("]]>") {
            return Err(self.fail("Text may not hold the end of a CDATA section."));
        }
        Ok(Token::Text(Text { source, has_return: traits.has_return() }))
    }

    // What begins with `<` and `second`.
    fn markup(&mut self, second: u8) -> Read<Token<'a>> {
        match (second, self.rest()) {
            (b'/', _) => {
                if let Some(end) = self.end_len(self.start) {
                    self.pass(end);
                    return Ok(Token::Close);
                }
            }
            (b'!' | b'?', rest) => self.refuse_early(rest)?,
            (_, rest) => {
                if let Some(tag) = self.whole_tag() {
                    return Ok(tag);
                }
                if is_long(rest) {
                    return Err(self.fail(format!("A start tag is longer than {MAX_TAG} bytes.")));
                }
            }
        }
        self.cut()
    }

    // A reference of letters and digits: all that XML has.
    fn reference(&mut self) -> Read<Token<'a>> {
        let name = &self.rest()[1..];
        let len = name.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#').count();
        if len == 0 || name.get(len) != Some(&b';') {
            return self.cut();
        }
        self.pass(len + 2);
        Ok(Token::Reference(&self.text[self.start + 1..][..len]))
    }

    fn refuse_early(&self, rest: &[u8]) -> Read<()> {
        match rest {
            [b'<', b'?', b'x', b'm', b'l', b' ' | b'\t' | b'\r' | b'\n', ..] if self.start == 0 => Ok(()),
            [b'<', b'!', b'-', b'-', ..] | [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] => Ok(()),
            _ => Err(self.fail(NOT_TAKEN)),
        }
    }

    /// The next token by the library: what is not as nearly everybody writes it.
    pub(super) fn cut(&mut self) -> Read<Token<'a>> {
        *self.cutter.get_mut() = self.rest();
        // The library's own message may quote the document.
        let event = self.cutter.read_event().map_err(|_| self.broken())?;
        self.end = self.text.len() - self.cutter.get_ref().len();
        match event {
            Event::Start(_) => self.start_tag(1, Token::Open { empty: false }),
            Event::Empty(_) => self.start_tag(2, Token::Open { empty: true }),
            Event::End(_) => self.end_tag(),
            Event::CData(_) | Event::Comment(_) | Event::Decl(_) if !is_xml(self.source()) => Err(self.fail(NO_CHARACTER)),
            Event::CData(_) => self.between("<![CDATA[", "]]>").map(Token::Section),
            Event::GeneralRef(_) => self.between("&", ";").map(Token::Reference),
            Event::Comment(_) => Ok(Token::Aside),
            Event::Decl(_) => self.declaration(),
            Event::Text(_) | Event::Eof | Event::DocType(_) | Event::PI(_) => Err(self.fail(NOT_TAKEN)),
        }
    }

    // How long the end tag of the open element is, where it stands at `at` as nearly everybody writes it. The cutter need not look
    // for the end of what is known.
    fn end_len(&self, at: usize) -> Option<usize> {
        let name = self.open.last()?.whole.as_bytes();
        let tag = self.text.as_bytes().get(at..at + name.len() + 3)?;
        matches!(tag, [b'<', b'/', inside @ .., b'>'] if inside == name).then_some(tag.len())
    }

    fn end_tag(&mut self) -> Read<Token<'a>> {
        self.at = self.start + 2;
        match self.open.last() {
            Some(name) if self.within().starts_with(name.whole.as_bytes()) => self.at += name.whole.len(),
            _ => return Err(self.broken()),
        }
        self.blank();
        if self.at + 1 == self.end { Ok(Token::Close) } else { Err(self.broken()) }
    }

    // What stands in the token between `before` and `after`.
    fn between(&self, before: &str, after: &str) -> Read<&'a str> {
        self.source().strip_prefix(before).and_then(|it| it.strip_suffix(after)).ok_or_else(|| self.broken())
    }
}

pub(super) const NO_CHARACTER: &str = "A character is not allowed in XML.";
const NOT_TAKEN: &str = "A document type or processing instruction is not allowed.";

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

// Whether a start tag does not end within MAX_TAG bytes: the library would read all of it, however many attributes it has.
fn is_long(rest: &[u8]) -> bool {
    if rest.len() <= MAX_TAG {
        return false;
    }
    let mut quote = None;
    for &byte in rest.iter().take(MAX_TAG) {
        match (quote, byte) {
            (None, b'>') => return false,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    true
}
