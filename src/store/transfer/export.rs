//! A store as a file of JSON lines, written while it serves.

use super::file::{Counts, FileError};
use super::item::Item;
use super::json::{Line, VERSION};
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::key::kind;
use crate::store::postgres::PostgresStore;
use crate::store::row;
use crate::store::sled::SledStore;
use crate::vault::Vault;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Records of history read at once.
const PART: usize = 1024;
/// Pages that are read before the first of them is written.
const AHEAD: usize = 2;

/// Writes everything in a store on sled to `to`, which must not exist; it appears, with mode 0600, when it is whole and durable. `vault` has
/// the store's root key and is this export's alone. Blocks.
pub fn from_sled(source: &SledStore, vault: &Vault, to: &Path, now: Timestamp) -> Result<Counts, FileError> {
    let mut out = Draft::begin(to, ("sled", vault), now)?;
    let image = source.image(0);
    let (keys, rest): (Vec<_>, Vec<_>) = image.changed.into_iter().partition(|it| it.0.kind() == kind::DAY);
    let mut each = |item: Item| out.item(&item, vault);
    for (key, _, bytes) in &keys {
        source.item(key, bytes)?.into_iter().try_for_each(&mut each)?;
    }
    let hot: HashMap<AggregateId, u64> = rest.iter().filter(|it| it.0.kind() == kind::AGGREGATE).map(|it| (it.0.id(), u64::MAX)).collect();
    past(source, hot, image.sequence, &mut each)?;
    for (key, _, bytes) in &rest {
        source.item(key, bytes)?.into_iter().try_for_each(&mut each)?;
    }
    for (publisher, day, count) in image.opened {
        each(Item::Opened { publisher, day, count })?;
    }
    out.end()
}

/// The same of a store on PostgreSQL, whose nodes all go on: everything as of one moment. Daily counts are told of those `publishers`.
pub async fn from_postgres(
    source: &PostgresStore,
    vault: Arc<Vault>,
    publishers: &[PublisherId],
    to: &Path,
    now: Timestamp,
) -> Result<Counts, FileError> {
    let (pages, mut arriving) = mpsc::channel::<Vec<Item>>(AHEAD);
    let (path, sealing) = (to.to_owned(), vault.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let mut out = Draft::begin(&path, ("postgres", &sealing), now)?;
        while let Some(page) = arriving.blocking_recv() {
            page.iter().try_for_each(|it| out.item(it, &sealing))?;
        }
        Ok::<_, FileError>(out)
    });
    let read = source.leave(&vault, publishers, &pages).await;
    drop(pages);
    // Should writing fail, that is why there was nobody to read for.
    let out = writing.await.map_err(|_| stopped())??;
    read?;
    tokio::task::spawn_blocking(move || out.end()).await.map_err(|_| stopped())?
}

// Of each aggregate that was in history at commit `until`, and is not hot, the newest record.
fn past(
    source: &SledStore,
    mut newest: HashMap<AggregateId, u64>,
    until: u64,
    each: &mut dyn FnMut(Item) -> Result<(), FileError>,
) -> Result<(), FileError> {
    for write in [false, true] {
        for day in source.past_days(true) {
            let mut place = 0;
            loop {
                let (records, next) = source.past(day, place, PART)?;
                if records.is_empty() {
                    break;
                }
                place = next;
                for (key, bytes) in records {
                    let version = row::head(&bytes).map_err(|error| StoreError::Failed(error.to_string()))?.version;
                    let known = newest.entry(key.id()).or_default();
                    if !write && version <= until {
                        *known = version.max(*known);
                    } else if write && version == *known {
                        // Once, should the same be there twice.
                        *known = u64::MAX;
                        source.item(&key, &bytes)?.into_iter().try_for_each(&mut *each)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A file in the making, under another name; it is removed if it is not ended.
struct Draft {
    out: BufWriter<File>,
    sum: Context,
    counts: Counts,
    fresh: Fresh,
    to: PathBuf,
}

impl Draft {
    fn begin(to: &Path, (engine, vault): (&str, &Vault), now: Timestamp) -> Result<Self, FileError> {
        if to.exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists; give a new name").into());
        }
        let mut fresh = to.as_os_str().to_owned();
        fresh.push(".partial");
        let fresh = PathBuf::from(fresh);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::new(
                error.kind(),
                format!("{} is there: another export writes it, or one was cut off; if none is under way, remove it", fresh.display()),
            ),
            _ => error,
        })?;
        let (out, fresh) = (BufWriter::new(file), Fresh(fresh));
        let mut draft = Self { out, sum: Context::new(&SHA256), counts: Counts::new(), fresh, to: to.to_owned() };
        draft.line(&Line::Header { version: VERSION, store: engine.into(), time: now.to_string(), root_key: vault.fingerprint() })?;
        Ok(draft)
    }

    fn item(&mut self, item: &Item, vault: &Vault) -> Result<(), FileError> {
        if let Item::DataKey { day, wrapped } = item {
            vault.learn_day(*day, wrapped).map_err(|error| StoreError::Failed(error.to_string()))?;
        }
        let line = Line::of(item, vault).map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(self.line(&line)?)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.sum.update(&text);
        *self.counts.entry(line.name().to_owned()).or_default() += 1;
        self.out.write_all(&text)
    }

    fn end(mut self) -> Result<Counts, FileError> {
        let sha256 = hex::encode(self.sum.clone().finish().as_ref());
        let counts = self.counts.clone();
        self.line(&Line::End { counts: counts.clone(), sha256 })?;
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&self.fresh.0, &self.to)?;
        let folder = self.to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(counts)
    }
}

/// A file under a name that is not its last.
struct Fresh(PathBuf);

impl Drop for Fresh {
    fn drop(&mut self) {
        // Once it is renamed there is none.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("writing the file stopped".to_owned())
}
