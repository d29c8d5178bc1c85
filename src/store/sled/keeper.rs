//! The one thread that keeps house: data keys for today and tomorrow, what is over into history, retention, the watermark.

use super::archive::Moving;
use super::history::{History, Known};
use super::shared::Shared;
use super::table::guarded;
use super::watermark::Watermark;
use super::writer::{Done, Job, Message};
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::codec::Encoder;
use crate::store::contract::StoreError;
use crate::store::key::{Key, Route, kind};
use crate::store::prepare::{Change, Check, Commit, Want};
use crate::store::published::Aside;
use crate::store::row;
use crate::vault::day_of;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long it sleeps between two rounds; also how old a loss of data must be to be noticed on opening.
const ROUND: Duration = Duration::from_secs(1);
/// Records in one commit of its own: a small part of a step, so that others hardly wait.
const SMALL: usize = 32;
/// Records in one durable step of history.
const PART: usize = 512;
/// Records a round at most; when there are more, the next round follows at once.
const MOST: usize = 8192;
/// How long an address keeps its version after the last that was known of it left: longer than any decision takes.
const DECIDED: Duration = Duration::from_secs(30);

/// What the keeper is asked for.
pub(super) enum Order {
    /// A round now; tells when it is done.
    Round(oneshot::Sender<Result<(), StoreError>>),
    /// To end, after writing the watermark.
    Close,
}

/// The keeper's own state.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) history: Arc<History>,
    pub(super) writer: SyncSender<Message>,
    pub(super) marked: u64,
    /// Addresses of what left the hot store, and when.
    pub(super) left: VecDeque<(Timestamp, Vec<Route>)>,
    /// Days of history not yet compared with what they had, the newest last; `None` before the first round.
    pub(super) unproven: Option<Vec<u32>>,
}

