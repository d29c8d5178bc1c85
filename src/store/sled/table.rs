//! One sled database used the one way that is safe with 0.34.7: plain batches, `flush`, then our own `sync_data`.
//!
//! `flush` alone reaches the kernel, not the platter: sled uses `sync_file_range`. No transactions, no subscribers, never
//! `flush_async` (it hangs), no background flush, no value of 100 KiB or more (blob files leak).

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// What sled says when another process, or another handle, has the database.
const LOCKED: &str = "could not acquire lock";
/// How long another holder is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An open database and our own handle of its file.
pub(super) struct Table {
    db: ::sled::Db,
    file: File,
}

impl Table {
    /// Opens the database in `dir`, or makes it. sled locks it for this process; another holder is waited for a little.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, ::sled::Error> {
        let db = opened(dir, cache_bytes)?;
        let file = File::open(dir.join("db"))?;
        file.sync_all()?;
        // sled writes its settings once and never syncs them: torn by a power cut, they make the whole database unreadable.
        File::open(dir.join("conf"))?.sync_all()?;
        sync_dir(dir)?;
        if let Some(parent) = dir.parent() {
            sync_dir(parent)?;
        }
        Ok(Self { db, file })
    }

    /// Applies one batch and returns when it is on the platter.
    pub(super) fn apply(&self, batch: ::sled::Batch) -> Result<(), ::sled::Error> {
        guarded(|| self.db.apply_batch(batch).and_then(|()| self.db.flush()))?;
        self.file.sync_data()?;
        Ok(())
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<::sled::IVec>, ::sled::Error> {
        guarded(|| self.db.get(key))
    }

    /// Keys and values from `from` on (inclusive) up to `to` (exclusive; `None`: to the end), in order.
    pub(super) fn range(&self, from: &[u8], to: Option<&[u8]>) -> ::sled::Iter {
        match to {
            Some(to) => self.db.range(from..to),
            None => self.db.range(from..),
        }
    }
}

// A database that was closed lets its lock go a little later, from a thread of sled's own; a server that was just stopped, too.
fn opened(dir: &Path, cache_bytes: u64) -> Result<::sled::Db, ::sled::Error> {
    let config = ::sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(None);
    let started = Instant::now();
    loop {
        match guarded(|| config.open()) {
            Err(::sled::Error::Io(error)) if error.to_string().contains(LOCKED) && started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_PAUSE);
            }
            done => return done,
        }
    }
}

/// Does `work`, and makes an error of a panic: sled 0.34.7 panics on some damaged logs. What it was working on is not used
/// for writing afterwards.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, ::sled::Error>) -> Result<T, ::sled::Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(::sled::Error::ReportableBug(format!("it panicked: {}", said.unwrap_or("without a word"))))
    })
}

/// Whether an error says that the data is damaged, and not only that it can't be reached now.
pub(super) fn is_damage(error: &::sled::Error) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    !matches!(error, ::sled::Error::Io(error) if !matches!(error.kind(), InvalidData | UnexpectedEof))
}

/// Makes a directory's entries durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
