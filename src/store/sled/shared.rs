//! What the store and its threads share.

use super::settings::Settings;
use crate::store::published::Published;
use crate::vault::Vault;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The published state, and counts of what was done.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) vault: Arc<Vault>,
    pub(super) published: RwLock<Published>,
    pub(super) ready: AtomicBool,
    /// Writes are refused: all is moving to another store.
    pub(super) halted: AtomicBool,
    stopped: AtomicBool,
    pub(super) commits: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_micros: AtomicU64,
    pub(super) waiting: AtomicU64,
}

impl Shared {
    /// At the start: ready, with nothing counted.
    pub(super) fn new(settings: Settings, vault: Arc<Vault>, published: Published) -> Self {
        Self {
            settings,
            vault,
            published: RwLock::new(published),
            ready: AtomicBool::new(true),
            halted: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_micros: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        }
    }

    /// A thread of the store can't go on: nothing is taken any more, and the process is called to end, once.
    pub(super) fn stop(&self, why: &str) {
        self.ready.store(false, Ordering::SeqCst);
        if !self.stopped.swap(true, Ordering::SeqCst) {
            (self.settings.fatal)(why);
        }
    }
}
