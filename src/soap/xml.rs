//! A strict, bounded pull reader: what SOAP allows of XML, and nothing else.
//!
//! Everything is judged as it comes: a document that is refused costs no more than the part before the place where it
//! goes wrong. Names and text are borrowed from the document; only entities and line ends make copies.

pub use super::element::{Attribute, Element};
use super::malformed::Malformed;
use super::names::Ns;
pub use super::scope::MAX_BINDINGS;
use super::scope::Scope;
use super::text::{Traits, entity, is_xml, newlines, unescape};
pub use super::token::{MAX_ATTRIBUTES, MAX_TAG};
use super::token::{Name, Token, Tokens};
use std::borrow::Cow;

/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 32;
/// Most tokens (tags, texts, comments, references) of a document. The rules let in 32,000 bytes of parameters and 1,600
/// characters of text; written as character references, none of them plain, these are some 13,000 tokens.
pub const MAX_EVENTS: usize = 20_000;
/// Most elements of a document. An element costs ten times what a reference does; with every field, 100 parameters, 20 contacts
/// and a security header, a request has some 700.
pub const MAX_ELEMENTS: usize = 2_500;

/// The next thing in a document.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    /// A start tag; an empty element gives `Close` next.
    Open(Element<'a>),
    /// The end of the element opened last.
    Close,
    /// A piece of text, unescaped; one text may come in several pieces.
    Text(Cow<'a, str>),
    /// The document is complete.
    Eof,
}

/// Reads one document, front to back.
pub struct Reader<'a> {
    tokens: Tokens<'a>,
    traits: Traits,
    scope: Scope<'a>,
    events: usize,
    elements: usize,
    empty: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`, which has no byte order mark.
    pub fn new(text: &'a str) -> Self {
        let (tokens, traits) = (Tokens::new(text, MAX_DEPTH), Traits::of_small(text));
        Self { tokens, traits, scope: Scope::default(), events: 0, elements: 0, empty: false }
    }

    /// The next node. Comments are passed over; a document type or a processing instruction is refused.
    pub fn node(&mut self) -> Result<Node<'a>, Malformed> {
        if std::mem::take(&mut self.empty) {
            return Ok(self.close());
        }
        loop {
            self.events += 1;
            if self.events > MAX_EVENTS {
                return Err(self.fail(format!("The document has more than {MAX_EVENTS} tags and texts.")));
            }
            let (inside, token) = (!self.tokens.open.is_empty(), self.tokens.next()?);
            if !self.traits.is_plain() && !is_xml(self.tokens.source()) {
                return Err(self.fail("A character is not allowed in XML."));
            }
            match token {
                Token::Open { empty } => return self.open(empty),
                Token::Close => return Ok(self.close()),
                Token::Text(text) if inside => return self.characters(text),
                Token::Text(text) => self.blank(text)?,
                Token::Section(text) if inside => return Ok(Node::Text(newlines(text))),
                Token::Reference(name) if inside => return self.reference(name),
                Token::Section(_) | Token::Reference(_) => return Err(self.fail("Text outside the root element.")),
                Token::Aside => {}
                Token::End if inside || self.elements == 0 => return Err(self.fail("The document ends before its root element does.")),
                Token::End => return Ok(Node::Eof),
            }
        }
    }

    /// The root element, at the start of a document.
    pub fn root(&mut self) -> Result<Element<'a>, Malformed> {
        match self.node()? {
            Node::Open(element) => Ok(element),
            _ => Err(self.fail("The root element is missing.")),
        }
    }

    /// The next child of the open element; `None` at its end. Text between children is refused, white space is not.
    pub fn child(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        loop {
            if !self.empty {
                self.tokens.pass_blank();
            }
            match self.node()? {
                Node::Open(element) => return Ok(Some(element)),
                Node::Close => return Ok(None),
                Node::Text(text) => self.blank(&text)?,
                Node::Eof => return Err(self.fail("The document has ended.")),
            }
        }
    }

    /// The text of the open element, up to its end. A child element is refused.
    pub fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.node()? {
                Node::Text(text) if whole.is_empty() => whole = text,
                Node::Text(text) => whole.to_mut().push_str(&text),
                Node::Close => return Ok(whole),
                Node::Open(_) | Node::Eof => return Err(self.fail("Only text is allowed in this element.")),
            }
        }
    }

    /// Passes over the rest of the open element.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let depth = self.tokens.open.len();
        while self.tokens.open.len() >= depth {
            self.node()?;
        }
        Ok(())
    }

    /// A refusal at the token read last. `message` never quotes content.
    #[cold]
    pub fn fail(&self, message: impl Into<String>) -> Malformed {
        self.tokens.fail(message)
    }

    fn open(&mut self, empty: bool) -> Result<Node<'a>, Malformed> {
        let depth = self.tokens.open.len();
        if depth == 1 && self.elements > 0 {
            return Err(self.fail("A second root element."));
        }
        if depth > MAX_DEPTH {
            return Err(self.fail(format!("Elements are nested deeper than {MAX_DEPTH}.")));
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.fail(format!("The document has more than {MAX_ELEMENTS} elements.")));
        }
        self.empty = empty;
        let attributes = if self.tokens.pairs.is_empty() { Vec::new() } else { self.attributes()? };
        let name = &self.tokens.open[depth - 1];
        let (ns, uri) = self.scope.find(name.prefix).ok_or_else(|| self.fail("A prefix is not declared."))?;
        Ok(Node::Open(Element { ns, name: name.local, attributes, uri }))
    }

    fn close(&mut self) -> Node<'a> {
        self.scope.leave(self.tokens.open.len());
        self.tokens.open.pop();
        Node::Close
    }

    // What the start tag declares comes into scope first: it holds for the names of the tag itself.
    fn attributes(&mut self) -> Result<Vec<Attribute<'a>>, Malformed> {
        let depth = self.tokens.open.len();
        let declares = |name: &Name<'_>| name.prefix == "xmlns" || name.whole == "xmlns";
        for (name, value) in self.tokens.pairs.iter().filter(|(name, _)| declares(name)) {
            let prefix = if name.prefix.is_empty() { "" } else { name.local };
            self.scope.declare(depth, prefix, value).map_err(|why| self.tokens.fail(why))?;
        }
        let mut found = Vec::new();
        // Expanded names of prefixed attributes: two prefixes may mean one namespace.
        let mut names: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.tokens.pairs {
            let value = unescape(value).ok_or_else(|| self.fail("An attribute holds an unknown entity."))?;
            if declares(name) {
                continue;
            }
            let mut ns = Ns::None;
            if !name.prefix.is_empty() {
                let (known, uri) = self.scope.find(name.prefix).ok_or_else(|| self.fail("A prefix is not declared."))?;
                if names.contains(&(uri, name.local)) {
                    return Err(self.fail("An attribute comes twice."));
                }
                names.push((uri, name.local));
                ns = known;
            }
            found.push(Attribute { ns, name: name.local, value });
        }
        Ok(found)
    }

    fn characters(&self, source: &'a str) -> Result<Node<'a>, Malformed> {
        if self.traits.has_bracket() && source.contains("]]>") {
            return Err(self.fail("Text may not hold the end of a CDATA section."));
        }
        Ok(Node::Text(if self.traits.has_return() { newlines(source) } else { Cow::Borrowed(source) }))
    }

    fn reference(&self, name: &str) -> Result<Node<'a>, Malformed> {
        match entity(name) {
            Some(char) => Ok(Node::Text(Cow::Owned(char.into()))),
            None => Err(self.fail("An entity is unknown: only the five of XML and character references are allowed.")),
        }
    }

    fn blank(&self, text: &str) -> Result<(), Malformed> {
        if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            return Ok(());
        }
        Err(self.fail("Text is not allowed here."))
    }
}
