//! One subscriber: what is after each cursor is read as pages, pushed, and what became of it is kept.

use super::super::{Engine, Most, Trouble};
use super::apart::{Apart, take_apart};
use super::known::{Held, Note};
use super::lags::Lags;
use super::lanes::{divide, join};
use super::ledger::Ledger;
use super::line::{Line, Lines, Round, Served};
use super::page::Page;
use super::steady::Steady;
use super::subscriber::Subscriber;
use super::tenure::Number;
use super::wait;
use crate::connect::contract::{Pushed, Sink};
use crate::domain::aggregate::Aggregate;
use crate::domain::event::Event;
use crate::domain::feed::FeedEvent;
use crate::domain::id::InstitutionId;
use futures_util::future::join_all;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events of a page for each of its line's width: what a subscriber gets at once when nothing has piled up.
const PAGE: usize = 50;
/// Events that are looked at for each that a page may have. Most of a feed are steps of deliveries, which subscribers seldom want: a page that
/// ends after few that are wanted costs as much as a full one, and the next one waits for it.
const SEEN: usize = 8;
/// Rounds in which a whole batch may fail before it is taken apart.
const ROUNDS: u32 = 3;
/// Events of an institution that are held at most; what fails by itself beyond that is parked at once. Only what follows in the
/// sessions of held events comes on top.
const HELD_MAX: usize = 1_000;
/// Pages that are read at once.
const READERS: usize = 2;
/// Held events taken in a round at most, so that they don't keep the feed waiting.
const HELD_AT_ONCE: usize = 20;

pub(super) struct Pusher {
    engine: Arc<Engine>,
    subscriber: Subscriber,
    lags: Arc<Lags>,
    ledger: Ledger,
    // For pushes, and for reading pages: a store of several nodes has few connections for all that is going on.
    places: Semaphore,
    readers: Semaphore,
    stop: CancellationToken,
}

impl Pusher {
    pub fn new(engine: Arc<Engine>, subscriber: Subscriber, lags: Arc<Lags>, stop: CancellationToken) -> Self {
        let ledger = Ledger::new(engine.clone(), subscriber.sink.name().to_owned());
        let places = Semaphore::new(subscriber.at_once.max(1));
        Self { engine, subscriber, lags, ledger, places, readers: Semaphore::new(READERS), stop }
    }

    pub fn name(&self) -> &str {
        self.subscriber.sink.name()
    }

    pub async fn on_duty(&self) -> Result<Option<Number>, Trouble> {
        self.ledger.tenure.on_duty().await
    }

    pub async fn keep_up(&self) {
        self.ledger.tenure.keep_up().await;
    }

    pub async fn off_duty(&self) {
        self.ledger.tenure.off_duty().await;
    }

    pub async fn begin(&self, tenure: Number) -> Result<(), Trouble> {
        self.ledger.begin(tenure).await?;
        self.lags.begin(self.name(), &self.subscriber.filter.institutions);
        for (institution, _) in self.ends().await? {
            self.lags.note(self.name(), &institution, self.ledger.cursor(&institution).await?);
        }
        Ok(())
    }

    /// Institutions with something to push that are not under way.
    pub async fn look(&self, lines: &Lines) -> Result<Vec<InstitutionId>, Trouble> {
        let (mut ends, mut behind) = (self.ends().await?, HashSet::new());
        ends.retain(|(institution, _)| !lines.is_under_way(institution));
        for (institution, end) in &ends {
            if *end > self.ledger.cursor(institution).await? {
                behind.insert(institution.clone());
            }
        }
        let due = self.ledger.all_due().await?;
        Ok(ends.into_iter().map(|it| it.0).filter(|it| behind.contains(it) || due.contains(it)).collect())
    }

    async fn ends(&self) -> Result<Vec<(InstitutionId, u64)>, Trouble> {
        let mut ends = self.engine.ends().await?;
        let only = &self.subscriber.filter.institutions;
        ends.retain(|(institution, _)| only.is_empty() || only.contains(institution));
        Ok(ends)
    }

