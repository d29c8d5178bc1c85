//! A store as a file of JSON lines: verified from end to end before anything is made of it.

use super::copy::Plan;
use super::item::Item;
use super::json::{Line, VERSION};
use super::ledger::{Differences, Ledger};
use crate::store::contract::StoreError;
use crate::store::postgres::{Found, Incoming, Options, Settings};
use crate::store::sled::Fresh;
use crate::vault::Vault;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a line at most: the largest record, in base64, and room for its clear part.
const LONGEST: u64 = 256 * 1024;
/// Records in one transaction.
const BATCH: usize = 64;
/// What ended so long ago is not found by key (decision 11).
const TOMBSTONES: Duration = Duration::from_secs(72 * 3600);

/// Why a file can't be written or used. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is damaged, cut off, or none of ours.
    #[error("line {line}: {why}; nothing was imported: use another file")]
    Broken {
        /// Which line.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// It was written under another root key.
    #[error("it was written under root key {file}, and this is {ours}: set [keys] root_file to the right one")]
    Key {
        /// The file's.
        file: String,
        /// That of the vault given.
        ours: String,
    },
    /// There is data already.
    #[error("there is data already: name an empty database, or an empty directory")]
    Taken,
    /// There is the rest of something.
    #[error("an earlier copy or import into this database was not finished: add --restart to remove what it left and begin anew")]
    Unfinished,
    /// What arrived is not what was sent.
    #[error("what arrived is not what was sent ({0}): import again with --restart")]
    Differs(Differences),
}

/// Lines of each type in a file.
pub type Counts = BTreeMap<String, u64>;

/// Reads a file from end to end, and checks that it is whole and can be opened with this root key; writes nothing. Blocks.
pub fn verify(from: &Path, vault: &Vault) -> Result<Counts, FileError> {
    read(from, vault, |_| Ok(()))
}

/// Verifies the file `from`, then makes a store of it in the directory `into`, which must hold none. Blocks.
pub fn import_sled(from: &Path, vault: &Vault, into: &Path) -> Result<Counts, FileError> {
    let counts = verify(from, vault)?;
    let records = counts.iter().filter(|it| !["header", "opened"].contains(&it.0.as_str())).map(|it| it.1).sum();
    let mut fresh = Fresh::new(into, vault, records).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Taken,
        _ => error.into(),
    })?;
    read(from, vault, |item| Ok(fresh.put(&item)?))?;
    fresh.finish()?;
    Ok(counts)
}

/// Verifies the file `from`, then puts all of it into an empty database, and compares.
pub async fn import_postgres(
    from: &Path,
    (settings, options): (&Settings, Options),
    vault: Arc<Vault>,
    plan: Plan,
) -> Result<Counts, FileError> {
    let (path, reader) = (from.to_owned(), vault.clone());
    let counts = tokio::task::spawn_blocking(move || verify(&path, &reader)).await.map_err(|_| stopped())??;
    let forgotten = (options.clock)().minus(TOMBSTONES);
    let (target, found) = Incoming::open(settings, options, vault.clone(), forgotten).await?;
    match found {
        Found::Taken => return Err(FileError::Taken),
        Found::Unfinished if !plan.restart => return Err(FileError::Unfinished),
        Found::Empty | Found::Unfinished => target.begin(found).await?,
    }
    let (to, mut items) = tokio::sync::mpsc::channel::<Item>(4 * BATCH);
    let (path, reader) = (from.to_owned(), vault.clone());
    let reading =
        tokio::task::spawn_blocking(move || read(&path, &reader, |item| to.blocking_send(item).map_err(|_| FileError::Store(stopped()))));
    let (mut sent, mut batch) = (Ledger::default(), Vec::new());
    while items.recv_many(&mut batch, BATCH).await > 0 {
        target.put(&batch).await?;
        batch.drain(..).for_each(|it| sent.put(it.ident(&vault), it.digest()));
    }
    reading.await.map_err(|_| stopped())??;
    let off = target.read_back(forgotten).await?.compare(&sent);
    if !off.is_empty() {
        return Err(FileError::Differs(off));
    }
    target.finish().await?;
    Ok(counts)
}

fn read(from: &Path, vault: &Vault, mut each: impl FnMut(Item) -> Result<(), FileError>) -> Result<Counts, FileError> {
    let mut input = BufReader::new(File::open(from)?);
    let (mut sum, mut counts, mut number, mut text) = (Context::new(&SHA256), Counts::new(), 0, Vec::new());
    loop {
        number += 1;
        let broken = |why: &str| FileError::Broken { line: number, why: why.to_owned() };
        text.clear();
        (&mut input).take(LONGEST).read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            return Err(broken("it is cut off, or too long"));
        }
        let line: Line = serde_json::from_slice(&text).map_err(|_| broken("it is no line that this version reads"))?;
        match &line {
            Line::Header { version, root_key, .. } if number == 1 => {
                head(*version, root_key, vault).map_err(|it| it.unwrap_or_else(|| broken("it is of another version")))?
            }
            _ if number == 1 => return Err(broken("it is not the first line of an export")),
            Line::Header { .. } => return Err(broken("a second heading")),
            Line::End { counts: said, sha256 } => {
                let whole = *said == counts && *sha256 == hex::encode(sum.finish().as_ref()) && input.read(&mut [0])? == 0;
                return if whole {
                    Ok(counts)
                } else {
                    Err(FileError::Broken { line: number, why: "the file was changed or damaged".to_owned() })
                };
            }
            Line::DataKey { .. } => {
                if let Some(Item::DataKey { day, wrapped }) = line.item(vault).map_err(|it| broken(&it.to_string()))? {
                    vault.learn_day(day, &wrapped).map_err(|_| broken("a data key that this root key does not open"))?;
                }
            }
            _ => {}
        }
        sum.update(&text);
        *counts.entry(line.name().to_owned()).or_default() += 1;
        if let Some(item) = line.item(vault).map_err(|it| broken(&it.to_string()))? {
            each(item)?;
        }
    }
}

fn head(version: u32, root_key: &str, vault: &Vault) -> Result<(), Option<FileError>> {
    let ours = vault.fingerprint();
    match version {
        VERSION if root_key == ours => Ok(()),
        VERSION => Err(Some(FileError::Key { file: root_key.to_owned(), ours })),
        _ => Err(None),
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("reading the file stopped".to_owned())
}
