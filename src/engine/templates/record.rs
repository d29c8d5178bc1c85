//! What is kept of templates, as notes: `template/P/index` lists those of a publisher, `template/P/v/KIND/LANGUAGE/NAME/N` is a
//! version (`-` is no language).

use crate::domain::id::PublisherId;
use crate::domain::message::{Key, Kind, Language, Parameter, Source};
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One of a publisher's templates: its version of now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Which.
    pub key: Key,
    /// Its version: 1 for the first, and one more for each change, a removal among them.
    pub version: u32,
    /// Whether new challenges may use it.
    pub active: bool,
    /// Whether it was removed.
    pub removed: bool,
    /// Since when it is so.
    pub changed_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Row {
    n: String,
    k: String,
    l: Option<String>,
    v: u32,
    a: bool,
    r: bool,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    at: i64,
    strategy: Option<String>,
    active: bool,
    subject: Option<String>,
    context: Vec<String>,
    parameters: Vec<(String, bool)>,
}

/// The name of a publisher's list.
pub(super) fn index_name(publisher: &PublisherId) -> String {
    format!("template/{publisher}/index")
}

/// The name of a version. A publisher's name may hold a slash: read from its end, it is still one version's only.
pub(super) fn version_name(publisher: &PublisherId, key: &Key, version: u32) -> String {
    format!("template/{publisher}/v/{key}/{version}")
}

/// A list as it is kept.
pub(super) fn write_index(entries: &[Entry]) -> Option<Vec<u8>> {
    let row = |it: &Entry| Row {
        n: it.key.name.clone(),
        k: it.key.kind.name().to_owned(),
        l: it.key.language.as_ref().map(ToString::to_string),
        v: it.version,
        a: it.active,
        r: it.removed,
        at: it.changed_at.millis(),
    };
    serde_json::to_vec(&entries.iter().map(row).collect::<Vec<_>>()).ok()
}

/// Reads a list; `None` when it is none.
pub(super) fn read_index(bytes: &[u8]) -> Option<Vec<Entry>> {
    let rows: Vec<Row> = serde_json::from_slice(bytes).ok()?;
    let entry = |it: Row| {
        let language = match it.l {
            Some(tag) => Some(Language::parse(&tag)?),
            None => None,
        };
        let key = Key { name: it.n, kind: Kind::parse(&it.k)?, language };
        Some(Entry { key, version: it.v, active: it.a, removed: it.r, changed_at: Timestamp::from_millis(it.at) })
    };
    rows.into_iter().map(entry).collect()
}

/// A version as it is kept: a line of JSON, then the body as it is, so that its size can be told from its limits.
pub(super) fn write_version(source: &Source, at: Timestamp) -> Option<Vec<u8>> {
    let head = Head {
        at: at.millis(),
        strategy: source.strategy.clone(),
        active: source.active,
        subject: source.subject.clone(),
        context: source.context.clone(),
        parameters: source.parameters.iter().map(|it| (it.key.clone(), it.mandatory)).collect(),
    };
    let mut bytes = serde_json::to_vec(&head).ok()?;
    bytes.reserve_exact(1 + source.body.len());
    bytes.push(b'\n');
    bytes.extend_from_slice(source.body.as_bytes());
    Some(bytes)
}

/// Reads a version, and when it was made; `None` when it is none.
pub(super) fn read_version(key: &Key, bytes: &[u8]) -> Option<(Source, Timestamp)> {
    let end = bytes.iter().position(|it| *it == b'\n')?;
    let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
    let source = Source {
        key: key.clone(),
        strategy: head.strategy,
        active: head.active,
        subject: head.subject,
        body: String::from_utf8(bytes[end + 1..].to_vec()).ok()?,
        context: head.context,
        parameters: head.parameters.into_iter().map(|(key, mandatory)| Parameter { key, mandatory }).collect(),
    };
    Some((source, Timestamp::from_millis(head.at)))
}
