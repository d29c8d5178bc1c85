//! The tasks through which a node reads: what waits while others are under way goes with the next, as one.

use super::fetch::{Eyes, Fetched, Wanted};
use super::shared::Shared;
use crate::store::contract::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Queries in one statement.
const MOST: usize = 64;
/// Statements under way at once.
const LANES: usize = 2;
/// How long what comes waits for a statement that is under way, to go with all that come until then: one of sixteen costs less than two of
/// eight. A longer one shall hold up nobody.
const PATIENCE: Duration = Duration::from_millis(2);

/// A query that waits.
pub(super) struct Ask {
    pub(super) wanted: Wanted,
    pub(super) done: oneshot::Sender<Result<Arc<Fetched>, StoreError>>,
}

/// Reads what comes, until nobody can ask any more.
pub(super) async fn run(shared: Arc<Shared>, mut asks: mpsc::Receiver<Ask>) {
    let lanes = Arc::new(Semaphore::new(LANES));
    loop {
        drop(tokio::time::timeout(PATIENCE, lanes.acquire_many(LANES as u32)).await);
        let Ok(lane) = lanes.clone().acquire_owned().await else { return };
        let Some(Ask { mut wanted, done }) = asks.recv().await else { return };
        let mut waiting = vec![done];
        while waiting.len() < MOST
            && let Ok(more) = asks.try_recv()
        {
            wanted.join(more.wanted);
            waiting.push(more.done);
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            let eyes = Eyes { today: shared.today(), as_of: shared.known.turn() };
            let read = shared.within(shared.options.read_timeout, async |client| eyes.read(client, &wanted).await).await;
            let read = read.map(Arc::new).map_err(StoreError::from);
            if read.is_ok() {
                shared.hear();
            }
            waiting.into_iter().for_each(|it| drop(it.send(read.clone())));
            drop(lane);
        });
    }
}
