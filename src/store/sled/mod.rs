//! The store on sled 0.34.7, by the discipline that makes it good (see `table`).
//!
//! The hot store is wholly in memory as sealed rows (`published`). Under it is a durable `log`: a step goes to the `journal`, and what
//! lives on goes from there into the `table`, which is sled. Both are read only when the store is opened (`recover`, `content`). One
//! `writer` thread groups commits into durable steps, as many as its `pace` waits for; one `keeper` thread moves what is over into
//! `history`, a directory a day (`archive`), and writes the `watermark` that tells a shortened store when it is opened.

mod archive;
mod backup;
mod content;
mod convert;
mod history;
mod incoming;
mod journal;
mod keeper;
mod log;
mod lookup;
mod mend;
mod outgoing;
mod pace;
mod recover;
mod settings;
mod shared;
mod table;
mod today;
mod watermark;
mod writer;

use super::contract::{Later, Notes, Status, Store, StoreError};
use super::key::Key;
use super::past::{Known, Past, Search};
use super::prepare::Commit;
use super::read::{FeedPart, Reader};
use super::row::Opener;
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::vault::Vault;
pub use backup::{Backup, restore, verify};
use history::History;
pub(in crate::store) use incoming::Fresh;
use keeper::{Keeper, Order};
use pace::Pace;
use parking_lot::Mutex;
pub use settings::{OpenError, Settings};
use shared::Shared;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use writer::{Job, Message, Writer};

/// Look-ups in history at once; more wait their turn.
const MOST_LOOKUPS: usize = 4;
/// How often a query is tried when things move to history meanwhile.
const MOST_TRIES: usize = 16;

/// The store on sled. Closes itself when dropped; [`SledStore::close`] does it in order.
pub struct SledStore {
    shared: Arc<Shared>,
    history: Arc<History>,
    lookups: Semaphore,
    writer: SyncSender<Message>,
    keeper: Sender<Order>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SledStore {
    /// Opens the store in `settings.dir`, or makes it where there never was one. Blocks: a million records take seconds.
    /// `now` chooses the data key and names what has to be set aside.
    pub fn open(settings: Settings, vault: Arc<Vault>, now: Timestamp) -> Result<Arc<Self>, OpenError> {
        outgoing::check(&settings.dir)?;
        let place = recover::Place { dir: &settings.dir, cache_bytes: settings.cache_bytes, now };
        let (log, mut published) = recover::open(&place, Opener { vault: &vault, newest: settings.form })?;
        let until = now.minus(settings.tombstones);
        let history = Arc::new(History::open(settings.dir.join("history"), vault.clone(), until)?);
        today::count(&mut published, &history, now)?;
        let (writer, inbox) = sync_channel(settings.queue.max(1));
        let (keeper, orders) = channel();
        let shared = Arc::new(Shared::new(settings, vault, published));
        let log = Box::new(log.begin(shared.clone()).map_err(std::io::Error::from)?);
        let work = Writer { shared: shared.clone(), past: history.clone(), log, inbox, pace: Pace::new() };
        let writing = spawn("store-writer", move || work.run())?;
        let mut house = Keeper {
            shared: shared.clone(),
            history: history.clone(),
            writer: writer.clone(),
            marked: 0,
            left: VecDeque::new(),
            unproven: None,
        };
        // On a thread of its own: it waits, and the caller may be a runtime's worker.
        let ready = std::thread::scope(|scope| scope.spawn(|| house.keys(now)).join());
        ready.unwrap_or_else(|_| Err(closed())).map_err(|error| OpenError::Io(std::io::Error::other(error)))?;
        house.mark()?;
        let keeping = spawn("store-keeper", move || house.run(&orders))?;
        let threads = Mutex::new(vec![keeping, writing]);
        Ok(Arc::new(Self { shared, history, lookups: Semaphore::new(MOST_LOOKUPS), writer, keeper, threads }))
    }

    /// Writes what is waiting, then the watermark, and ends the threads. Later commits fail. Blocks.
    pub fn close(&self) {
        let mut threads = self.threads.lock();
        let _ = self.keeper.send(Order::Close);
        let mut ends = threads.drain(..);
        if let Some(keeping) = ends.next() {
            let _ = keeping.join();
        }
        self.shared.ready.store(false, Relaxed);
        let _ = self.writer.send(Message::Close);
        ends.for_each(|it| drop(it.join()));
        self.lookups.close();
        self.history.close();
    }

    /// One round of housekeeping now: what is over moves to history, what is beyond retention goes.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let (done, wait) = oneshot::channel();
        self.keeper.send(Order::Round(done)).map_err(|_| closed())?;
        wait.await.map_err(|_| closed())?
    }

