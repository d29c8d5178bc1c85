//! A strict, bounded pull reader: what SOAP allows of XML, and nothing else.
//!
//! Everything is judged as it comes: a document that is refused costs no more than the part before the place where it
//! goes wrong. Names and text are borrowed from the document; only entities and line ends make copies.

pub use super::element::{Attribute, Element};
use super::malformed::{Malformed, Read};
use super::names::Ns;
pub use super::scope::MAX_BINDINGS;
use super::scope::Scope;
use super::text::{entity, newlines, unescape};
pub use super::token::{MAX_ATTRIBUTES, MAX_TAG};
use super::token::{Name, Text, Token, Tokens};
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
    scope: Scope<'a>,
    events: usize,
    elements: usize,
    empty: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`, which has no byte order mark.
    pub fn new(text: &'a str) -> Self {
        Self { tokens: Tokens::new(text, MAX_DEPTH), scope: Scope::default(), events: 0, elements: 0, empty: false }
    }

    /// The next node. Comments are passed over; a document type or a processing instruction is refused.
    pub fn node(&mut self) -> Read<Node<'a>> {
        loop {
            match self.token()? {
                Token::Open { empty } => return self.open(empty).map(Node::Open),
                Token::Close => {
                    self.close();
                    return Ok(Node::Close);
                }
                Token::Text(text) if self.tokens.open.is_empty() => self.blank(text.source)?,
                token => return self.other(token),
            }
        }
    }

    /// The root element, at the start of a document.
    pub fn root(&mut self) -> Read<Element<'a>> {
        match self.node()? {
            Node::Open(element) => Ok(element),
            _ => Err(self.fail("The root element is missing.")),
        }
    }

    /// The next child of the open element; `None` at its end. Text between children is refused, white space is not.
    pub fn child(&mut self) -> Read<Option<Element<'a>>> {
        loop {
            if !self.empty {
                self.tokens.pass_blank();
            }
            match self.token()? {
                Token::Open { empty } => return self.open(empty).map(Some),
                Token::Close => {
                    self.close();
                    return Ok(None);
                }
                Token::Text(text) => self.blank(text.source)?,
                token => match self.other(token)? {
                    Node::Text(text) => self.blank(&text)?,
                    _ => return Err(self.fail("The document has ended.")),
                },
            }
        }
    }

    /// The text of the open element, up to its end. A child element is refused.
    pub fn text(&mut self) -> Read<Cow<'a, str>> {
        if !self.empty
            && self.events + 2 <= MAX_EVENTS
            && let Some(text) = self.tokens.leaf()
        {
            // As it would have been counted token by token.
            self.events += 1 + usize::from(!text.source.is_empty());
            self.close();
            return Ok(characters(text));
        }
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
    pub fn skip(&mut self) -> Read<()> {
        let depth = self.tokens.open.len();
        while self.tokens.open.len() >= depth {
            self.node()?;
        }
        Ok(())
    }

    /// A refusal at the token read last. `message` never quotes content.
    #[cold]
    pub fn fail(&self, message: impl Into<String>) -> Box<Malformed> {
        self.tokens.fail(message)
    }

    // The next token, a close for an empty element among them. Comments are passed over.
    fn token(&mut self) -> Read<Token<'a>> {
        if std::mem::take(&mut self.empty) {
            return Ok(Token::Close);
        }
        loop {
            self.events += 1;
            if self.events > MAX_EVENTS {
                return Err(self.fail(format!("The document has more than {MAX_EVENTS} tags and texts.")));
            }
            match self.tokens.next()? {
                Token::Aside => {}
                token => return Ok(token),
            }
        }
    }

    // What is no tag.
    fn other(&mut self, token: Token<'a>) -> Read<Node<'a>> {
        let inside = !self.tokens.open.is_empty();
        match token {
            Token::Text(text) => Ok(Node::Text(characters(text))),
            Token::Section(text) if inside => Ok(Node::Text(newlines(text))),
            Token::Reference(name) if inside => self.reference(name),
            Token::Section(_) | Token::Reference(_) => Err(self.fail("Text outside the root element.")),
            Token::End if !inside && self.elements > 0 => Ok(Node::Eof),
            _ => Err(self.fail("The document ends before its root element does.")),
        }
    }

    fn open(&mut self, empty: bool) -> Read<Element<'a>> {
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
        Ok(Element { ns, name: name.local, attributes, uri })
    }

    fn close(&mut self) {
        self.scope.leave(self.tokens.open.len());
        self.tokens.open.pop();
    }

    // What the start tag declares comes into scope first: it holds for the names of the tag itself.
    fn attributes(&mut self) -> Read<Vec<Attribute<'a>>> {
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

    fn reference(&self, name: &str) -> Read<Node<'a>> {
        match entity(name) {
            Some(char) => Ok(Node::Text(Cow::Owned(char.into()))),
            None => Err(self.fail("An entity is unknown: only the five of XML and character references are allowed.")),
        }
    }

    fn blank(&self, text: &str) -> Read<()> {
        if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            return Ok(());
        }
        Err(self.fail("Text is not allowed here."))
    }
}

fn characters(text: Text<'_>) -> Cow<'_, str> {
    if text.has_return { newlines(text.source) } else { Cow::Borrowed(text.source) }
}
