//! The store on PostgreSQL, and on what speaks its protocol, for several nodes at once.
//!
//! A decision's reads are one statement, and its writes, with those of others that wait, are another: `view` ← `fetch` for the first;
//! `wish` → `plan` (with `desk` and `drafts`) → `ops` → `committer` → `write` for the second. Every write is bound to the version that it was
//! derived from, so nodes need no locks between them; `known` spares reading twice what a decision was made of, and `recent` what was
//! written a moment ago. `leases` has the
//! deliveries that are this node's, `keep` looks after partitions and data keys, `sweep` after what is over, `node` (with `watch`) after
//! who runs and which form of values all of them read. `connection` lends a connection for as long as a statement may take.
//! `counters` and `counts` are what nodes count together. `schema` has the tables, `place` and `rec` what is in `record`;
//! [`PostgresStore`] puts it all together. `incoming` fills a database with what another store had (`numbered`: its events, under the
//! numbers that they have), `outgoing` reads all of it for another store, and `readback` for a comparison, both with a `moment`.
//!
//! How a database gets there: [`settings`]; [`migrate`] (the schema's steps, with many nodes starting at once); [`connect`] (a pool of
//! connections to the host that takes writes) and its `tls` and `secret` files; `problem` (what went wrong, for a person),
//! `trouble` (for us).

pub mod connect;
pub mod migrate;
pub mod options;
pub mod settings;

mod after;
mod committer;
mod connection;
mod counters;
mod counts;
mod desk;
mod drafts;
mod fetch;
mod incoming;
mod keep;
mod known;
mod leases;
mod moment;
mod node;
mod numbered;
mod ops;
mod outgoing;
mod place;
mod plan;
mod problem;
mod readback;
mod reader;
mod reading;
mod rec;
mod recent;
mod release;
mod schema;
mod secret;
mod shared;
mod statement;
mod store;
mod sweep;
mod taking;
mod tls;
mod trouble;
mod view;
mod watch;
mod wish;
mod write;
mod writing;

pub(in crate::store) use incoming::{Found, Incoming};
pub use options::Options;
pub use problem::reason;
#[cfg(any(test, fuzzing))]
pub(in crate::store) use rec::hold;
pub use schema::STEPS;
pub use settings::Settings;
pub use store::PostgresStore;
