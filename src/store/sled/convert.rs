//! Days of history that an earlier form kept in a sled database each, made into the form of now. Once, when the store is opened.

use super::archive::{Record, append};
use super::table::{Table, sync_dir};
use crate::domain::id::AggregateId;
use std::io;
use std::path::Path;
use uuid::Uuid;

/// Memory for sled's cache while a day is read.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// What is converted is named so until it goes.
const ASIDE: &str = "converted-";

/// Puts back what a conversion that was cut off had moved away.
pub(super) fn resume(dir: &Path) -> io::Result<()> {
    for item in std::fs::read_dir(dir)? {
        let path = item?.path();
        let name = path.file_name().and_then(|it| it.to_str()).and_then(|it| it.strip_prefix(ASIDE));
        match name.map(|it| dir.join(it)) {
            Some(day) if day.exists() => std::fs::remove_dir_all(path)?,
            Some(day) => std::fs::rename(path, day)?,
            None => {}
        }
    }
    Ok(())
}

/// Converts the day of this name in `dir`, if it has the earlier form. The old one goes when the new one is whole and durable.
pub(super) fn convert(dir: &Path, day: &str) -> io::Result<()> {
    let old = dir.join(day);
    if !old.join("db").exists() {
        return Ok(());
    }
    tracing::info!(day, "a day of history has an earlier form: it is converted");
    let fresh = dir.join("converting");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)?;
    }
    std::fs::create_dir(&fresh)?;
    let table = Table::open(&old, CACHE_BYTES).map_err(io::Error::other)?;
    let mut part = Vec::new();
    for item in table.range(b"C", Some(b"D")) {
        let (key, value) = item?;
        let id = key.get(1..).and_then(|it| Uuid::from_slice(it).ok()).map(AggregateId);
        part.extend(id.map(|id| Record { id, again: false, bytes: (&*value).into() }));
        if part.len() == 1024 {
            append(&fresh, &std::mem::take(&mut part))?;
        }
    }
    append(&fresh, &part)?;
    drop(table);
    let aside = dir.join(format!("{ASIDE}{day}"));
    std::fs::rename(&old, &aside)?;
    std::fs::rename(&fresh, &old)?;
    sync_dir(dir)?;
    std::fs::remove_dir_all(aside)
}