impl Keeper {
    /// Runs until it is told to close, or nobody can ask any more. If it panics all ends: without it the store would grow,
    /// and lose what tells a loss, while nobody sees it.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let shared = self.shared.clone();
        let ended = guarded(|| {
            self.keep(orders);
            Ok(())
        });
        if let Err(panicked) = ended {
            shared.stop(&format!("housekeeping: {panicked}"));
        }
    }

    fn keep(&mut self, orders: &Receiver<Order>) {
        let mut pause = ROUND;
        loop {
            match orders.recv_timeout(pause) {
                Ok(Order::Round(done)) => drop(done.send(self.round().map(drop))),
                Err(RecvTimeoutError::Timeout) => match self.round() {
                    Ok(moved) => pause = if moved < MOST { ROUND } else { Duration::ZERO },
                    Err(error) => {
                        pause = ROUND;
                        tracing::error!(%error, "housekeeping of the store failed; it is tried again");
                    }
                },
                Ok(Order::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(error) = self.mark() {
            tracing::error!(%error, "the watermark could not be written");
        }
    }

    /// Makes sure that there is a data key for `now`, and one for tomorrow, and seals with that of `now`.
    pub(super) fn keys(&self, now: Timestamp) -> Result<(), StoreError> {
        let today = day_of(now);
        for day in [today, today.saturating_add(1)] {
            let key = Key::day(day);
            if !self.shared.published.read().has(&key) {
                let wrapped = self.shared.vault.new_day(day);
                let body = row::seal(&self.shared.vault, &key, &wrapped, true);
                self.commit(vec![Change::Record { key, body: Some(body), aside: Aside::None }], Vec::new())?;
                self.shared.vault.learn_day(day, &wrapped).map_err(failed)?;
            }
        }
        self.shared.vault.set_day(today);
        Ok(())
    }

    // Tells how many there were to move.
    fn round(&mut self) -> Result<usize, StoreError> {
        let now = (self.shared.settings.clock)();
        // Dropped without the lock.
        let old = self.shared.published.write().latest.age();
        drop(old);
        self.keys(now)?;
        let moved = self.bury(now);
        let kept = self.forget(now).and_then(|()| self.retain(now)).and_then(|()| self.prove(now));
        self.mark().map_err(failed)?;
        kept.and(moved)
    }

    fn bury(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let until = now.minus(self.shared.settings.linger);
        let ids: Vec<AggregateId> = self.shared.published.read().finished(until).take(MOST).collect();
        let mut counts = BTreeMap::new();
        let moved = self.shift(&ids, now, &mut counts);
        let noted = counts.into_iter().try_for_each(|(day, count)| self.note(day, count));
        moved.and(noted).map(|()| ids.len())
    }

    // After it is there, never before: a day has at least what is noted.
    fn note(&self, day: u32, count: u64) -> Result<(), StoreError> {
        if count <= self.known(day) {
            return Ok(());
        }
        let mut out = Encoder::with_capacity(10);
        out.number(count);
        let body = row::seal(&self.shared.vault, &Key::history(day), &out.finish(), true);
        self.commit(vec![Change::Record { key: Key::history(day), body: Some(body), aside: Aside::History(day, count) }], Vec::new())
    }

    fn known(&self, day: u32) -> u64 {
        self.shared.published.read().history.get(&day).copied().unwrap_or(0)
    }

    // Those that are missing at once, then one a round: opening a large one takes a second.
    fn prove(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let all = || self.shared.published.read().history.keys().copied().collect();
        let mut unproven = self.unproven.take().unwrap_or_else(all);
        let there = self.history.days();
        let mut outcome = Ok(());
        while let Some(day) = unproven.pop() {
            let known = self.known(day);
            if known > 0 {
                outcome = self.history.prove(day, &Known { count: known, now }).map_err(failed);
            }
            if outcome.is_err() {
                unproven.insert(0, day);
            }
            if outcome.is_err() || there.contains(&day) {
                break;
            }
        }
        self.unproven = Some(unproven);
        outcome
    }

    // Before more comes into it: else that could hide what is missing.
    fn prove_first(&mut self, day: u32, now: Timestamp) -> Result<(), StoreError> {
        let unproven = self.unproven.get_or_insert_with(|| self.shared.published.read().history.keys().copied().collect());
        if unproven.contains(&day) {
            self.history.prove(day, &Known { count: self.known(day), now }).map_err(failed)?;
            self.unproven.iter_mut().for_each(|all| all.retain(|it| *it != day));
        }
        Ok(())
    }

    fn shift(&mut self, ids: &[AggregateId], now: Timestamp, counts: &mut BTreeMap<u32, u64>) -> Result<(), StoreError> {
        for part in ids.chunks(PART) {
            let mut days: BTreeMap<u32, Vec<Moving>> = BTreeMap::new();
            let (mut moves, mut left) = (Vec::with_capacity(part.len()), Vec::new());
            for id in part {
                let Some(entry) = self.shared.published.read().entries.get(id).cloned() else { continue };
                let Some(bytes) = entry.bytes else { continue };
                moves.push((Change::Move(*id), Check { key: Key::aggregate(*id), want: Want::Version(entry.version) }));
                left.extend(entry.facts.addresses());
                days.entry(entry.facts.day()).or_default().push(Moving { id: *id, seqs: entry.seqs, bytes, facts: entry.facts });
            }
            for (day, moving) in &days {
                self.prove_first(*day, now)?;
                counts.insert(*day, self.history.put(*day, moving).map_err(failed)?);
            }
            self.left.push_back((now, left));
            while !moves.is_empty() {
                let rest = moves.split_off(moves.len().min(SMALL));
                self.settle(std::mem::replace(&mut moves, rest))?;
            }
        }
        Ok(())
    }

    // A commit each, all sent before any is waited for: they share a step, and one that changed meanwhile stays for the
    // next round without the others.
    fn settle(&self, changes: Vec<(Change, Check)>) -> Result<(), StoreError> {
        let sent = changes.into_iter().map(|(change, check)| self.send(vec![change], vec![check]));
        for done in sent.collect::<Result<Vec<_>, _>>()? {
            match wait(done) {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    // Addresses that are long unknown, keys that are over in history, and the tombstones of the store's earlier form.
    fn forget(&mut self, now: Timestamp) -> Result<(), StoreError> {
        while let Some((_, left)) = self.left.pop_front_if(|it| it.0.plus(DECIDED) <= now) {
            self.shared.published.write().addresses.prune(left);
        }
        let until = now.minus(self.shared.settings.tombstones);
        self.history.tidy(until).map_err(failed)?;
        let graves: Vec<(AggregateId, u64)> = {
            let published = self.shared.published.read();
            let ids = published.graves(until).take(MOST);
            ids.map(|id| (id, published.version(&Key::aggregate(id)))).collect()
        };
        for part in graves.chunks(SMALL) {
            // One that a late receipt brought back to life has another version: it stays.
            let check = |version: u64, id| Check { key: Key::aggregate(id), want: Want::Version(version) };
            self.settle(part.iter().map(|(id, version)| (Change::Forget(*id), check(*version, *id))).collect())?;
        }
        self.shared.published.write().forget_counts(day_of(now).saturating_sub(1));
        Ok(())
    }

    // A data key outlives every row sealed under it: in history by a day, and in the hot store by looking.
    fn retain(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(first) = day_of(now).checked_sub(self.shared.settings.kept_days()) else { return Ok(()) };
        // What is no more expected first: a day that is gone on purpose is not lost.
        let ended: Vec<u32> = self.shared.published.read().history.range(..first).map(|it| *it.0).collect();
        for day in ended {
            self.commit(vec![Change::Record { key: Key::history(day), body: None, aside: Aside::History(day, 0) }], Vec::new())?;
        }
        let dropped = self.history.drop_before(first).map_err(failed)?;
        if dropped > 0 {
            tracing::info!(days = dropped, "history beyond retention was dropped");
        }
        for day in self.dead_days(first.saturating_sub(1)) {
            self.commit(vec![Change::Record { key: Key::day(day), body: None, aside: Aside::None }], Vec::new())?;
            self.shared.vault.forget_day(day);
        }
        Ok(())
    }

    fn dead_days(&self, before: u32) -> Vec<u32> {
        let published = self.shared.published.read();
        // A tombstone that is overdue may be sealed under an old key; the younger ones never are.
        let tombstones = (self.shared.settings.clock)().minus(self.shared.settings.tombstones);
        if published.graves(tombstones).next().is_some() {
            return Vec::new();
        }
        let days = published.rows.keys().filter(|key| key.kind() == kind::DAY).map(Key::as_day).filter(|day| *day < before);
        let mut days: Vec<u32> = days.collect();
        if !days.is_empty() {
            let used = published.entries.values().filter_map(|it| it.bytes.as_ref()).filter_map(|it| row::head(it).ok());
            used.for_each(|head| days.retain(|day| *day != head.day));
        }
        days
    }

    /// Writes the watermark, when something was committed since.
    pub(super) fn mark(&mut self) -> std::io::Result<()> {
        let (sequence, records) = {
            let published = self.shared.published.read();
            (published.sequence, published.records)
        };
        if sequence != self.marked {
            let fingerprint = self.shared.vault.fingerprint();
            Watermark { fingerprint, sequence, records }.write(&self.shared.settings.dir)?;
            self.marked = sequence;
        }
        Ok(())
    }

    fn commit(&self, changes: Vec<Change>, checks: Vec<Check>) -> Result<(), StoreError> {
        wait(self.send(changes, checks)?)
    }

    fn send(&self, changes: Vec<Change>, checks: Vec<Check>) -> Result<Ack, StoreError> {
        let (ack, done) = oneshot::channel();
        self.shared.waiting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let job = Job { commit: Commit { changes, checks }, ack };
        self.writer.send(Message::Commit(job)).map_err(|_| failed("the store is closed"))?;
        Ok(done)
    }
}

type Ack = oneshot::Receiver<Done>;

fn wait(done: Ack) -> Result<(), StoreError> {
    done.blocking_recv().map_err(|_| failed("the store is closed"))?.outcome
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}
