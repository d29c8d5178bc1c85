//! A request's JSON as it came: read once, strictly, so that every field that is wrong can be told at once.

use crate::domain::code::Secret;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Members that one object may have.
const MEMBERS_MAX: usize = 200;
/// The largest whole number that every JSON reader tells apart from its neighbours (RFC 8259, 6).
const EXACT: f64 = 9_007_199_254_740_991.0;

/// A value. Texts are kept as secrets: a code or an address may be among them.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Flag(bool),
    /// A number without a fraction: `5`, and also `5.0`.
    Whole(i64),
    /// Any other number.
    Fraction,
    Text(Secret),
    /// An array; no field of ours is one, so what is in it is not kept.
    List,
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What kind of value it is, as a person says it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Whole(_) => "a number",
            Self::Fraction => "a number with a fraction, or beyond all limits",
            Self::Text(_) => "a text",
            Self::List => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Json, E> {
        Ok(Json::Flag(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Json, E> {
        Ok(Json::Whole(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Json, E> {
        Ok(i64::try_from(it).map_or(Json::Fraction, Json::Whole))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Json, E> {
        Ok(if it.fract() == 0.0 && it.abs() <= EXACT { Json::Whole(it as i64) } else { Json::Fraction })
    }

    fn visit_str<E>(self, it: &str) -> Result<Json, E> {
        Ok(Json::Text(Secret::new(it)))
    }

    fn visit_string<E>(self, it: String) -> Result<Json, E> {
        Ok(Json::Text(Secret::new(it)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        while from.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::List)
    }

    // Which of two members of one name counts, readers do not agree on: neither does.
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some(name) = from.next_key::<String>()? {
            if members.len() == MEMBERS_MAX {
                return Err(A::Error::custom("an object has too many members"));
            }
            if members.iter().any(|it| it.0 == name) {
                return Err(A::Error::custom("an object has two members of one name"));
            }
            members.push((name, from.next_value()?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_read_strictly() {
        let check = |text: &str, expected: &str| {
            let read = serde_json::from_str::<Json>(text);
            let told = read.map_or_else(|error| error.to_string(), |it| format!("{it:?}"));
            assert!(told.starts_with(expected), "{text}: {told}");
        };
        check("null", "Null");
        check("-3", "Whole(-3)");
        check("5.0", "Whole(5)");
        check("5.5", "Fraction");
        check("18446744073709551615", "Fraction");
        check("1e300", "Fraction");
        check("\"secret\"", "Text([secret])");
        check("[1, {\"a\": 1}]", "List");
        check("{\"a\": {\"b\": true}}", "Object([(\"a\", Object([(\"b\", Flag(true))]))])");
        check("{\"a\": 1, \"\\u0061\": 2}", "an object has two members of one name");
        check("{\"a\": 1} x", "trailing characters");
        check(&"{\"a\":".repeat(200), "recursion limit exceeded");
        let many: Vec<String> = (0..=MEMBERS_MAX).map(|it| format!("\"{it}\": 0")).collect();
        check(&format!("{{{}}}", many.join(",")), "an object has too many members");
    }
}
