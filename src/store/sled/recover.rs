//! Opening: everything stored is read, verified and indexed, and compared with how far it had come. A store that is damaged or
//! shorter is set aside and refused, never started.

use super::content::{Failure, read, stopped};
use super::log::Opened;
use super::settings::OpenError;
use super::table::sync_dir;
use super::watermark::Watermark;
use crate::domain::time::Timestamp;
use crate::store::published::Published;
use crate::store::row::Opener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where what is opened is, and when that is.
pub(super) struct Place<'a> {
    /// The data directory.
    pub(super) dir: &'a Path,
    /// Memory for sled's own cache.
    pub(super) cache_bytes: u64,
    /// Names what is set aside.
    pub(super) now: Timestamp,
}

/// Opens the hot store, or makes it where there never was one.
pub(super) fn open(place: &Place<'_>, opener: Opener<'_>) -> Result<(Opened, Published), OpenError> {
    make(place.dir)?;
    let hot = place.dir.join("hot");
    let mark = Watermark::read(place.dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => OpenError::Unproven(place.dir.to_owned()),
        _ => OpenError::Io(error),
    })?;
    let fingerprint = opener.vault.fingerprint();
    match &mark {
        Some(mark) if mark.fingerprint != fingerprint => {
            return Err(OpenError::Key { data: mark.fingerprint.clone(), ours: fingerprint });
        }
        Some(mark) if mark.sequence > 0 && !hot.exists() => return Err(OpenError::Missing(hot)),
        None if hot.exists() => return Err(OpenError::Unproven(place.dir.to_owned())),
        None => Watermark { fingerprint, sequence: 0, records: 0 }.write(place.dir)?,
        Some(_) => {}
    }
    let mark = mark.map_or((0, 0), |mark| (mark.sequence, mark.records));
    match attempt(&hot, place.cache_bytes, opener, mark.0) {
        Ok(opened) => Ok(opened),
        Err(Failure::Elsewhere(error)) => Err(error),
        Err(Failure::Damaged(why)) if mark.0 == 0 => begin_anew(place, &hot, opener, &why),
        Err(Failure::Damaged(why)) => match rebuild(place, &hot, opener, mark.0) {
            Ok(true) => attempt(&hot, place.cache_bytes, opener, mark.0).map_err(|failure| match failure {
                Failure::Elsewhere(error) => error,
                Failure::Damaged(why) => set_aside(place, &hot, &why),
            }),
            Ok(false) => Err(set_aside(place, &hot, &format!("{why}; commit {} with {} records was durable", mark.0, mark.1))),
            Err(error) => Err(error.into()),
        },
    }
}

// Its names are made durable too: a power cut must not leave what was taken in a directory that is not there. Whoever may not
// read the directory above did not make it.
fn make(dir: &Path) -> std::io::Result<()> {
    let missing = dir.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).count();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let above = dir.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty());
    above.take(missing.max(1)).map(sync_dir).try_for_each(|done| match done {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    })
}

// A first start was cut off: before it ends, the watermark is beyond 0 (`house.mark` in `open`), so nothing was ever taken.
fn begin_anew(place: &Place<'_>, hot: &Path, opener: Opener<'_>, why: &str) -> Result<(Opened, Published), OpenError> {
    let aside = quarantine(place);
    std::fs::rename(hot, &aside)?;
    sync_dir(place.dir)?;
    tracing::warn!(why, aside = %aside.display(), "the first start was cut off before anything was taken; starting anew");
    attempt(hot, place.cache_bytes, opener, 0).map_err(|failure| match failure {
        Failure::Elsewhere(error) => error,
        Failure::Damaged(why) => set_aside(place, hot, &why),
    })
}

// A broken snapshot on a clean log: sled fails, but rebuilds everything without it. Tried on a copy, which takes the store's
// place only when every record verifies, all are there, and it reaches the watermark. The store itself is kept aside.
fn rebuild(place: &Place<'_>, hot: &Path, opener: Opener<'_>, mark: u64) -> std::io::Result<bool> {
    let copy = place.dir.join("rebuilding");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    copy_without_snapshots(hot, &copy)?;
    if attempt(&copy, place.cache_bytes, opener, mark).is_err() {
        std::fs::remove_dir_all(&copy)?;
        return Ok(false);
    }
    let aside = quarantine(place);
    std::fs::rename(hot, &aside)?;
    std::fs::rename(&copy, hot)?;
    sync_dir(place.dir)?;
    tracing::warn!(aside = %aside.display(), "the store's snapshot was broken; all records were recovered from its log");
    Ok(true)
}

pub(super) fn copy_without_snapshots(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for item in std::fs::read_dir(from)? {
        let item = item?;
        let name = item.file_name();
        if item.file_type()?.is_dir() {
            copy_without_snapshots(&item.path(), &to.join(name))?;
        } else if !name.as_encoded_bytes().starts_with(b"snap.") {
            std::fs::copy(item.path(), to.join(&name))?;
            std::fs::File::open(to.join(&name))?.sync_all()?;
        }
    }
    sync_dir(to)
}

fn quarantine(place: &Place<'_>) -> PathBuf {
    place.dir.join(format!("quarantine-{}", place.now.millis()))
}

// sled panics on some damaged logs, so it gets a thread of its own to do that in.
fn attempt(hot: &Path, cache_bytes: u64, opener: Opener<'_>, mark: u64) -> Result<(Opened, Published), Failure> {
    let outcome = std::thread::scope(|scope| {
        let work = || {
            let log = Opened::open(hot, cache_bytes)?;
            let published = read(&log, opener, mark)?;
            Ok((log, published))
        };
        scope.spawn(work).join()
    });
    outcome.unwrap_or_else(|_| Err(stopped()))
}

fn set_aside(place: &Place<'_>, hot: &Path, why: &str) -> OpenError {
    let copy = quarantine(place);
    match std::fs::rename(hot, &copy).and_then(|()| sync_dir(place.dir)) {
        Ok(()) => OpenError::Damaged { why: why.to_owned(), copy },
        Err(error) => OpenError::Io(error),
    }
}
