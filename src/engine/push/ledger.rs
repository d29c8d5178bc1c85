//! What is kept of a subscriber, as notes: cursors, since when a head fails, held and parked events.
//!
//! Each name holds the subscriber's and the institution's: `cursor/S/I`, `failing/S/I`, `held/S/I/seq`, `parked/S/I/seq`; and `replayed/S`
//! is another number whenever somebody has put parked events back.

use super::super::{Engine, Trouble};
use super::known::{AllHeld, Held, Known, Note, place, read_number};
use super::patience::Failing;
use super::tenure::{Number, Tenure};
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, InstitutionId};
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Parked events that are kept of an institution for a subscriber.
pub(super) const PARKED_MAX: usize = 10_000;
/// How often it is asked whether somebody put parked events back.
const CHECK: Duration = Duration::from_secs(5);
/// Held events are read anew after so long: a node of an older version doesn't say that it put some back.
const ANEW: Duration = Duration::from_secs(60);
/// Characters of a reason that are kept.
const REASON_MAX: usize = 200;

/// An event that was given up.
#[derive(Serialize, Deserialize)]
pub(super) struct Given {
    /// When, in milliseconds of the epoch.
    pub at: i64,
    /// Why.
    pub reason: String,
    /// Its session.
    pub aggregate: String,
}

/// The notes of one subscriber.
pub(super) struct Ledger {
    engine: Arc<Engine>,
    name: String,
    /// Which process pushes.
    pub tenure: Tenure,
    known: Mutex<Known>,
    reading: tokio::sync::Mutex<()>,
}

