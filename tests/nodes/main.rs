//! Several nodes on one PostgreSQL: real processes, real servers, and whatever may happen to either.
//!
//! `share`: what one node knows all know; `login`: whom one lets in, and whom not. `pause`: who was stopped past its lease comes too late. `kill`: nodes die under load.
//! `failover`: the database's primary dies under load, and its standby is promoted. `slow`: a database that is slow or silent,
//! and a storm of connections. Each has faults of its own that it must catch; those of the judge are in `town::planted`.
//!
//! Small here; full size: `cargo test --locked --profile proof --test nodes -- --ignored --test-threads 1`.

mod failover;
mod kill;
mod login;
mod pause;
#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../process/mod.rs"]
mod process;
mod share;
mod slow;
#[path = "../town/mod.rs"]
mod town;
