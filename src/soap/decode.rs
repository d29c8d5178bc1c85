//! Bytes to text, once: byte order mark, then the transport's charset, then the XML declaration, then UTF-8 (RFC 7303, 3).

use super::malformed::{Malformed, Position};
use std::borrow::Cow;

/// Largest message read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// The text of a message, without its byte order mark. UTF-8, US-ASCII, UTF-16 and ISO-8859-1 are known; UTF-8 is
/// borrowed. Refuses other charsets, bytes that are not of their charset, and more than [`MAX_BYTES`].
pub fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, Malformed> {
    if bytes.len() > MAX_BYTES {
        return Err(Malformed::whole(format!("The message is larger than {MAX_BYTES} bytes.")));
    }
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        _ => match charset {
            Some(charset) => labelled(bytes, charset),
            None if matches!(bytes, [0, b'<', ..] | [b'<', 0, ..]) => labelled(bytes, "utf-16"),
            None => labelled(bytes, declared(bytes).filter(|it| !starts_with(it, "utf-16")).unwrap_or("utf-8")),
        },
    }
}

fn labelled<'a>(bytes: &'a [u8], charset: &str) -> Result<Cow<'a, str>, Malformed> {
    let is = |name: &str| charset.eq_ignore_ascii_case(name);
    if is("utf-8") || is("utf8") || is("us-ascii") || is("ascii") {
        utf8(bytes)
    } else if is("utf-16le") || (is("utf-16") && matches!(bytes, [b'<', 0, ..])) {
        utf16(bytes, u16::from_le_bytes)
    } else if is("utf-16be") || is("utf-16") {
        utf16(bytes, u16::from_be_bytes)
    } else if is("iso-8859-1") || is("latin1") {
        Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()))
    } else {
        Err(Malformed::whole("The charset is not supported: send UTF-8, UTF-16, US-ASCII or ISO-8859-1."))
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        Malformed::at(Position::of(good, good.len()), "The bytes are not valid UTF-8.")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, Malformed> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len() / 2);
    for read in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match read {
            Ok(char) => text.push(char),
            Err(_) => return Err(Malformed::at(Position::of(&text, text.len()), "The bytes are not valid UTF-16.")),
        }
    }
    if odd.is_empty() { Ok(Cow::Owned(text)) } else { Err(Malformed::whole("The bytes are not valid UTF-16: their number is odd.")) }
}

// The encoding that an XML declaration in ASCII names.
fn declared(bytes: &[u8]) -> Option<&str> {
    let head = bytes.strip_prefix(b"<?xml")?;
    let head = &head[..head.len().min(120)];
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let head = std::str::from_utf8(&head[..end]).ok()?;
    let (_, rest) = head.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(name, _)| name)
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[track_caller]
    fn check(bytes: &[u8], charset: Option<&str>, expected: Option<&str>) {
        assert_eq!(decode(bytes, charset).ok().as_deref(), expected);
    }

    #[test]
    fn marks_charsets_and_declarations_are_honoured() {
        check(b"<a/>", None, Some("<a/>"));
        check("\u{FEFF}<é/>".as_bytes(), None, Some("<é/>"));
        check(&wide("\u{FEFF}<é/>", u16::to_le_bytes), None, Some("<é/>"));
        check(&wide("\u{FEFF}<é/>", u16::to_be_bytes), Some("utf-8"), Some("<é/>"));
        check(&wide("<😀/>", u16::to_le_bytes), None, Some("<😀/>"));
        check(&wide("<é/>", u16::to_be_bytes), Some("UTF-16"), Some("<é/>"));
        check(b"<\xE9/>", Some("ISO-8859-1"), Some("<é/>"));
        check(b"<?xml version='1.0' encoding='iso-8859-1'?><\xE9/>", None, Some("<?xml version='1.0' encoding='iso-8859-1'?><é/>"));
        check(b"<?xml version='1.0' encoding='utf-16'?><a/>", None, Some("<?xml version='1.0' encoding='utf-16'?><a/>"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        check(b"<\xE9/>", None, None);
        check(b"<a/>", Some("x-unknown"), None);
        check(b"\xFF\xFE<", None, None);
        check(b"\xFF\xFE\x00\xD8<\x00", None, None);
        check(&vec![b' '; MAX_BYTES + 1], None, None);
        check(&vec![b' '; MAX_BYTES], None, Some(&" ".repeat(MAX_BYTES)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), label in "(utf-8|utf-16|latin1)?") {
            let _ = decode(&bytes, Some(label.as_str()).filter(|it| !it.is_empty()));
        }
    }
}
