//! A run: the index of a stretch of a day's data, in one file that is written once. Runs are merged, never changed.
//!
//! A head page, the filter, the points (hash of a key, place of the record), the feed (hash of an institution, number, place and
//! which event), and the tally (challenges of each publisher, sealed). Numbers are little-endian; all parts have checksums.

use super::super::table::sync_dir;
use super::filter::{BLOCK, Filter};
use super::page::{Merged, PAGE, Section, damaged};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const HEADING: u64 = u64::from_le_bytes(*b"csrun  1");
const FIELDS: usize = 9;

/// What a run stands for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cover {
    /// The stretch of the data file.
    pub(super) from: u64,
    pub(super) to: u64,
    /// Records in it.
    pub(super) records: u64,
    /// Aggregates in it that have no older record.
    pub(super) count: u64,
    /// When the last of it ended.
    pub(super) latest: i64,
    /// Challenges by publisher, sealed.
    pub(super) tally: Vec<u8>,
}

/// Sorted entries for a run, and how many there are of each kind.
pub(super) struct Input<'a> {
    pub(super) points: (u64, Merged<'a, 2>),
    pub(super) feed: (u64, Merged<'a, 3>),
}

/// An open run.
pub(super) struct Run {
    pub(super) cover: Cover,
    pub(super) path: PathBuf,
    pub(super) points: Section<2>,
    pub(super) feed: Section<3>,
    pub(super) file: File,
}

impl Run {
    /// Writes a run into `dir`, durably.
    pub(super) fn write(dir: &Path, cover: &Cover, input: Input<'_>) -> io::Result<Self> {
        let (path, fresh) = (dir.join(name(cover.from, cover.to)), dir.join("run.new"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        let layout = Layout::of(input.points.0, input.feed.0, cover.tally.len());
        let (mut filter, mut out) = (Filter::of(input.points.0), BufWriter::with_capacity(256 * 1024, &file));
        out.seek(SeekFrom::Start(layout.points.from))?;
        Section::<2>::write(&mut out, input.points.1.inspect(|it| it.iter().for_each(|it| filter.insert(it[0]))))?;
        Section::<3>::write(&mut out, input.feed.1)?;
        out.write_all(&with_sum(cover.tally.clone()))?;
        out.flush()?;
        drop(out);
        file.write_all_at(&with_sum(filter.to_bytes()), PAGE as u64)?;
        file.write_all_at(&layout.head(cover), 0)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        sync_dir(dir)?;
        Ok(Self { cover: cover.clone(), path, points: layout.points, feed: layout.feed, file })
    }

    /// Opens a run. An error of [`io::ErrorKind::InvalidData`] says that it is damaged.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let head = checked(&file, 0, FIELDS * 8)?;
        let field = |at: usize| u64::from_le_bytes(head[at * 8..at * 8 + 8].try_into().unwrap_or_default());
        let layout = Layout::of(field(6), field(7), field(8) as usize);
        if field(0) != HEADING || file.metadata()?.len() != layout.end() {
            return Err(damaged());
        }
        let tally = checked(&file, layout.feed.end(), layout.tally)?;
        let cover = Cover { from: field(1), to: field(2), records: field(3), count: field(4), latest: field(5) as i64, tally };
        Ok(Self { cover, path, points: layout.points, feed: layout.feed, file })
    }

    /// Its filter, from the file.
    pub(super) fn filter(&self) -> io::Result<Filter> {
        Ok(Filter::from_bytes(&checked(&self.file, PAGE as u64, Filter::blocks(self.points.entries) * BLOCK)?))
    }

    /// Places of the records with a key.
    pub(super) fn find(&self, hash: u64) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in self.points.since(&self.file, [hash, 0])? {
            match entry? {
                [it, place] if it == hash => found.push(place),
                _ => break,
            }
        }
        Ok(found)
    }

    /// The highest number of a feed; 0 when it has none.
    pub(super) fn last(&self, feed: u64) -> io::Result<u64> {
        let before = self.feed.before(&self.file, [feed, u64::MAX, u64::MAX])?;
        Ok(before.filter(|it| it[0] == feed).map_or(0, |it| it[1]))
    }
}

/// The stretch that a file's name tells; `None` when it is no run's.
pub(super) fn stretch(name: &str) -> Option<(u64, u64)> {
    let (from, to) = name.strip_suffix(".run")?.split_once('-')?;
    let both = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
    (self::name(both.0, both.1) == name).then_some(both)
}

fn name(from: u64, to: u64) -> String {
    format!("{from:012x}-{to:012x}.run")
}

/// Where everything is.
struct Layout {
    points: Section<2>,
    feed: Section<3>,
    tally: usize,
}

impl Layout {
    fn of(points: u64, feed: u64, tally: usize) -> Self {
        let filter = (Filter::blocks(points) * BLOCK + 4).next_multiple_of(PAGE);
        let points = Section { from: (PAGE + filter) as u64, entries: points };
        Self { points, feed: Section { from: points.end(), entries: feed }, tally }
    }

    fn end(&self) -> u64 {
        self.feed.end() + self.tally as u64 + 4
    }

    fn head(&self, it: &Cover) -> Vec<u8> {
        let latest = it.latest as u64;
        let fields = [HEADING, it.from, it.to, it.records, it.count, latest, self.points.entries, self.feed.entries, self.tally as u64];
        with_sum(fields.iter().flat_map(|it: &u64| it.to_le_bytes()).collect())
    }
}

fn with_sum(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes).to_le_bytes();
    bytes.extend(sum);
    bytes
}

fn checked(file: &File, from: u64, length: usize) -> io::Result<Vec<u8>> {
    if length as u64 > file.metadata()?.len() {
        return Err(damaged());
    }
    let mut bytes = vec![0; length + 4];
    file.read_exact_at(&mut bytes, from).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error,
    })?;
    let sum = bytes.split_off(length);
    if crc32fast::hash(&bytes).to_le_bytes() == *sum { Ok(bytes) } else { Err(damaged()) }
}
