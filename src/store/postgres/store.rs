use super::committer::Job;
use super::connect;
use super::counts::{self, Count};
use super::migrate::{self, Turn};
use super::options::Options;
use super::place::Places;
use super::reader::{self, Ask};
use super::settings::Settings;
use super::shared::Shared;
use super::sweep::Sweeper;
use super::wish::Wish;
use super::{committer, counters, incoming, keep, node, schema};
use crate::domain::aggregate::Aggregate;
use crate::domain::id::{AggregateId, InstitutionId, PublisherId};
use crate::domain::recipient::{Recipient, RecipientKey};
use crate::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::store::contract::{Counters, Duty, Kind, Later, Mark, Notes, Status, Store, StoreError, Taken};
use crate::vault::Vault;
use deadpool_postgres::Pool;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// The store on PostgreSQL.
pub struct PostgresStore {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: mpsc::Sender<Box<Job>>,
    pub(super) asks: mpsc::Sender<Ask>,
    reads: Semaphore,
    stop: CancellationToken,
    /// Housekeeping has ended.
    ended: CancellationToken,
}

impl PostgresStore {
    /// Opens the store in the database that `settings` name, as node `node`: a number that no other process has.
    ///
    /// # Errors
    /// The settings can't hold, the database can't be reached, is not as it must be, or was begun with another root key. The text
    /// says what to do.
    pub async fn open(settings: &Settings, options: Options, vault: Arc<Vault>, node: i64) -> Result<Arc<Self>, StoreError> {
        let pool = ready(settings, node).await?;
        let (jobs, waiting) = mpsc::channel(options.queue);
        let (asks, wanted) = mpsc::channel(options.reads);
        let reads = Semaphore::new(options.reads);
        let shared = Arc::new(Shared::new(options, vault, pool, node));
        keep::check_root(&shared).await?;
        incoming::check_whole(&shared).await?;
        node::enter(&shared).await?;
        keep::prepare(&shared).await?;
        keep::count(&shared).await?;
        counters::begin(&shared).await?;
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(committer::run(shared.clone(), waiting));
        tokio::spawn(reader::run(shared.clone(), wanted));
        tokio::spawn(counters::run(shared.clone(), stop.clone()));
        let (keeper, told, over) = (shared.clone(), stop.clone(), ended.clone());
        tokio::spawn(async move {
            let _over = over.drop_guard();
            keep::run(keeper, told).await;
        });
        Ok(Arc::new(Self { shared, jobs, asks, reads, stop, ended }))
    }

    /// A store that reads and writes for a copy, and has no housekeeping: who copies brings the data keys along.
    pub(super) fn bare(pool: Pool, options: Options, vault: Arc<Vault>, node: i64) -> Self {
        let (jobs, _) = mpsc::channel(1);
        let (asks, wanted) = mpsc::channel(options.reads);
        let reads = Semaphore::new(options.reads);
        let shared = Arc::new(Shared::new(options, vault, pool, node));
        tokio::spawn(reader::run(shared.clone(), wanted));
        Self { shared, jobs, asks, reads, stop: CancellationToken::new(), ended: CancellationToken::new() }
    }

    /// Counts what is open and what waits now, not only when the next count is due.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        keep::count(&self.shared).await
    }

    /// One round of housekeeping now, as far as it is this node's: partitions and data keys are made, records that are over go, and
    /// so do the days beyond retention.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        keep::prepare(&self.shared).await?;
        let mut sweeper = Sweeper::new(&self.shared);
        while sweeper.begin(&self.shared).await? && !sweeper.is_through() {
            sweeper.step(&self.shared).await?;
        }
        Ok(())
    }

    /// Gives back what this node has and has not sent, when nobody asks it for work any more: another node, or the next start, need not
    /// wait for its leases.
    pub async fn give_back(&self) -> Result<usize, StoreError> {
        super::release::release(&self.shared).await
    }

    /// The time as the database has it, which all nodes share: what decisions are to be made by.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// Ends housekeeping; commits that wait are still made.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Until housekeeping has ended after [`PostgresStore::close`], and the other nodes know that this one is gone.
    pub async fn closed(&self) {
        self.ended.cancelled().await;
    }

    // Nobody waits for the database without bound.
    pub(super) async fn bounded<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.shared.check_form()?;
        let Ok(_place) = self.reads.try_acquire() else { return Err(StoreError::Busy) };
        let done = tokio::time::timeout(self.shared.options.read_timeout, work).await;
        done.unwrap_or_else(|_| Err(StoreError::Away("a read took too long".to_owned())))
    }
}