    /// The aggregate that a delivery belongs to, for 72 hours after its end.
    pub async fn by_delivery(&self, delivery: DeliveryId) -> Result<Option<AggregateId>, StoreError> {
        let read = |search: &Search<'_>| {
            let here = self.shared.published.read().by_delivery(delivery);
            Ok(here.or_else(|| search.ask(Key::delivery(delivery)).first().map(|it| it.id)))
        };
        self.read(read).await
    }

    /// Writes a consistent copy of everything to `to`, which must not exist, while commits go on.
    pub async fn backup(&self, to: &Path) -> std::io::Result<Backup> {
        let (to, shared, history) = (to.to_owned(), self.shared.clone(), self.history.clone());
        let work = move || backup::write(&to, &shared.vault, &shared.published, &history);
        tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
    }

    fn reader(&self) -> Reader<'_> {
        Reader { published: &self.shared.published, vault: &self.shared.vault }
    }

    // Asks history for what a try wants, and tries again, until it wants nothing: then what it saw is all there is.
    async fn read<T>(&self, read: impl Fn(&Search<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut known = Known::new();
        for _ in 0..MOST_TRIES {
            let (value, wanted) = {
                let search = Search::new(&*self.history, &known);
                (read(&search)?, search.wanted())
            };
            if wanted.is_empty() {
                return Ok(value);
            }
            let ask = move |history: &History| -> Result<Known, StoreError> {
                // The epoch first: what comes in meanwhile makes the answer an old one.
                let epoch = history.epoch();
                wanted.into_iter().map(|key| Ok((key, (epoch, history.find(&key)?)))).collect()
            };
            known.extend(self.look_up(ask).await?);
        }
        Err(StoreError::Busy)
    }

    async fn look_up<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
        &self,
        work: impl FnOnce(&History) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.lookups.acquire().await.map_err(|_| closed())?;
        let history = self.history.clone();
        let looked = tokio::task::spawn_blocking(move || work(&history)).await;
        looked
            .map_err(|_| StoreError::Failed("a look-up in history stopped".into()))?
            .map_err(|error| StoreError::Failed(error.to_string()))
    }

    async fn send(&self, commit: Result<Commit, StoreError>) -> Result<(), StoreError> {
        let (ack, done) = oneshot::channel();
        let job = Job { commit: commit?, ack };
        if !self.shared.ready.load(Relaxed) {
            return Err(closed());
        }
        // Counted first: whoever halts the store waits for it, or it sees the halt.
        self.shared.waiting.fetch_add(1, SeqCst);
        if self.shared.halted.load(SeqCst) {
            self.shared.waiting.fetch_sub(1, Relaxed);
            return Err(StoreError::Busy);
        }
        if let Err(refused) = self.writer.try_send(Message::Commit(job)) {
            self.shared.waiting.fetch_sub(1, Relaxed);
            return Err(match refused {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => closed(),
            });
        }
        done.await.map_err(|_| closed())?.outcome
    }

    async fn find_anywhere(&self, id: AggregateId) -> Result<Option<Versioned<Aggregate>>, StoreError> {
        if let Some(found) = self.read(|search| self.reader().find(id, search)).await? {
            return Ok(Some(found));
        }
        let Some(record) = self.look_up(move |history| history.search(id)).await? else { return Ok(None) };
        let head = super::row::head(&record.bytes).map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Some(Versioned { value: self.reader().open_aggregate(id, &record.bytes)?, version: head.version }))
    }

    async fn feed_anywhere(&self, institution: &InstitutionId, after: u64, max: usize) -> Result<FeedPart, StoreError> {
        // The hot store first: what leaves it in between is already in history.
        let (mut events, complete) = self.reader().feed(institution, after, max)?;
        if complete {
            return Ok(events);
        }
        let institution = institution.clone();
        for past in self.look_up(move |history| history.feed(&institution, after, max)).await? {
            if events.binary_search_by_key(&past.seq, |it| it.0).is_err() {
                let aggregate = Arc::new(self.reader().open_aggregate(past.record.id, &past.record.bytes)?);
                events.push((past.seq, aggregate, usize::from(past.index)));
                events.sort_by_key(|it| it.0);
            }
        }
        events.truncate(max);
        Ok(events)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SledStore {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(self.read(move |search| self.reader().load(query, search)))
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move { self.send(Commit::prepare(&self.shared.vault, self.shared.settings.form, writes, &expects)).await })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        Box::pin(async move { Ok(self.reader().lease(now, span, max)) })
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        Box::pin(async move { Ok(self.shared.published.read().due(now).take(max).collect()) })
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        Box::pin(self.feed_anywhere(institution, after, max))
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        Box::pin(self.find_anywhere(id))
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        Box::pin(async move { self.reader().recipients(publisher, after, max) })
    }

    fn status(&self) -> Status {
        Status {
            ready: self.shared.ready.load(Relaxed),
            commits: self.shared.commits.load(Relaxed),
            syncs: self.shared.syncs.load(Relaxed),
            sync_micros: self.shared.sync_micros.load(Relaxed),
            waiting: self.shared.waiting.load(Relaxed),
            history_lost: self.history.lost(),
            ..self.shared.published.read().status()
        }
    }
}

impl Notes for SledStore {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.reader().note(name) })
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        Box::pin(async move { self.send(Commit::notes(&self.shared.vault, values)).await })
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        Box::pin(async move { self.reader().notes(prefix) })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work)
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}
