//! One subscriber's rounds: read a page after each cursor, push it, keep what became of it.

use super::super::{Engine, Most, Trouble};
use super::apart::{Apart, take_apart};
use super::lags::Lags;
use super::ledger::{Held, Ledger, Note};
use super::steady::Steady;
use super::subscriber::Subscriber;
use super::wait;
use crate::connect::contract::{Pushed, Sink};
use crate::domain::aggregate::Aggregate;
use crate::domain::event::Event;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, InstitutionId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A page: events in a push at most, and events that are looked at for them. Most of a feed are steps of deliveries, which subscribers seldom
/// want: a page that ends after few that are wanted costs as much as a full one, and the next one waits for it.
const PAGE: Most = Most { seen: 400, wanted: 50 };
/// Rounds in which a whole batch may fail before it is taken apart.
const ROUNDS: u32 = 3;
/// Events of an institution that are held at most; what fails by itself beyond that is parked at once. Only what follows in the
/// sessions of held events comes on top.
const HELD_MAX: usize = 1_000;
/// Held events taken in a round at most, so that they don't keep the feed waiting.
const HELD_AT_ONCE: usize = 20;

/// What became of a round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// There was nothing to do, or nothing could be done.
    Idle,
    /// Something moved, and all that there was has been looked at.
    Moved,
    /// Something moved, and there is more.
    More,
}

pub(super) struct Pusher {
    engine: Arc<Engine>,
    subscriber: Subscriber,
    lags: Arc<Lags>,
    ledger: Ledger,
    stop: CancellationToken,
    // Of each institution whose head fails.
    heads: HashMap<InstitutionId, Head>,
}

// The head of a feed that could not be pushed.
struct Head {
    // Rounds in a row.
    failures: u32,
    until: Instant,
    suspects: HashSet<AggregateId>,
}

struct Page {
    // To be pushed.
    ahead: Vec<FeedEvent>,
    // Wait behind a held event of their session.
    behind: Vec<FeedEvent>,
    // Events held already.
    held: usize,
    last: u64,
    // More may follow it.
    full: bool,
}

impl Pusher {
    pub fn new(engine: Arc<Engine>, subscriber: Subscriber, lags: Arc<Lags>, stop: CancellationToken) -> Self {
        let ledger = Ledger::new(engine.clone(), subscriber.sink.name().to_owned());
        Self { engine, subscriber, lags, ledger, stop, heads: HashMap::new() }
    }

    pub fn name(&self) -> &str {
        self.subscriber.sink.name()
    }

    pub async fn on_duty(&self) -> Result<bool, Trouble> {
        self.ledger.on_duty().await
    }

    pub async fn off_duty(&self) {
        self.ledger.off_duty().await;
    }

    pub async fn begin(&self) -> Result<(), Trouble> {
        self.ledger.begin().await?;
        self.lags.begin(self.name(), &self.subscriber.filter.institutions);
        for institution in self.institutions() {
            self.lags.note(self.name(), &institution, self.ledger.cursor(&institution).await?);
        }
        Ok(())
    }

    /// One page of each institution, but for those that still wait after a failure: what fails in one holds up no other.
    pub async fn round(&mut self) -> Result<Round, Trouble> {
        let mut result = Round::Idle;
        for institution in self.institutions() {
            let waits = self.heads.get(&institution).is_some_and(|it| it.until > Instant::now());
            if !waits && !self.stop.is_cancelled() {
                result = result.max(self.serve(&institution).await?);
            }
        }
        Ok(result)
    }

    /// When the next failed head is due.
    pub fn due(&self) -> Option<Instant> {
        self.heads.values().map(|it| it.until).min()
    }

