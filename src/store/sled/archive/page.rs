//! Sorted entries in pages of a file: each page has a checksum of its own, so that a look-up reads and proves only what it needs.

use std::fs::File;
use std::io::{self, Write};
use std::iter::Peekable;
use std::os::unix::fs::FileExt;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
const SUM: usize = 4;

/// Sorted entries of `N` numbers, from byte `from` of a file on.
#[derive(Clone, Copy)]
pub(super) struct Section<const N: usize> {
    pub(super) from: u64,
    pub(super) entries: u64,
}

impl<const N: usize> Section<N> {
    const EACH: usize = (PAGE - SUM) / (8 * N);

    /// How many pages it has.
    pub(super) fn pages(&self) -> u64 {
        self.entries.div_ceil(Self::EACH as u64)
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.from + self.pages() * PAGE as u64
    }

    /// A page's entries.
    pub(super) fn page(&self, file: &File, page: u64) -> io::Result<Vec<[u64; N]>> {
        let mut bytes = [0; PAGE];
        file.read_exact_at(&mut bytes, self.from + page * PAGE as u64)?;
        let (body, sum) = bytes.split_at(PAGE - SUM);
        if crc32fast::hash(body).to_le_bytes() != *sum {
            return Err(damaged());
        }
        let there = (self.entries - page * Self::EACH as u64).min(Self::EACH as u64) as usize;
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        let entry = |bytes: &[u8]| std::array::from_fn(|at| number(&bytes[at * 8..at * 8 + 8]));
        Ok(body.chunks_exact(8 * N).take(there).map(entry).collect())
    }

    /// Entries from `first` on, in order, for as long as they are asked for.
    pub(super) fn since<'a>(&self, file: &'a File, first: [u64; N]) -> io::Result<Entries<'a, N>> {
        let (mut low, mut high) = (0, self.pages());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.page(file, middle)?.last().is_some_and(|last| *last < first) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut entries = Entries { section: *self, file, next: low, page: Vec::new().into_iter() };
        if low < self.pages() {
            let page = self.page(file, low)?;
            let skipped = page.partition_point(|it| *it < first);
            entries.next += 1;
            entries.page = page.into_iter();
            if skipped > 0 {
                entries.page.nth(skipped - 1);
            }
        }
        Ok(entries)
    }

    /// The last entry before `bound`.
    pub(super) fn before(&self, file: &File, bound: [u64; N]) -> io::Result<Option<[u64; N]>> {
        let (mut low, mut high) = (0, self.pages());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.page(file, middle)?.first().is_some_and(|first| *first < bound) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(page) = low.checked_sub(1) else { return Ok(None) };
        let page = self.page(file, page)?;
        Ok(page[..page.partition_point(|it| *it < bound)].last().copied())
    }

    /// Writes entries, which come sorted.
    pub(super) fn write(out: &mut impl Write, entries: impl Iterator<Item = io::Result<[u64; N]>>) -> io::Result<()> {
        let mut page = Vec::with_capacity(PAGE);
        for entry in entries {
            entry?.iter().for_each(|it| page.extend(it.to_le_bytes()));
            if page.len() == Self::EACH * 8 * N {
                close(out, &mut page)?;
            }
        }
        if page.is_empty() { Ok(()) } else { close(out, &mut page) }
    }
}

/// Entries of a section, page by page.
pub(super) struct Entries<'a, const N: usize> {
    section: Section<N>,
    file: &'a File,
    next: u64,
    page: std::vec::IntoIter<[u64; N]>,
}

impl<const N: usize> Iterator for Entries<'_, N> {
    type Item = io::Result<[u64; N]>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.page.next() {
            return Some(Ok(entry));
        }
        if self.next >= self.section.pages() {
            return None;
        }
        match self.section.page(self.file, self.next) {
            Ok(page) => {
                self.next += 1;
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => {
                self.next = u64::MAX;
                Some(Err(error))
            }
        }
    }
}

/// Sorted entries from anywhere.
pub(super) type Sorted<'a, const N: usize> = Box<dyn Iterator<Item = io::Result<[u64; N]>> + 'a>;

/// Several sorted sequences as one.
pub(super) struct Merged<'a, const N: usize>(Vec<Peekable<Sorted<'a, N>>>);

impl<'a, const N: usize> Merged<'a, N> {
    pub(super) fn new(all: impl Iterator<Item = Sorted<'a, N>>) -> Self {
        Self(all.map(Iterator::peekable).collect())
    }
}

impl<const N: usize> Iterator for Merged<'_, N> {
    type Item = io::Result<[u64; N]>;

    // An error is the least of all: it comes at once.
    fn next(&mut self) -> Option<Self::Item> {
        let least = |it: &mut Peekable<Sorted<'_, N>>| it.peek().map(|it| it.as_ref().ok().copied());
        let heads = self.0.iter_mut().enumerate().filter_map(|(at, it)| Some((least(it)?, at)));
        let (_, at) = heads.min()?;
        self.0[at].next()
    }
}

fn close(out: &mut impl Write, page: &mut Vec<u8>) -> io::Result<()> {
    page.resize(PAGE - SUM, 0);
    let sum = crc32fast::hash(page).to_le_bytes();
    page.extend(sum);
    out.write_all(page)?;
    page.clear();
    Ok(())
}

/// What is read is not what was written.
pub(super) fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "an index of history is damaged; it is made anew from the data when the store is opened next",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: u64) -> (File, Section<2>) {
        let mut file = tempfile::tempfile().unwrap();
        Section::<2>::write(&mut file, (0..count).map(|n| Ok([n / 3, n]))).unwrap();
        (file, Section { from: 0, entries: count })
    }

    #[test]
    fn entries_are_found_from_anywhere_on() {
        for count in [0, 1, 254, 255, 256, 2_000] {
            let (file, section) = written(count);
            assert_eq!(file.metadata().unwrap().len(), section.end());
            for first in [0, 1, 84, 85, 86, 500, 1_000] {
                let found: Vec<_> = section.since(&file, [first, 0]).unwrap().map(|it| it.unwrap()).collect();
                let expected: Vec<_> = (0..count).map(|n| [n / 3, n]).filter(|it| *it >= [first, 0]).collect();
                assert_eq!(found, expected, "{count} from {first}");
            }
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let (file, section) = written(600);
        file.write_all_at(&[9], PAGE as u64 + 100).unwrap();
        assert!(section.page(&file, 0).is_ok() && section.page(&file, 1).is_err());
        let all: Vec<_> = section.since(&file, [0, 0]).and_then(Iterator::collect).into_iter().collect::<Vec<Vec<_>>>();
        assert!(all.is_empty());
    }

    #[test]
    fn several_are_merged_in_order() {
        let (one, two) = (written(300), written(10));
        let all: [Sorted<'_, 2>; 2] = [Box::new(one.1.since(&one.0, [0, 0]).unwrap()), Box::new(two.1.since(&two.0, [0, 0]).unwrap())];
        let merged: Vec<_> = Merged::new(all.into_iter()).map(|it| it.unwrap()).collect();
        assert!(merged.is_sorted() && merged.len() == 310);
    }
}
