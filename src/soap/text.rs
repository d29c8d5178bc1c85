//! Characters of XML 1.0: which are allowed, in text and in names, and how they are escaped.

use std::borrow::Cow;

/// What one pass over a text finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traits(u8);

const CONTROL: u8 = 1;
const RARE: u8 = 2;
const RETURN: u8 = 4;
const BRACKET: u8 = 8;
const END: u8 = 16;

impl Traits {
    /// Whether the text may hold a character that XML doesn't allow, or the end of a CDATA section: it needs a look of its own.
    pub fn is_odd(self) -> bool {
        self.0 & (CONTROL | RARE | BRACKET) != 0
    }

    /// Whether the text holds a carriage return.
    pub fn has_return(self) -> bool {
        self.0 & RETURN != 0
    }
}

// What each byte tells of a text.
const TRAITS: [u8; 256] = {
    let mut traits = [0; 256];
    let mut control = 0;
    while control < b' ' {
        traits[control as usize] = if matches!(control, b'\t' | b'\n') { 0 } else { CONTROL };
        control += 1;
    }
    traits[b'\r' as usize] = RETURN;
    traits[b']' as usize] = BRACKET;
    traits[0xEF] = RARE;
    (traits[b'<' as usize], traits[b'&' as usize]) = (END, END);
    traits
};

/// How far a text reaches before markup or a reference, in bytes, and what it holds.
#[inline]
pub fn text_len(bytes: &[u8]) -> (usize, Traits) {
    let (mut len, mut found) = (0, 0);
    loop {
        let some = &bytes[len..bytes.len().min(len + BLOCK)];
        for byte in some {
            let traits = TRAITS[usize::from(*byte)];
            if traits == END {
                return (len, Traits(found));
            }
            found |= traits;
            len += 1;
        }
        if some.len() < BLOCK {
            return (len, Traits(found));
        }
        // Most are over by now. A long one is mostly plain.
        while bytes[len..].first_chunk().is_some_and(is_plain) {
            len += BLOCK;
        }
    }
}

/// Bytes of a long text that are looked at together.
const BLOCK: usize = 32;

// Whether all of these are of no trait. Written so that the processor looks at many at once.
fn is_plain(bytes: &[u8; BLOCK]) -> bool {
    let is = |byte: u8, one| u8::from(byte == one);
    let odd = |it: u8| u8::from(it < b' ') | is(it, b'<') | is(it, b'&') | is(it, b']') | is(it, 0xEF);
    bytes.iter().fold(0, |found, byte| found | odd(*byte)) == 0
}

/// Whether every character of `text` is allowed in XML 1.0 (production 2).
pub fn is_xml(text: &str) -> bool {
    // The two non-characters start with 0xEF in UTF-8, and hardly anything else does.
    let is_odd = |byte| byte == 0xEF || (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
    !text.bytes().fold(false, |found, byte| found | is_odd(byte)) || text.chars().all(is_char)
}

/// How far what may be a name without a colon reaches, in bytes, and whether it is surely one: a name of ASCII.
#[inline]
pub fn name_len(bytes: &[u8]) -> (usize, bool) {
    let (mut len, mut all) = (0, INNER);
    while let Some(byte) = bytes.get(len) {
        let kind = KINDS[usize::from(*byte)];
        if kind == 0 {
            break;
        }
        all &= kind;
        len += 1;
    }
    (len, all != 0 && bytes.first().is_some_and(|byte| KINDS[usize::from(*byte)] & FIRST != 0))
}

/// Whether `text` is a name without a colon (Namespaces in XML 1.0, production 4).
pub fn is_name(text: &str) -> bool {
    if name_len(text.as_bytes()) == (text.len(), true) {
        return true;
    }
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

const FIRST: u8 = 1;
const INNER: u8 = 2;
const OTHER: u8 = 4;

// Where in a name each byte of ASCII may stand: nearly every name is of these, and every tag has one. Others may belong to a name.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let at = byte as u8;
        kinds[byte] = if at.is_ascii_alphabetic() || at == b'_' {
            FIRST | INNER
        } else if at.is_ascii_digit() || at == b'-' || at == b'.' {
            INNER
        } else {
            0
        };
        byte += 1;
    }
    kinds
};

/// Line ends as XML 1.0 (2.11) has them: CR LF and CR become LF.
pub fn newlines(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&b'\r') {
        return Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    Cow::Borrowed(text)
}

/// An attribute's value, unescaped and with white space as blanks; `None` for an entity that isn't XML's own.
pub fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.bytes().fold(false, |found, byte| found | matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        blanks(&mut out, before);
        let (name, after) = after.split_once(';')?;
        out.push(entity(name)?);
        rest = after;
    }
    blanks(&mut out, rest);
    Some(Cow::Owned(out))
}

/// The character of a reference, by what stands between `&` and `;`.
pub fn entity(name: &str) -> Option<char> {
    let number = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|char| is_char(*char))
}

/// Whether a character is allowed in XML 1.0 (production 2).
pub fn is_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn blanks(out: &mut String, text: &str) {
    out.extend(newlines(text).chars().map(|char| if matches!(char, '\t' | '\n') { ' ' } else { char }));
}

fn starts_name(char: char) -> bool {
    char.is_ascii_alphabetic()
        || char == '_'
        || matches!(char,
            '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
            | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
            | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(char: char) -> bool {
    starts_name(char) || char.is_ascii_digit() || matches!(char, '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_xmls_own_or_characters() {
        for (name, expected) in [
            ("amp", Some('&')),
            ("#65", Some('A')),
            ("#x1F600", Some('😀')),
            ("#0", None),
            ("#xD800", None),
            ("#xFFFE", None),
            ("#+65", None),
            ("#X41", None),
            ("#", None),
            ("#x", None),
            ("#99999999999", None),
            ("nbsp", None),
            ("", None),
        ] {
            assert_eq!(entity(name), expected, "{name}");
        }
    }

    #[test]
    fn names_are_checked() {
        for good in ["a", "_", "Ver_1", "a-b.c", "é", "名"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a/", "a:b", "a&b", "\u{D7}", "a\u{37E}"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn attribute_values_are_normalised() {
        assert_eq!(unescape("a&#10;b\r\n&lt;c&amp;lt;").as_deref(), Some("a\nb <c&lt;"));
        assert_eq!(unescape("a&b"), None);
        assert_eq!(unescape("&x;"), None);
    }
}