// Connections to a database whose schema is this program's.
pub(super) async fn ready(settings: &Settings, node: i64) -> Result<Pool, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
    let pool = connect::pool(settings).map_err(|error| failed(&error))?;
    let mut client = pool.get().await.map_err(|error| failed(&super::reason(&error)))?;
    if settings.migrate {
        let turn = Turn::of(format!("node {node}"));
        migrate::apply(&mut client, schema::STEPS, &turn).await.map_err(|error| failed(&error))?;
    }
    migrate::check(&client, schema::STEPS).await.map_err(|error| failed(&error))?;
    drop(client);
    Ok(pool)
}

impl Store for PostgresStore {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        Box::pin(self.bounded(self.read(query)))
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move { self.write(Wish::of(&self.shared.vault, self.shared.form(), writes, &expects)?).await })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        Box::pin(async move {
            self.shared.check_form()?;
            let mut leases = self.shared.leases.take(now, max);
            let last = self.shared.looked_at.load(Ordering::Relaxed);
            let look = self.shared.options.look_every.as_millis() as i64;
            if leases.len() < max && (now.millis() >= last.saturating_add(look) || now.millis() < last) {
                self.shared.looked_at.store(now.millis(), Ordering::Relaxed);
                let more = async {
                    self.bounded(self.resolve_doubts(now)).await?;
                    self.bounded(self.take_over(now, span, max - leases.len())).await
                };
                match more.await {
                    Ok(()) => leases.extend(self.shared.leases.take(now, max - leases.len())),
                    Err(error) if leases.is_empty() => return Err(error),
                    // What was handed out is no longer here: it would wait until its lease is over.
                    Err(error) => tracing::warn!(%error, "the database can't be looked at for deliveries that nobody has"),
                }
            }
            Ok(leases)
        })
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        Box::pin(self.bounded(self.due_now(now, max)))
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Arc<Aggregate>, usize)>> {
        Box::pin(self.bounded(self.events(institution, after, max)))
    }

    fn ends(&self) -> Later<'_, Vec<(InstitutionId, u64)>> {
        Box::pin(self.bounded(keep::ends(&self.shared)))
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        Box::pin(async move { Ok(self.bounded(self.read(&Query::One(id))).await?.one) })
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        Box::pin(self.people(publisher, after, max))
    }

    fn status(&self) -> Status {
        self.shared.status()
    }
}

impl Notes for PostgresStore {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        Box::pin(self.bounded(self.one_note(name)))
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        Box::pin(async move { self.write(Wish::notes(&self.shared.vault, &values)?).await })
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        Box::pin(self.bounded(self.noted(prefix)))
    }

    fn duty<'a>(&'a self, name: &'a str, span: Duration) -> Later<'a, Option<Duty>> {
        Box::pin(self.bounded(self.shared.take_duty(name, span)))
    }

    fn set_notes_on(&self, duty: Duty, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        Box::pin(async move {
            let mut wish = Wish::notes(&self.shared.vault, &values)?;
            wish.duty = Some((Places(&self.shared.vault).duty(&duty.name), duty.fence as i64));
            self.write(wish).await
        })
    }
}

impl Counters for PostgresStore {
    fn shared_since(&self) -> Option<Timestamp> {
        self.shared.counts.since.get().copied()
    }

    fn tell(&self, mark: Mark, count: u32, left: Duration) {
        let until = self.shared.now().plus(left).millis();
        self.shared.counts.put(counts::key(&mark), Count { count, until });
    }

    fn others(&self, mark: &Mark) -> u32 {
        self.shared.counts.others(&counts::key(mark), self.shared.now().millis())
    }

    fn is_quiet(&self, kind: Kind) -> bool {
        self.shared.counts.is_quiet(kind, || self.shared.now().millis())
    }

    fn exchange(&self) -> Later<'_, ()> {
        Box::pin(async { Ok(counters::exchange(&self.shared).await?) })
    }

    fn take(&self, mark: Mark, content: [u8; 16], left: Duration) -> Later<'_, Taken> {
        Box::pin(self.bounded(async move { Ok(counters::take(&self.shared, &counts::key(&mark), &content, left).await?) }))
    }
}
