//! What is kept of a subscriber, as notes: cursors, since when a head fails, held and parked events.
//!
//! Each name holds the subscriber's and the institution's: `cursor/S/I`, `failing/S/I`, `held/S/I/seq`, `parked/S/I/seq`.

use super::super::{Engine, Trouble};
use super::patience::Failing;
use crate::domain::feed::FeedEvent;
use crate::domain::id::InstitutionId;
use crate::domain::time::Timestamp;
use crate::store::contract::{Duty, StoreError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Parked events that are kept of an institution for a subscriber.
pub(super) const PARKED_MAX: usize = 10_000;
/// How long the duty to push to a subscriber lasts when its process is gone: then another takes it.
const SPAN: Duration = Duration::from_secs(30);
/// After so long it is asked for again.
pub(super) const RENEW: Duration = Duration::from_secs(8);
/// Characters of a reason that are kept.
const REASON_MAX: usize = 200;

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
    /// That this process pushes, and since when it is sure of that.
    duty: Mutex<Option<(Duty, Instant)>>,
}

impl Ledger {
    pub fn new(engine: Arc<Engine>, name: String) -> Self {
        Self { engine, name, duty: Mutex::default() }
    }

    /// Whether this process is the one that pushes to the subscriber; takes the duty when nobody has it.
    pub async fn on_duty(&self) -> Result<bool, Trouble> {
        if self.duty.lock().as_ref().is_some_and(|it| it.1.elapsed() < RENEW) {
            return Ok(true);
        }
        let asked = Instant::now();
        let duty = self.engine.notes().duty(&format!("push/{}", self.name), SPAN).await?;
        let mut known = self.duty.lock();
        *known = duty.map(|it| (it, asked));
        Ok(known.is_some())
    }

    /// Others may push at once.
    pub async fn off_duty(&self) {
        if self.duty.lock().take().is_some() {
            let _ = self.engine.notes().duty(&format!("push/{}", self.name), Duration::ZERO).await;
        }
    }

    /// A subscriber that was never seen gets what happens from now on, not the whole past.
    pub async fn begin(&self) -> Result<(), Trouble> {
        let mark = format!("subscriber/{}", self.name);
        if self.engine.notes().note(&mark).await?.is_some() {
            return Ok(());
        }
        let ends = self.engine.status().feed;
        let notes = ends.iter().map(|(institution, end)| self.moved(institution, *end)).chain([(mark, Some(Vec::new()))]);
        self.write(notes.collect()).await
    }

    pub async fn cursor(&self, institution: &InstitutionId) -> Result<u64, Trouble> {
        let note = self.engine.notes().note(&format!("cursor/{}/{institution}", self.name)).await?;
        Ok(note.and_then(|it| String::from_utf8(it).ok()).and_then(|it| it.parse().ok()).unwrap_or(0))
    }

    /// Oldest first.
    pub async fn held(&self, institution: &InstitutionId) -> Result<Vec<(u64, Held)>, Trouble> {
        let prefix = format!("held/{}/{institution}/", self.name);
        let notes = self.engine.notes().notes(&prefix).await?;
        let read =
            |(name, value): (String, Vec<u8>)| Some((name.strip_prefix(&prefix)?.parse().ok()?, serde_json::from_slice(&value).ok()?));
        Ok(notes.into_iter().filter_map(read).collect())
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
        (format!("cursor/{}/{institution}", self.name), Some(seq.to_string().into_bytes()))
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

    /// Writes several at once, and keeps what is parked within its bound: the oldest go first. They stay in the feed.
    pub async fn write(&self, notes: Vec<Note>) -> Result<(), Trouble> {
        let parked = notes.iter().find(|(name, value)| value.is_some() && name.starts_with("parked/")).map(|it| it.0.clone());
        self.set(notes).await?;
        let Some(prefix) = parked.as_deref().and_then(|it| it.rfind('/').map(|end| &it[..=end])) else { return Ok(()) };
        let all = self.engine.notes().notes(prefix).await?;
        let surplus = all.len().saturating_sub(PARKED_MAX);
        if surplus > 0 {
            tracing::error!(subscriber = self.name, surplus, "too many events are parked: the oldest are no longer kept for replay");
            self.set(all.into_iter().take(surplus).map(|(name, _)| (name, None)).collect()).await?;
        }
        Ok(())
    }

    async fn set(&self, notes: Vec<Note>) -> Result<(), Trouble> {
        let duty = self.duty.lock().as_ref().map(|it| it.0.clone());
        let Some(duty) = duty else { return Ok(self.engine.notes().set_notes(notes).await?) };
        let set = self.engine.notes().set_notes_on(duty, notes).await;
        if set == Err(StoreError::Fenced) {
            *self.duty.lock() = None;
        }
        Ok(set?)
    }

    fn failing_name(&self, institution: &InstitutionId) -> String {
        format!("failing/{}/{institution}", self.name)
    }

    fn held_name(&self, institution: &InstitutionId, seq: u64) -> String {
        held_name(&self.name, institution, seq)
    }
}

/// The name of a held event's note.
pub(super) fn held_name(subscriber: &str, institution: &InstitutionId, seq: u64) -> String {
    format!("held/{subscriber}/{institution}/{seq:020}")
}

impl Held {
    /// It failed once more by itself; the next try is `wait` from now.
    pub fn again(self, now: Timestamp, wait: impl Fn(u32) -> std::time::Duration) -> Self {
        let tries = self.tries.saturating_add(1);
        Self { next: now.plus(wait(tries)).millis(), tries, failing: Some(Failing::again(self.failing, now)), ..self }
    }
}
