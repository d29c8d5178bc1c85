//! What history is asked: who had a key, and which events an institution has.

use super::archive::{Day, Record, hash, opened};
use super::history::{History, name_of_day};
use crate::domain::id::InstitutionId;
use crate::store::contract::StoreError;
use crate::store::facts::Facts;
use crate::store::key::{Key, Keys};
use crate::store::past::{Grave, Past, keys_of};
use crate::store::row;
use crate::vault::Vault;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::Ordering;

/// Records with one key that are looked at, in a day.
const MOST_WITH_KEY: usize = 256;

/// An event found in history.
pub(super) struct PastEvent {
    pub(super) seq: u64,
    pub(super) index: u16,
    pub(super) record: Record,
}

impl History {
    /// At most `max` events of an institution after `after`, oldest first. Of one that is in two records the newer is told.
    pub(super) fn feed(&self, institution: &InstitutionId, after: u64, max: usize) -> io::Result<Vec<PastEvent>> {
        let feed = hash(&Keys(&self.vault).feed(institution));
        let mut events = BTreeMap::new();
        for day in self.days() {
            let Some(found) = self.day(day, false)? else { continue };
            if found.highest(feed)? <= after {
                continue;
            }
            for (seq, place, index) in found.feed(feed, after, max)? {
                events.insert(seq, (day, found.clone(), place, index));
            }
            while events.len() > max {
                events.pop_last();
            }
        }
        let mut read: HashMap<(u32, u64), Option<Record>> = HashMap::new();
        let mut told = Vec::with_capacity(events.len());
        for (seq, (day, found, place, index)) in events {
            let record = match read.get(&(day, place)) {
                Some(known) => known.clone(),
                None => read.entry((day, place)).or_insert(self.record(day, &found, place)?).clone(),
            };
            told.extend(record.map(|record| PastEvent { seq, index, record }));
        }
        Ok(told)
    }

    // One that is damaged is told, and not there.
    fn record(&self, day: u32, found: &Day, place: u64) -> io::Result<Option<Record>> {
        let record = found.read(place)?;
        if record.is_none() {
            tracing::error!(day = name_of_day(day), place, "a record of history is damaged: restore a backup");
            self.lose(day, 1);
        }
        Ok(record)
    }

    fn graves(&self, key: &Key, day: u32, found: &Day) -> io::Result<Vec<Grave>> {
        let until = self.until.load(Ordering::Relaxed);
        let mut graves = Vec::new();
        for place in found.find(hash(key))?.into_iter().take(MOST_WITH_KEY) {
            let Some(record) = self.record(day, found, place)? else { continue };
            graves.extend(
                grave(&record, &self.vault).filter(|it| it.facts.over_at().millis() > until && keys_of(it.id, &it.facts).contains(key)),
            );
        }
        Ok(graves)
    }
}

impl Past for History {
    fn may_know(&self, key: &Key) -> bool {
        let (hash, state) = (hash(key), self.state.read());
        state.live.iter().any(|(_, day)| day.may_have(hash))
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    fn find(&self, key: &Key) -> Result<Vec<Grave>, StoreError> {
        let (mut found, live) = (Vec::<Grave>::new(), self.state.read().live.clone());
        for (day, it) in live {
            for grave in self.graves(key, day, &it).map_err(|error| StoreError::Failed(error.to_string()))? {
                match found.iter_mut().find(|known| known.id == grave.id) {
                    Some(known) if known.version < grave.version => *known = grave,
                    Some(_) => {}
                    None => found.push(grave),
                }
            }
        }
        Ok(found)
    }
}

fn grave(record: &Record, vault: &Vault) -> Option<Grave> {
    let (aggregate, seqs) = opened(record, vault)?;
    let version = row::head(&record.bytes).ok()?.version;
    Some(Grave { id: record.id, version, seqs: seqs.into(), facts: Facts::of(&aggregate, vault), aggregate })
}
