//! Who calls: UsernameToken and Basic against the registered credentials (contract, authentication; decisions 4, 29).
//!
//! In reading order: `claim` (what a caller says), `basic` (the HTTP header), [`Credentials`] (the judgement), `passwords` (by
//! MAC and argon2), `replay` (freshness and nonces), `breaker` (against guessing), [`Caller`] (who was let in to REST), [`Operators`] (who reads the metrics).

mod basic;
mod breaker;
mod caller;
mod claim;
mod credentials;
mod mac;
mod operator;
mod passwords;
mod replay;

pub use basic::{Shown, basic, bearer, shown};
pub use caller::Caller;
pub use claim::{Arrival, Claim, Denied, Once, Proof};
pub use credentials::Credentials;
pub use mac::Mac;
pub use operator::Operators;
