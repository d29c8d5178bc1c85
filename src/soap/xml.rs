//! A strict, bounded pull reader: what SOAP allows of XML, and nothing else.
//!
//! Everything is judged as it comes: a document that is refused costs no more than the part before the place where it
//! goes wrong. Names and text are borrowed from the document; only entities and line ends make copies.

pub use super::element::{Attribute, Element};
use super::malformed::{Malformed, Position};
use super::names::Ns;
use super::scope::Scope;
use super::text::{Traits, entity, is_name, is_xml, newlines, unescape};
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::{QName, ResolveResult};
use quick_xml::reader::NsReader;
use std::borrow::Cow;

/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 32;
/// Most tokens (tags, texts, comments, references) of a document. The rules let in 32,000 bytes of parameters and 1,600
/// characters of text; written as character references, none of them plain, these are some 13,000 tokens.
pub const MAX_EVENTS: usize = 20_000;
/// Most elements of a document. An element costs ten times what a reference does; with every field, 100 parameters, 20 contacts
/// and a security header, a request has some 700.
pub const MAX_ELEMENTS: usize = 2_500;
/// Most attributes of an element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 32;
/// Longest start tag, in bytes.
pub const MAX_TAG: usize = 8 * 1024;
/// Most namespace declarations in scope at once.
pub const MAX_BINDINGS: usize = 32;

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
    inner: NsReader<&'a [u8]>,
    text: &'a str,
    traits: Traits,
    scope: Scope<'a>,
    start: usize,
    skipped: usize,
    events: usize,
    elements: usize,
    depth: usize,
    empty: bool,
    rooted: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`, which has no byte order mark.
    pub fn new(text: &'a str) -> Self {
        let mut inner = NsReader::from_str(text);
        inner.config_mut().check_comments = true;
        inner.resolver_mut().set_max_namespace_bindings(MAX_BINDINGS);
        let (traits, scope) = (Traits::of_small(text), Scope::default());
        Self { inner, text, traits, scope, start: 0, skipped: 0, events: 0, elements: 0, depth: 0, empty: false, rooted: false }
    }

    /// The next node. Comments are passed over; a document type or a processing instruction is refused.
    pub fn node(&mut self) -> Result<Node<'a>, Malformed> {
        if std::mem::take(&mut self.empty) {
            return self.close();
        }
        loop {
            let event = self.event()?;
            let end = self.position();
            let source = self.text.get(self.start..end).unwrap_or_default();
            if !self.traits.is_plain() && !is_xml(source) {
                return Err(self.fail("A character is not allowed in XML."));
            }
            match event {
                Event::Start(tag) => return self.open(source, tag.name().0.len(), false),
                Event::Empty(tag) => return self.open(source, tag.name().0.len(), true),
                Event::End(_) => return self.close(),
                Event::Text(_) if self.depth == 0 => self.blank(source)?,
                Event::Text(_) => return self.characters(source),
                Event::CData(_) | Event::GeneralRef(_) if self.depth == 0 => return Err(self.fail("Text outside the root element.")),
                Event::CData(_) => return self.section(source),
                Event::GeneralRef(reference) => return self.reference(&reference),
                Event::Comment(_) => {}
                Event::Decl(declaration) => self.declaration(declaration.version().ok().as_deref())?,
                Event::Eof if self.depth > 0 || !self.rooted => return Err(self.fail("The document ends before its root element does.")),
                Event::Eof => return Ok(Node::Eof),
                Event::DocType(_) | Event::PI(_) => return Err(self.fail("A document type or processing instruction is not allowed.")),
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
            self.pass_blank();
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
        let outside = self.depth - 1;
        while self.depth > outside {
            self.node()?;
        }
        Ok(())
    }

    /// A refusal at the token read last. `message` never quotes content.
    #[cold]
    pub fn fail(&self, message: impl Into<String>) -> Malformed {
        Malformed::at(Position::of(self.text, self.start), message)
    }

    // Passes over white space before a tag, which a pretty message has before each: as a token it would cost as much as a tag.
    fn pass_blank(&mut self) {
        let rest = self.text.as_bytes().get(self.position()..).unwrap_or_default();
        let blank = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(0);
        if blank > 0 && rest.get(blank) == Some(&b'<') && !self.empty {
            let inner = self.inner.get_mut();
            *inner = inner.get(blank..).unwrap_or_default();
            self.skipped += blank;
        }
    }

    // Reads one token; what is refused by its first bytes is refused before it is read.
    fn event(&mut self) -> Result<Event<'a>, Malformed> {
        self.start = self.position();
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(self.fail(format!("The document has more than {MAX_EVENTS} tags and texts.")));
        }
        let rest = self.text.as_bytes().get(self.start..).unwrap_or_default();
        // The library would skip it, and its positions would no longer be ours.
        if self.start == 0 && self.text.starts_with('\u{FEFF}') {
            return Err(self.fail("The document starts with a second byte order mark."));
        }
        let declaration = self.start == 0 && matches!(rest, [b'<', b'?', b'x', b'm', b'l', b' ' | b'\t' | b'\r' | b'\n', ..]);
        let markup = rest.starts_with(b"<!") && !rest.starts_with(b"<!--") && !rest.starts_with(b"<![CDATA[");
        if markup || (rest.starts_with(b"<?") && !declaration) {
            return Err(self.fail("A document type or processing instruction is not allowed."));
        }
        if is_long(rest) {
            return Err(self.fail(format!("A start tag is longer than {MAX_TAG} bytes.")));
        }
        // The library's own message may quote the document.
        self.inner.read_event().map_err(|_| self.fail("The XML is not well-formed here."))
    }

    fn open(&mut self, source: &'a str, name_len: usize, empty: bool) -> Result<Node<'a>, Malformed> {
        self.depth += 1;
        if self.depth == 1 && std::mem::replace(&mut self.rooted, true) {
            return Err(self.fail("A second root element."));
        }
        if self.depth > MAX_DEPTH {
            return Err(self.fail(format!("Elements are nested deeper than {MAX_DEPTH}.")));
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.fail(format!("The document has more than {MAX_ELEMENTS} elements.")));
        }
        self.empty = empty;
        let content = source.strip_prefix('<').and_then(|it| it.strip_suffix(if empty { "/>" } else { ">" })).unwrap_or_default();
        let bare = content.len() == name_len;
        self.scope.enter(self.depth, !bare && content.contains("xmlns"));
        let (ns, name, foreign) = self.named(content.get(..name_len).unwrap_or_default())?;
        let attributes = if bare { Vec::new() } else { self.attributes(content, name_len)? };
        Ok(Node::Open(Element { ns, name, attributes, foreign }))
    }

    // A tag's namespace and local name, and the URI where the namespace has no name here.
    fn named(&mut self, name: &'a str) -> Result<(Ns, &'a str, String), Malformed> {
        let (prefix, local) = split(name);
        if let Some(ns) = self.scope.of(prefix.unwrap_or_default()).filter(|_| is_name(local)) {
            return Ok((ns, local, String::new()));
        }
        let (uri, local) = self.resolve(name, true)?;
        let (ns, foreign) = match Ns::of(uri) {
            Ns::Other => (Ns::Other, uri.to_owned()),
            known => (known, String::new()),
        };
        self.scope.learn(prefix.unwrap_or_default(), ns);
        Ok((ns, local, foreign))
    }

    fn close(&mut self) -> Result<Node<'a>, Malformed> {
        self.scope.leave(self.depth);
        self.depth -= 1;
        Ok(Node::Close)
    }

    fn attributes(&self, content: &'a str, name_len: usize) -> Result<Vec<Attribute<'a>>, Malformed> {
        let mut found = Vec::new();
        // Expanded names of prefixed attributes: two prefixes may mean one namespace.
        let mut names: Vec<(&str, &str)> = Vec::new();
        for (count, attribute) in Attributes::new(content, name_len).enumerate() {
            let attribute = attribute.map_err(|_| self.fail("An attribute is not well-formed, or comes twice."))?;
            let QName(key) = attribute.key;
            let place = key.as_ptr() as usize - content.as_ptr() as usize;
            let spaced = content.as_bytes()[..place].last().is_some_and(u8::is_ascii_whitespace);
            let Cow::Borrowed(raw) = attribute.value else { return Err(self.fail("An attribute is not well-formed.")) };
            if !spaced || raw.contains('<') {
                return Err(self.fail("An attribute is not well-formed."));
            }
            if count >= MAX_ATTRIBUTES {
                return Err(self.fail(format!("An element has more than {MAX_ATTRIBUTES} attributes.")));
            }
            let value = unescape(raw).ok_or_else(|| self.fail("An attribute holds an unknown entity."))?;
            if key == "xmlns" || key.starts_with("xmlns:") {
                self.declares(key, raw)?;
                continue;
            }
            let (uri, name) = self.resolve(key, false)?;
            if key.len() != name.len() {
                if names.contains(&(uri, name)) {
                    return Err(self.fail("An attribute comes twice."));
                }
                names.push((uri, name));
            }
            found.push(Attribute { ns: Ns::of(uri), name, value });
        }
        Ok(found)
    }

    // A declared prefix must be a name and mean something.
    fn declares(&self, key: &str, value: &str) -> Result<(), Malformed> {
        match key.strip_prefix("xmlns:") {
            Some(prefix) if !is_name(prefix) || value.is_empty() => Err(self.fail("A namespace declaration is not well-formed.")),
            _ => Ok(()),
        }
    }

    // The namespace's URI and the local name of a tag's or attribute's name.
    fn resolve<'s>(&'s self, name: &'a str, element: bool) -> Result<(&'s str, &'a str), Malformed> {
        let (prefix, local) = split(name);
        if !is_name(local) || prefix.is_some_and(|it| !is_name(it)) {
            return Err(self.fail("A name is not well-formed."));
        }
        let (namespace, _) = self.inner.resolver().resolve(QName(name), element);
        match namespace {
            ResolveResult::Bound(namespace) => Ok((namespace.0, local)),
            ResolveResult::Unbound => Ok(("", local)),
            ResolveResult::Unknown(_) => Err(self.fail("A prefix is not declared.")),
        }
    }

    fn characters(&self, source: &'a str) -> Result<Node<'a>, Malformed> {
        if self.traits.has_bracket() && source.contains("]]>") {
            return Err(self.fail("Text may not hold the end of a CDATA section."));
        }
        Ok(Node::Text(if self.traits.has_return() { newlines(source) } else { Cow::Borrowed(source) }))
    }

    fn section(&self, source: &'a str) -> Result<Node<'a>, Malformed> {
        match source.strip_prefix("<![CDATA[").and_then(|it| it.strip_suffix("]]>")) {
            Some(text) => Ok(Node::Text(newlines(text))),
            None => Err(self.fail("The XML is not well-formed here.")),
        }
    }

    fn reference(&self, reference: &BytesRef<'_>) -> Result<Node<'a>, Malformed> {
        match entity(reference) {
            Some(char) => Ok(Node::Text(Cow::Owned(char.into()))),
            None => Err(self.fail("An entity is unknown: only the five of XML and character references are allowed.")),
        }
    }

    fn declaration(&self, version: Option<&str>) -> Result<(), Malformed> {
        if version == Some("1.0") { Ok(()) } else { Err(self.fail("Only XML 1.0 is allowed.")) }
    }

    fn blank(&self, text: &str) -> Result<(), Malformed> {
        if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            return Ok(());
        }
        Err(self.fail("Text is not allowed here."))
    }

    fn position(&self) -> usize {
        usize::try_from(self.inner.buffer_position()).map_or(usize::MAX, |it| it + self.skipped)
    }
}

// A name's prefix and local part.
fn split(name: &str) -> (Option<&str>, &str) {
    match name.bytes().position(|byte| byte == b':') {
        Some(at) => (Some(&name[..at]), &name[at + 1..]),
        None => (None, name),
    }
}

// Whether a start tag does not end within MAX_TAG bytes: the library would read all of it, however many attributes it has.
fn is_long(rest: &[u8]) -> bool {
    if rest.len() <= MAX_TAG || !matches!(rest, [b'<', first, ..] if !matches!(first, b'/' | b'!' | b'?')) {
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
