//! Tells whoever waits that something was committed.
//!
//! A commit only counts, and looks whether anybody waits at this moment: under load those who read are busy reading, and nobody does.
//! (A `watch` channel takes nine locks for each value that is sent, whoever listens; every worker wants the same ones.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use tokio::sync::Notify;

/// What is counted, and who is woken.
#[derive(Debug, Default)]
struct Shared {
    count: AtomicU64,
    /// Those that wait, or are about to.
    waiting: AtomicUsize,
    wake: Notify,
}

/// Where changes are told of.
#[derive(Debug, Default)]
pub struct Changes(Arc<Shared>);

/// Hears of what is told after it was made.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    seen: u64,
}

impl Changes {
    /// Something was committed.
    pub fn happened(&self) {
        self.0.count.fetch_add(1, SeqCst);
        // One order of all four steps: either this sees that somebody waits, or that one sees the new count.
        if self.0.waiting.load(SeqCst) > 0 {
            self.0.wake.notify_waiters();
        }
    }

    /// Hears of what happens from now on.
    pub fn watch(&self) -> Watch {
        Watch { shared: self.0.clone(), seen: self.0.count.load(SeqCst) }
    }

    /// How many wait now.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(SeqCst)
    }
}

impl Watch {
    /// What has happened until now counts as heard.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.count.load(SeqCst);
    }

    /// Returns once something has happened since this returned last: at once where it has already. Dropped early, it has heard
    /// nothing.
    pub async fn changed(&mut self) {
        let Self { shared, seen } = self;
        let mut hears = || {
            let count = shared.count.load(SeqCst);
            std::mem::replace(seen, count) != count
        };
        if hears() {
            return;
        }
        let _here = Waiting::new(&shared.waiting);
        loop {
            // It hears of every wake-up from here on, polled or not: also of one whose count it has seen already.
            let woken = shared.wake.notified();
            if hears() {
                return;
            }
            woken.await;
        }
    }
}

/// Counts as one that waits while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn what_happened_before_or_while_one_waits_is_heard_once() {
        let changes = Changes::default();
        changes.happened();
        let mut watch = changes.watch();
        assert!(watch.changed().now_or_never().is_none(), "it was before");
        changes.happened();
        changes.happened();
        assert!(watch.changed().now_or_never().is_some());
        assert!(watch.changed().now_or_never().is_none(), "both are heard");
        changes.happened();
        watch.mark_unchanged();
        assert!(watch.changed().now_or_never().is_none());
        let (mut one, mut other) = (changes.watch(), changes.watch());
        let (mut first, mut second) = (Box::pin(one.changed()), Box::pin(other.changed()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert_eq!(changes.waiting(), 2);
        changes.happened();
        first.await;
        drop(second);
        assert_eq!(changes.waiting(), 0);
        assert!(other.changed().now_or_never().is_some(), "who gave up hears of it the next time");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn none_is_missed_between_a_look_and_a_wait() {
        let (changes, heard) = (Arc::new(Changes::default()), Arc::new(AtomicU64::new(0)));
        let mut watch = changes.watch();
        let told = heard.clone();
        let listener = tokio::spawn(async move {
            for _ in 0..20_000 {
                watch.changed().await;
                told.fetch_add(1, SeqCst);
            }
        });
        // Each is told only when the one before was heard, so one that is missed stops all.
        for nth in 0..20_000 {
            changes.happened();
            while heard.load(SeqCst) <= nth {
                tokio::task::yield_now().await;
            }
        }
        listener.await.unwrap();
    }
}
