//! A subscriber that may take longer than the duty to push to it lasts.

use super::ledger::{Ledger, RENEW};
use crate::connect::contract::{Pushed, Sink, Soon};
use crate::domain::feed::FeedEvent;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Keeps the duty up while the subscriber takes its time, and until there is a place: it gets so many pushes at once. Else another process
/// would begin with the same page, and neither could keep that it was taken.
pub(super) struct Steady<'a> {
    sink: &'a dyn Sink,
    ledger: &'a Ledger,
    places: &'a Semaphore,
}

impl<'a> Steady<'a> {
    pub(super) fn new(sink: &'a dyn Sink, ledger: &'a Ledger, places: &'a Semaphore) -> Self {
        Self { sink, ledger, places }
    }
}

impl Sink for Steady<'_> {
    fn name(&self) -> &str {
        self.sink.name()
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            let pushed = async {
                let _place = self.places.acquire().await;
                self.sink.push(events).await
            };
            tokio::pin!(pushed);
            loop {
                tokio::select! {
                    biased;
                    pushed = &mut pushed => return pushed,
                    // Lost, it is noticed when the cursor is to be written.
                    () = sleep(RENEW) => drop(self.ledger.on_duty().await),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::Asked;
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

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
            assert_eq!(ledger.on_duty().await, Ok(true));
            let slow = Slow(push);
            assert_eq!(Steady::new(&slow, &ledger, &Semaphore::new(1)).push(&[]).await, Pushed::Taken);
            assert_eq!(asked.duties.load(Ordering::Relaxed), 1 + renewed, "{push:?}");
        };
        check(RENEW / 2, 0).await;
        check(RENEW + RENEW / 2, 1).await;
        check(5 * RENEW + RENEW / 2, 5).await;
    }
}
