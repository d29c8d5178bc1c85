//! Characters of XML 1.0: which are allowed, in text and in names, and how they are escaped.

use std::borrow::Cow;

/// Whether every character is allowed in an XML 1.0 document (production 2).
pub fn is_xml(text: &str) -> bool {
    let control = text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    !control && !(text.as_bytes().contains(&0xEF) && text.contains(['\u{FFFE}', '\u{FFFF}']))
}

/// Whether `text` is a name without a colon (Namespaces in XML 1.0, production 4).
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

/// Line ends as XML 1.0 (2.11) has them: CR LF and CR become LF.
pub fn newlines(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&b'\r') {
        return Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    Cow::Borrowed(text)
}

/// An attribute's value, unescaped and with white space as blanks; `None` for an entity that isn't XML's own.
pub fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
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
