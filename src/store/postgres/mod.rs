//! The store on PostgreSQL, and on what speaks its protocol.
//!
//! In reading order: [`settings`]; `schema` (the tables, step by step), [`migrate`] (how a database gets there, with many nodes
//! starting at once); [`connect`] (a pool of connections to the host that takes writes) and its `tls`; `problem` (what went wrong,
//! for a person).

pub mod connect;
pub mod migrate;
pub mod settings;

mod problem;
mod schema;
mod tls;

pub use problem::reason;
pub use schema::STEPS;
pub use settings::Settings;
