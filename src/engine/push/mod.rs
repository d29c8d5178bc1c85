//! Events to subscribers: at least once, in order per session; nobody waits behind a poisoned event (decision 24).
//!
//! A subscriber has a cursor for each institution. What comes after it is pushed in pages; institutions don't wait for each other, and a
//! long page goes out in several lanes at once. A page that fails again and again is taken apart, what fails alone is held (with what
//! follows in its session) and tried by itself, and what is refused, or held for too long, is parked. A head that fails waits longer each
//! time, for its institution alone. Cursor, held and parked events are notes, so all of it survives a restart. Both are bounded for each
//! institution: what fails when 1,000 are held is parked, and of parked events the newest 10,000 are kept ([`Engine::parked`]).

mod apart;
#[cfg(test)]
mod asked;
mod known;
mod lags;
mod lanes;
mod ledger;
mod line;
mod page;
mod parked;
mod patience;
mod pusher;
mod steady;
mod subscriber;
mod tenure;

pub use lags::Lags;
pub use parked::{Parked, ParkedList};
pub use subscriber::{Filter, Subscriber};

use super::{Engine, Trouble};
use crate::domain::id::InstitutionId;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use line::{Line, Lines, Next};
use pusher::Pusher;
use std::sync::Arc;
use std::time::Duration;
use tenure::Number;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long to wait when there is nothing to push; a commit wakes earlier.
const IDLE: Duration = Duration::from_millis(500);
/// Between two looks for what there is, unless a page was full: under load one page then takes many events, and one note keeps the cursor
/// past them all.
const PACE: Duration = Duration::from_millis(10);
/// How long to wait while another process pushes.
const OFF_DUTY: Duration = Duration::from_secs(2);
/// How long to wait when the store can't be read or written.
const TROUBLED: Duration = Duration::from_secs(10);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Pushes to one subscriber until told to stop.
pub async fn run(engine: Arc<Engine>, subscriber: Subscriber, lags: Arc<Lags>, stop: CancellationToken) {
    let mut changes = engine.changes();
    let pusher = Pusher::new(engine, subscriber, lags, stop.clone());
    let (mut lines, mut begun, mut under_way) = (Lines::new(), None, FuturesUnordered::new());
    while !stop.is_cancelled() {
        let looked = Instant::now();
        let mut served = Vec::new();
        let found = {
            // What is under way goes on meanwhile: it may have what the look waits for.
            let looking = look(&pusher, &mut lines, &mut begun);
            let keeping_up = pusher.keep_up();
            tokio::pin!(looking, keeping_up);
            loop {
                tokio::select! {
                    biased;
                    Some(one) = under_way.next(), if !under_way.is_empty() => served.push(one),
                    found = &mut looking => break found,
                    () = &mut keeping_up => {}
                }
            }
        };
        // Until when there is nothing to look for, and whether a commit may change that.
        let (rest, woken) = match found {
            Ok(Some((ready, next))) => {
                under_way.extend(ready.into_iter().map(|(institution, line)| pusher.serve(institution, line)));
                (next.map_or(looked + IDLE, |it| it.min(looked + IDLE)), true)
            }
            Ok(None) => (looked + OFF_DUTY, false),
            Err(error) => {
                tracing::error!(subscriber = pusher.name(), %error, "events can't be read or their state can't be kept");
                (looked + TROUBLED, false)
            }
        };
        let mut missed = false;
        let pause = looked + PACE;
        loop {
            for one in served.drain(..) {
                match lines.back(one) {
                    Next::Again(institution, line) => under_way.push(pusher.serve(institution, line)),
                    Next::Look => missed = true,
                    Next::Rest => {}
                }
            }
            let until = match (woken, missed) {
                (true, true) => pause,
                (true, false) => rest.max(pause),
                (false, _) => rest,
            };
            let rested = woken && Instant::now() >= pause;
            // In this order, so that the same happens again from the same seed.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(one) = under_way.next(), if !under_way.is_empty() => served.push(one),
                () = changes.changed(), if rested => break,
                () = sleep_until(until) => break,
                // From now on a commit is a reason to look.
                () = sleep_until(pause), if woken && !rested => {}
            }
        }
    }
    while under_way.next().await.is_some() {}
    drop(under_way);
    pusher.off_duty().await;
}

/// Institutions to serve, and when the next one may be.
type Ready = (Vec<(InstitutionId, Line)>, Option<Instant>);

// `None`: another process pushes. What it did is read when this one's turn comes.
async fn look(pusher: &Pusher, lines: &mut Lines, begun: &mut Option<Number>) -> Result<Option<Ready>, Trouble> {
    let Some(tenure) = pusher.on_duty().await? else { return Ok(None) };
    if *begun != Some(tenure) {
        lines.forget();
        pusher.begin(tenure).await?;
        *begun = Some(tenure);
    }
    let wanted = pusher.look(lines).await?;
    Ok(Some(lines.start(wanted, tenure)))
}

// A second, doubled each failure, up to the longest wait; spread by `share` (0 to 1) so that subscribers don't beat in time.
fn wait(failures: u32, share: f64) -> Duration {
    let full = Duration::from_secs(1).saturating_mul(1 << failures.min(9)).min(LONGEST_WAIT);
    full.mul_f64(0.5 + share / 2.0)
}
