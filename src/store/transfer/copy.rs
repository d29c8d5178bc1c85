//! From a store on sled, while it serves, to PostgreSQL: copied in rounds, until little is left; then the last of it with all writes
//! halted; then compared, record by record.

pub use super::error::CopyError;
use super::item::{Ident, Item, Kind};
use super::ledger::{Differences, Ledger};
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::key::{Key, kind};
use crate::store::postgres::{Found, Incoming, Options, Settings};
use crate::store::sled::SledStore;
use crate::vault::Vault;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records in one transaction.
const BATCH: usize = 64;
/// Records of history read at once.
const PART: usize = 1024;
/// A round that copied no more is the last before writes are halted.
const LITTLE: usize = 500;
/// Rounds at most before that: a store that changes faster than it is copied has its window shortened by no further round.
const MOST_ROUNDS: usize = 20;

/// How long messages that are being handed over are waited for, before writes are halted.
const SETTLED: Duration = Duration::from_secs(90);

/// How to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// How long writes may be halted. When it would take longer, the copy is given up and writes go on.
    pub window: Duration,
    /// All of history, not only the days that tombstones may be in.
    pub history: bool,
    /// Begin anew what a copy before did not finish.
    pub restart: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), history: false, restart: false }
    }
}

/// What was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Records of each kind.
    pub counts: BTreeMap<Kind, u64>,
    /// Rounds before the last.
    pub rounds: usize,
    /// How long all of it took.
    pub took: Duration,
    /// How long writes were halted.
    pub window: Duration,
}

/// A copy under way.
pub struct Copy {
    source: Arc<SledStore>,
    target: Incoming,
    vault: Arc<Vault>,
    plan: Plan,
    forgotten: Timestamp,
    sent: Ledger,
    versions: HashMap<AggregateId, u64>,
    rows: HashMap<Key, Ident>,
    since: u64,
    past: BTreeMap<u32, u64>,
    told: Instant,
}

impl Copy {
    /// Looks at the database, and begins. `vault` has the source's root key and is this copy's alone.
    pub async fn begin(
        source: Arc<SledStore>,
        (settings, options): (&Settings, Options),
        vault: Arc<Vault>,
        plan: Plan,
    ) -> Result<Self, CopyError> {
        let (ours, theirs) = (source.fingerprint(), vault.fingerprint());
        if ours != theirs {
            let why = format!("the data are sealed under root key {ours}, and this is {theirs}: both stores need the same root key");
            return Err(StoreError::Failed(why).into());
        }
        let forgotten = source.tombstones_since();
        let (target, found) = Incoming::open(settings, options, vault.clone(), forgotten).await?;
        match found {
            Found::Taken => return Err(CopyError::Taken),
            Found::Unfinished if !plan.restart => return Err(CopyError::Unfinished),
            Found::Empty | Found::Unfinished => target.begin(found).await?,
        }
        Ok(Self {
            source,
            target,
            vault,
            plan,
            forgotten,
            sent: Ledger::default(),
            versions: HashMap::new(),
            rows: HashMap::new(),
            since: 0,
            past: BTreeMap::new(),
            told: Instant::now(),
        })
    }

