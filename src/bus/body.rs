//! A record's value as a JSON object (RFC 8259) whose members are read one by one, with bounds on size and count.

use super::record::PART_MAX;
use crate::domain::code::Secret;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// Most members of an object.
pub const MEMBERS_MAX: usize = 200;

/// Why a value is no request. The text never shows a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Too long.
    #[error("The record has more than 64 KiB in its value, its key or its headers.")]
    TooLarge,
    /// Not JSON, or another kind of it.
    #[error("The value is not a JSON object in UTF-8.")]
    NotAnObject,
    /// Too many members.
    #[error("An object has more than 200 members.")]
    TooMany,
    /// A member is there twice: nobody could say which counts.
    #[error("A member of an object is there twice.")]
    Twice,
}

/// Members in their order, each still as it was written.
#[derive(Debug)]
pub struct Members<'a>(Vec<(String, &'a RawValue)>);

/// What a member holds.
#[derive(Debug)]
pub enum Member {
    /// `null`, or no such member.
    Nothing,
    /// A text.
    Text(Secret),
    /// A number, as it was written.
    Number(String),
    /// `true` or `false`.
    Flag(bool),
    /// An object or a list.
    Nested,
    /// A text that isn't one: half of a surrogate pair.
    Broken,
}

impl<'a> Members<'a> {
    /// Reads an object.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > PART_MAX {
            return Err(Unreadable::TooLarge);
        }
        Self::parse(std::str::from_utf8(bytes).map_err(|_| Unreadable::NotAnObject)?)
    }

    /// The object that a member holds; `None`: it holds none.
    pub fn inner(&self, name: &str) -> Option<Result<Self, Unreadable>> {
        let raw = self.raw(name).filter(|it| it.get().starts_with('{'))?;
        Some(Self::parse(raw.get()))
    }

    /// What a member holds.
    pub fn get(&self, name: &str) -> Member {
        self.raw(name).map_or(Member::Nothing, member)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Member)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), member(raw)))
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|it| it.0 == name).map(|it| it.1)
    }

    fn parse(text: &'a str) -> Result<Self, Unreadable> {
        let read: Counted<'a> = serde_json::from_str(text).map_err(|_| Unreadable::NotAnObject)?;
        match read.wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Self(read.members)),
        }
    }
}

fn member(raw: &RawValue) -> Member {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(text).map_or(Member::Broken, |it| Member::Text(Secret::new(it))),
        Some(b'{' | b'[') => Member::Nested,
        Some(b't') => Member::Flag(true),
        Some(b'f') => Member::Flag(false),
        Some(b'n') | None => Member::Nothing,
        Some(_) => Member::Number(text.to_owned()),
    }
}

// The whole object is read, so that what follows it is judged, too; what is over the limit isn't kept.
struct Counted<'a> {
    members: Vec<(String, &'a RawValue)>,
    wrong: Option<Unreadable>,
}

impl<'de> Deserialize<'de> for Counted<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Counted<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut read = Counted { members: Vec::new(), wrong: None };
        while let Some(name) = map.next_key::<String>()? {
            if read.members.len() == MEMBERS_MAX {
                read.wrong = Some(Unreadable::TooMany);
            } else if read.members.iter().any(|it| it.0 == name) {
                read.wrong = Some(Unreadable::Twice);
            }
            match read.wrong {
                None => read.members.push((name, map.next_value()?)),
                Some(_) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_within_bounds() {
        let check = |text: &str, expected: Result<usize, Unreadable>| {
            assert_eq!(Members::read(text.as_bytes()).map(|it| it.0.len()), expected, "{text:.80}");
        };
        check("{}", Ok(0));
        check(r#" {"a": 1, "b": {"c": [[[]]]}} "#, Ok(2));
        check("[]", Err(Unreadable::NotAnObject));
        check("{} {}", Err(Unreadable::NotAnObject));
        check("{\"a\":", Err(Unreadable::NotAnObject));
        check("", Err(Unreadable::NotAnObject));
        check(r#"{"a":1,"a":2}"#, Err(Unreadable::Twice));
        check(&format!("{{\"a\":\"{}\"}}", "x".repeat(PART_MAX)), Err(Unreadable::TooLarge));
        check(&format!("{{\"a\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000)), Ok(1));
        let many = |count: usize| format!("{{{}}}", (0..count).map(|it| format!("\"{it}\":0")).collect::<Vec<_>>().join(","));
        check(&many(MEMBERS_MAX), Ok(MEMBERS_MAX));
        check(&many(MEMBERS_MAX + 1), Err(Unreadable::TooMany));
        assert_eq!(Members::read(b"{\"a\":\"\xff\"}").err(), Some(Unreadable::NotAnObject));
    }
}