impl Ledger {
    pub fn new(engine: Arc<Engine>, name: String) -> Self {
        let tenure = Tenure::new(engine.clone(), &name);
        Self { engine, name, tenure, known: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// What was known before this tenure is forgotten. A subscriber that was never seen gets what happens from now on, not the whole past.
    pub async fn begin(&self, tenure: Number) -> Result<(), Trouble> {
        self.known.lock().forget();
        let mark = format!("subscriber/{}", self.name);
        if self.engine.notes().note(&mark).await?.is_some() {
            return Ok(());
        }
        let ends = self.engine.ends().await?;
        let notes = ends.iter().map(|(institution, end)| self.moved(institution, *end)).chain([(mark, Some(Vec::new()))]);
        self.write(tenure, notes.collect()).await
    }

    pub async fn cursor(&self, institution: &InstitutionId) -> Result<u64, Trouble> {
        if let Some(known) = self.known.lock().cursor(institution) {
            return Ok(known);
        }
        let note = self.engine.notes().note(&format!("{}{institution}", self.cursors())).await?;
        Ok(self.known.lock().read_cursor(institution, note.as_deref().and_then(read_number).unwrap_or(0)))
    }

    /// The sessions that wait behind held events, and how many events are held.
    pub async fn held(&self, institution: &InstitutionId) -> Result<(HashSet<AggregateId>, usize), Trouble> {
        self.of_held(|all| {
            let held = all.of.get(institution);
            let sessions = held.into_iter().flat_map(BTreeMap::values).filter_map(|it| AggregateId::parse(&it.aggregate));
            (sessions.collect(), held.map_or(0, BTreeMap::len))
        })
        .await
    }

    /// Held events whose next try is due, the one longest due first; of a session only its first.
    pub async fn due(&self, institution: &InstitutionId) -> Result<Vec<(u64, Held)>, Trouble> {
        let now = self.engine.now();
        self.of_held(|all| {
            let held = all.of.get(institution).into_iter().flat_map(|it| due(it, now));
            let mut due: Vec<_> = held.map(|(seq, it)| (seq, it.clone())).collect();
            due.sort_by_key(|(seq, it)| (it.next, *seq));
            due
        })
        .await
    }

    /// Institutions that have such events.
    pub async fn all_due(&self) -> Result<HashSet<InstitutionId>, Trouble> {
        let now = self.engine.now();
        let is_due = |it: &BTreeMap<u64, Held>| due(it, now).next().is_some();
        self.of_held(|all| all.of.iter().filter(|it| is_due(it.1)).map(|it| it.0.clone()).collect()).await
    }

    // Reads held events first, unless they are known and nobody put any back.
    async fn of_held<T>(&self, look: impl Fn(&AllHeld) -> T) -> Result<T, Trouble> {
        loop {
            if let Some(all) = self.known.lock().held().filter(|it| it.at.elapsed() < ANEW && it.checked.elapsed() < CHECK) {
                return Ok(look(all));
            }
            self.check_held().await?;
        }
    }

    async fn check_held(&self) -> Result<(), Trouble> {
        // One reads for all that want to know.
        let _reading = self.reading.lock().await;
        let looked = self.known.lock().held().map(|it| (it.at, it.checked, it.mark.clone()));
        if let Some((at, checked, mark)) = looked.filter(|it| it.0.elapsed() < ANEW) {
            if checked.elapsed() < CHECK {
                return Ok(());
            }
            if self.engine.notes().note(&replayed_name(&self.name)).await? == mark {
                if let Some(known) = self.known.lock().held_mut().filter(|it| it.at == at) {
                    known.checked = Instant::now();
                }
                return Ok(());
            }
        }
        loop {
            let (doubts, at) = (self.known.lock().read_from_now(), Instant::now());
            // In this order: what is put back in between is read, and told of once more.
            let mark = self.engine.notes().note(&replayed_name(&self.name)).await?;
            let prefix = self.all_held();
            let mut of: HashMap<InstitutionId, BTreeMap<u64, Held>> = HashMap::new();
            for (name, value) in self.engine.notes().notes(&prefix).await? {
                let found = name.strip_prefix(&prefix).and_then(place).zip(serde_json::from_slice(&value).ok());
                let Some(((institution, seq), held)) = found else { continue };
                of.entry(institution).or_default().insert(seq, held);
            }
            if self.known.lock().read_held(AllHeld { of, mark, at, checked: at }, doubts) {
                return Ok(());
            }
        }
    }

    /// The head's row of failures, with one more.
    pub async fn failed(&self, institution: &InstitutionId) -> Result<(Failing, Note), Trouble> {
        let name = self.failing_name(institution);
        let before = self.engine.notes().note(&name).await?.and_then(|it| serde_json::from_slice(&it).ok());
        let failing = Failing::again(before, self.engine.now());
        Ok((failing, (name, serde_json::to_vec(&failing).ok())))
    }

    /// The subscriber answered: its head fails no longer.
    pub fn answered(&self, institution: &InstitutionId) -> Note {
        (self.failing_name(institution), None)
    }

    pub fn moved(&self, institution: &InstitutionId, seq: u64) -> Note {
        (format!("{}{institution}", self.cursors()), Some(seq.to_string().into_bytes()))
    }

    /// It waits behind another of its session.
    pub fn queue(&self, institution: &InstitutionId, event: &FeedEvent) -> Note {
        let held = Held { next: self.engine.now().millis(), tries: 0, aggregate: event.aggregate.to_string(), failing: None };
        self.hold(institution, event.seq, &held)
    }

    pub fn hold(&self, institution: &InstitutionId, seq: u64, held: &Held) -> Note {
        (self.held_name(institution, seq), serde_json::to_vec(held).ok())
    }

    pub fn release(&self, institution: &InstitutionId, seq: u64) -> Note {
        (self.held_name(institution, seq), None)
    }

    pub fn park(&self, institution: &InstitutionId, event: &FeedEvent, reason: &str) -> Note {
        let (subscriber, seq) = (self.name.as_str(), event.seq);
        tracing::error!(subscriber, %institution, seq, reason, "an event is parked: the subscriber won't take it");
        let reason = reason.chars().take(REASON_MAX).collect();
        let given = Given { at: self.engine.now().millis(), reason, aggregate: event.aggregate.to_string() };
        (format!("parked/{subscriber}/{institution}/{seq:020}"), serde_json::to_vec(&given).ok())
    }

    /// Writes several at once, unless the tenure in which they came about is over, and keeps what is parked within its bound: the oldest go
    /// first. They stay in the feed.
    pub async fn write(&self, tenure: Number, notes: Vec<Note>) -> Result<(), Trouble> {
        let parked = notes.iter().find(|(name, value)| value.is_some() && name.starts_with("parked/")).map(|it| it.0.clone());
        self.set(tenure, notes).await?;
        let Some(prefix) = parked.as_deref().and_then(|it| it.rfind('/').map(|end| &it[..=end])) else { return Ok(()) };
        let all = self.engine.notes().notes(prefix).await?;
        let surplus = all.len().saturating_sub(PARKED_MAX);
        if surplus > 0 {
            tracing::error!(subscriber = self.name, surplus, "too many events are parked: the oldest are no longer kept for replay");
            self.set(tenure, all.into_iter().take(surplus).map(|(name, _)| (name, None)).collect()).await?;
        }
        Ok(())
    }

    async fn set(&self, tenure: Number, notes: Vec<Note>) -> Result<(), Trouble> {
        let Some(duty) = self.tenure.duty(tenure) else { return Err(StoreError::Fenced.into()) };
        let set = self.engine.notes().set_notes_on(duty, notes.clone()).await;
        let mut known = self.known.lock();
        match set {
            Ok(()) if self.tenure.duty(tenure).is_some() => known.wrote(&notes, &self.cursors(), &self.all_held()),
            // What another tenure knows it has read since.
            Ok(()) => {}
            // Nothing was written.
            Err(StoreError::Busy | StoreError::Conflict | StoreError::TooLarge) => {}
            Err(StoreError::Fenced) => self.tenure.lost(tenure),
            Err(_) => known.doubt(&notes, &self.cursors()),
        }
        Ok(set?)
    }

    fn cursors(&self) -> String {
        format!("cursor/{}/", self.name)
    }

    fn all_held(&self) -> String {
        format!("held/{}/", self.name)
    }

    fn failing_name(&self, institution: &InstitutionId) -> String {
        format!("failing/{}/{institution}", self.name)
    }

    fn held_name(&self, institution: &InstitutionId, seq: u64) -> String {
        held_name(&self.name, institution, seq)
    }
}

fn due(held: &BTreeMap<u64, Held>, now: Timestamp) -> impl Iterator<Item = (u64, &Held)> {
    let mut sessions = HashSet::new();
    held.iter().filter(move |(_, it)| sessions.insert(it.aggregate.as_str()) && it.next <= now.millis()).map(|(seq, it)| (*seq, it))
}

/// The name of a held event's note.
pub(super) fn held_name(subscriber: &str, institution: &InstitutionId, seq: u64) -> String {
    format!("held/{subscriber}/{institution}/{seq:020}")
}

/// The name of the note that changes when parked events are put back.
pub(super) fn replayed_name(subscriber: &str) -> String {
    format!("replayed/{subscriber}")
}

#[cfg(test)]
mod tests {
    use super::super::asked::{Asked, event};
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;
    use uuid::Uuid;

    fn bank() -> InstitutionId {
        "011001276".into()
    }

    fn session(number: u128) -> AggregateId {
        AggregateId(Uuid::from_u128(number))
    }

    #[tokio::test(start_paused = true)]
    async fn notes_are_read_once_and_what_is_written_is_known() {
        let (ledger, engine, asked) = Asked::ledger();
        let tenure = ledger.tenure.on_duty().await.unwrap().unwrap();
        ledger.begin(tenure).await.unwrap();
        let reads = || (asked.single.swap(0, Relaxed), asked.all.swap(0, Relaxed));
        reads();
        for seq in 1..=100 {
            let before = ledger.cursor(&bank()).await.unwrap();
            assert_eq!((before, ledger.held(&bank()).await.unwrap().1), (seq - 1, 0));
            ledger.write(tenure, vec![ledger.moved(&bank(), seq)]).await.unwrap();
        }
        assert_eq!(reads(), (2, 1), "the cursor, the mark, and what is held");
        // What waits is known as soon as it is written, and no longer once it is released.
        ledger.write(tenure, vec![ledger.queue(&bank(), &event(8, 7)), ledger.queue(&bank(), &event(9, 7))]).await.unwrap();
        assert_eq!(ledger.held(&bank()).await.unwrap(), (HashSet::from([session(7)]), 2));
        assert_eq!(ledger.due(&bank()).await.unwrap().iter().map(|it| it.0).collect::<Vec<_>>(), [8], "of a session the first");
        assert_eq!(ledger.all_due().await.unwrap(), HashSet::from([bank()]));
        ledger.write(tenure, vec![ledger.release(&bank(), 8), ledger.release(&bank(), 9)]).await.unwrap();
        assert_eq!((ledger.held(&bank()).await.unwrap().1, ledger.all_due().await.unwrap().len()), (0, 0));
        assert_eq!(reads(), (0, 0));
        // What was put back, here or on another node, is asked for now and then, and all of it is read when there was something.
        ledger.write(tenure, vec![ledger.park(&bank(), &event(10, 7), "no")]).await.unwrap();
        tokio::time::advance(CHECK).await;
        reads();
        assert_eq!((ledger.held(&bank()).await.unwrap().1, reads()), (0, (1, 0)));
        assert_eq!(engine.replay("core").await, Ok(1));
        tokio::time::advance(CHECK).await;
        reads();
        assert_eq!((ledger.held(&bank()).await.unwrap().1, reads()), (1, (2, 1)));
        // A node of an older version tells nothing.
        let held = serde_json::to_vec(&Held { next: 0, tries: 0, aggregate: session(9).to_string(), failing: None }).unwrap();
        engine.notes().set_notes(vec![(ledger.held_name(&bank(), 11), Some(held))]).await.unwrap();
        tokio::time::advance(ANEW).await;
        assert_eq!(ledger.held(&bank()).await.unwrap().1, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_or_may_not_be_written_is_read_anew() {
        let (ledger, _, asked) = Asked::ledger();
        let tenure = ledger.tenure.on_duty().await.unwrap().unwrap();
        ledger.begin(tenure).await.unwrap();
        ledger.write(tenure, vec![ledger.moved(&bank(), 5), ledger.queue(&bank(), &event(4, 7))]).await.unwrap();
        asked.away.store(true, Relaxed);
        ledger.write(tenure, vec![ledger.moved(&bank(), 6), ledger.release(&bank(), 4)]).await.unwrap_err();
        asked.away.store(false, Relaxed);
        assert_eq!((ledger.cursor(&bank()).await, ledger.held(&bank()).await.unwrap().1), (Ok(5), 1));
        assert_eq!(ledger.tenure.on_duty().await, Ok(Some(tenure)), "it is still its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_tenure_writes_nothing_and_knows_nothing() {
        let (ledger, engine, asked) = Asked::ledger();
        let first = ledger.tenure.on_duty().await.unwrap().unwrap();
        ledger.begin(first).await.unwrap();
        ledger.write(first, vec![ledger.moved(&bank(), 5)]).await.unwrap();
        // Another process has it, moves on, and ends.
        asked.fence.store(1, Relaxed);
        engine.notes().set_notes(vec![ledger.moved(&bank(), 9), ledger.queue(&bank(), &event(8, 7))]).await.unwrap();
        asked.fence.store(2, Relaxed);
        assert_eq!(ledger.tenure.on_duty().await, Ok(Some(first)), "it is sure for a while");
        tokio::time::advance(super::super::tenure::RENEW).await;
        let second = ledger.tenure.on_duty().await.unwrap().unwrap();
        assert_ne!(first, second);
        ledger.write(first, vec![ledger.moved(&bank(), 6)]).await.unwrap_err();
        ledger.begin(second).await.unwrap();
        assert_eq!((ledger.cursor(&bank()).await, ledger.held(&bank()).await.unwrap().1), (Ok(9), 1));
        ledger.write(second, vec![ledger.moved(&bank(), 10)]).await.unwrap();
        // Told by a write that another has it: nothing more is written, and the next tenure is another.
        asked.fence.store(3, Relaxed);
        ledger.write(second, vec![ledger.moved(&bank(), 11)]).await.unwrap_err();
        ledger.write(second, vec![ledger.moved(&bank(), 12)]).await.unwrap_err();
        let third = ledger.tenure.on_duty().await.unwrap().unwrap();
        assert!(third != second && ledger.write(second, vec![ledger.moved(&bank(), 12)]).await.is_err());
        ledger.begin(third).await.unwrap();
        assert_eq!(ledger.cursor(&bank()).await, Ok(10));
    }
}
