//! A day of history as files of our own: `data`, which is only added to, and an index of it in sorted runs.
//!
//! sled would need 80 bytes of memory and several times the disk for each record, for ever. Here an aggregate in history costs
//! its sealed value, about 200 bytes of index, and 10 bytes of memory while look-ups by key are answered.
//!
//! In reading order: `data` (records), `page` and `run` (sorted entries in a file), `filter` (what a run surely doesn't have),
//! `tail` (what no run has yet), `index` (runs and tail together, and how they are merged), `day` (all of a day).
//!
//! What is acknowledged is in `data`, synced. The index follows from it: a crash or damage there costs time, never a record.

mod data;
mod day;
mod filter;
mod index;
mod page;
mod run;
mod tail;

pub(super) use data::Record;
pub(super) use day::{Day, Moving};
pub(super) use index::opened;
pub(super) use tail::hash;

/// Adds records, durably, to the day in `dir`, whose index is made when it is opened.
pub(super) fn append(dir: &std::path::Path, records: &[Record]) -> std::io::Result<()> {
    let (data, mut bytes) = (data::Data::open(dir)?, Vec::new());
    records.iter().for_each(|it| it.encode(&mut bytes));
    data.write(data.length()?, &bytes)
}
