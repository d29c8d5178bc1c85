//! What all parts of the engine on PostgreSQL share.

use super::counts::Counts;
use super::desk::NODES;
use super::known::Known;
use super::leases::Leases;
use super::options::Options;
use super::recent::Recent;
use super::schema;
use super::trouble::Trouble;
use super::watch::Watch;
use crate::domain::id::{AggregateId, DeliveryId, InstitutionId};
use crate::domain::time::Timestamp;
use crate::store::contract::{Status, StoreError};
use crate::store::form::{Form, too_new};
use crate::store::key::Key;
use crate::store::row::{self, Opener};
use crate::vault::{Vault, day_of};
use deadpool_postgres::{Object, Pool};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a day's partitions are tried for while other nodes make the same ones.
const MEETINGS: u32 = 5;

/// A new aggregate of which it is not known whether it was written: then its deliveries wait for this node.
pub(super) struct Doubt {
    pub(super) id: AggregateId,
    pub(super) version: u64,
    pub(super) take: Vec<(Timestamp, DeliveryId)>,
    pub(super) until: Timestamp,
}

/// Shared by the engine's tasks.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) vault: Arc<Vault>,
    pub(super) pool: Pool,
    /// This process, by a number of its own.
    pub(super) node: i64,
    pub(super) known: Known,
    /// What was written last, for those who read it at once.
    pub(super) recent: Recent,
    pub(super) leases: Leases,
    pub(super) counts: Counts,
    pub(super) doubts: Mutex<Vec<Doubt>>,
    pub(super) waiting: AtomicU64,
    /// Gives versions: each differs from those before it.
    pub(super) stamp: AtomicU64,
    /// When the database was last looked at for deliveries to take over, in milliseconds.
    pub(super) looked_at: AtomicI64,
    pub(super) status: Mutex<Status>,
    /// Milliseconds that the database's clock is ahead of the machine's.
    ahead: AtomicI64,
    /// The number of the form of values that the database has in use: every node writes and reads it.
    in_use: AtomicU64,
    /// What is known of older nodes.
    pub(super) watch: Mutex<Watch>,
    /// When the database last answered.
    pub(super) heard: Mutex<Option<Instant>>,
    /// For each feed, the last number that was read and the day of its partition.
    pub(super) read_upto: Mutex<HashMap<i64, (u64, i32)>>,
    /// Feeds whose rows are there.
    feeds: Mutex<BTreeSet<i64>>,
    /// Whose feeds they are, which is sealed there.
    names: Mutex<HashMap<i64, InstitutionId>>,
    commits: AtomicU64,
    syncs: AtomicU64,
    sync_micros: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: Options, vault: Arc<Vault>, pool: Pool, node: i64) -> Self {
        let stamp = u64::try_from((options.clock)().millis()).unwrap_or(0).saturating_mul(1000);
        Self {
            options,
            vault,
            pool,
            node,
            known: Known::default(),
            recent: Recent::default(),
            leases: Leases::default(),
            counts: Counts::default(),
            doubts: Mutex::default(),
            waiting: AtomicU64::new(0),
            stamp: AtomicU64::new(stamp.max(1)),
            looked_at: AtomicI64::new(i64::MIN),
            status: Mutex::default(),
            ahead: AtomicI64::new(0),
            watch: Mutex::default(),
            in_use: AtomicU64::new(Form::OLDEST.number().into()),
            heard: Mutex::new(Some(Instant::now())),
            read_upto: Mutex::default(),
            feeds: Mutex::default(),
            names: Mutex::default(),
            commits: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_micros: AtomicU64::new(0),
        }
    }

    /// What opens stored values.
    pub(super) fn opener(&self) -> Opener<'_> {
        Opener { vault: &self.vault, newest: self.options.form }
    }

    /// The form that values are written in.
    pub(super) fn form(&self) -> Form {
        Form::of(self.in_use.load(Ordering::Relaxed)).unwrap_or(Form::NEWEST).min(self.options.form)
    }

    /// The database has this form in use; whether that makes this node outdated, which it was not before.
    pub(super) fn uses(&self, number: u64) -> bool {
        let newest = self.options.form.number().into();
        self.in_use.swap(number, Ordering::Relaxed) <= newest && number > newest
    }

    /// Refuses what a node can't do that reads older forms only than the database has in use.
    pub(super) fn check_form(&self) -> Result<(), StoreError> {
        let number = self.in_use.load(Ordering::Relaxed);
        if number <= self.options.form.number().into() { Ok(()) } else { Err(StoreError::Outdated(too_new(number, self.options.form))) }
    }

    /// The time, as the database has it.
    pub(super) fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_millis((self.options.clock)().millis().saturating_add(ahead))
    }

    /// Compares the clocks: the database's time was asked for at `asked` and came at `came`, both by the machine's.
    pub(super) fn compare(&self, asked: Timestamp, theirs: Timestamp, came: Timestamp) {
        if self.options.database_time {
            let ours = asked.millis().midpoint(came.millis());
            self.ahead.store(theirs.millis().saturating_sub(ours), Ordering::Relaxed);
        }
    }

    pub(super) fn today(&self) -> u32 {
        day_of(self.now())
    }

    pub(super) fn stamp(&self) -> u64 {
        (self.stamp.fetch_add(1, Ordering::Relaxed) * (NODES + 1)) | (self.node.unsigned_abs() & NODES)
    }

    /// A durable step was made.
    pub(super) fn wrote(&self, commits: u64, took: Duration) {
        self.commits.fetch_add(commits, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.hear();
    }

    /// The database answered.
    pub(super) fn hear(&self) {
        *self.heard.lock() = Some(Instant::now());
    }

    pub(super) fn status(&self) -> Status {
        let heard = self.heard.lock().is_some_and(|it| it.elapsed() < self.options.silence);
        Status {
            ready: heard && self.check_form().is_ok(),
            commits: self.commits.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            sync_micros: self.sync_micros.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            ..self.status.lock().clone()
        }
    }

    /// Makes sure that an institution's feed has a row.
    pub(super) async fn make_feed(&self, institution: &InstitutionId, number: i64) -> Result<(), StoreError> {
        if self.feeds.lock().contains(&number) {
            return Ok(());
        }
        let name = row::seal(&self.vault, &feed_key(number), institution.as_str().as_bytes(), true).bytes;
        let text = "INSERT INTO feed (shard, feed, last, value) VALUES ($1, $2, 0, $3) ON CONFLICT (shard, feed) DO NOTHING";
        self.execute(text, &[&i32::from(institution.shard()), &number, &name]).await?;
        self.feeds.lock().insert(number);
        // Whoever reads the feeds sees it before the next count.
        let feed = &mut self.status.lock().feed;
        if !feed.iter().any(|it| it.0 == *institution) {
            feed.push((institution.clone(), 0));
        }
        Ok(())
    }

    /// The institution of a feed's row.
    pub(super) fn institution(&self, number: i64, value: &[u8]) -> Option<InstitutionId> {
        if let Some(known) = self.names.lock().get(&number) {
            return Some(known.clone());
        }
        let plain = self.vault.open_row(crate::vault::STANDING, &feed_key(number).0, value).ok()?;
        let institution = std::str::from_utf8(&plain).ok().map(InstitutionId::from)?;
        self.names.lock().insert(number, institution.clone());
        Some(institution)
    }

    /// Makes the partitions of days, if need be; others may have to wait so long for each try.
    pub(super) async fn make_partitions(&self, days: BTreeSet<u32>, wait: Duration) -> Result<(), Trouble> {
        let work = async |client: &Object| {
            for day in days {
                let mut tries = MEETINGS;
                loop {
                    tries -= 1;
                    match client.batch_execute(&schema::partitions(day, wait)).await.map_err(Trouble::from) {
                        // Another node makes the same at the same time: one of the two tables, then the other.
                        Err(Trouble::Conflict | Trouble::Again) if tries > 0 => {}
                        made => break made?,
                    }
                }
            }
            Ok(())
        };
        self.within(self.options.commit_timeout, work).await
    }
}

fn feed_key(number: i64) -> Key {
    let mut rest = [0; 16];
    rest[..8].copy_from_slice(&number.to_be_bytes());
    Key::new(crate::store::key::kind::FEED, rest)
}
