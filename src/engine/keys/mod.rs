//! API keys: who may call the REST interface without its publisher's own credentials, and for what.
//!
//! A key has an id, which is public, and a secret of 256 random bits, of which only a MAC is kept (so many bits need no slow hash). Keys
//! are notes of the store, so that all nodes have them. Each node keeps all of them in memory and looks every other second whether
//! they changed: a check costs a MAC and a look-up, and what an unknown id costs nobody can tell from what a known one does. A node that can't look
//! for [`OLDEST`] lets nobody in, so that a revoked key counts nowhere for longer.

mod change;
mod record;
pub mod text;

pub use change::{LONGEST, LONGEST_OVERLAP, Made, Refused, Wish};
pub use record::Record;

use super::Trouble;
use super::draw::{Chance, Clock};
use crate::domain::code::Tag;
use crate::domain::id::PublisherId;
use crate::domain::scope::Scopes;
use crate::domain::time::Timestamp;
use crate::store::contract::Notes;
use crate::vault::Vault;
use arc_swap::ArcSwap;
use record::{INDEX, Index, read_index, used_name};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Longest that a change of a key stays unknown at a node.
pub const OLDEST: Duration = Duration::from_secs(5);
/// From this age on, one request reads what changed; the others go on meanwhile.
const FRESH: Duration = Duration::from_secs(2);
const DAY: i64 = 24 * 3_600 * 1_000;

/// The keys of all publishers. One a process: changes at once queue in it.
pub struct Keys {
    notes: Arc<dyn Notes>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    known: ArcSwap<Known>,
    publishers: ArcSwap<HashSet<PublisherId>>,
    reading: Mutex<()>,
    changing: Mutex<()>,
}

// All keys, as they were at some moment.
#[derive(Default)]
struct Known {
    read_at: Option<Timestamp>,
    index: Index,
    keys: HashMap<String, Arc<Key>>,
}

struct Key {
    record: Record,
    // The last day on which it was used here.
    used: AtomicI64,
}

/// Whom a key let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The key's id.
    pub id: String,
    /// Whom it acts for.
    pub publisher: PublisherId,
    /// For what.
    pub scopes: Scopes,
}

/// Why a key lets nobody in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denied {
    /// It is none, or has ended, or its publisher is not registered any more.
    Wrong,
    /// It is right, but comes from where it may not.
    Network,
    /// What is known is too old, and can't be read anew.
    Trouble(Trouble),
}

impl Keys {
    /// Over small durable values; reads nothing yet. No publisher is registered yet.
    pub fn new(notes: Arc<dyn Notes>, vault: Arc<Vault>, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        let (known, publishers) = (ArcSwap::default(), ArcSwap::default());
        Self { notes, vault, clock, chance, known, publishers, reading: Mutex::new(()), changing: Mutex::new(()) }
    }

    /// Says who is registered: keys of all others let nobody in.
    pub fn register(&self, publishers: impl IntoIterator<Item = PublisherId>) {
        self.publishers.store(Arc::new(publishers.into_iter().collect()));
    }

    /// Whom the key `text` lets in from this address.
    pub async fn check(&self, text: &str, from: IpAddr) -> Result<Grant, Denied> {
        let (id, secret) = text::read(text).ok_or(Denied::Wrong)?;
        let known = self.known().await.map_err(Denied::Trouble)?;
        let now = self.clock.now();
        let key = known.keys.get(id);
        // Made and compared for an unknown id, too: how long it takes tells nothing.
        let given = self.tag(id, secret);
        let matches = key.map_or(Tag([0; 16]), |it| it.record.tag) == given;
        let Some(key) = key.filter(|it| matches && it.record.is_live(now)) else { return Err(Denied::Wrong) };
        let it = &key.record;
        if !self.publishers.load().contains(&it.publisher) {
            return Err(Denied::Wrong);
        }
        let from = from.to_canonical();
        if !it.allow.is_empty() && !it.allow.iter().any(|net| net.contains(&from)) {
            return Err(Denied::Network);
        }
        self.note_use(id, key, now);
        Ok(Grant { id: id.to_owned(), publisher: it.publisher.clone(), scopes: it.scopes })
    }

    // A key's secret is bound to its id. No user name has a control character, so this is no publisher's password's MAC.
    fn tag(&self, id: &str, secret: &str) -> Tag {
        let user = ["\u{2}key ", id].concat();
        self.vault.credential_tag(&user, secret)
    }

    // What is known, at most as old as it may be.
    async fn known(&self) -> Result<Arc<Known>, Trouble> {
        let (known, now) = (self.known.load_full(), self.clock.now());
        if known.is_within(FRESH, now) {
            return Ok(known);
        }
        let usable = known.is_within(OLDEST, now);
        let turn = match self.reading.try_lock() {
            Ok(turn) => turn,
            Err(_) if usable => return Ok(known),
            Err(_) => self.reading.lock().await,
        };
        let current = self.known.load_full();
        if current.is_within(FRESH, now) {
            return Ok(current);
        }
        let read = self.read_anew().await;
        drop(turn);
        match read {
            Err(_) if usable => Ok(known),
            read => read,
        }
    }

    // Reads the list, and of it what changed.
    async fn read_anew(&self) -> Result<Arc<Known>, Trouble> {
        let (old, now) = (self.known.load_full(), self.clock.now());
        let index = self.index().await?;
        let mut keys = HashMap::with_capacity(index.len());
        for (id, version) in &index {
            let same = old.keys.get(id).filter(|_| old.index.get(id) == Some(version));
            let key = match same {
                Some(key) => Some(key.clone()),
                None => self.read(id).await?.map(|record| {
                    let used = old.keys.get(id).map_or(0, |it| it.used.load(Ordering::Relaxed));
                    Arc::new(Key { record, used: AtomicI64::new(used) })
                }),
            };
            keys.extend(key.map(|key| (id.clone(), key)));
        }
        let known = Arc::new(Known { read_at: Some(now), index, keys });
        self.known.store(known.clone());
        Ok(known)
    }

    async fn index(&self) -> Result<Index, Trouble> {
        match self.notes.note(INDEX).await? {
            Some(bytes) => read_index(&bytes).ok_or_else(|| broken(INDEX)),
            None => Ok(Index::default()),
        }
    }

    async fn read(&self, id: &str) -> Result<Option<Record>, Trouble> {
        let name = record::name(id);
        match self.notes.note(&name).await? {
            Some(bytes) => Ok(Some(record::read(&bytes).ok_or_else(|| broken(&name))?)),
            None => Ok(None),
        }
    }

    // Written once a day for each key and node, beside the request.
    fn note_use(&self, id: &str, key: &Arc<Key>, now: Timestamp) {
        let day = now.millis().div_euclid(DAY);
        if key.used.load(Ordering::Relaxed) == day || key.used.swap(day, Ordering::Relaxed) == day {
            return;
        }
        let (notes, key, name) = (self.notes.clone(), key.clone(), used_name(id));
        tokio::spawn(async move {
            if notes.set_notes(vec![(name, Some(day.to_string().into_bytes()))]).await.is_err() {
                key.used.store(0, Ordering::Relaxed);
            }
        });
    }
}

impl Known {
    fn is_within(&self, age: Duration, now: Timestamp) -> bool {
        self.read_at.is_some_and(|at| now >= at && now.since(at) < age)
    }
}

fn broken(name: &str) -> Trouble {
    tracing::error!(name, "what is kept of API keys can't be read");
    Trouble::Failed
}
