//! Moving everything that a store has into another one: to another engine, or through a file.
//!
//! [`item`] is what travels, whatever the engine: what a record says, not how it is kept. `ledger` remembers what was sent and
//! compares it with what arrived. [`copy`] moves a running store on sled to PostgreSQL.

pub mod copy;
pub mod item;
pub mod ledger;
