//! Events to subscribers: at least once, in order per session; nobody waits behind a poisoned event (decision 24).
//!
//! A subscriber has a cursor for each institution. What comes after it is pushed in batches; a batch that fails again and
//! again is taken apart, what fails alone is held (with what follows in its session) and tried by itself, and what is
//! refused, or held for too long, is parked. Cursor, held and parked events are notes, so all of it survives a restart.

use super::{Engine, Trouble};
use crate::connect::contract::{Pushed, Sink};
use crate::domain::event::Act;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Events in a push at most.
const BATCH: usize = 50;
/// Rounds in which a whole batch may fail before it is taken apart.
const ROUNDS: u32 = 3;
/// Held events looked at in a round.
const HELD_AT_ONCE: usize = 20;
/// How long to wait when there is nothing to push; a commit wakes earlier.
const IDLE: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Which events a subscriber gets. Empty lists filter nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of which publisher; `None`: all.
    pub publisher: Option<PublisherId>,
    /// Of which institutions.
    pub institutions: Vec<InstitutionId>,
    /// `ConsumerProd` values.
    pub products: Vec<String>,
    /// Event numbers.
    pub numbers: Vec<u32>,
    /// Acts; empty: outcomes only, and recipients' messages. Delivery steps are pushed only when asked for (decision 14).
    pub acts: Vec<Act>,
}

impl Filter {
    /// Whether the subscriber gets this event.
    pub fn takes(&self, event: &FeedEvent) -> bool {
        let acts = if self.acts.is_empty() { event.act.is_outcome() || event.act == Act::RecipMsg } else { self.acts.contains(&event.act) };
        acts && self.publisher.as_ref().is_none_or(|it| it.as_str() == event.publisher)
            && (self.products.is_empty() || self.products.contains(&event.product))
            && (self.numbers.is_empty() || self.numbers.contains(&event.number))
    }
}

/// A subscriber: where its events go, which, and for how long they are tried.
pub struct Subscriber {
    /// Where to.
    pub sink: Arc<dyn Sink>,
    /// Which.
    pub filter: Filter,
    /// How long an event is tried before it is parked.
    pub patience: Duration,
}

/// How far each subscriber is, for the metrics.
#[derive(Default)]
pub struct Lags(Mutex<HashMap<String, HashMap<InstitutionId, u64>>>);

impl Lags {
    /// Numbers that each subscriber has yet to look at, when the feeds have come to `ends`.
    pub fn since(&self, ends: &HashMap<InstitutionId, u64>) -> Vec<(String, u64)> {
        let behind =
            |read: &HashMap<InstitutionId, u64>| ends.iter().map(|(id, end)| end.saturating_sub(read.get(id).copied().unwrap_or(0))).sum();
        self.0.lock().iter().map(|(name, read)| (name.clone(), behind(read))).collect()
    }

    fn note(&self, subscriber: &str, institution: &InstitutionId, seq: u64) {
        self.0.lock().entry(subscriber.to_owned()).or_default().insert(institution.clone(), seq);
    }
}

/// An event that waits by itself.
#[derive(Serialize, Deserialize)]
struct Held {
    since: i64,
    next: i64,
    tries: u32,
    aggregate: String,
}

/// What became of a push.
enum Round {
    /// There was nothing to do.
    Idle,
    /// Something moved.
    Moved,
    /// The subscriber is not there.
    Failed,
}

