//! What is kept of keys, as notes: `key/index` has a line for each, its id and how often it was changed; `key/k/ID` is the key itself;
//! `key/u/ID` the day (since 1970-01-01 UTC) on which it was last used.

use crate::domain::code::Tag;
use crate::domain::id::PublisherId;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::time::Timestamp;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The list of keys.
pub(super) const INDEX: &str = "key/index";

/// A key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whom it acts for.
    pub publisher: PublisherId,
    /// What people call it.
    pub label: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Networks it may come from; empty: any.
    pub allow: Vec<IpNet>,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// From when on it doesn't count any more.
    pub expires_at: Timestamp,
    /// Since when it doesn't count any more, because a person said so.
    pub revoked_at: Option<Timestamp>,
    /// MAC of its secret.
    pub(super) tag: Tag,
}

impl Record {
    /// Whether it counts at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Since when it does not count any more, or from when on.
    pub fn ends_at(&self) -> Timestamp {
        self.revoked_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }
}

/// Each key's id, and how often it was changed.
pub(super) type Index = BTreeMap<String, u32>;

#[derive(Serialize, Deserialize)]
struct Row {
    p: String,
    l: String,
    s: Vec<String>,
    n: Vec<String>,
    c: i64,
    e: i64,
    r: Option<i64>,
    t: String,
}

/// The name of a key's note.
pub(super) fn name(id: &str) -> String {
    format!("key/k/{id}")
}

/// The name of the note that tells when it was last used.
pub(super) fn used_name(id: &str) -> String {
    format!("key/u/{id}")
}

pub(super) fn write_index(index: &Index) -> Vec<u8> {
    index.iter().map(|(id, version)| format!("{id} {version}\n")).collect::<String>().into_bytes()
}

/// `None` when it is no index.
pub(super) fn read_index(bytes: &[u8]) -> Option<Index> {
    let line = |line: &str| {
        let (id, version) = line.split_once(' ')?;
        Some((id.to_owned(), version.parse().ok()?))
    };
    std::str::from_utf8(bytes).ok()?.lines().map(line).collect()
}

pub(super) fn write(it: &Record) -> Option<Vec<u8>> {
    let row = Row {
        p: it.publisher.to_string(),
        l: it.label.clone(),
        s: it.scopes.iter().map(|it| it.name().to_owned()).collect(),
        n: it.allow.iter().map(ToString::to_string).collect(),
        c: it.created_at.millis(),
        e: it.expires_at.millis(),
        r: it.revoked_at.map(Timestamp::millis),
        t: hex::encode(it.tag.0),
    };
    serde_json::to_vec(&row).ok()
}

/// `None` when it is no key. A scope that this program doesn't know can't be used here.
pub(super) fn read(bytes: &[u8]) -> Option<Record> {
    let row: Row = serde_json::from_slice(bytes).ok()?;
    Some(Record {
        publisher: row.p.as_str().into(),
        label: row.l,
        scopes: row.s.iter().filter_map(|it| Scope::parse(it)).collect(),
        // All or nothing: without one of them it might come from anywhere.
        allow: row.n.iter().map(|it| it.parse().ok()).collect::<Option<_>>()?,
        created_at: Timestamp::from_millis(row.c),
        expires_at: Timestamp::from_millis(row.e),
        revoked_at: row.r.map(Timestamp::from_millis),
        tag: Tag(hex::decode(row.t).ok()?.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            publisher: "bank".into(),
            label: "till 4 \"é\"".into(),
            scopes: [Scope::Create, Scope::Verify].into_iter().collect(),
            allow: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            created_at: Timestamp::from_millis(5),
            expires_at: Timestamp::from_millis(50),
            revoked_at: Some(Timestamp::from_millis(20)),
            tag: Tag([7; 16]),
        };
        let bytes = write(&record).unwrap();
        assert_eq!(read(&bytes), Some(record.clone()));
        assert_eq!(record.ends_at(), Timestamp::from_millis(20));
        let newer = String::from_utf8(bytes).unwrap().replace("\"verify\"", "\"levitate\"");
        assert_eq!(read(newer.as_bytes()).unwrap().scopes, [Scope::Create].into_iter().collect());
        for broken in ["", "{}", "[]"] {
            assert_eq!(read(broken.as_bytes()), None);
        }
        let index: Index = [("a".to_owned(), 1), ("b".to_owned(), 7)].into();
        assert_eq!((write_index(&index).as_slice(), read_index(b"a 1\nb 7\n")), (&b"a 1\nb 7\n"[..], Some(index)));
        assert_eq!((read_index(b""), read_index(b"a"), read_index(b"a b\n")), (Some(Index::new()), None, None));
    }
}
