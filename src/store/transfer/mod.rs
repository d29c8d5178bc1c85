//! Moving everything that a store has into another one: to another engine, or through a file.
//!
//! [`item`] is what travels, whatever the engine: what a record says, not how it is kept. [`ledger`] remembers what was sent and
//! compares it with what arrived. [`copy`] moves a running store on sled to PostgreSQL; [`export`] writes either engine's store as lines of
//! `json`, and [`mod@file`] makes either engine's store of them.

pub mod copy;
mod error;
pub mod export;
pub mod file;
pub mod item;
mod json;
pub mod ledger;
