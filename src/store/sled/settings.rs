//! How the store on sled is set, and why it may not open.

use crate::domain::time::Timestamp;
use crate::store::form::Form;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Tells the time for housekeeping.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Called once when a durable step failed, or a thread of the store stopped: the process must end (decision 7). The text is
/// for the log.
pub type Fatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Settings of the store on sled.
#[derive(Clone)]
pub struct Settings {
    /// The data directory: of this store alone. The root key lies elsewhere.
    pub dir: PathBuf,
    /// Whole UTC days that history is kept after its own, before it is dropped and its data keys are destroyed. At least as
    /// many as tombstones need.
    pub retention_days: u32,
    /// Memory for sled's own cache, in bytes. Look-ups don't use it.
    pub cache_bytes: u64,
    /// Bytes of journals that are kept before the oldest is carried over into sled, or as many as the live records have where those
    /// are more; and up to that and twice the live records while what is over in them has not left yet: what starting reads. 0:
    /// everything goes to sled at once, and by the end of the process at the latest.
    pub journal_bytes: u64,
    /// Commits that may wait; one more is refused as busy.
    pub queue: usize,
    /// Commits in one durable step; 64 at most is what was measured to keep memory flat.
    pub max_group: usize,
    /// How long what is over stays in the hot store, where carriers' receipts usually find it. Journals are kept as long, so that
    /// hardly anything that is over gets to sled.
    pub linger: Duration,
    /// How long ids and idempotency keys of what is over are known: 72 h (decision 11), never less than 24 h.
    pub tombstones: Duration,
    /// The newest form of stored values that is read, and the one that is written. Less than the newest there is makes it a store
    /// of an older version, for tests.
    pub form: Form,
    /// The time, for housekeeping.
    pub clock: Clock,
    /// What ends the process when the store can't go on.
    pub fatal: Fatal,
}

impl Settings {
    /// The defaults for the data directory `dir`.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            retention_days: 90,
            cache_bytes: 64 * 1024 * 1024,
            journal_bytes: 32 * 1024 * 1024,
            queue: 4096,
            max_group: 64,
            linger: Duration::from_secs(30),
            tombstones: Duration::from_secs(72 * 3600),
            form: Form::NEWEST,
            clock: Arc::new(|| chrono::Utc::now().into()),
            fatal: Arc::new(end),
        }
    }

    /// Days kept: never fewer than tombstones refer to.
    pub(super) fn kept_days(&self) -> u32 {
        let needed = u32::try_from(self.tombstones.as_secs() / (24 * 3600)).unwrap_or(u32::MAX).saturating_add(1);
        self.retention_days.max(needed)
    }
}

/// Why the store can't be opened; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data was sealed under another root key.
    #[error("the data was sealed under root key {data}, but the root file given is {ours}: give the root file that belongs to this data")]
    Key {
        /// The data's.
        data: String,
        /// That of the vault given.
        ours: String,
    },
    /// There was a store, and it is gone.
    #[error("{} is gone, although data was stored: put it back, or restore a backup with `countersign restore`", .0.display())]
    Missing(PathBuf),
    /// There is a store, and nothing that says how far it had come.
    #[error("the file `watermark` in {} is missing or not readable: without it a loss can't be noticed; put it back, or restore a backup with `countersign restore`", .0.display())]
    Unproven(PathBuf),
    /// A newer version wrote values that this one can't read.
    #[error("{0}, or restore a backup that this version made with `countersign restore`")]
    Newer(String),
    /// The store is damaged or shorter than it was, and was set aside.
    #[error("the store is damaged or incomplete: {why}. Nothing was deleted: it is now in {}. Restore a backup with `countersign restore`", .copy.display())]
    Damaged {
        /// What is wrong, and how far it had come.
        why: String,
        /// Where it is now.
        copy: PathBuf,
    },
    /// Its data moved to another store.
    #[error("the data moved to {to}: start with the settings for that. To go back to what was here before the move, and lose all that came after it, delete {}", .mark.display())]
    Moved {
        /// The file that says so.
        mark: PathBuf,
        /// Where to.
        to: String,
    },
    /// The directory can't be used: missing rights, a full or read-only disk, or another process has it open.
    #[error("the data directory can't be used: {0}; {advice}", advice = advice(.0))]
    Io(#[from] std::io::Error),
}

// What to do about it, by what the system says.
fn advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "the disk is full: make room on it and start again; nothing that was stored is lost",
        ReadOnlyFilesystem => "it is mounted read-only: find out why (a broken disk?), mount it writable, and start again",
        PermissionDenied => "give the directory, and all in it, to the user that runs the server",
        _ => "is another countersign running on it?",
    }
}

// No destructor may run: nothing more must reach the disk.
fn end(why: &str) {
    tracing::error!(why, "the store can't go on; ending, since nothing more can be promised");
    std::process::exit(70);
}
