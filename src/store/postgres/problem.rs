//! What went wrong between us and the database, for a person.

use std::error::Error as _;

/// What the server said, with its code (SQLSTATE); or how the connection broke. Never details of rows, nor a password.
pub(super) fn text(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
