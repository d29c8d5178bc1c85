//! A journal's way into the table.

use super::{Outcome, Values, damaged};
use crate::store::key::Key;
use crate::store::published::Published;
use crate::store::row;
use crate::store::sled::journal::{Frames, Put};
use crate::store::sled::table::Table;
use parking_lot::RwLock;
use std::path::Path;

/// Bytes and records in one batch for the table: beyond that sled's memory grows.
const BATCH_BYTES: usize = 128 * 1024;
const BATCH: usize = 64;

/// Carries what of a journal is still so into the table, durably, and removes the journal. Journals are carried in their order: the
/// table has what was before.
pub(super) fn carry(table: &Table, path: &Path, published: &RwLock<Published>) -> Outcome {
    let mut values = Values::default();
    let bytes = std::fs::read(path)?;
    let (mut frames, mut last) = (Frames::of(&bytes), 0);
    while let Some(frame) = frames.next().map_err(damaged)? {
        last = frame.sequence;
        values.extend(frame.puts);
    }
    drop(bytes);
    // What is not shown yet would not seem to be so.
    if published.read().sequence < last {
        return Err(::sled::Error::ReportableBug("a journal is ahead of what is shown".into()));
    }
    let meta = values.remove(&Key::META).flatten();
    // Neighbours in a batch share pages.
    let mut rows: Vec<_> = values.into_iter().collect();
    rows.sort_unstable_by_key(|it| it.0);
    let mut kept = Vec::with_capacity(rows.len());
    // A part at a time: commits wait for the lock.
    for part in rows.chunks(BATCH) {
        let published = published.read();
        // One that changed is in a later journal. What is removed is removed: it may be in the table.
        kept.extend(part.iter().filter(|it| is_still_so(&published, it)).cloned());
    }
    // The meta record last: without it the table is at the commit before, and all of this comes again.
    put(table, &kept)?;
    put(table, meta.map(|meta| (Key::META, Some(meta))).as_slice())?;
    std::fs::remove_file(path)?;
    Ok(())
}

fn is_still_so(published: &Published, (key, value): &Put) -> bool {
    value.as_ref().is_none_or(|value| row::head(value).is_ok_and(|head| head.version == published.version(key)))
}

// In batches, each durable.
fn put(table: &Table, rows: &[Put]) -> Outcome {
    let (mut batch, mut bytes, mut count) = (::sled::Batch::default(), 0, 0);
    for (key, value) in rows {
        let size = value.as_ref().map_or(0, |it| it.len());
        if count == BATCH || bytes + size > BATCH_BYTES {
            table.apply(std::mem::take(&mut batch))?;
            (bytes, count) = (0, 0);
        }
        match value {
            Some(value) => batch.insert(&key.0, &**value),
            None => batch.remove(&key.0),
        }
        bytes += size;
        count += 1;
    }
    if count == 0 { Ok(()) } else { table.apply(batch) }
}
