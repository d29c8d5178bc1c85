//! Cuts a document into tokens, front to back and without copies. It holds them to XML 1.0 as far as a token by itself shows it,
//! and end tags to their start tags; what tokens mean, and where they may stand, is the reader's.

use super::malformed::{Malformed, Position};
use super::text::{is_name, name_len};
use memchr::{memchr2, memchr3};

/// Most attributes of an element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 32;
/// Longest start tag, in bytes.
pub const MAX_TAG: usize = 8 * 1024;

/// A token, as it stands in the document: nothing is unescaped.
pub enum Token<'a> {
    /// A start tag. Its element is now the last of [`Tokens::open`], its attributes are in [`Tokens::pairs`].
    Open {
        /// The tag of an empty element: no end tag follows.
        empty: bool,
    },
    /// The end tag of the last of [`Tokens::open`], which whoever reads the tokens then takes off.
    Close,
    /// Text without references.
    Text(&'a str),
    /// The content of a CDATA section.
    Section(&'a str),
    /// What stands between `&` and `;`.
    Reference(&'a str),
    /// A comment, or the XML declaration.
    Aside,
    /// The document's end.
    End,
}

/// A name as a tag has it, its prefix and local part told apart (Namespaces in XML 1.0, production 7).
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// As it is written.
    pub whole: &'a str,
    /// What stands before the colon; empty where there is none.
    pub prefix: &'a str,
    /// What stands behind it.
    pub local: &'a str,
}

/// A document on its way through.
pub struct Tokens<'a> {
    /// The attributes of the start tag read last, in order: no two of one name, each value without its quotes.
    pub pairs: Vec<(Name<'a>, &'a str)>,
    /// The elements that are open, outermost first.
    pub open: Vec<Name<'a>>,
    text: &'a str,
    start: usize,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The tokens of `text`; at most `depth` elements are open at once.
    pub fn new(text: &'a str, depth: usize) -> Self {
        Self { pairs: Vec::new(), open: Vec::with_capacity(depth), text, start: 0, at: 0 }
    }

    /// The next token. What is refused by its first bytes is refused before it is read.
    pub fn next(&mut self) -> Result<Token<'a>, Malformed> {
        self.start = self.at;
        match self.rest() {
            [] => Ok(Token::End),
            [b'<', b'/', ..] => self.end_tag(),
            [b'<', b'!', b'-', b'-', ..] => self.comment(),
            [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] => self.up_to("<![CDATA[", "]]>").map(Token::Section),
            [b'<', b'?', b'x', b'm', b'l', b' ' | b'\t' | b'\r' | b'\n', ..] if self.start == 0 => self.declaration(),
            [b'<', b'!' | b'?', ..] => Err(self.fail("A document type or processing instruction is not allowed.")),
            [b'<', ..] => self.start_tag(),
            [b'&', ..] => self.reference(),
            rest => {
                let len = memchr2(b'<', b'&', rest).unwrap_or(rest.len());
                self.at += len;
                Ok(Token::Text(self.source()))
            }
        }
    }

    /// The token read last, whole.
    pub fn source(&self) -> &'a str {
        &self.text[self.start..self.at]
    }

    /// Passes over white space before a tag, which a pretty message has before each: as a token it would cost as much as a tag.
    pub fn pass_blank(&mut self) {
        let begun = self.at;
        if self.blank() && !self.rest().starts_with(b"<") {
            self.at = begun;
        }
    }

    /// A refusal at the token read last. `message` never quotes content.
    #[cold]
    pub fn fail(&self, message: impl Into<String>) -> Malformed {
        Malformed::at(Position::of(self.text, self.start), message)
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    #[cold]
    fn broken<T>(&self) -> Result<T, Malformed> {
        Err(self.fail("The XML is not well-formed here."))
    }

    fn start_tag(&mut self) -> Result<Token<'a>, Malformed> {
        self.at += 1;
        self.pairs.clear();
        let name = self.name()?;
        self.open.push(name);
        loop {
            let blank = self.blank();
            match self.within() {
                [b'>', ..] => {
                    self.at += 1;
                    return Ok(Token::Open { empty: false });
                }
                [b'/', b'>', ..] => {
                    self.at += 2;
                    return Ok(Token::Open { empty: true });
                }
                [_, ..] if blank => self.pair()?,
                _ => return self.no_tag(),
            }
        }
    }

    // The rest of a start tag as far as one may reach: however long a tag is, no more than this of it is read.
    fn within(&self) -> &'a [u8] {
        let end = self.text.len().min(self.start + MAX_TAG);
        &self.text.as_bytes()[self.at.min(end)..end]
    }

    #[cold]
    fn no_tag<T>(&self) -> Result<T, Malformed> {
        let reach = self.text.as_bytes()[self.start..].get(..MAX_TAG);
        let long = reach.is_some_and(|tag| matches!(self.within(), [] | [b'/']) || !tag.contains(&b'>'));
        if long && self.text.len() > self.start + MAX_TAG {
            return Err(self.fail(format!("A start tag is longer than {MAX_TAG} bytes.")));
        }
        self.broken()
    }

    fn name(&mut self) -> Result<Name<'a>, Malformed> {
        let begun = self.at;
        let first = self.name_part()?;
        let [b':', ..] = self.within() else { return Ok(Name { whole: first, prefix: "", local: first }) };
        self.at += 1;
        let local = self.name_part()?;
        Ok(Name { whole: &self.text[begun..self.at], prefix: first, local })
    }

    fn name_part(&mut self) -> Result<&'a str, Malformed> {
        let (len, sound) = name_len(self.within());
        match self.text.get(self.at..self.at + len).filter(|it| sound || is_name(it)) {
            Some(part) => {
                self.at += len;
                Ok(part)
            }
            None => Err(self.fail("A name is not well-formed.")),
        }
    }

    // An attribute: a name, an equals sign, and a value between quotes.
    fn pair(&mut self) -> Result<(), Malformed> {
        if self.pairs.len() == MAX_ATTRIBUTES {
            return Err(self.fail(format!("An element has more than {MAX_ATTRIBUTES} attributes.")));
        }
        let name = self.name()?;
        self.blank();
        let [b'=', ..] = self.within() else { return self.no_tag() };
        self.at += 1;
        self.blank();
        let [quote @ (b'"' | b'\''), value @ ..] = self.within() else { return self.no_tag() };
        let Some(len) = memchr2(*quote, b'<', value) else {
            self.at += 1 + value.len();
            return self.no_tag();
        };
        if value[len] == b'<' || self.pairs.iter().any(|(known, _)| known.whole == name.whole) {
            return Err(self.fail("An attribute is not well-formed, or comes twice."));
        }
        self.pairs.push((name, &self.text[self.at + 1..][..len]));
        self.at += len + 2;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<Token<'a>, Malformed> {
        let Some(name) = self.open.last().filter(|it| self.rest()[2..].starts_with(it.whole.as_bytes())) else {
            return self.broken();
        };
        self.at += 2 + name.whole.len();
        self.blank();
        let [b'>', ..] = self.rest() else { return self.broken() };
        self.at += 1;
        Ok(Token::Close)
    }

    // Two hyphens in a comment end it (XML 1.0, 2.5).
    fn comment(&mut self) -> Result<Token<'a>, Malformed> {
        self.up_to("<!--", "--")?;
        let [b'>', ..] = self.rest() else { return self.broken() };
        self.at += 1;
        Ok(Token::Aside)
    }

    fn declaration(&mut self) -> Result<Token<'a>, Malformed> {
        self.at += "<?xml".len();
        self.blank();
        self.pairs.clear();
        self.pair()?;
        if !matches!(self.pairs[..], [(Name { whole: "version", .. }, "1.0")]) {
            return Err(self.fail("Only XML 1.0 is allowed."));
        }
        self.up_to("", "?>").map(|_| Token::Aside)
    }

    fn reference(&mut self) -> Result<Token<'a>, Malformed> {
        let rest = &self.rest()[1..];
        match memchr3(b';', b'&', b'<', rest) {
            Some(len) if rest[len] == b';' => {
                self.at += len + 2;
                Ok(Token::Reference(&self.text[self.start + 1..self.at - 1]))
            }
            _ => self.broken(),
        }
    }

    // What stands between `before`, which is next, and `after`.
    fn up_to(&mut self, before: &str, after: &str) -> Result<&'a str, Malformed> {
        let rest = &self.text[self.at + before.len()..];
        let Some(len) = rest.find(after) else { return self.broken() };
        self.at += before.len() + len + after.len();
        Ok(&rest[..len])
    }

    // Passes over white space; whether there was any.
    fn blank(&mut self) -> bool {
        let (bytes, begun) = (self.text.as_bytes(), self.at);
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        self.at > begun
    }
}
