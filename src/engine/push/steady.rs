//! A subscriber that may take longer than the duty to push to it lasts.

use super::tenure::Tenure;
use crate::connect::contract::{Pushed, Sink, Soon};
use crate::domain::feed::FeedEvent;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Keeps the duty up while the subscriber takes its time, and until there is a place: it gets so many pushes at once. Else another process
/// would begin with the same page, and neither could keep that it was taken. What has no place when we are told to stop is not begun.
pub(super) struct Steady<'a> {
    pub sink: &'a dyn Sink,
    pub tenure: &'a Tenure,
    pub places: &'a Semaphore,
    pub stop: &'a CancellationToken,
}

impl Sink for Steady<'_> {
    fn name(&self) -> &str {
        self.sink.name()
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            let pushed = async {
                let _place = self.places.acquire().await;
                if self.stop.is_cancelled() {
                    return Pushed::Later("we are about to end".to_owned());
                }
                self.sink.push(events).await
            };
            tokio::select! {
                biased;
                pushed = pushed => pushed,
                () = self.tenure.keep_up() => Pushed::Later("the duty is not kept up".to_owned()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::Asked;
    use super::super::tenure::RENEW;
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Duration;
    use tokio::time::sleep;

    /// Takes so long for a push.
    struct Slow(Duration);

    impl Sink for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        fn push<'a>(&'a self, _: &'a [FeedEvent]) -> Soon<'a, Pushed> {
            Box::pin(async {
                sleep(self.0).await;
                Pushed::Taken
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_duty_is_kept_up_while_a_push_lasts() {
        let check = async |push: Duration, renewed: usize| {
            let (ledger, _, asked) = Asked::ledger();
            let tenure = &ledger.tenure;
            assert!(tenure.on_duty().await.unwrap().is_some());
            let slow = Slow(push);
            let steady = Steady { sink: &slow, tenure, places: &Semaphore::new(1), stop: &CancellationToken::new() };
            assert_eq!(steady.push(&[]).await, Pushed::Taken);
            assert_eq!(asked.duties.load(Ordering::Relaxed), 1 + renewed, "{push:?}");
        };
        check(RENEW / 2, 0).await;
        check(RENEW + RENEW / 2, 1).await;
        check(5 * RENEW + RENEW / 2, 5).await;
    }
}