    fn steady(&self) -> Steady<'_> {
        Steady { sink: &*self.subscriber.sink, tenure: &self.ledger.tenure, places: &self.places, stop: &self.stop }
    }

    fn wait(&self, failures: u32) -> std::time::Duration {
        wait(failures, self.engine.share())
    }

    /// What is held and due, and a page, of one institution.
    pub async fn serve(&self, institution: InstitutionId, mut line: Line) -> Served {
        let round = self.round(&institution, &mut line).await.unwrap_or_else(|error| {
            tracing::error!(subscriber = self.name(), %institution, %error, "events can't be read or their state can't be kept");
            Round::Troubled
        });
        (institution, line, round)
    }

    async fn round(&self, institution: &InstitutionId, line: &mut Line) -> Result<Round, Trouble> {
        if self.ledger.tenure.duty(line.tenure).is_none() {
            // Another process pushes now.
            return Ok(Round::Troubled);
        }
        let cursor = self.ledger.cursor(institution).await?;
        self.lags.note(self.name(), institution, cursor);
        let released = self.retry_held(institution, line.tenure).await?;
        if self.stop.is_cancelled() {
            return Ok(released);
        }
        line.taken.retain(|it| *it > cursor);
        let Some(mut page) = self.page(institution, cursor, line).await? else {
            line.is_well();
            return Ok(released);
        };
        if page.ahead.is_empty() {
            return self.advance(institution, line, &page, Vec::new()).await;
        }
        match self.push(line, &mut page).await {
            Pushed::Taken => {
                if page.full {
                    line.width = (line.width * 2).min(self.subscriber.at_once.max(1));
                }
                let answered = self.ledger.answered(institution);
                self.advance(institution, line, &page, vec![answered]).await
            }
            Pushed::Refused(_) => {
                page.shorten(PAGE);
                self.take_apart(institution, line, &page).await
            }
            // It may not even have been begun.
            Pushed::Later(_) if self.stop.is_cancelled() => Ok(Round::Idle),
            Pushed::Later(reason) => {
                let failures = line.failures.saturating_add(1);
                tracing::warn!(subscriber = self.name(), %institution, reason, failures, "events could not be pushed");
                if failures < ROUNDS {
                    return self.fail(institution, line, None).await;
                }
                self.take_apart(institution, line, &page).await
            }
        }
    }

    async fn page(&self, institution: &InstitutionId, cursor: u64, line: &mut Line) -> Result<Option<Page>, Trouble> {
        let wants = |of: &Aggregate, it: &Event| self.subscriber.filter.takes(of.publisher().as_str(), of.product(), it.act);
        let most = Most { seen: SEEN * PAGE * line.width, wanted: PAGE * line.width };
        let batch = {
            let _place = self.readers.acquire().await;
            self.engine.after(institution, cursor, most, wants).await?
        };
        let Some(last) = batch.last else { return Ok(None) };
        // What is about to be taken apart is tried whole once more: what others than the failing say tells whose fault it is.
        if line.failures + 1 >= ROUNDS {
            line.taken.retain(|it| *it > last);
        }
        // What follows a held event in its session waits behind it.
        let (waiting, held) = self.ledger.held(institution).await?;
        // Where much happens, as much has happened again when this is taken.
        let full = batch.more || batch.events.len() >= PAGE;
        let left = batch.events.into_iter().filter(|it| !line.taken.contains(&it.seq));
        let (behind, ahead) = left.partition(|it| waiting.contains(&it.aggregate));
        Ok(Some(Page { ahead, behind, held, last, full }))
    }

    // Afterwards the page has what was not taken, oldest first.
    async fn push(&self, line: &mut Line, page: &mut Page) -> Pushed {
        let requests = page.ahead.len().div_ceil(self.subscriber.sink.in_one().clamp(1, PAGE));
        // Who has just failed gets one after the other.
        let count = if line.failures > 0 { 1 } else { requests.min(self.subscriber.at_once) };
        let (lanes, steady) = (divide(std::mem::take(&mut page.ahead), count), self.steady());
        let said = join_all(lanes.iter().map(|it| steady.push(it))).await;
        let (taken, left): (Vec<_>, Vec<_>) = lanes.into_iter().zip(said).partition(|it| it.1 == Pushed::Taken);
        // What could not be pushed is tried again before anything is taken apart: then all that is left goes as one.
        let worst = left.iter().map(|it| &it.1).max_by_key(|it| matches!(it, Pushed::Later(_))).cloned();
        if worst.is_some() {
            line.taken.extend(taken.iter().flat_map(|it| &it.0).map(|it| it.seq));
        }
        page.ahead = join(left.into_iter().map(|it| it.0));
        worst.unwrap_or(Pushed::Taken)
    }

    // The page is done with.
    async fn advance(&self, institution: &InstitutionId, line: &mut Line, page: &Page, mut notes: Vec<Note>) -> Result<Round, Trouble> {
        notes.extend(self.move_to(institution, page, page.last));
        self.ledger.write(line.tenure, notes).await?;
        self.lags.note(self.name(), institution, page.last);
        line.is_well();
        Ok(if page.full { Round::More } else { Round::Moved })
    }

    // The cursor, and what waits behind held events up to it.
    fn move_to(&self, institution: &InstitutionId, page: &Page, seq: u64) -> Vec<Note> {
        let behind = page.behind.iter().filter(|it| it.seq <= seq).map(|it| self.ledger.queue(institution, it));
        behind.chain([self.ledger.moved(institution, seq)]).collect()
    }

    async fn take_apart(&self, institution: &InstitutionId, line: &mut Line, page: &Page) -> Result<Round, Trouble> {
        line.width = 1;
        let suspects = std::mem::take(&mut line.suspects);
        let mut apart = take_apart(&self.steady(), &page.ahead, suspects, &self.stop).await;
        let suspects = std::mem::take(&mut apart.suspects);
        let Some(upto) = apart.upto else {
            // Told to stop, it may not have been asked at all: no ground to give anything up.
            if self.stop.is_cancelled() {
                return Ok(Round::Idle);
            }
            let round = self.fail(institution, line, Some(page)).await;
            line.suspects = suspects;
            return round;
        };
        let notes = self.keep(institution, &apart, HELD_MAX.saturating_sub(page.held));
        if apart.whole {
            return self.advance(institution, line, page, notes).await;
        }
        self.ledger.write(line.tenure, notes.into_iter().chain(self.move_to(institution, page, upto)).collect()).await?;
        line.is_well();
        line.suspects = suspects;
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
    async fn fail(&self, institution: &InstitutionId, line: &mut Line, absent: Option<&Page>) -> Result<Round, Trouble> {
        line.width = 1;
        line.failures = line.failures.saturating_add(1);
        line.until = Instant::now() + self.wait(line.failures);
        let (failing, note) = self.ledger.failed(institution).await?;
        let mut notes = vec![note];
        if let Some(page) = absent.filter(|_| failing.spent() >= self.subscriber.patience) {
            notes.extend(self.give_up(institution, page));
        }
        self.ledger.write(line.tenure, notes).await?;
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
    async fn retry_held(&self, institution: &InstitutionId, tenure: Number) -> Result<Round, Trouble> {
        let (due, mut result) = (self.ledger.due(institution).await?, Round::Idle);
        for (seq, held) in due.into_iter().take(HELD_AT_ONCE) {
            let Some(event) = self.event(institution, seq).await? else {
                self.ledger.write(tenure, vec![self.ledger.release(institution, seq)]).await?;
                continue;
            };
            let pushed = self.steady().push(std::slice::from_ref(&event)).await;
            let later = matches!(pushed, Pushed::Later(_));
            if later && self.stop.is_cancelled() {
                break;
            }
            self.ledger.write(tenure, self.judge_held(institution, (seq, held), &event, pushed)).await?;
            if later || self.stop.is_cancelled() {
                break;
            }
            result = Round::More;
        }
        Ok(result)
    }

    async fn event(&self, institution: &InstitutionId, seq: u64) -> Result<Option<FeedEvent>, Trouble> {
        let _place = self.readers.acquire().await;
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
