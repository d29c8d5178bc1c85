//! What the routes of the demonstration share.

use super::stage::Stage;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Readers at once.
const READERS: usize = 32;
/// What the routes share.
#[derive(Clone)]
pub(super) struct Floor {
    pub(super) stage: Arc<dyn Stage>,
    readers: Arc<Semaphore>,
    nudges: watch::Sender<()>,
}

impl Floor {
    pub(super) fn new(stage: Arc<dyn Stage>) -> Self {
        Self { stage, readers: Arc::new(Semaphore::new(READERS)), nudges: watch::channel(()).0 }
    }

    /// A place for a reader, while there is one.
    pub(super) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.readers).try_acquire_owned().ok()
    }

    /// Wakes when [`Floor::nudge`] is called.
    pub(super) fn nudges(&self) -> watch::Receiver<()> {
        self.nudges.subscribe()
    }

    /// Wakes all readers.
    pub(super) fn nudge(&self) {
        self.nudges.send_replace(());
    }
}