/// Pushes to one subscriber until told to stop.
pub async fn run(engine: Arc<Engine>, subscriber: Subscriber, lags: Arc<Lags>, stop: CancellationToken) {
    let mut changes = engine.changes();
    let mut pusher = Pusher { engine, subscriber, lags, stop: stop.clone(), failures: 0 };
    let mut begun = false;
    while !stop.is_cancelled() {
        if !begun {
            begun = pusher.begin().await.inspect_err(|error| tracing::error!(%error, "a subscriber can't begin")).is_ok();
        }
        let pause = match if begun { pusher.round().await } else { Ok(Round::Failed) } {
            Ok(Round::Moved) => continue,
            Ok(Round::Idle) => IDLE,
            Ok(Round::Failed) => wait(pusher.failures),
            Err(error) => {
                tracing::error!(subscriber = pusher.name(), %error, "events can't be read or their state can't be kept");
                wait(4)
            }
        };
        let failing = pusher.failures > 0;
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed(), if !failing => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

// A second, doubled each failure, up to the longest wait; spread so that subscribers don't beat in time.
fn wait(failures: u32) -> Duration {
    let full = Duration::from_secs(1).saturating_mul(1 << failures.min(9)).min(LONGEST_WAIT);
    full.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

struct Pusher {
    engine: Arc<Engine>,
    subscriber: Subscriber,
    lags: Arc<Lags>,
    stop: CancellationToken,
    // Rounds in a row in which the head of the feed could not be pushed.
    failures: u32,
}

impl Pusher {
    fn name(&self) -> &str {
        self.subscriber.sink.name()
    }

    // A subscriber that was never seen gets what happens from now on, not the whole past.
    async fn begin(&self) -> Result<(), Trouble> {
        let mark = format!("subscriber/{}", self.name());
        if self.engine.notes().note(&mark).await?.is_some() {
            return Ok(());
        }
        let ends = self.engine.status().feed;
        let cursor = |(institution, end): (InstitutionId, u64)| (self.cursor_name(&institution), Some(end.to_string().into_bytes()));
        let notes = ends.into_iter().map(cursor).chain([(mark, Some(Vec::new()))]).collect();
        Ok(self.engine.notes().set_notes(notes).await?)
    }

    async fn round(&mut self) -> Result<Round, Trouble> {
        let mut result = Round::Idle;
        for institution in self.institutions() {
            match self.serve(&institution).await? {
                Round::Failed => return Ok(Round::Failed),
                Round::Moved => result = Round::Moved,
                Round::Idle => {}
            }
        }
        Ok(result)
    }

    fn institutions(&self) -> Vec<InstitutionId> {
        if !self.subscriber.filter.institutions.is_empty() {
            return self.subscriber.filter.institutions.clone();
        }
        self.engine.status().feed.into_iter().map(|(institution, _)| institution).collect()
    }

    async fn serve(&mut self, institution: &InstitutionId) -> Result<Round, Trouble> {
        self.retry_held(institution).await?;
        let cursor = self.cursor(institution).await?;
        self.lags.note(self.name(), institution, cursor);
        let page = self.engine.after(institution, cursor, BATCH).await?;
        let Some(last) = page.last().map(|it| it.seq) else { return Ok(Round::Idle) };
        let wanted: Vec<FeedEvent> = page.into_iter().filter(|it| self.subscriber.filter.takes(it)).collect();
        // What follows a held event in its session waits behind it.
        let waiting: HashSet<AggregateId> =
            self.held(institution).await?.into_iter().filter_map(|(_, it)| AggregateId::parse(&it.aggregate)).collect();
        let (behind, ahead): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|it| waiting.contains(&it.aggregate));
        let mut notes: Vec<_> = behind.iter().map(|it| self.hold(institution, it)).collect();
        if !ahead.is_empty() {
            match self.subscriber.sink.push(&ahead).await {
                Pushed::Taken => {}
                Pushed::Refused(_) => {
                    let Some((apart, _)) = self.take_apart(institution, &ahead).await else { return Ok(Round::Failed) };
                    notes.extend(apart);
                }
                Pushed::Later(reason) => {
                    self.failures += 1;
                    tracing::warn!(subscriber = self.name(), reason, failures = self.failures, "events could not be pushed");
                    if self.failures < ROUNDS {
                        return Ok(Round::Failed);
                    }
                    let Some((apart, alive)) = self.take_apart(institution, &ahead).await else { return Ok(Round::Failed) };
                    if !alive {
                        return self.give_up(institution, &behind, &ahead).await;
                    }
                    notes.extend(apart);
                }
            }
        }
        self.failures = 0;
        notes.push((self.cursor_name(institution), Some(last.to_string().into_bytes())));
        self.engine.notes().set_notes(notes).await?;
        Ok(Round::Moved)
    }

    // The subscriber is not there. What has waited for as long as its patience goes is parked, so that the feed moves on.
    async fn give_up(&self, institution: &InstitutionId, behind: &[FeedEvent], ahead: &[FeedEvent]) -> Result<Round, Trouble> {
        let now = self.engine.now();
        let stale = ahead.iter().take_while(|it| now.since(it.at) >= self.subscriber.patience);
        let mut notes: Vec<_> = stale.clone().map(|it| self.park(institution, it.seq, "not taken in time")).collect();
        let Some(last) = stale.last().map(|it| it.seq) else { return Ok(Round::Failed) };
        notes.extend(behind.iter().filter(|it| it.seq < last).map(|it| self.hold(institution, it)));
        notes.push((self.cursor_name(institution), Some(last.to_string().into_bytes())));
        self.engine.notes().set_notes(notes).await?;
        Ok(Round::Failed)
    }

    // One by one: what is refused is parked, what fails is held with the rest of its session. The flag says whether any
    // was answered at all, and so whether the subscriber is there. `None`: told to stop, nothing is to be noted.
    async fn take_apart(&self, institution: &InstitutionId, events: &[FeedEvent]) -> Option<(Vec<(String, Option<Vec<u8>>)>, bool)> {
        let (mut notes, mut alive, mut held) = (Vec::new(), false, HashSet::new());
        for event in events {
            // Each may take a time-out; what was taken already comes once more after the start.
            if self.stop.is_cancelled() {
                return None;
            }
            if held.contains(&event.aggregate) {
                notes.push(self.hold(institution, event));
                continue;
            }
            match self.subscriber.sink.push(std::slice::from_ref(event)).await {
                Pushed::Taken => alive = true,
                Pushed::Refused(reason) => {
                    alive = true;
                    notes.push(self.park(institution, event.seq, &reason));
                }
                Pushed::Later(_) => {
                    held.insert(event.aggregate);
                    notes.push(self.hold(institution, event));
                }
            }
        }
        Some((notes, alive))
    }

    // Held events that are due, oldest first; of a session only its first.
    async fn retry_held(&self, institution: &InstitutionId) -> Result<(), Trouble> {
        let now = self.engine.now();
        let mut sessions = HashSet::new();
        let held = self.held(institution).await?;
        let due = held.into_iter().filter(|(_, it)| sessions.insert(it.aggregate.clone()) && it.next <= now.millis());
        for (seq, mut held) in due.take(HELD_AT_ONCE) {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let name = self.held_name(institution, seq);
            let Some(event) = self.engine.after(institution, seq - 1, 1).await?.into_iter().find(|it| it.seq == seq) else {
                self.engine.notes().set_notes(vec![(name, None)]).await?;
                continue;
            };
            let notes = match self.subscriber.sink.push(std::slice::from_ref(&event)).await {
                Pushed::Taken => vec![(name, None)],
                Pushed::Refused(reason) => vec![(name, None), self.park(institution, seq, &reason)],
                Pushed::Later(reason) if now.since(Timestamp::from_millis(held.since)) >= self.subscriber.patience => {
                    vec![(name, None), self.park(institution, seq, &reason)]
                }
                Pushed::Later(_) => {
                    held.tries += 1;
                    held.next = now.plus(wait(held.tries)).millis();
                    vec![(name, serde_json::to_vec(&held).ok())]
                }
            };
            self.engine.notes().set_notes(notes).await?;
        }
        Ok(())
    }

    async fn cursor(&self, institution: &InstitutionId) -> Result<u64, Trouble> {
        let note = self.engine.notes().note(&self.cursor_name(institution)).await?;
        Ok(note.and_then(|it| String::from_utf8(it).ok()).and_then(|it| it.parse().ok()).unwrap_or(0))
    }

    async fn held(&self, institution: &InstitutionId) -> Result<Vec<(u64, Held)>, Trouble> {
        let prefix = format!("held/{}/{institution}/", self.name());
        let notes = self.engine.notes().notes(&prefix).await?;
        let read =
            |(name, value): (String, Vec<u8>)| Some((name.strip_prefix(&prefix)?.parse().ok()?, serde_json::from_slice(&value).ok()?));
        Ok(notes.into_iter().filter_map(read).collect())
    }

    fn hold(&self, institution: &InstitutionId, event: &FeedEvent) -> (String, Option<Vec<u8>>) {
        let now = self.engine.now().millis();
        let held = Held { since: now, next: now, tries: 0, aggregate: event.aggregate.to_string() };
        (self.held_name(institution, event.seq), serde_json::to_vec(&held).ok())
    }

    fn park(&self, institution: &InstitutionId, seq: u64, reason: &str) -> (String, Option<Vec<u8>>) {
        tracing::error!(subscriber = self.name(), %institution, seq, reason, "an event is parked: the subscriber won't take it");
        (format!("parked/{}/{institution}/{seq:020}", self.name()), Some(reason.as_bytes().to_vec()))
    }

    fn held_name(&self, institution: &InstitutionId, seq: u64) -> String {
        format!("held/{}/{institution}/{seq:020}", self.name())
    }

    fn cursor_name(&self, institution: &InstitutionId) -> String {
        format!("cursor/{}/{institution}", self.name())
    }
}