    /// All of it: rounds, then the window, then the comparison. `settle` is told to stop handing messages over, and says whether all
    /// that were under way have ended; it is asked again until they have. On success writes stay halted, and the data directory
    /// says that its data moved `to`; the server is to end. Else all goes on as before.
    pub async fn run(mut self, to: &str, mut settle: impl FnMut() -> bool) -> Result<Report, CopyError> {
        let began = Instant::now();
        let mut rounds = 0;
        loop {
            rounds += 1;
            let copied = self.round().await?;
            tracing::info!(round = rounds, copied, "copied a round");
            if copied <= LITTLE || rounds == MOST_ROUNDS {
                break;
            }
        }
        let asked = Instant::now();
        while !settle() {
            if asked.elapsed() > SETTLED {
                return Err(CopyError::Unsettled);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (opened, halted) = (Instant::now(), Halted(self.source.clone()));
        let last = tokio::time::timeout(self.plan.window, self.last()).await;
        last.unwrap_or(Err(CopyError::Window(self.plan.window)))?;
        // From here on it is not given up: who was told that it moved must find it there.
        self.source.retire(to)?;
        if let Err(error) = self.target.finish().await {
            if !matches!(self.target.is_finished().await, Ok(false)) {
                std::mem::forget(halted);
                return Err(CopyError::Unknown(error));
            }
            self.source.take_back()?;
            return Err(error.into());
        }
        std::mem::forget(halted);
        Ok(Report { counts: self.sent.counts(), rounds, took: began.elapsed(), window: opened.elapsed() })
    }

    // What is done while writes are halted, and may still be given up.
    async fn last(&mut self) -> Result<(), CopyError> {
        self.source.halt(self.plan.window).await?;
        self.round().await?;
        let off = self.verify().await?;
        if off.is_empty() { Ok(()) } else { Err(CopyError::Differs(off)) }
    }

    /// Copies what is new since the last round; tells how many records that were.
    pub async fn round(&mut self) -> Result<usize, CopyError> {
        let (source, since) = (self.source.clone(), self.since);
        // The hot store first: what leaves it meanwhile is in history then.
        let image = tokio::task::spawn_blocking(move || source.image(since)).await.map_err(|_| stopped())?;
        let (keys, rest): (Vec<_>, Vec<_>) = image.changed.into_iter().partition(|it| it.0.kind() == kind::DAY);
        let mut copied = self.rows(&keys).await?;
        copied += self.history().await?;
        copied += self.rows(&rest).await?;
        let gone: Vec<Key> = self.rows.keys().filter(|it| !image.present.contains(*it)).copied().collect();
        copied += self.remove(&gone).await?;
        let opened = image.opened.into_iter().map(|(publisher, day, count)| Item::Opened { publisher, day, count });
        copied += self.send(opened.collect()).await?;
        self.since = image.sequence;
        Ok(copied)
    }

    /// Reads everything back, and compares it with what was sent.
    pub async fn verify(&self) -> Result<Differences, CopyError> {
        Ok(self.target.read_back(self.forgotten).await?.compare(&self.sent))
    }

    // A record by its key, version and value.
    async fn rows(&mut self, changed: &[(Key, u64, Arc<[u8]>)]) -> Result<usize, CopyError> {
        let mut copied = 0;
        for part in changed.chunks(BATCH) {
            let mut items = Vec::with_capacity(part.len());
            for (key, version, bytes) in part {
                if key.kind() == kind::AGGREGATE {
                    let known = self.versions.entry(key.id()).or_default();
                    if *known >= *version {
                        continue;
                    }
                    *known = *version;
                }
                let Some(item) = self.source.item(key, bytes)? else { continue };
                if key.kind() != kind::AGGREGATE {
                    self.rows.insert(*key, item.ident(&self.vault));
                }
                items.push(item);
            }
            copied += self.send(items).await?;
            self.tell(copied);
        }
        Ok(copied)
    }

    async fn history(&mut self) -> Result<usize, CopyError> {
        let mut copied = 0;
        for day in self.source.past_days(self.plan.history) {
            loop {
                let (source, place) = (self.source.clone(), self.past.get(&day).copied().unwrap_or(0));
                let read = tokio::task::spawn_blocking(move || source.past(day, place, PART)).await.map_err(|_| stopped())?;
                let (records, next) = read?;
                if records.is_empty() {
                    break;
                }
                let versioned = records.into_iter().map(|(key, bytes)| {
                    let head = crate::store::row::head(&bytes).map_err(|error| StoreError::Failed(error.to_string()))?;
                    Ok((key, head.version, bytes))
                });
                let versioned: Vec<_> = versioned.collect::<Result<_, StoreError>>()?;
                copied += self.rows(&versioned).await?;
                self.past.insert(day, next);
            }
        }
        Ok(copied)
    }

    async fn send(&mut self, items: Vec<Item>) -> Result<usize, CopyError> {
        let known = |it: &Item| self.sent.has(&it.ident(&self.vault), &it.digest());
        let items: Vec<Item> = items.into_iter().filter(|it| !known(it)).collect();
        if items.is_empty() {
            return Ok(0);
        }
        self.target.put(&items).await?;
        items.iter().for_each(|it| self.sent.put(it.ident(&self.vault), it.digest()));
        Ok(items.len())
    }

    async fn remove(&mut self, gone: &[Key]) -> Result<usize, CopyError> {
        for part in gone.chunks(BATCH) {
            let idents: Vec<Ident> = part.iter().filter_map(|it| self.rows.remove(it)).collect();
            self.target.remove(&idents).await?;
            idents.iter().for_each(|it| self.sent.remove(it));
        }
        Ok(gone.len())
    }

    // A line a second.
    fn tell(&mut self, copied: usize) {
        if self.told.elapsed() >= Duration::from_secs(1) {
            self.told = Instant::now();
            tracing::info!(copied, "copying");
        }
    }
}

/// Writes go on when it is dropped.
struct Halted(Arc<SledStore>);

impl Drop for Halted {
    fn drop(&mut self) {
        self.0.resume();
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("reading the store stopped".to_owned())
}