    fn steady(&self) -> Steady<'_> {
        Steady::new(&*self.subscriber.sink, &self.ledger)
    }

    fn wait(&self, failures: u32) -> std::time::Duration {
        wait(failures, self.engine.share())
    }

    fn institutions(&self) -> Vec<InstitutionId> {
        if !self.subscriber.filter.institutions.is_empty() {
            return self.subscriber.filter.institutions.clone();
        }
        self.engine.status().feed.into_iter().map(|(institution, _)| institution).collect()
    }

    async fn serve(&mut self, institution: &InstitutionId) -> Result<Round, Trouble> {
        let cursor = self.ledger.cursor(institution).await?;
        self.lags.note(self.name(), institution, cursor);
        let released = self.retry_held(institution).await?;
        let Some(page) = self.page(institution, cursor).await? else {
            self.heads.remove(institution);
            return Ok(released);
        };
        if page.ahead.is_empty() {
            return self.advance(institution, &page, Vec::new()).await;
        }
        match self.steady().push(&page.ahead).await {
            Pushed::Taken => {
                let answered = self.ledger.answered(institution);
                self.advance(institution, &page, vec![answered]).await
            }
            Pushed::Refused(_) => self.take_apart(institution, &page).await,
            Pushed::Later(reason) => {
                let failures = self.heads.get(institution).map_or(0, |it| it.failures).saturating_add(1);
                tracing::warn!(subscriber = self.name(), %institution, reason, failures, "events could not be pushed");
                if failures < ROUNDS {
                    return self.fail(institution, None).await;
                }
                self.take_apart(institution, &page).await
            }
        }
    }

    async fn page(&self, institution: &InstitutionId, cursor: u64) -> Result<Option<Page>, Trouble> {
        let wants = |of: &Aggregate, it: &Event| self.subscriber.filter.takes(of.publisher().as_str(), of.product(), it.act);
        let batch = self.engine.after(institution, cursor, PAGE, wants).await?;
        let Some(last) = batch.last else { return Ok(None) };
        // What follows a held event in its session waits behind it.
        let held = self.ledger.held(institution).await?;
        let count = held.len();
        let waiting: HashSet<AggregateId> = held.into_iter().filter_map(|(_, it)| AggregateId::parse(&it.aggregate)).collect();
        let (behind, ahead) = batch.events.into_iter().partition(|it| waiting.contains(&it.aggregate));
        Ok(Some(Page { ahead, behind, held: count, last, full: batch.more }))
    }

    // The page is done with.
    async fn advance(&mut self, institution: &InstitutionId, page: &Page, mut notes: Vec<Note>) -> Result<Round, Trouble> {
        notes.extend(self.move_to(institution, page, page.last));
        self.ledger.write(notes).await?;
        self.heads.remove(institution);
        Ok(if page.full { Round::More } else { Round::Moved })
    }

    // The cursor, and what waits behind held events up to it.
    fn move_to(&self, institution: &InstitutionId, page: &Page, seq: u64) -> Vec<Note> {
        let behind = page.behind.iter().filter(|it| it.seq <= seq).map(|it| self.ledger.queue(institution, it));
        behind.chain([self.ledger.moved(institution, seq)]).collect()
    }

    async fn take_apart(&mut self, institution: &InstitutionId, page: &Page) -> Result<Round, Trouble> {
        let suspects = self.heads.get_mut(institution).map(|it| std::mem::take(&mut it.suspects)).unwrap_or_default();
        let mut apart = take_apart(&self.steady(), &page.ahead, suspects, &self.stop).await;
        let suspects = std::mem::take(&mut apart.suspects);
        let Some(upto) = apart.upto else {
            // Told to stop, it may not have been asked at all: no ground to give anything up.
            if self.stop.is_cancelled() {
                return Ok(Round::Idle);
            }
            let round = self.fail(institution, Some(page)).await;
            self.heads.entry(institution.clone()).and_modify(|it| it.suspects = suspects);
            return round;
        };
        let notes = self.keep(institution, &apart, HELD_MAX.saturating_sub(page.held));
        if apart.whole {
            return self.advance(institution, page, notes).await;
        }
        self.ledger.write(notes.into_iter().chain(self.move_to(institution, page, upto)).collect()).await?;
        self.heads.insert(institution.clone(), Head { suspects, ..Head::new() });
        Ok(Round::More)
    }

    fn keep(&self, institution: &InstitutionId, apart: &Apart<'_>, room: usize) -> Vec<Note> {
        let now = self.engine.now();
        let mut sessions = HashSet::new();
        let hold = |event: &&FeedEvent| {
            if !sessions.insert(event.aggregate) {
                return self.ledger.queue(institution, event);
            }
            if sessions.len() > room {
                return self.ledger.park(institution, event, "it fails, and too many others are held");
            }
            let held = Held { next: 0, tries: 0, aggregate: event.aggregate.to_string(), failing: None };
            self.ledger.hold(institution, event.seq, &held.again(now, |tries| self.wait(tries)))
        };
        let mut notes: Vec<Note> = apart.failed.iter().map(hold).collect();
        notes.extend(apart.refused.iter().map(|(event, reason)| self.ledger.park(institution, event, reason)));
        notes.push(self.ledger.answered(institution));
        notes
    }

    // The head can't be pushed now. `absent`: the page of a subscriber that answers none of it. When its patience is over, those as
    // old as that are parked, so that the feed doesn't grow for ever.
    async fn fail(&mut self, institution: &InstitutionId, absent: Option<&Page>) -> Result<Round, Trouble> {
        let failures = self.heads.get(institution).map_or(0, |it| it.failures).saturating_add(1);
        let until = Instant::now() + self.wait(failures);
        let head = self.heads.entry(institution.clone()).or_insert_with(Head::new);
        (head.failures, head.until) = (failures, until);
        let (failing, note) = self.ledger.failed(institution).await?;
        let mut notes = vec![note];
        if let Some(page) = absent.filter(|_| failing.spent() >= self.subscriber.patience) {
            notes.extend(self.give_up(institution, page));
        }
        self.ledger.write(notes).await?;
        Ok(Round::Idle)
    }

    fn give_up(&self, institution: &InstitutionId, page: &Page) -> Vec<Note> {
        let now = self.engine.now();
        let stale: Vec<_> = page.ahead.iter().take_while(|it| now.since(it.at) >= self.subscriber.patience).collect();
        let Some(last) = stale.last().map(|it| it.seq) else { return Vec::new() };
        let parked = stale.into_iter().map(|it| self.ledger.park(institution, it, "not taken in time"));
        parked.chain(self.move_to(institution, page, last)).collect()
    }

    // Held events that are due, the one longest due first; of a session only its first. The first failure ends it: the head
    // waits for one time-out at most, and the others have their turn in the next rounds.
    async fn retry_held(&self, institution: &InstitutionId) -> Result<Round, Trouble> {
        let (now, mut sessions, mut result) = (self.engine.now(), HashSet::new(), Round::Idle);
        let mut due = self.ledger.held(institution).await?;
        due.retain(|(_, it)| sessions.insert(it.aggregate.clone()) && it.next <= now.millis());
        due.sort_by_key(|(seq, it)| (it.next, *seq));
        for (seq, held) in due.into_iter().take(HELD_AT_ONCE) {
            let Some(event) = self.event(institution, seq).await? else {
                self.ledger.write(vec![self.ledger.release(institution, seq)]).await?;
                continue;
            };
            let pushed = self.steady().push(std::slice::from_ref(&event)).await;
            let later = matches!(pushed, Pushed::Later(_));
            self.ledger.write(self.judge_held(institution, (seq, held), &event, pushed)).await?;
            if later || self.stop.is_cancelled() {
                break;
            }
            result = Round::More;
        }
        Ok(result)
    }

    async fn event(&self, institution: &InstitutionId, seq: u64) -> Result<Option<FeedEvent>, Trouble> {
        let batch = self.engine.after(institution, seq.saturating_sub(1), Most::of(1), |_, _| true).await?;
        Ok(batch.events.into_iter().find(|it| it.seq == seq))
    }

    fn judge_held(&self, institution: &InstitutionId, held: (u64, Held), event: &FeedEvent, pushed: Pushed) -> Vec<Note> {
        let (seq, held) = held;
        let release = self.ledger.release(institution, seq);
        match pushed {
            Pushed::Taken => vec![release],
            Pushed::Refused(reason) => vec![release, self.ledger.park(institution, event, &reason)],
            Pushed::Later(reason) => {
                let held = held.again(self.engine.now(), |tries| self.wait(tries));
                if held.failing.is_some_and(|it| it.spent() >= self.subscriber.patience) {
                    return vec![release, self.ledger.park(institution, event, &reason)];
                }
                vec![self.ledger.hold(institution, seq, &held)]
            }
        }
    }
}

impl Head {
    fn new() -> Self {
        Self { failures: 0, until: Instant::now(), suspects: HashSet::new() }
    }
}
