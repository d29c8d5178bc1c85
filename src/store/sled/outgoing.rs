//! What leaves for another store: a picture of the hot store, history piece by piece, and a halt of all writing for the last of it.

use super::SledStore;
use super::archive::Record;
use super::settings::OpenError;
use super::table::sync_dir;
use crate::domain::id::PublisherId;
use crate::domain::time::Timestamp;
use crate::store::codec::{Decoder, Unread};
use crate::store::contract::StoreError;
use crate::store::form::Form;
use crate::store::key::{Key, kind};
use crate::store::prepare::decode_note;
use crate::store::transfer::item::Item;
use crate::store::{row, rows};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// The file that says where the data moved.
const MOVED: &str = "moved";
/// Between two looks whether all that was under way is written.
const LOOK: Duration = Duration::from_millis(1);

/// Records of history, and the place of the next.
pub(in crate::store) type Part = (Vec<(Key, Arc<[u8]>)>, u64);

/// The hot store as of one commit.
pub(in crate::store) struct Image {
    /// That commit.
    pub(in crate::store) sequence: u64,
    /// Records that a commit after the one asked for wrote: aggregates in the order in which they were opened, then all others.
    pub(in crate::store) changed: Vec<(Key, u64, Arc<[u8]>)>,
    /// All records that there are, but aggregates.
    pub(in crate::store) present: HashSet<Key>,
    /// Challenges that each publisher opened in a day.
    pub(in crate::store) opened: Vec<(PublisherId, u32, u64)>,
}

impl SledStore {
    /// The hot store now, with what changed after commit `since`. Blocks, with a short lock.
    pub(in crate::store) fn image(&self, since: u64) -> Image {
        let published = self.shared.published.read();
        let fresh = published.entries.iter().filter(|(_, it)| it.version > since);
        let mut live: Vec<(Timestamp, Key, u64, Arc<[u8]>)> =
            fresh.filter_map(|(id, it)| Some((it.facts.at, Key::aggregate(*id), it.version, it.bytes.clone()?))).collect();
        let rows: Vec<_> =
            published.rows.iter().filter(|(_, it)| it.version > since).map(|(key, it)| (*key, it.version, it.bytes.clone())).collect();
        let (sequence, present, opened) = (published.sequence, published.rows.keys().copied().collect(), published.opened_all().collect());
        drop(published);
        live.sort_unstable_by_key(|it| (it.0, it.1));
        let mut changed: Vec<_> = live.into_iter().map(|(_, key, version, bytes)| (key, version, bytes)).collect();
        changed.extend(rows);
        Image { sequence, changed, present, opened }
    }

    /// Days of history: those in which something ended within the time of tombstones, or `all`.
    pub(in crate::store) fn past_days(&self, all: bool) -> BTreeSet<u32> {
        if all { self.history.days() } else { self.history.state.read().live.iter().map(|it| it.0).collect() }
    }

    /// Some records of a day of history from `place` on, and the place of the next. Blocks.
    pub(in crate::store) fn past(&self, day: u32, place: u64, max: usize) -> std::io::Result<Part> {
        let Some(found) = self.history.day(day, false)? else { return Ok((Vec::new(), place)) };
        let (records, next) = found.part(place, max)?;
        Ok((records.into_iter().map(|Record { id, bytes, .. }| (Key::aggregate(id), bytes)).collect(), next))
    }

    /// When tombstones end that are known now.
    pub(in crate::store) fn tombstones_since(&self) -> Timestamp {
        (self.shared.settings.clock)().minus(self.shared.settings.tombstones)
    }

    /// What a record says, for another store; `None` for one that is this store's own.
    pub(in crate::store) fn item(&self, key: &Key, bytes: &[u8]) -> Result<Option<Item>, StoreError> {
        let failed = |error: &dyn std::fmt::Display| StoreError::Failed(format!("a record of kind {}: {error}", char::from(key.kind())));
        let (head, plain) = row::open(&self.shared.vault, key, bytes).map_err(|error| failed(&error))?;
        let said = match key.kind() {
            kind::AGGREGATE => rows::decode_aggregate(&plain, Form::NEWEST)
                .map(|it| Some(Item::Aggregate { value: Box::new(it), seqs: head.seqs.clone(), sealed: head.day })),
            _ => other(key, &plain),
        };
        said.map_err(|error| failed(&error))
    }

    /// The fingerprint of the root key.
    pub fn fingerprint(&self) -> String {
        self.shared.vault.fingerprint()
    }

    /// Takes no more writes (they are refused as [`StoreError::Busy`]), and returns when all that were taken before are durable and
    /// seen; after `patience` it gives that up. Reads and the feed go on, and so does housekeeping.
    pub async fn halt(&self, patience: Duration) -> Result<(), StoreError> {
        let began = Instant::now();
        self.shared.halted.store(true, SeqCst);
        while self.shared.waiting.load(SeqCst) > 0 {
            if began.elapsed() > patience {
                self.resume();
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Takes writes again.
    pub fn resume(&self) {
        self.shared.halted.store(false, SeqCst);
    }

    /// Notes, durably, that the data moved `to` another store: this one is not opened again.
    pub fn retire(&self, to: &str) -> std::io::Result<()> {
        let dir = &self.shared.settings.dir;
        let mut file = std::fs::File::create(dir.join(MOVED))?;
        file.write_all(to.as_bytes())?;
        file.sync_all()?;
        sync_dir(dir)
    }

    /// Takes that back.
    pub fn take_back(&self) -> std::io::Result<()> {
        let dir = &self.shared.settings.dir;
        std::fs::remove_file(dir.join(MOVED))?;
        sync_dir(dir)
    }

    /// Deliveries that somebody works on.
    pub fn leased(&self) -> usize {
        self.shared.published.read().outbox.leased()
    }
}

/// Refuses a directory whose data moved to another store.
pub(super) fn check(dir: &Path) -> Result<(), OpenError> {
    match std::fs::read_to_string(dir.join(MOVED)) {
        Ok(to) => Err(OpenError::Moved { mark: dir.join(MOVED), to }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn other(key: &Key, plain: &[u8]) -> Result<Option<Item>, Unread> {
    let mut from = Decoder::new(plain);
    Ok(Some(match key.kind() {
        kind::BUDGET => Item::Budget { key: key.rest(), budget: rows::decode_budget(plain, Form::NEWEST)? },
        kind::OPT_OUT => Item::OptOut { address: from.array()?, publisher: from.str()?.into(), key: Some(key.rest()) },
        kind::RECIPIENT => Item::Recipient(Box::new(rows::decode_recipient(plain, Form::NEWEST)?)),
        kind::NOTE => decode_note(plain).map(|(name, value)| Item::Note { name: name.to_owned(), value: value.to_vec() })?,
        kind::DAY => Item::DataKey { day: key.as_day(), wrapped: plain.to_vec() },
        kind::FEED => Item::Feed { institution: from.str()?.into(), last: from.number()? },
        _ => return Ok(None),
    }))
}
