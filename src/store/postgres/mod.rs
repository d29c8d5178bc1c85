//! The store on PostgreSQL, and on what speaks its protocol.
//!
//! In reading order: `schema` (the tables, step by step), [`migrate`] (how a database gets there, with many nodes starting at once),
//! `problem` (what a server's refusal says).

pub mod migrate;

mod problem;
mod schema;

pub use schema::STEPS;
