//! The data file of a day: records one after the other, only ever added to.
//!
//! A record: a mark (4 bytes), the length of what follows the checksum (u32), CRC-32 of that, then a flag (1: its aggregate has
//! an older record here), the aggregate's id, and the stored value as it was in the hot store, sealed. Numbers are big-endian.

use crate::domain::id::AggregateId;
use crate::store::row;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

const MARK: [u8; 4] = *b"\xc5rec";
const HEAD: usize = 12;
const BODY: usize = 17;
/// Bytes that are searched for a mark at once.
const WINDOW: usize = 64 * 1024;

/// One stored aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Record {
    pub(in super::super) id: AggregateId,
    /// An older record of the same aggregate comes before it.
    pub(in super::super) again: bool,
    pub(in super::super) bytes: Arc<[u8]>,
}

impl Record {
    /// Adds its stored form to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend(MARK);
        out.extend(((BODY + self.bytes.len()) as u32).to_be_bytes());
        out.extend([0; 4]);
        out.push(u8::from(self.again));
        out.extend(self.id.0.as_bytes());
        out.extend(&*self.bytes);
        let sum = crc32fast::hash(&out[from + HEAD..]);
        out[from + 8..from + HEAD].copy_from_slice(&sum.to_be_bytes());
    }

    /// How long its stored form is.
    pub(super) fn length(&self) -> u64 {
        (HEAD + BODY + self.bytes.len()) as u64
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let (flag, rest) = body.split_first()?;
        let (id, bytes) = rest.split_first_chunk::<16>()?;
        (*flag <= 1).then(|| Self { id: AggregateId(Uuid::from_bytes(*id)), again: *flag == 1, bytes: Arc::from(bytes) })
    }
}

/// The file.
pub(super) struct Data(File);

impl Data {
    /// Opens the one in `dir`, or makes it.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(dir.join("data"))?;
        Ok(Self(file))
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Writes `bytes` at `at`, durably. What a try that failed left there goes first.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.length()? > at {
            self.0.set_len(at)?;
        }
        self.0.write_all_at(bytes, at)?;
        self.0.sync_data()
    }

    /// The record at `at`; `None` when what is there is none, or is damaged.
    pub(super) fn read(&self, at: u64) -> io::Result<Option<Record>> {
        let mut head = [0; HEAD];
        if !self.fill(at, &mut head)? || head[..4] != MARK {
            return Ok(None);
        }
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = number(4) as usize;
        if !(BODY..=BODY + row::LARGEST).contains(&length) {
            return Ok(None);
        }
        let mut body = vec![0; length];
        let whole = self.fill(at + HEAD as u64, &mut body)? && crc32fast::hash(&body) == number(8);
        Ok(if whole { Record::decode(&body) } else { None })
    }

    /// Hands every whole record from `at` on to `each`, with its place, and tells where the last one ends. What is damaged in
    /// between is passed over.
    pub(super) fn scan(&self, mut at: u64, mut each: impl FnMut(u64, Record) -> io::Result<()>) -> io::Result<u64> {
        let (mut end, last) = (at, self.length()?);
        while at < last {
            match self.read(at)? {
                Some(record) => {
                    let length = record.length();
                    each(at, record)?;
                    at += length;
                    end = at;
                }
                None => at = self.next_mark(at + 1)?.unwrap_or(last),
            }
        }
        Ok(end)
    }

    /// At most `max` whole records from `at` to `end`, and where the next one is. What is damaged in between is passed over.
    pub(super) fn part(&self, mut at: u64, end: u64, max: usize) -> io::Result<(Vec<Record>, u64)> {
        let mut records = Vec::new();
        while at < end && records.len() < max {
            match self.read(at)? {
                Some(record) => {
                    at += record.length();
                    records.push(record);
                }
                None => at = self.next_mark(at + 1)?.unwrap_or(end),
            }
        }
        Ok((records, at))
    }

    fn next_mark(&self, mut from: u64) -> io::Result<Option<u64>> {
        let last = self.length()?;
        let mut window = vec![0; WINDOW];
        while from < last {
            let there = WINDOW.min((last - from) as usize);
            if !self.fill(from, &mut window[..there])? {
                return Ok(None);
            }
            if let Some(found) = window[..there].windows(MARK.len()).position(|it| it == MARK) {
                return Ok(Some(from + found as u64));
            }
            from += (there.saturating_sub(MARK.len() - 1)).max(1) as u64;
        }
        Ok(None)
    }

    // Whether the file has as much.
    fn fill(&self, at: u64, to: &mut [u8]) -> io::Result<bool> {
        match self.0.read_exact_at(to, at) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_passed_over_and_the_rest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::open(dir.path()).unwrap();
        let record = |n: u8| Record { id: AggregateId(Uuid::from_u128(n.into())), again: n == 3, bytes: Arc::from([n; 200]) };
        let (mut out, mut places) = (Vec::new(), Vec::new());
        for n in 1..=5 {
            places.push(out.len());
            record(n).encode(&mut out);
        }
        let read = |bytes: &[u8]| {
            data.0.set_len(0).unwrap();
            data.write(0, bytes).unwrap();
            let mut found = Vec::new();
            let each = |_, it| {
                found.push(it);
                Ok(())
            };
            let end = data.scan(0, each).unwrap();
            (found.iter().map(|it| it.id.0.as_u128()).collect::<Vec<_>>(), end)
        };
        assert_eq!(read(&out), (vec![1, 2, 3, 4, 5], out.len() as u64));
        assert_eq!(data.read(places[2] as u64).unwrap(), Some(record(3)));
        for at in [0, 4, 8, 12, 100] {
            let mut harmed = out.clone();
            harmed[places[1] + at] ^= 0x40;
            assert_eq!(read(&harmed), (vec![1, 3, 4, 5], out.len() as u64), "byte {at}");
        }
        assert_eq!(read(&out[..out.len() - 1]), (vec![1, 2, 3, 4], places[4] as u64), "the last is torn");
        assert_eq!(read(b""), (vec![], 0));
    }
}
