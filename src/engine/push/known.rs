//! What a subscriber's notes say, as far as this process knows, so that they need not be read for each page. On a database that costs a
//! query each, and names are sealed there: who wants the held events of one institution reads all notes there are.

use super::patience::Failing;
use crate::domain::id::InstitutionId;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;

/// A note to write; `None` removes it.
pub(super) type Note = (String, Option<Vec<u8>>);

/// An event that waits by itself.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Held {
    /// Not before, in milliseconds of the epoch.
    pub next: i64,
    /// Tries by itself so far.
    pub tries: u32,
    /// Its session.
    pub aggregate: String,
    /// For how long it fails; `None`: it only waits behind another.
    pub failing: Option<Failing>,
}

/// Cursors and held events. While a process is on duty nobody else writes them, but for parked events that are to be pushed again.
#[derive(Default)]
pub(super) struct Known {
    cursors: HashMap<InstitutionId, u64>,
    held: Option<AllHeld>,
    // What was read while this grew may be older than what was written.
    writes: u64,
}

/// All held events of a subscriber, as they were read.
pub(super) struct AllHeld {
    pub of: HashMap<InstitutionId, BTreeMap<u64, Held>>,
    /// What told of events that were put back (`replayed/S`).
    pub mark: Option<Vec<u8>>,
    /// When they were read.
    pub at: Instant,
    /// When the mark was looked at.
    pub checked: Instant,
}

impl Known {
    pub fn cursor(&self, institution: &InstitutionId) -> Option<u64> {
        self.cursors.get(institution).copied()
    }

    /// It was read: what was written since then stands. What is held is read after it, or an event might be behind the cursor, and not yet held.
    pub fn read_cursor(&mut self, institution: &InstitutionId, seq: u64) -> u64 {
        *self.cursors.entry(institution.clone()).or_insert_with(|| {
            self.held = None;
            seq
        })
    }

    pub fn held(&self) -> Option<&AllHeld> {
        self.held.as_ref()
    }

    pub fn held_mut(&mut self) -> Option<&mut AllHeld> {
        self.held.as_mut()
    }

    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// They were read when there had been so many writes; `false`: there were more meanwhile, and it is to be read again.
    pub fn read_held(&mut self, held: AllHeld, writes: u64) -> bool {
        let current = self.writes == writes;
        if current {
            self.held = Some(held);
        }
        current
    }

    /// These were written. `cursors` and `held`: what the names of a subscriber's notes begin with.
    pub fn wrote(&mut self, notes: &[Note], cursors: &str, held: &str) {
        for (name, value) in notes {
            if let Some(institution) = name.strip_prefix(cursors) {
                if let Some(seq) = value.as_deref().and_then(read_number) {
                    self.cursors.insert(InstitutionId::from(institution), seq);
                }
            } else if let Some((institution, seq)) = name.strip_prefix(held).and_then(place) {
                self.writes += 1;
                let Some(all) = &mut self.held else { continue };
                match value.as_deref().and_then(|it| serde_json::from_slice(it).ok()) {
                    Some(it) => drop(all.of.entry(institution).or_default().insert(seq, it)),
                    None => drop(all.of.get_mut(&institution).map(|it| it.remove(&seq))),
                }
            }
        }
    }

    /// Whether these were written is not known: they are to be read anew. `cursors`: what the names of a subscriber's cursors begin with.
    pub fn doubt(&mut self, notes: &[Note], cursors: &str) {
        for institution in notes.iter().filter_map(|(name, _)| name.strip_prefix(cursors)) {
            self.cursors.remove(&InstitutionId::from(institution));
        }
        (self.held, self.writes) = (None, self.writes + 1);
    }

    /// Others may have written: all is to be read anew.
    pub fn forget(&mut self) {
        *self = Self { writes: self.writes + 1, ..Self::default() };
    }
}

impl Held {
    /// It failed once more by itself; the next try is `wait` from now.
    pub fn again(self, now: Timestamp, wait: impl Fn(u32) -> std::time::Duration) -> Self {
        let tries = self.tries.saturating_add(1);
        Self { next: now.plus(wait(tries)).millis(), tries, failing: Some(Failing::again(self.failing, now)), ..self }
    }
}

/// Institution and number of a held event, from its name behind what all have in common.
pub(super) fn place(name: &str) -> Option<(InstitutionId, u64)> {
    let (institution, seq) = name.rsplit_once('/')?;
    Some((InstitutionId::from(institution), seq.parse().ok()?))
}

pub(super) fn read_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
