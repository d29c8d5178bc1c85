//! Sessions whose time is up.

use super::Engine;
use crate::domain::decide::Request;
use crate::domain::snapshot::Query;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often due sessions are looked for.
const EVERY: Duration = Duration::from_millis(200);
/// How many are ended at a time; more wait for the next look, which then follows at once.
const AT_ONCE: usize = 256;

/// Ends sessions that are due, until told to stop.
pub async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    loop {
        let full = engine.end_due(AT_ONCE).await == AT_ONCE;
        let pause = if full { Duration::ZERO } else { EVERY };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Engine {
    /// Ends at most `max` sessions that are due; returns how many were looked at.
    pub async fn end_due(&self, max: usize) -> usize {
        let due = match self.parts.store.due(self.now(), max).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "due sessions can't be read");
                return 0;
            }
        };
        let ends = due.iter().map(async |id| {
            let ended = self.carry_out(&Query::One(*id), &Request::Tick(*id), |_| {}).await;
            if let Err(error) = ended {
                tracing::warn!(%id, %error, "a session could not be ended now; it is tried again");
            }
        });
        futures_util::future::join_all(ends).await;
        due.len()
    }
}
