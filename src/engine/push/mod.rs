//! Events to subscribers: at least once, in order per session; nobody waits behind a poisoned event (decision 24).
//!
//! A subscriber has a cursor for each institution. What comes after it is pushed in batches; a batch that fails again and
//! again is taken apart, what fails alone is held (with what follows in its session) and tried by itself, and what is
//! refused, or held for too long, is parked. A head that fails waits longer each time, for its institution alone. Cursor, held
//! and parked events are notes, so all of it survives a restart. Both are bounded for each institution: what fails when 1,000 are held is
//! parked, and of parked events the newest 10,000 are kept ([`Engine::parked`]).

mod apart;
mod lags;
mod ledger;
mod parked;
mod patience;
mod pusher;
mod steady;
mod subscriber;

pub use lags::Lags;
pub use parked::{Parked, ParkedList};
pub use subscriber::{Filter, Subscriber};

use super::Engine;
use pusher::{Pusher, Round};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long to wait when there is nothing to push; a commit wakes earlier.
const IDLE: Duration = Duration::from_millis(500);
/// Between two rounds that took all there was: under load one page then takes many events, and one note keeps the cursor past
/// them all.
const PACE: Duration = Duration::from_millis(20);
/// How long to wait while another process pushes.
const OFF_DUTY: Duration = Duration::from_secs(2);
/// How long to wait when the store can't be read or written.
const TROUBLED: Duration = Duration::from_secs(10);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Pushes to one subscriber until told to stop.
pub async fn run(engine: Arc<Engine>, subscriber: Subscriber, lags: Arc<Lags>, stop: CancellationToken) {
    let mut changes = engine.changes();
    let mut pusher = Pusher::new(engine, subscriber, lags, stop.clone());
    let mut begun = false;
    while !stop.is_cancelled() {
        let round = match pusher.on_duty().await {
            Ok(true) if begun => pusher.round().await,
            Ok(true) => pusher.begin().await.map(|()| Round::More),
            // Another process pushes; what it did is read when this one's turn comes.
            Ok(false) => {
                begun = false;
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(OFF_DUTY) => continue,
                }
            }
            Err(error) => Err(error),
        };
        begun |= round.is_ok();
        let pause = match &round {
            Ok(Round::More) => continue,
            Ok(Round::Moved) => PACE,
            Ok(Round::Idle) => pusher.due().map_or(IDLE, |it| it.saturating_duration_since(Instant::now()).min(IDLE)),
            Err(error) => {
                tracing::error!(subscriber = pusher.name(), %error, "events can't be read or their state can't be kept");
                TROUBLED
            }
        };
        // In this order, so that the same happens again from the same seed.
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = changes.changed(), if round == Ok(Round::Idle) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    pusher.off_duty().await;
}

// A second, doubled each failure, up to the longest wait; spread by `share` (0 to 1) so that subscribers don't beat in time.
fn wait(failures: u32, share: f64) -> Duration {
    let full = Duration::from_secs(1).saturating_mul(1 << failures.min(9)).min(LONGEST_WAIT);
    full.mul_f64(0.5 + share / 2.0)
}
