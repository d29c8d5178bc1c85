//! Changes that one process at a time makes for all that share a store, and that somebody waits for.

use super::Trouble;
use crate::store::contract::{Duty, Notes};
use std::time::Duration;

/// How long the duty lasts when its process is gone.
const SPAN: Duration = Duration::from_secs(5);
/// How often it is asked for, and how long in between: longer than it lasts in all.
const TRIES: u32 = 60;
const PACE: Duration = Duration::from_millis(100);

/// Does `work` while this process has the duty `name`, and gives it up whatever comes of it. [`Trouble::Busy`] when others have had it
/// for more than six seconds.
pub(super) async fn while_on_duty<T, E: From<Trouble>, F: Future<Output = Result<T, E>>>(
    notes: &dyn Notes,
    name: &str,
    work: impl FnOnce(Duty) -> F,
) -> Result<T, E> {
    for _ in 0..TRIES {
        if let Some(duty) = notes.duty(name, SPAN).await.map_err(Trouble::from)? {
            let done = work(duty).await;
            // Others need not wait for its end. When this fails, they do.
            let _ = notes.duty(name, Duration::ZERO).await;
            return done;
        }
        tokio::time::sleep(PACE).await;
    }
    Err(Trouble::Busy { retry_after: Duration::from_secs(2) }.into())
}
