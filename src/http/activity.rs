//! Whether anything happens on a connection. A request costs it a few atomic steps, and wakes nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The requests in progress on one connection, and when the last one ended.
#[derive(Clone)]
pub(super) struct Activity(Arc<Counts>);

/// A request in progress, until it is dropped.
pub(super) struct Progress(Arc<Counts>);

struct Counts {
    begun: Instant,
    requests: AtomicUsize,
    // Milliseconds from `begun` to the end of the last request.
    ended: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Counts { begun: Instant::now(), requests: AtomicUsize::new(0), ended: AtomicU64::new(0) }))
    }
}

impl Activity {
    /// Counts one more request.
    pub(super) fn enter(&self) -> Progress {
        self.0.requests.fetch_add(1, Ordering::AcqRel);
        Progress(Arc::clone(&self.0))
    }

    /// Waits until there has been no request for `limit`. Looks no more often than that.
    pub(super) async fn idle_for(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let until = self.0.idle_since().unwrap_or(now) + limit;
            if until <= now {
                return;
            }
            sleep_until(until).await;
        }
    }
}

impl Counts {
    // `None`: a request is in progress.
    fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.requests.load(Ordering::Acquire) == 0;
        is_idle.then(|| self.begun + Duration::from_millis(self.ended.load(Ordering::Relaxed)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let ended = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // The end first: whoever sees that nothing is in progress sees it too.
        self.0.ended.store(ended, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const LIMIT: Duration = Duration::from_secs(60);

    /// When a connection is found idle whose requests begin and end at these seconds.
    async fn check(requests: &[(u64, u64)], expected: u64) {
        let (activity, begun) = (Activity::default(), Instant::now());
        let idle = tokio::spawn({
            let activity = activity.clone();
            async move {
                activity.idle_for(LIMIT).await;
                begun.elapsed()
            }
        });
        let until = async |second: u64| sleep_until(begun + Duration::from_secs(second)).await;
        for (from, to) in requests {
            until(*from).await;
            let progress = activity.enter();
            until(*to).await;
            drop(progress);
        }
        assert_eq!(idle.await.unwrap().as_secs(), expected, "{requests:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_a_limit_after_its_last_request() {
        check(&[], 60).await;
        check(&[(1, 2)], 62).await;
        check(&[(50, 70)], 130).await;
        check(&[(0, 1), (30, 31), (59, 200)], 260).await;
    }

    #[tokio::test(start_paused = true)]
    async fn requests_side_by_side_are_all_counted() {
        let activity = Activity::default();
        let (first, second) = (activity.enter(), activity.enter());
        drop(first);
        advance(LIMIT * 3).await;
        assert_eq!(activity.0.idle_since(), None);
        drop(second);
        assert_eq!(activity.0.idle_since(), Some(Instant::now()));
    }
}
