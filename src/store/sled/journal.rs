//! The journal: durable steps one after the other in a file, before the table has them.
//!
//! A frame: a mark (4 bytes), CRC-32 of what follows, the length of what follows the length (u32 each), the number of the last
//! commit before the step and of its last one (u64 each), then each record: its key, the length of its value (u32;
//! [`GONE`]: it is removed), the value as the table gets it, sealed. Numbers are big-endian. The file is longer than what is in
//! it: what is behind is zeros, written before, so that a sync has nothing to do but the bytes of a step.

use super::table::sync_dir;
use crate::store::key::Key;
use crate::store::row;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A record and its new value; `None` removes it.
pub(super) type Put = (Key, Option<Arc<[u8]>>);

const NAME: &str = "journal.";
const MARK: [u8; 4] = *b"\xc5stp";
/// Mark, checksum, length.
const HEAD: usize = 12;
const KEY: usize = 17;
/// The length that means: removed.
const GONE: u32 = u32::MAX;
/// Bytes that a file begins with, and grows by at most.
const FIRST: u64 = 64 * 1024;
const MOST: u64 = 1024 * 1024;

/// A journal being written.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    at: u64,
    length: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Makes the journal of this number in `dir`, durably, where there is none.
    pub(super) fn create(dir: &Path, number: u64) -> io::Result<Self> {
        let path = dir.join(format!("{NAME}{number:012}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut journal = Self { file, path, at: 0, length: 0, buffer: Vec::new() };
        journal.reserve(1)?;
        sync_dir(dir)?;
        Ok(journal)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.at
    }

    /// Writes the step from commit `after` to commit `sequence`, and returns when it is on the platter.
    pub(super) fn append(&mut self, (after, sequence): (u64, u64), puts: &[Put]) -> io::Result<()> {
        self.buffer.clear();
        encode(&mut self.buffer, (after, sequence), puts)?;
        self.reserve(self.buffer.len() as u64)?;
        self.file.write_all_at(&self.buffer, self.at)?;
        self.file.sync_data()?;
        self.at += self.buffer.len() as u64;
        Ok(())
    }

    // Writes zeros ahead: a file that grows costs each sync its new length as well.
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        while self.at + bytes > self.length {
            let more = self.length.clamp(FIRST, MOST);
            self.file.write_all_at(&vec![0; more as usize], self.length)?;
            self.file.sync_all()?;
            self.length += more;
        }
        Ok(())
    }
}

/// The journals in `dir`, in their order, with their numbers.
pub(super) fn journals(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let path = item?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let number = name.strip_prefix(NAME).and_then(|it| it.parse().ok());
        found.extend(number.map(|number| (number, path.clone())));
    }
    found.sort();
    Ok(found)
}

/// A step as it was written.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    /// The last commit before it.
    pub(super) after: u64,
    /// Its last commit.
    pub(super) sequence: u64,
    pub(super) puts: Vec<Put>,
}

/// Reads the bytes of a journal front to back, after commit `last`. Ends where no step follows: there, a step may be torn that nobody
/// was told of.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    last: u64,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8], last: u64) -> Self {
        Self { bytes, last }
    }

    /// All that are in these bytes.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, last: frame(bytes).map_or(0, |it| it.0.after) }
    }

    /// The next step beyond `last`; an error when one is missing before it, or damaged: behind a torn one there is none.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Damaged> {
        while let Some((frame, length)) = frame(self.bytes) {
            self.bytes = &self.bytes[length..];
            if frame.sequence <= self.last {
                continue;
            }
            if frame.after != self.last {
                return Err(Damaged { after: self.last, before: frame.after });
            }
            self.last = frame.sequence;
            return Ok(Some(frame));
        }
        let marks = (1..self.bytes.len()).filter(|at| self.bytes[*at..].starts_with(&MARK));
        let later = marks.filter_map(|at| frame(&self.bytes[at..])).find(|it| it.0.sequence > self.last);
        later.map_or(Ok(None), |(later, _)| Err(Damaged { after: self.last, before: later.after }))
    }
}

/// A journal lacks steps.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the journal is damaged between commit {after} and commit {before}")]
pub(super) struct Damaged {
    after: u64,
    before: u64,
}

