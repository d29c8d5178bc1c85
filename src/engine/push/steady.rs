//! A subscriber that may take longer than the duty to push to it lasts.

use super::ledger::{Ledger, RENEW};
use crate::connect::contract::{Pushed, Sink, Soon};
use crate::domain::feed::FeedEvent;
use tokio::time::sleep;

/// Keeps the duty up while the subscriber takes its time. Else another process would begin with the same page, and neither could keep
/// that it was taken.
pub(super) struct Steady<'a> {
    sink: &'a dyn Sink,
    ledger: &'a Ledger,
}

impl<'a> Steady<'a> {
    pub(super) fn new(sink: &'a dyn Sink, ledger: &'a Ledger) -> Self {
        Self { sink, ledger }
    }
}

impl Sink for Steady<'_> {
    fn name(&self) -> &str {
        self.sink.name()
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            let mut pushed = self.sink.push(events);
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
    use super::*;
    use crate::engine::draw::{SystemChance, SystemClock};
    use crate::engine::tally::Tally;
    use crate::engine::{Engine, Parts};
    use crate::store::contract::{Duty, Later, Notes};
    use crate::store::memory::MemoryStore;
    use crate::vault::Vault;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
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

    /// Counts how often a duty was asked for.
    struct Asked(Arc<MemoryStore>, AtomicUsize);

    impl Notes for Asked {
        fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
            self.0.note(name)
        }

        fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
            self.0.set_notes(values)
        }

        fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
            self.0.notes(prefix)
        }

        fn duty<'a>(&'a self, name: &'a str, span: Duration) -> Later<'a, Option<Duty>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.duty(name, span)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_duty_is_kept_up_while_a_push_lasts() {
        let check = async |push: Duration, renewed: usize| {
            let vault = Arc::new(Vault::from_root(&[1; 32]));
            let store = Arc::new(MemoryStore::new(vault.clone()));
            let notes = Arc::new(Asked(store.clone(), AtomicUsize::new(0)));
            let tally = Tally::alone(1, vault.clone());
            let parts = Parts { store, notes: notes.clone(), vault, clock: Arc::new(SystemClock), chance: Arc::new(SystemChance), tally };
            let ledger = Ledger::new(Arc::new(Engine::new(parts)), "slow".to_owned());
            assert_eq!(ledger.on_duty().await, Ok(true));
            let slow = Slow(push);
            assert_eq!(Steady::new(&slow, &ledger).push(&[]).await, Pushed::Taken);
            assert_eq!(notes.1.load(Ordering::Relaxed), 1 + renewed, "{push:?}");
        };
        check(RENEW / 2, 0).await;
        check(RENEW + RENEW / 2, 1).await;
        check(5 * RENEW + RENEW / 2, 5).await;
    }
}
