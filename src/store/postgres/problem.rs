//! What went wrong between us and the database, for a person. Never details of rows, nor a password.

use deadpool_postgres::{PoolError, TimeoutType};
use std::error::Error as _;
use tokio_postgres::error::SqlState;

/// Why there is no connection, and what to do about it.
pub fn reason(error: &PoolError) -> String {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            "all connections to the database are in use: it is slow, or `pool` is too small for the load".to_owned()
        }
        PoolError::Timeout(_) => "no database host answered in time: are `hosts` right, and does a firewall drop what we send?".to_owned(),
        PoolError::Backend(error) => format!("the database can't be used: {}{}", text(error), advice(error)),
        other => format!("there is no connection to the database: {other}"),
    }
}

/// What the server said, with its code (SQLSTATE); or how the connection broke.
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

fn advice(error: &tokio_postgres::Error) -> &'static str {
    let text = text(error);
    let has = |part: &str| text.contains(part);
    match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD => "; put the password of `user` into `password_file`",
        Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "; let `user` in by the server's pg_hba.conf, by TLS and SCRAM or a certificate"
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => "; create the database, with `user` as its owner",
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => "; lower `pool`, or raise the server's max_connections",
        Some(_) => "",
        None if has("does not allow writes") => "; none of `hosts` is a primary: promote a standby, or name the primary",
        None if has("password missing") => "; put the password of `user` into a file, and name it as `password_file`",
        None if has("server does not support TLS") => "; switch `ssl` on in the server",
        None if has("UnknownIssuer") => "; name the authority of the server's certificate as `ca_file`",
        None if has("NotValidForName") || has("not valid for name") => {
            "; name the host in `hosts` as its certificate does, or give it a certificate with that name"
        }
        None if has("Connection refused") || has("lookup") => "; is it running, and are `hosts` right?",
        None => "",
    }
}