fn encode(out: &mut Vec<u8>, (after, sequence): (u64, u64), puts: &[Put]) -> io::Result<()> {
    out.extend_from_slice(&[0; HEAD]);
    out.extend_from_slice(&after.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    for (key, value) in puts {
        out.extend_from_slice(&key.0);
        let length = value.as_ref().map_or(GONE, |it| it.len() as u32);
        out.extend_from_slice(&length.to_be_bytes());
        value.iter().for_each(|it| out.extend_from_slice(it));
    }
    let length = u32::try_from(out.len() - HEAD).map_err(io::Error::other)?;
    out[..4].copy_from_slice(&MARK);
    out[8..HEAD].copy_from_slice(&length.to_be_bytes());
    let sum = crc32fast::hash(&out[8..]);
    out[4..8].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

// The step that `bytes` begin with, and how long it is.
fn frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    if !bytes.starts_with(&MARK) {
        return None;
    }
    let end = HEAD.checked_add(number(8)? as usize)?;
    let summed = bytes.get(8..end)?;
    if crc32fast::hash(summed) != number(4)? {
        return None;
    }
    let (after, rest) = bytes[HEAD..end].split_first_chunk::<8>()?;
    let (sequence, mut rest) = rest.split_first_chunk::<8>()?;
    let mut puts = Vec::new();
    while !rest.is_empty() {
        let (key, tail) = rest.split_first_chunk::<KEY>()?;
        let (length, tail) = tail.split_first_chunk::<4>()?;
        let length = Some(u32::from_be_bytes(*length)).filter(|it| *it != GONE);
        let (value, tail) = tail.split_at_checked(length.unwrap_or(0) as usize).filter(|it| it.0.len() <= row::LARGEST)?;
        puts.push((Key(*key), length.map(|_| Arc::from(value))));
        rest = tail;
    }
    Some((Frame { after: u64::from_be_bytes(*after), sequence: u64::from_be_bytes(*sequence), puts }, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The two numbers.
    const FIXED: usize = 16;

    fn steps() -> Vec<(u64, u64, Vec<Put>)> {
        let put = |n: u8, value: Option<&[u8]>| (Key::new(n, [n; 16]), value.map(Arc::from));
        vec![
            (4, 5, vec![put(b'A', Some(b"one"))]),
            (5, 9, vec![put(b'B', None), put(b'A', Some(&[7; 3000]))]),
            (9, 10, vec![]),
            (10, 12, vec![put(b'C', Some(&MARK))]),
        ]
    }

    fn written(dir: &Path) -> Vec<u8> {
        let mut journal = Journal::create(dir, 3).unwrap();
        for (after, sequence, puts) in steps() {
            journal.append((after, sequence), &puts).unwrap();
        }
        assert_eq!(journals(dir).unwrap(), [(3, journal.path().to_owned())]);
        std::fs::read(journal.path()).unwrap()
    }

    fn read(bytes: &[u8], last: u64) -> Result<Vec<u64>, Damaged> {
        let mut frames = Frames::new(bytes, last);
        std::iter::from_fn(|| frames.next().transpose()).map(|it| it.map(|it| it.sequence)).collect()
    }

    #[test]
    fn what_was_written_is_read_from_where_it_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = written(dir.path());
        let mut frames = Frames::new(&bytes, 4);
        for (after, sequence, puts) in steps() {
            assert_eq!(frames.next(), Ok(Some(Frame { after, sequence, puts })));
        }
        assert_eq!(frames.next(), Ok(None));
        assert_eq!(read(&bytes, 9), Ok(vec![10, 12]));
        assert_eq!(read(&bytes, 12), Ok(vec![]));
        assert_eq!(read(&bytes, 99), Ok(vec![]));
        assert_eq!(read(&bytes, 3), Err(Damaged { after: 3, before: 4 }));
        assert!(read(&bytes, 6).is_err(), "commit 6 is in the middle of a step");
        assert!(Journal::create(dir.path(), 3).is_err(), "one is never written over");
    }

    #[test]
    fn it_grows_ahead_of_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path(), 1).unwrap();
        let value: Arc<[u8]> = Arc::from(vec![1; 90_000]);
        for n in 0..9 {
            journal.append((n, n + 1), &[(Key::META, Some(value.clone()))]).unwrap();
            assert!(journal.length >= journal.written());
        }
        let bytes = std::fs::read(journal.path()).unwrap();
        assert_eq!(bytes.len() as u64, journal.length);
        assert_eq!(read(&bytes, 0), Ok((1..=9).collect()));
    }

    proptest! {
        // A torn end is the end. Damage anywhere else is told, never passed over.
        #[test]
        fn a_changed_byte_is_an_error_or_the_end_of_the_last_step(at in 0..3200_usize, bit in 0..8_u8) {
            let dir = tempfile::tempdir().unwrap();
            let sound = written(dir.path());
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            let first = HEAD + FIXED + KEY + 4 + 3;
            let second = first + HEAD + FIXED + 2 * (KEY + 4) + 3000;
            let third = second + HEAD + FIXED;
            let last = third + HEAD + FIXED + KEY + 4 + 4;
            let expected = match at {
                _ if at < third => None,
                _ if at < last => Some(vec![5, 9, 10]),
                _ => Some(vec![5, 9, 10, 12]),
            };
            prop_assert_eq!(read(&bytes, 4).ok(), expected);
        }

        #[test]
        fn a_torn_step_is_the_end(length in 0..3200_usize) {
            let dir = tempfile::tempdir().unwrap();
            let mut bytes = written(dir.path());
            bytes[length..].fill(0);
            prop_assert!(read(&bytes, 4).is_ok());
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&MARK[..], &bytes].concat(), 0);
        }
    }
}
