//! Where everything durable is. [`contract`] is what the engine relies on; the engines are private behind it.
//!
//! In reading order: [`contract`]; [`form`] (which forms there are), `rows` (the stored forms) on `parts` and `codec`; `key` and `row` (what is clear and what
//! is sealed), `keyed` and `wide` (maps by such keys, and large ones); `facts` (what the indexes keep); `shown`, `latest`, `addresses`, `slots` and `published` (what
//! everybody sees); `prepare`, with the keys that are `given`, → `stage` → `published` is the way of a commit, `read` that of a query;
//! `past` is what both ask of history. [`transfer`] moves all of it into another store. [`memory`] and [`sled`] are engines,
//! for one process, whose [`contract::Counters`] are [`alone`]; [`remembered`] are those that also know what the process before counted.
//! [`postgres`] is the one for several nodes, with its schema, migrations and connections.

pub mod alone;
pub mod contract;
pub mod memory;
pub mod postgres;
pub mod remembered;
pub mod sled;

mod addresses;
mod codec;
mod facts;
pub mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod given;
mod key;
mod keyed;
mod latest;
mod outbox;
mod parts;
mod past;
mod prepare;
mod published;
mod read;
mod row;
mod rows;
mod shown;
mod slots;
mod stage;
pub mod transfer;
mod wide;
