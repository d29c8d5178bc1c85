//! What the database's errors mean to us.

use crate::store::contract::StoreError;
use tokio_postgres::error::SqlState;

/// Why a statement did not do what it should.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A row is not as it must be.
    Conflict,
    /// It met another transaction: the same again will do.
    Again,
    /// A partition is not there: its day is over, or did not begin.
    NoTable,
    /// The connection is gone, or the database has no time for us; what became of it is not known.
    Away(String),
    /// All connections are in use; nothing was asked.
    Busy,
    /// Anything else: a fault of ours, or of the database's settings.
    Failed(String),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else { return Self::Away(told(&error)) };
        match *state {
            SqlState::DIVISION_BY_ZERO | SqlState::UNIQUE_VIOLATION => Self::Conflict,
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::LOCK_NOT_AVAILABLE
            // Two that make a table only where there is none, at the same time: one looks, waits for the other, and is told so.
            | SqlState::DUPLICATE_TABLE
            | SqlState::DUPLICATE_OBJECT => Self::Again,
            SqlState::UNDEFINED_TABLE => Self::NoTable,
            SqlState::QUERY_CANCELED
            | SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::TOO_MANY_CONNECTIONS
            | SqlState::READ_ONLY_SQL_TRANSACTION
            | SqlState::IDLE_SESSION_TIMEOUT
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::DISK_FULL
            | SqlState::OUT_OF_MEMORY => Self::Away(told(&error)),
            _ => Self::Failed(told(&error)),
        }
    }
}

impl From<deadpool_postgres::PoolError> for Trouble {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => match Self::from(error) {
                away @ Self::Away(_) => away,
                other => Self::Away(format!("{other:?}")),
            },
            deadpool_postgres::PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Self::Busy,
            other => Self::Away(other.to_string()),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Conflict | Trouble::Again => Self::Conflict,
            Trouble::NoTable => Self::Failed("a partition is missing; see the log".to_owned()),
            Trouble::Away(cause) => Self::Away(cause),
            Trouble::Busy => Self::Busy,
            Trouble::Failed(cause) => Self::Failed(cause),
        }
    }
}

// The database's own words, with its code: they name tables and settings, never values, because values are parameters.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(it) => format!("{} ({})", it.message(), it.code().code()),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}
