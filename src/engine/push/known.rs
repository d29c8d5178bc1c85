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
    // While the held events are being read: what was written since then. It stands, whatever is read.
    meanwhile: Option<Vec<(InstitutionId, u64, Option<Held>)>>,
    // What was begun to be read before this grew can't be trusted.
    doubts: u64,
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

impl AllHeld {
    fn put(&mut self, institution: InstitutionId, seq: u64, held: Option<Held>) {
        let of = self.of.entry(institution).or_default();
        match held {
            Some(it) => drop(of.insert(seq, it)),
            None => drop(of.remove(&seq)),
        }
    }
}

impl Known {
    pub fn cursor(&self, institution: &InstitutionId) -> Option<u64> {
        self.cursors.get(institution).copied()
    }

    /// It was read: what was written since then stands. What is held is read after it, or an event might be behind the cursor, and not yet held.
    pub fn read_cursor(&mut self, institution: &InstitutionId, seq: u64) -> u64 {
        *self.cursors.entry(institution.clone()).or_insert_with(|| {
            (self.held, self.doubts) = (None, self.doubts + 1);
            seq
        })
    }

    pub fn held(&self) -> Option<&AllHeld> {
        self.held.as_ref()
    }

    pub fn held_mut(&mut self) -> Option<&mut AllHeld> {
        self.held.as_mut()
    }

    /// Held events are about to be read: what [`Known::read_held`] is to be told then.
    pub fn read_from_now(&mut self) -> u64 {
        self.meanwhile = Some(Vec::new());
        self.doubts
    }

    /// They were read; `false`: something is doubtful since then, and they are to be read again.
    pub fn read_held(&mut self, mut held: AllHeld, doubts: u64) -> bool {
        let meanwhile = self.meanwhile.take().unwrap_or_default();
        if self.doubts != doubts {
            return false;
        }
        meanwhile.into_iter().for_each(|(institution, seq, it)| held.put(institution, seq, it));
        self.held = Some(held);
        true
    }

    /// These were written. `cursors` and `held`: what the names of a subscriber's notes begin with.
    pub fn wrote(&mut self, notes: &[Note], cursors: &str, held: &str) {
        for (name, value) in notes {
            if let Some(institution) = name.strip_prefix(cursors) {
                if let Some(seq) = value.as_deref().and_then(read_number) {
                    self.cursors.insert(InstitutionId::from(institution), seq);
                }
            } else if let Some((institution, seq)) = name.strip_prefix(held).and_then(place) {
                let it: Option<Held> = value.as_deref().and_then(|it| serde_json::from_slice(it).ok());
                if let Some(meanwhile) = &mut self.meanwhile {
                    meanwhile.push((institution.clone(), seq, it.clone()));
                }
                if let Some(all) = &mut self.held {
                    all.put(institution, seq, it);
                }
            }
        }
    }

    /// Whether these were written is not known: they are to be read anew. `cursors`: what the names of a subscriber's cursors begin with.
    pub fn doubt(&mut self, notes: &[Note], cursors: &str) {
        for institution in notes.iter().filter_map(|(name, _)| name.strip_prefix(cursors)) {
            self.cursors.remove(&InstitutionId::from(institution));
        }
        (self.held, self.doubts) = (None, self.doubts + 1);
    }

    /// Others may have written: all is to be read anew.
    pub fn forget(&mut self) {
        *self = Self { doubts: self.doubts + 1, ..Self::default() };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> InstitutionId {
        "011001276".into()
    }

    fn note(seq: u64, held: bool) -> Note {
        let it = Held { next: 0, tries: 0, aggregate: String::new(), failing: None };
        (format!("held/core/011001276/{seq:020}"), held.then(|| serde_json::to_vec(&it).unwrap()))
    }

    fn read(seqs: &[u64]) -> AllHeld {
        let it = |seq: &u64| (*seq, serde_json::from_slice(&note(*seq, true).1.unwrap()).unwrap());
        let (of, at) = (HashMap::from([(bank(), seqs.iter().map(it).collect())]), Instant::now());
        AllHeld { of, mark: None, at, checked: at }
    }

    fn held(known: &Known) -> Option<Vec<u64>> {
        known.held().map(|it| it.of.get(&bank()).map(|it| it.keys().copied().collect()).unwrap_or_default())
    }

    #[tokio::test]
    async fn what_is_written_while_it_is_read_stands() {
        let mut known = Known::default();
        let begun = known.read_from_now();
        known.wrote(&[note(4, false), note(6, true)], "cursor/core/", "held/core/");
        assert!(known.read_held(read(&[4, 5]), begun));
        assert_eq!(held(&known), Some(vec![5, 6]));
        known.wrote(&[note(5, false), note(7, true)], "cursor/core/", "held/core/");
        assert_eq!(held(&known), Some(vec![6, 7]));
        // What an earlier reading was told of says nothing about the next one.
        let begun = known.read_from_now();
        assert!(known.read_held(read(&[9]), begun));
        assert_eq!(held(&known), Some(vec![9]));
    }

    #[tokio::test]
    async fn what_is_doubtful_is_read_again() {
        let check = |doubt: &dyn Fn(&mut Known)| {
            let mut known = Known::default();
            let begun = known.read_from_now();
            doubt(&mut known);
            assert!(!known.read_held(read(&[5]), begun) && held(&known).is_none());
        };
        // A cursor that was read later may be behind an event that this reading did not find.
        check(&|it| {
            it.read_cursor(&bank(), 6);
        });
        check(&|it| it.doubt(&[note(5, true)], "cursor/core/"));
        check(&Known::forget);
    }
}
