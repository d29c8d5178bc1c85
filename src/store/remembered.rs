//! The counters of a process that is alone with its store: there is nobody to tell. But what it told of a day's quotas, the process
//! that comes after it knows, as if another had counted it. All else it forgets with its end.

use super::alone::Alone;
use super::contract::{Counters, Kind, Later, Mark, Notes, StoreError, Taken};
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The note that it is kept in.
const NOTE: &str = "counts/quota";
/// How it is written: this byte, then of each count its MAC, how many, and until when, the numbers big endian.
const FORM: u8 = 1;
const ROW: usize = 16 + 4 + 8;
/// Counts that are kept at most, the largest: as many as fit into a note. While a process counts, it takes no more than these either.
const MOST: usize = 2_048;
/// What ends so soon is not worth a write.
const SHORT: Duration = Duration::from_secs(60);

/// What counts until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Count {
    count: u32,
    until: Timestamp,
}

/// The time.
type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Counters of one process, and of those before it.
pub struct Remembered {
    alone: Alone,
    notes: Arc<dyn Notes>,
    now: Now,
    before: HashMap<[u8; 16], Count>,
    told: Mutex<HashMap<[u8; 16], Count>>,
    changed: AtomicBool,
}

impl Remembered {
    /// Reads what was told before. `most`: see [`Alone::new`]. What can't be read is as if it had not been told, and is logged.
    pub async fn open(most: u64, notes: Arc<dyn Notes>, now: Now) -> Result<Self, StoreError> {
        let bytes = notes.note(NOTE).await?;
        let before = bytes.map(|it| {
            read(&it).unwrap_or_else(|| {
                tracing::error!(note = NOTE, "what was counted of quotas can't be read; they begin anew");
                HashMap::new()
            })
        });
        let (told, changed) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { alone: Alone::new(most), notes, now, before: before.unwrap_or_default(), told, changed })
    }

    async fn keep(&self) -> Result<(), StoreError> {
        if !self.changed.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let now = (self.now)();
        let mut all = self.before.clone();
        for (mark, mine) in self.told.lock().iter() {
            let sum = all.entry(*mark).or_insert(Count { count: 0, ..*mine });
            *sum = Count { count: sum.count.saturating_add(mine.count), until: mine.until };
        }
        let mut all: Vec<_> = all.into_iter().filter(|(_, it)| it.until > now).collect();
        // Where there are too many, the larger ones.
        all.sort_unstable_by_key(|(_, it)| Reverse(it.count));
        let bytes = std::iter::once(FORM).chain(all.iter().take(MOST).flat_map(|(mark, it)| row(mark, *it))).collect();
        let kept = self.notes.set_notes(vec![(NOTE.to_owned(), Some(bytes))]).await;
        if kept.is_err() {
            self.changed.store(true, Ordering::Relaxed);
        }
        kept
    }
}

impl Counters for Remembered {
    fn shared_since(&self) -> Option<Timestamp> {
        None
    }

    fn keeps(&self, kind: Kind) -> bool {
        kind == Kind::Quota
    }

    fn tell(&self, mark: Mark, count: u32, left: Duration) {
        if !self.keeps(mark.kind) || left <= SHORT {
            return;
        }
        let now = (self.now)();
        let mut told = self.told.lock();
        if told.len() >= MOST && !told.contains_key(&mark.route) {
            told.retain(|_, it| it.until > now);
            if told.len() >= MOST {
                return;
            }
        }
        told.insert(mark.route, Count { count, until: now.plus(left) });
        self.changed.store(true, Ordering::Relaxed);
    }

    fn others(&self, mark: &Mark) -> u32 {
        if !self.keeps(mark.kind) {
            return 0;
        }
        self.before.get(&mark.route).filter(|it| it.until > (self.now)()).map_or(0, |it| it.count)
    }

    fn is_quiet(&self, kind: Kind) -> bool {
        !self.keeps(kind) || self.before.is_empty()
    }

    fn exchange(&self) -> Later<'_, ()> {
        Box::pin(self.keep())
    }

    fn take(&self, mark: Mark, content: [u8; 16], left: Duration) -> Later<'_, Taken> {
        self.alone.take(mark, content, left)
    }
}

fn row(mark: &[u8; 16], it: Count) -> [u8; ROW] {
    let mut row = [0; ROW];
    row[..16].copy_from_slice(mark);
    row[16..20].copy_from_slice(&it.count.to_be_bytes());
    row[20..].copy_from_slice(&it.until.millis().to_be_bytes());
    row
}

