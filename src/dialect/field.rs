//! Fields of a request, bounded: form or query pairs, or a JSON document.

use super::charset::decode;
use serde_json::Value;
use std::borrow::Cow;

/// Most bytes of a body or query.
pub const BYTES_MAX: usize = 64 * 1024;
/// Most pairs.
pub const FIELDS_MAX: usize = 100;

/// Why fields can't be read. The text is fit for the gateway's operator, and shows nothing of the content.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldError {
    /// Over a limit.
    #[error("the request has more than 64 KiB or 100 fields")]
    TooLarge,
    /// Not what it should be.
    #[error("the request is no well-formed {0}")]
    Malformed(&'static str),
    /// A field that stands twice.
    #[error("the field {0} stands more than once")]
    Twice(String),
    /// Bytes that are not of the character set.
    #[error("the field {0} is not in the character set it claims")]
    Charset(String),
}

/// A name and its value.
pub type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The fields of a request.
pub enum Fields<'a> {
    /// Names and values, percent-decoded, in order.
    Pairs(Vec<Pair<'a>>),
    /// A document.
    Json(Value),
}

impl<'a> Fields<'a> {
    /// Reads `application/x-www-form-urlencoded` pairs (WHATWG URL, section 5.1), of a body or a query.
    pub fn pairs(text: &'a [u8]) -> Result<Self, FieldError> {
        if text.len() > BYTES_MAX {
            return Err(FieldError::TooLarge);
        }
        let mut pairs = Vec::with_capacity(8);
        for pair in text.split(|it| *it == b'&').filter(|it| !it.is_empty()) {
            if pairs.len() == FIELDS_MAX {
                return Err(FieldError::TooLarge);
            }
            let end = pair.iter().position(|it| *it == b'=').unwrap_or(pair.len());
            let value = pair.get(end + 1..).unwrap_or_default();
            pairs.push((unescape(&pair[..end])?, unescape(value)?));
        }
        Ok(Self::Pairs(pairs))
    }

    /// Reads a JSON document. Its depth is bounded by the parser (128).
    pub fn json(text: &[u8]) -> Result<Self, FieldError> {
        if text.len() > BYTES_MAX {
            return Err(FieldError::TooLarge);
        }
        serde_json::from_slice(text).map(Self::Json).map_err(|_| FieldError::Malformed("JSON"))
    }

    /// The value of a field: by its name, or in JSON by its pointer (a text or a number). `None` when it is not there.
    pub fn value(&self, name: &str, charset: &str) -> Result<Option<String>, FieldError> {
        let pairs = match self {
            Self::Pairs(pairs) => pairs,
            Self::Json(document) => {
                return match document.pointer(name) {
                    None | Some(Value::Null) => Ok(None),
                    Some(Value::String(text)) => Ok(Some(text.clone())),
                    Some(Value::Number(number)) => Ok(Some(number.to_string())),
                    Some(_) => Err(FieldError::Malformed("message: a field is neither text nor number")),
                };
            }
        };
        let mut found = pairs.iter().filter(|it| *it.0 == *name.as_bytes());
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, bytes)), None) => decode(charset, bytes).map(Some).ok_or_else(|| FieldError::Charset(name.to_owned())),
            _ => Err(FieldError::Twice(name.to_owned())),
        }
    }
}

/// Undoes `+` and `%XX`. A percent sign that escapes nothing is an error: half a request must not pass for a message.
fn unescape(text: &[u8]) -> Result<Cow<'_, [u8]>, FieldError> {
    if !text.iter().any(|it| matches!(it, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(nibble), rest.next().and_then(nibble)) {
                (Some(high), Some(low)) => (high << 4) | low,
                _ => return Err(FieldError::Malformed("form")),
            },
            other => *other,
        });
    }
    Ok(Cow::Owned(out))
}

fn nibble(byte: &u8) -> Option<u8> {
    char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_are_read_strictly() {
        let check = |text: &str, expected: Result<Option<&str>, FieldError>| {
            let found = Fields::pairs(text.as_bytes()).and_then(|it| it.value("a", "utf-8"));
            assert_eq!(found, expected.map(|it| it.map(str::to_owned)), "{text}");
        };
        check("a=1+2%2B3%20&b=", Ok(Some("1 2+3 ")));
        check("%61=%C3%A9", Ok(Some("é")));
        check("a", Ok(Some("")));
        check("b=1&&", Ok(None));
        check("a=1&a=2", Err(FieldError::Twice("a".to_owned())));
        check("a=%E9", Err(FieldError::Charset("a".to_owned())));
        check("a=%4", Err(FieldError::Malformed("form")));
        check("a=%zz", Err(FieldError::Malformed("form")));
        check(&"b=1&".repeat(100), Ok(None));
        check(&"b=1&".repeat(101), Err(FieldError::TooLarge));
        check(&"b".repeat(BYTES_MAX + 1), Err(FieldError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_others_write_is_read_alike(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..20)) {
            let written = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let Ok(Fields::Pairs(read)) = Fields::pairs(written.as_bytes()) else { panic!("unread: {written}") };
            let read: Vec<_> = read.iter().map(|(name, value)| (decode("utf-8", name).unwrap(), decode("utf-8", value).unwrap())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn no_input_panics(bytes in any::<Vec<u8>>()) {
            let _ = Fields::pairs(&bytes).and_then(|it| it.value("a", "utf-16be"));
            let _ = Fields::json(&bytes).and_then(|it| it.value("/a", "utf-8"));
        }
    }
}
