//! Message templates: stored in versions, compiled once, and the same on every node within a second.
//!
//! A publisher's templates stand in a list (a note), each version in a note of its own that never changes. A change takes the duty
//! to change that publisher's list, reads it, and writes version and list in one step that holds only while it has the duty: of two
//! changes at once, on one node or two, the second sees the first. Reading needs none of that.

mod change;
mod record;

pub use change::{Condition, Put, Refused};
pub use record::Entry;

use super::Trouble;
use super::draw::Clock;
use super::turns::Turns;
use crate::domain::id::PublisherId;
use crate::domain::message::language::DEFAULT;
use crate::domain::message::{Compiled, Key, Kind, Language, Source};
use crate::domain::time::Timestamp;
use crate::store::contract::Notes;
use moka::sync::Cache;
use parking_lot::Mutex;
use record::{index_name, read_index, read_version, version_name};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How old a list may be that a new challenge goes by.
const FRESH: Duration = Duration::from_secs(1);
/// Compiled templates that are kept: with bodies of 64 KiB about as many mebibytes as 32.
const COMPILED: u64 = 512;

type List = Arc<Vec<Entry>>;

/// Templates of all publishers. One a process: a publisher's changes at once queue in it.
pub struct Templates {
    notes: Arc<dyn Notes>,
    clock: Arc<dyn Clock>,
    lists: Mutex<HashMap<PublisherId, (Timestamp, List)>>,
    compiled: Cache<(PublisherId, Key, u32), Arc<Compiled>>,
    turns: Turns,
}

/// A template for a new challenge. The challenge keeps key and version: with these it is found again, whatever changed meanwhile.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which, in the language that was found.
    pub key: Key,
    /// In which version.
    pub version: u32,
    /// Ready to be rendered.
    pub template: Arc<Compiled>,
}

/// A version of a template as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its number.
    pub version: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// What it is.
    pub source: Source,
}

impl Templates {
    /// Over small durable values; reads nothing yet.
    pub fn new(notes: Arc<dyn Notes>, clock: Arc<dyn Clock>) -> Self {
        Self { notes, clock, lists: Mutex::default(), compiled: Cache::new(COMPILED), turns: Turns::new(0) }
    }

    /// The template for a new challenge in `language`: of that language, else of what it leads to (`en-US`, `en`), else the one
    /// without a language, else the English one. `None`: there is none that is active.
    pub async fn resolve(
        &self,
        publisher: &PublisherId,
        name: &str,
        kind: Kind,
        language: Option<&Language>,
    ) -> Result<Option<Chosen>, Trouble> {
        let list = self.list(publisher).await?;
        let wanted = language.into_iter().flat_map(Language::chain).map(Some).chain([None, Some(DEFAULT)]);
        let found = |tag: Option<&str>| {
            list.iter().find(|it| {
                let key = &it.key;
                it.active && !it.removed && key.kind == kind && key.name == name && key.language.as_ref().map(Language::as_str) == tag
            })
        };
        let Some(entry) = wanted.into_iter().find_map(found) else { return Ok(None) };
        let template = self.compiled(publisher, &entry.key, entry.version).await?;
        Ok(template.map(|template| Chosen { key: entry.key.clone(), version: entry.version, template }))
    }

    /// A version, ready to be rendered: for a challenge that was opened with it. `None`: it is not kept any more, or never was.
    pub async fn compiled(&self, publisher: &PublisherId, key: &Key, version: u32) -> Result<Option<Arc<Compiled>>, Trouble> {
        // Versions never change, so what was compiled stays right.
        let place = (publisher.clone(), key.clone(), version);
        if let Some(known) = self.compiled.get(&place) {
            return Ok(Some(known));
        }
        let Some(stored) = self.version(publisher, key, version).await? else { return Ok(None) };
        let compiled = Compiled::new(&stored.source).map_err(|error| {
            tracing::error!(%publisher, %key, version, %error, "a stored template doesn't compile any more");
            Trouble::Failed
        })?;
        let compiled = Arc::new(compiled);
        self.compiled.insert(place, compiled.clone());
        Ok(Some(compiled))
    }

    /// All templates of a publisher, by name, kind and language; those that were removed, too.
    pub async fn all(&self, publisher: &PublisherId) -> Result<Vec<Entry>, Trouble> {
        let mut all = self.read_list(publisher).await?.to_vec();
        all.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(all)
    }

    /// A version as it was written; of a removed template, too.
    pub async fn version(&self, publisher: &PublisherId, key: &Key, version: u32) -> Result<Option<Stored>, Trouble> {
        let Some(bytes) = self.notes.note(&version_name(publisher, key, version)).await? else { return Ok(None) };
        match read_version(key, &bytes) {
            Some((source, made_at)) => Ok(Some(Stored { version, made_at, source })),
            None => Err(broken(publisher)),
        }
    }

    // A list that is at most as old as a new challenge may go by.
    async fn list(&self, publisher: &PublisherId) -> Result<List, Trouble> {
        let now = self.clock.now();
        if let Some((read_at, list)) = self.lists.lock().get(publisher)
            && now >= *read_at
            && now.since(*read_at) < FRESH
        {
            return Ok(list.clone());
        }
        self.read_list(publisher).await
    }

    // The list as it is kept now.
    async fn read_list(&self, publisher: &PublisherId) -> Result<List, Trouble> {
        let now = self.clock.now();
        let list = match self.notes.note(&index_name(publisher)).await? {
            Some(bytes) => Arc::new(read_index(&bytes).ok_or_else(|| broken(publisher))?),
            None => List::default(),
        };
        self.remember(publisher, now, &list);
        Ok(list)
    }

    fn remember(&self, publisher: &PublisherId, read_at: Timestamp, list: &List) {
        self.lists.lock().insert(publisher.clone(), (read_at, list.clone()));
    }
}

fn broken(publisher: &PublisherId) -> Trouble {
    tracing::error!(%publisher, "a stored template can't be read");
    Trouble::Failed
}