fn read(bytes: &[u8]) -> Option<HashMap<[u8; 16], Count>> {
    let (rows, rest) = bytes.strip_prefix(&[FORM])?.as_chunks::<ROW>();
    let count = |row: &[u8; ROW]| {
        let (mark, rest) = row.split_first_chunk::<16>()?;
        let (count, until) = rest.split_first_chunk::<4>()?;
        let until = Timestamp::from_millis(i64::from_be_bytes(until.try_into().ok()?));
        Some((*mark, Count { count: u32::from_be_bytes(*count), until }))
    };
    rest.is_empty().then(|| rows.iter().map(count).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::vault::Vault;
    use std::sync::atomic::AtomicI64;

    const DAY: Duration = Duration::from_secs(86_400);

    async fn open(notes: &Arc<MemoryStore>, clock: &Arc<AtomicI64>) -> Remembered {
        let clock = clock.clone();
        Remembered::open(10, notes.clone(), Box::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)))).await.unwrap()
    }

    fn mark(kind: Kind, nth: u16) -> Mark {
        let mut route = [0; 16];
        route[..2].copy_from_slice(&nth.to_be_bytes());
        Mark { kind, route }
    }

    #[tokio::test]
    async fn a_day_s_counts_outlive_the_process_and_nothing_else_does() {
        let (notes, clock) = (Arc::new(MemoryStore::new(Arc::new(Vault::from_root(&[1; 32])))), Arc::new(AtomicI64::new(1_000)));
        let first = open(&notes, &clock).await;
        assert!(first.is_quiet(Kind::Quota));
        first.tell(mark(Kind::Quota, 1), 3, DAY);
        first.tell(mark(Kind::Quota, 2), 9, SHORT);
        first.tell(mark(Kind::Failures, 1), 9, DAY);
        assert_eq!(first.others(&mark(Kind::Quota, 1)), 0, "it is its own");
        first.exchange().await.unwrap();
        let second = open(&notes, &clock).await;
        let told =
            |it: &Remembered| [(Kind::Quota, 1), (Kind::Quota, 2), (Kind::Failures, 1)].map(|(kind, nth)| it.others(&mark(kind, nth)));
        assert_eq!(told(&second), [3, 0, 0]);
        second.tell(mark(Kind::Quota, 1), 2, DAY);
        second.exchange().await.unwrap();
        let third = open(&notes, &clock).await;
        assert_eq!(told(&third), [5, 0, 0]);
        // Nothing is written where nothing changed, and what is over counts no more.
        clock.fetch_add(86_400_000, Ordering::Relaxed);
        assert_eq!(told(&third), [0, 0, 0]);
        third.exchange().await.unwrap();
        assert_eq!(notes.note(NOTE).await.unwrap().map(|it| it.len()), Some(1 + ROW));
        third.tell(mark(Kind::Quota, 7), 1, DAY);
        third.exchange().await.unwrap();
        assert_eq!(read(&notes.note(NOTE).await.unwrap().unwrap()).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn so_many_are_kept_and_no_more() {
        let (notes, clock) = (Arc::new(MemoryStore::new(Arc::new(Vault::from_root(&[1; 32])))), Arc::new(AtomicI64::new(1_000)));
        let first = open(&notes, &clock).await;
        for nth in 0..5_000 {
            first.tell(mark(Kind::Quota, nth), 1, DAY);
        }
        first.tell(mark(Kind::Quota, 0), 2, DAY);
        first.exchange().await.unwrap();
        let second = open(&notes, &clock).await;
        assert_eq!((second.before.len(), second.others(&mark(Kind::Quota, 0))), (MOST, 2));
        // What is fuller takes the place of what is not.
        (10_000..12_000).for_each(|nth| second.tell(mark(Kind::Quota, nth), 5, DAY));
        second.exchange().await.unwrap();
        let third = open(&notes, &clock).await;
        let kept = (10_000..12_000).filter(|nth| third.others(&mark(Kind::Quota, *nth)) == 5).count();
        assert_eq!((third.before.len(), kept, third.others(&mark(Kind::Quota, 0))), (MOST, 2_000, 2));
    }

    #[test]
    fn what_was_not_written_so_is_not_read() {
        let check = |bytes: &[u8], expected: Option<usize>| assert_eq!(read(bytes).map(|it| it.len()), expected, "{bytes:?}");
        check(&[FORM], Some(0));
        check(&[&[FORM][..], &[7; ROW]].concat(), Some(1));
        check(&[&[FORM][..], &[7; ROW - 1]].concat(), None);
        check(&[2], None);
        check(&[], None);
    }
}
