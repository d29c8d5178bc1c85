//! Why a store was not moved.

use super::ledger::Differences;
use crate::store::contract::StoreError;
use std::time::Duration;

/// Why it was not copied. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source's files can't be read or written.
    #[error("the data directory: {0}")]
    Files(#[from] std::io::Error),
    /// There is data that is nobody's copy.
    #[error("the database is not empty: name an empty one")]
    Taken,
    /// There is the rest of a copy.
    #[error("an earlier copy into this database was not finished: add --restart to remove what it left and begin anew")]
    Unfinished,
    /// What arrived is not what was sent.
    #[error("what arrived is not what was sent ({0}): nothing was moved, and this server goes on; copy again with --restart")]
    Differs(Differences),
    /// Messages that were being handed over did not end.
    #[error(
        "messages that were being handed over did not end in time: nothing was moved, and this server goes on; look at the gateway, and copy again with --restart"
    )]
    Unsettled,
    /// The database went away at the last moment.
    #[error(
        "the database went away while the move was being finished ({0}): stop this server, and start with the new settings; if that says that the copy was not finished, delete the file `moved` in the data directory and start with the old settings"
    )]
    Unknown(StoreError),
    /// It would have taken longer than it may.
    #[error("it would have taken longer than the window of {}: nothing was moved, and writes go on; give a longer --window, and copy again with --restart", seconds(.0))]
    Window(Duration),
}

fn seconds(span: &Duration) -> String {
    format!("{} s", span.as_secs_f64())
}
