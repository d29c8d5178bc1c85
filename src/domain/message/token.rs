//! HTML as tokens, as far as a template needs it (HTML Standard, 13.2.5): text, tags with their attributes, and what is left out.

use super::marked::Refusal;

/// Attributes of one tag, at most.
const ATTRIBUTE_LIMIT: usize = 50;
/// Elements whose content is no markup: it is left out with them.
const RAW: [&str; 11] =
    ["script", "style", "title", "textarea", "template", "noscript", "iframe", "noembed", "noframes", "xmp", "plaintext"];
/// Elements without an end tag.
const VOID: [&str; 14] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// A piece of HTML.
pub(super) enum Token<'a> {
    /// Text, with its entities.
    Text(&'a str),
    /// The beginning of an element.
    Start(Tag<'a>),
    /// The end of an element, and its name.
    End(&'a str),
    /// What no mail shows: a comment, a declaration; with its name an element whose content is no markup.
    Left(&'a str),
}

/// A start tag.
pub(super) struct Tag<'a> {
    /// As written.
    pub name: &'a str,
    /// Attributes in order.
    pub attributes: Vec<Attribute<'a>>,
    /// It ends with `/>`.
    pub closed: bool,
}

/// An attribute.
pub(super) struct Attribute<'a> {
    /// As written.
    pub name: &'a str,
    /// As written, without quotes.
    pub value: &'a str,
    /// Name, value and quotes.
    pub whole: &'a str,
    /// Its byte in the source.
    pub at: usize,
}

impl Tag<'_> {
    /// Whether it has neither content nor end tag.
    pub fn is_void(&self) -> bool {
        listed(&VOID, self.name)
    }
}

/// The token at the byte `at`, which is not the end, and the byte where it ends.
pub(super) fn next(source: &str, at: usize) -> Result<(Token<'_>, usize), Refusal> {
    let rest = &source[at..];
    let bytes = rest.as_bytes();
    let letter = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_alphabetic);
    match (bytes[0], bytes.get(1)) {
        (b'<', Some(b'!')) if rest.starts_with("<!--") => Ok((Token::Left(""), past(source, at, "-->"))),
        (b'<', Some(b'!' | b'?')) => Ok((Token::Left(""), past(source, at, ">"))),
        (b'<', Some(b'/')) if letter(2) => {
            let name = name(&rest[2..]);
            match rest.find('>') {
                Some(end) => Ok((Token::End(name), at + end + 1)),
                None => Err((at, format!("</{name:.20} is not closed; write > behind it"))),
            }
        }
        (b'<', _) if letter(1) => start(source, at),
        _ => {
            let end = rest.char_indices().skip(1).find(|(_, c)| *c == '<').map_or(rest.len(), |it| it.0);
            Ok((Token::Text(&rest[..end]), at + end))
        }
    }
}

fn start(source: &str, at: usize) -> Result<(Token<'_>, usize), Refusal> {
    let (tag, end) = tag(source, at)?;
    if !listed(&RAW, tag.name) {
        return Ok((Token::Start(tag), end));
    }
    // Its content is no markup: only its own end tag ends it.
    let mut from = end;
    while let Some(found) = source[from..].find("</").map(|it| from + it) {
        let other = name(&source[found + 2..]);
        if other.eq_ignore_ascii_case(tag.name) {
            return Ok((Token::Left(tag.name), past(source, found, ">")));
        }
        from = found + 2;
    }
    Err((at, format!("<{}> is not closed; write </{}> behind it, or leave it out", tag.name, tag.name)))
}

fn tag(source: &str, at: usize) -> Result<(Tag<'_>, usize), Refusal> {
    let open = |it: &str| (at, format!("the tag <{it:.20} is not closed; write > behind it"));
    let found = name(&source[at + 1..]);
    let mut tag = Tag { name: found, attributes: Vec::new(), closed: false };
    let mut from = at + 1 + found.len();
    loop {
        from += blank(&source[from..]);
        match source.as_bytes().get(from) {
            None => return Err(open(found)),
            Some(b'>') => return Ok((tag, from + 1)),
            Some(b'/') => {
                tag.closed = source.as_bytes().get(from + 1) == Some(&b'>');
                from += 1;
            }
            Some(_) if tag.attributes.len() == ATTRIBUTE_LIMIT => {
                return Err((from, format!("a tag has at most {ATTRIBUTE_LIMIT} attributes; use fewer")));
            }
            Some(_) => {
                let attribute = attribute(source, from).ok_or_else(|| open(found))?;
                from += attribute.whole.len();
                tag.attributes.push(attribute);
            }
        }
    }
}

// `None`: the source ends in it.
fn attribute(source: &str, at: usize) -> Option<Attribute<'_>> {
    let rest = &source[at..];
    let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=');
    // A name may begin with `=`, and is never empty.
    let first = rest.chars().next()?.len_utf8();
    let name = &rest[..first + rest[first..].find(ends)?];
    let gap = name.len() + blank(&rest[name.len()..]);
    if rest.as_bytes().get(gap) != Some(&b'=') {
        return Some(Attribute { name, value: "", whole: name, at });
    }
    let from = gap + 1 + blank(&rest[gap + 1..]);
    let (value, end) = match rest.as_bytes().get(from)? {
        quote @ (b'"' | b'\'') => {
            let end = from + 1 + rest[from + 1..].find(char::from(*quote))?;
            (&rest[from + 1..end], end + 1)
        }
        _ => {
            let end = from + rest[from..].find(|c: char| c.is_ascii_whitespace() || c == '>')?;
            (&rest[from..end], end)
        }
    };
    Some(Attribute { name, value, whole: &rest[..end], at })
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(text.len());
    &text[..end]
}

fn blank(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_whitespace()).len()
}

// What nothing ends goes on to the end.
fn past(source: &str, from: usize, what: &str) -> usize {
    source[from..].find(what).map_or(source.len(), |it| from + it + what.len())
}

fn listed(names: &[&str], name: &str) -> bool {
    names.iter().any(|it| it.eq_ignore_ascii_case(name))
}
