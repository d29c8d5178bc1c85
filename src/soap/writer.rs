//! Writes XML: no indentation, everything escaped.

use super::names::{WSSE, WSU};
use super::text::is_char;
use crate::domain::time::Timestamp;
use std::fmt::{Display, Write};

/// When an answer was made and how long it holds: its `wsu:Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// `wsu:Created`
    pub created: Timestamp,
    /// `wsu:Expires`
    pub expires: Timestamp,
}

/// A document on its way out. Names are ours; values are escaped, and characters that XML has no place for become U+FFFD.
pub struct Writer(String);

impl Writer {
    /// A document with its declaration, with room for `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity);
        out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        Self(out)
    }

    /// Markup as it is.
    pub fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// A start tag; `tag` is a name, with attributes where there are any.
    pub fn open(&mut self, tag: &str) {
        self.tag("<", tag, ">");
    }

    /// An end tag.
    pub fn close(&mut self, name: &str) {
        self.tag("</", name, ">");
    }

    /// An empty element.
    pub fn empty(&mut self, tag: &str) {
        self.tag("<", tag, "/>");
    }

    /// An element that holds a text.
    pub fn leaf(&mut self, name: &str, value: &str) {
        self.open(name);
        self.text(value);
        self.close(name);
    }

    /// An element that holds what needs no escaping: a number, a time, an id.
    pub fn plain(&mut self, name: &str, value: impl Display) {
        self.open(name);
        // Writing into a text can't fail.
        let _ = write!(self.0, "{value}");
        self.close(name);
    }

    /// The same as [`Self::leaf`], where there is a text.
    pub fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    /// Escaped text; fit for an attribute's value too.
    pub fn text(&mut self, value: &str) {
        // Nearly every value.
        if value.bytes().all(|byte| PLAIN[usize::from(byte)]) {
            return self.0.push_str(value);
        }
        let mut plain = 0;
        for (at, char) in value.char_indices() {
            let escaped = match char {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\r' => "&#13;",
                _ if is_char(char) => continue,
                _ => "\u{FFFD}",
            };
            self.0.push_str(&value[plain..at]);
            self.0.push_str(escaped);
            plain = at + char.len_utf8();
        }
        self.0.push_str(&value[plain..]);
    }

    /// `wsse:Security` with a `wsu:Timestamp`.
    pub fn security(&mut self, stamp: Stamp) {
        self.raw("<wsse:Security xmlns:wsse=\"");
        self.raw(WSSE);
        self.raw("\"><wsu:Timestamp xmlns:wsu=\"");
        self.raw(WSU);
        self.raw("\">");
        self.plain("wsu:Created", stamp.created);
        self.plain("wsu:Expires", stamp.expires);
        self.raw("</wsu:Timestamp></wsse:Security>");
    }

    /// The document's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    fn tag(&mut self, start: &str, tag: &str, end: &str) {
        self.0.push_str(start);
        self.0.push_str(tag);
        self.0.push_str(end);
    }
}

// Whether each byte stands for itself wherever it is. The two characters that XML excludes beside controls begin with 0xEF.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut control = 0;
    while control < b' ' {
        plain[control as usize] = matches!(control, b'\t' | b'\n');
        control += 1;
    }
    (plain[b'&' as usize], plain[b'<' as usize], plain[b'>' as usize], plain[b'"' as usize]) = (false, false, false, false);
    plain[0xEF] = false;
    plain
};

/// Escaped text, for a place in a document that is there already.
pub fn escape(value: &str) -> String {
    let mut out = Writer(String::with_capacity(value.len()));
    out.text(value);
    out.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        for (value, expected) in [
            ("", ""),
            ("plain é 😀\n\t", "plain é 😀\n\t"),
            ("<a b=\"c\">&amp;]]>", "&lt;a b=&quot;c&quot;&gt;&amp;amp;]]&gt;"),
            ("a\r\0b\u{1}\u{FFFE}", "a&#13;\u{FFFD}b\u{FFFD}\u{FFFD}"),
        ] {
            assert_eq!(escape(value), expected);
        }
    }
}
