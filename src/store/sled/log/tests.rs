use super::*;
use crate::store::form::Form;
use crate::store::published::{Aside, Published, Row, Shown};
use crate::store::row::Opener;
use crate::store::sled::content;
use crate::store::sled::settings::{Clock, Settings};
use crate::store::stage::meta_value;
use crate::vault::Vault;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

const CACHE: u64 = 8 * 1024 * 1024;

fn key(n: u64) -> Key {
    Key::new(kind::BUDGET, [(n % 16) as u8; 16])
}

fn value(key: &Key, sequence: u64) -> Arc<[u8]> {
    let body = row::seal(&Vault::from_root(&[3; 32]), key, b"plain", true);
    row::assemble(key, sequence, None, &[], &body).into()
}

fn open(dir: &Path, journal_bytes: u64) -> Log {
    begin(dir, Settings { journal_bytes, ..Settings::new(dir) })
}

fn begin(dir: &Path, settings: Settings) -> Log {
    let opened = Opened::open(dir, CACHE).unwrap();
    let shared = Arc::new(Shared::new(settings, Arc::new(Vault::from_root(&[3; 32])), Published::after(opened.sequence, 0)));
    for (key, bytes) in all(&opened) {
        let row = Row { version: row::head(&bytes).unwrap().version, bytes };
        shared.published.write().show(opened.sequence, Shown::Record(key, Some(row), Aside::None));
    }
    opened.begin(shared).unwrap()
}

/// One step: sets a record of 16, and each fifth removes the next one. Durable and shown.
fn step(log: &mut Log) {
    let sequence = log.sequence + 1;
    let mut puts = vec![(key(sequence), Some(value(&key(sequence), sequence)))];
    if sequence.is_multiple_of(5) {
        puts.push((key(sequence + 1), None));
    }
    puts.push((Key::META, Some(value(&Key::META, sequence))));
    log.append(sequence, &puts).unwrap();
    puts.pop();
    for (key, value) in puts {
        let row = value.map(|bytes| Row { version: sequence, bytes });
        log.shared.published.write().show(sequence, Shown::Record(key, row, Aside::None));
    }
    log.shared.published.write().sequence = sequence;
    log.shown().unwrap();
}

fn fill(log: &mut Log, to: u64) {
    while log.sequence < to {
        step(log);
    }
}

/// What there is after commit `to`, with the commit that wrote it.
fn expected(to: u64) -> Vec<(Key, u64)> {
    let mut all = BTreeMap::new();
    for sequence in 1..=to {
        all.insert(key(sequence), sequence);
        if sequence.is_multiple_of(5) {
            all.remove(&key(sequence + 1));
        }
    }
    all.into_iter().collect()
}

fn all(opened: &Opened) -> BTreeMap<Key, Arc<[u8]>> {
    let items = opened.table.range(&[kind::BUDGET], Some(&[kind::BUDGET + 1])).map(Result::unwrap);
    let mut all: BTreeMap<_, _> = items.map(|(key, value)| (Key::from_slice(&key).unwrap(), Arc::from(&*value))).collect();
    for (key, value) in opened.newer.iter().filter(|it| *it.0 != Key::META) {
        match value {
            Some(value) => drop(all.insert(*key, value.clone())),
            None => drop(all.remove(key)),
        }
    }
    all
}

/// The last commit, and the records with theirs.
fn found(dir: &Path) -> (u64, Vec<(Key, u64)>) {
    let opened = Opened::open(dir, CACHE).unwrap();
    (opened.sequence, all(&opened).into_iter().map(|(key, value)| (key, row::head(&value).unwrap().version)).collect())
}

/// The directory as a crash leaves it now.
fn crashed(log: &mut Log) -> tempfile::TempDir {
    // A copy of files that change meanwhile is no state of a disk.
    log.carried().unwrap();
    let copy = tempfile::tempdir().unwrap();
    super::super::recover::copy_without_snapshots(&log.dir, &copy.path().join("hot")).unwrap();
    copy
}

fn left(dir: &Path) -> Vec<u64> {
    journals(dir).unwrap().into_iter().map(|it| it.0).collect()
}

#[test]
fn what_was_appended_is_there_after_a_crash_and_after_an_orderly_end() {
    // Journals are carried over never, in time, and as soon as can be.
    for most in [FULL, 2_000, 0] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), most);
        for to in [1, 7, 40, 41, 90] {
            fill(&mut log, to);
            let copy = crashed(&mut log);
            let hot = copy.path().join("hot");
            for _ in 0..2 {
                assert_eq!(found(&hot), (to, expected(to)), "{most}");
                fill(&mut open(&hot, most), to);
            }
        }
        drop(log);
        match most {
            FULL => assert_eq!(left(dir.path()), [1], "an orderly end is quick"),
            0 => assert!(left(dir.path()).is_empty(), "all is to be in the table"),
            _ => {}
        }
        let mut log = open(dir.path(), most);
        fill(&mut log, 95);
        assert_eq!(found(&crashed(&mut log).path().join("hot")), (95, expected(95)), "{most}");
    }
}

#[test]
fn the_table_gets_what_lives_on_and_loses_what_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 64);
    drop(log);
    let table = Table::open(dir.path(), CACHE).unwrap();
    let there = table.range(&[kind::BUDGET], Some(&[kind::BUDGET + 1])).map(|it| Key::from_slice(&it.unwrap().0).unwrap());
    assert_eq!(there.collect::<Vec<_>>(), expected(64).into_iter().map(|it| it.0).collect::<Vec<_>>());
    assert_eq!(known(&table).unwrap(), 64);
}

/// Ten records a second, each written twice and there for `span` steps; tells how many the table had at most, and how many full
/// journals there were.
fn stream(span: u64) -> (usize, usize) {
    let (dir, now) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(0)));
    let (clock, linger) = (now.clone(), Duration::from_secs(2));
    let clock: Clock = Arc::new(move || Timestamp::from_millis(clock.load(Relaxed)));
    let mut log = begin(dir.path(), Settings { journal_bytes: 8 * 1024, linger, clock, ..Settings::new(dir.path()) });
    let key = |n: u64| Key::new(kind::BUDGET, u128::from(n).to_be_bytes());
    let (mut most, mut journals) = (0, 0);
    for n in 1..300 {
        now.fetch_add(100, Relaxed);
        let row = |key: Key| {
            let body = row::seal(&log.shared.vault, &key, &[7; 1000], true);
            (key, Some(Row { version: n, bytes: row::assemble(&key, n, None, &[], &body).into() }))
        };
        let mut changes = vec![row(key(n)), row(key(n - 1))];
        changes.extend(n.checked_sub(span).map(|gone| (key(gone), None)));
        let puts: Vec<Put> = changes.iter().map(|(key, row)| (*key, row.as_ref().map(|it| it.bytes.clone()))).collect();
        log.append(n, &puts).unwrap();
        for (key, row) in changes {
            log.shared.published.write().show(n, Shown::Record(key, row, Aside::None));
        }
        log.shared.published.write().sequence = n;
        log.shown().unwrap();
        // So that it does not depend on how fast the other thread is.
        log.carried().unwrap();
        most = most.max(log.table.range(&[kind::BUDGET], Some(&[kind::BUDGET + 1])).count());
        journals = journals.max(log.left.len());
    }
    (most, journals)
}

#[test]
fn what_is_over_soon_leaves_before_its_journal_is_carried_over_and_journals_stay_few() {
    // Three or four steps fill a journal. It is waited for fifty, where journals have more bytes than what is live.
    let (carried, journals) = stream(40);
    assert!(carried == 0 && journals <= 16, "{carried} {journals}");
    // What lives on is not waited for, nor what is so small beside what is written that journals would be too many.
    for (span, least, most) in [(1000, 100, 45), (4, 0, 6)] {
        let (carried, journals) = stream(span);
        assert!(carried >= least && journals <= most, "{span}: {carried} {journals}");
    }
}

#[test]
fn a_journal_that_the_table_has_all_or_a_part_of_changes_nothing() {
    for part in [2, 1] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), FULL);
        fill(&mut log, 60);
        let copy = crashed(&mut log);
        let hot = copy.path().join("hot");
        let opened = Opened::open(&hot, CACHE).unwrap();
        let mut batch = ::sled::Batch::default();
        for (key, value) in opened.newer.iter().filter(|it| part == 1 || it.0.rest()[0] % 2 == 0 && *it.0 != Key::META) {
            value.iter().for_each(|value| batch.insert(&key.0, &**value));
        }
        opened.table.apply(batch).unwrap();
        drop(opened);
        assert_eq!(found(&hot), (60, expected(60)));
        fill(&mut open(&hot, FULL), 70);
        assert_eq!(found(&hot), (70, expected(70)));
    }
}

#[test]
fn a_journal_that_comes_back_after_it_was_carried_over_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), FULL);
    fill(&mut log, 20);
    let old = std::fs::read(log.journal.path()).unwrap();
    drop(log);
    fill(&mut open(dir.path(), 0), 50);
    assert!(left(dir.path()).is_empty());
    // Its removal was undone by a power cut.
    std::fs::write(dir.path().join("journal.000000000001"), old).unwrap();
    assert_eq!(found(dir.path()), (50, expected(50)));
    fill(&mut open(dir.path(), 0), 52);
    assert_eq!(found(dir.path()), (52, expected(52)));
}

#[test]
fn a_destroyed_data_key_leaves_the_journals() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), FULL);
    let day = Key::day(7);
    let (sequence, secret) = (log.sequence + 1, value(&day, 1));
    log.append(sequence, &[(day, Some(secret.clone()))]).unwrap();
    log.shared.published.write().sequence = sequence;
    log.shown().unwrap();
    fill(&mut log, 9);
    let kept = |dir: &Path| {
        journals(dir).unwrap().iter().any(|it| {
            let bytes = std::fs::read(&it.1).unwrap();
            bytes.windows(secret.len()).any(|it| *it == *secret)
        })
    };
    assert!(kept(dir.path()));
    log.append(10, &[(day, None), (Key::META, Some(value(&Key::META, 10)))]).unwrap();
    log.shared.published.write().sequence = 10;
    log.shown().unwrap();
    log.carried().unwrap();
    assert!(!kept(dir.path()));
    drop(log);
    assert_eq!(found(dir.path()), (10, expected(9)[1..].to_vec()), "the first commit was the key's");
}

#[test]
fn a_data_key_that_a_journal_destroys_is_not_learned_from_the_table() {
    for destroyed in [false, true] {
        let (dir, vault) = (tempfile::tempdir().unwrap(), Vault::from_root(&[3; 32]));
        let (day, wrapped) = (Key::day(7), vault.new_day(7));
        let body = row::seal(&vault, &day, &wrapped, true);
        let mut batch = ::sled::Batch::default();
        batch.insert(&day.0, row::assemble(&day, 1, None, &[], &body));
        batch.insert(&Key::META.0, meta_value(&vault, Form::NEWEST, (1, 1)));
        Table::open(dir.path(), CACHE).unwrap().apply(batch).unwrap();
        let mut journal = Journal::create(dir.path(), 1).unwrap();
        if destroyed {
            journal.append((1, 2), &[(day, None), (Key::META, Some(meta_value(&vault, Form::NEWEST, (2, 0)).into()))]).unwrap();
        }
        let read = content::read(&Opened::open(dir.path(), CACHE).unwrap(), Opener { vault: &vault, newest: Form::NEWEST }, 1);
        assert!(read.is_ok());
        assert_eq!(vault.set_day(7), !destroyed);
    }
}

#[test]
fn while_one_journal_is_carried_over_the_others_wait() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), FULL);
    let (go, wait) = std::sync::mpsc::channel();
    log.carrying = Some(std::thread::spawn(move || wait.recv().map_err(|_| stopped("nobody waits"))));
    log.purge = true;
    fill(&mut log, 5);
    assert_eq!(left(dir.path()), [1]);
    go.send(()).unwrap();
    while !log.carrying.as_ref().unwrap().is_finished() {
        std::thread::yield_now();
    }
    fill(&mut log, 6);
    log.carried().unwrap();
    assert_eq!(left(dir.path()), [2]);
    drop(log);
    assert_eq!(found(dir.path()), (6, expected(6)));
}

#[test]
fn what_is_damaged_is_refused_and_no_journal_is_removed() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("a step in the middle", |hot| change(hot, 1, |bytes| bytes[300] ^= 1)),
        ("a journal in the middle", |hot| std::fs::remove_file(hot.join("journal.000000000002")).unwrap()),
        ("the end of a journal in the middle", |hot| change(hot, 2, |bytes| bytes.truncate(1_000))),
        ("the table's last commit", |hot| {
            let mut meta = value(&Key::META, 9).to_vec();
            meta[3] ^= 0x40;
            let mut batch = ::sled::Batch::default();
            batch.insert(&Key::META.0, meta);
            Table::open(hot, CACHE).unwrap().apply(batch).unwrap();
        }),
    ];
    for (name, harm) in harms {
        let dir = tempfile::tempdir().unwrap();
        let hot = dir.path().join("hot");
        std::fs::create_dir(&hot).unwrap();
        for (number, after) in [(1, 0), (2, 30), (3, 60)] {
            let mut journal = Journal::create(&hot, number).unwrap();
            for sequence in after + 1..=after + 30 {
                journal.append((sequence - 1, sequence), &[(key(1), Some(value(&key(1), sequence)))]).unwrap();
            }
        }
        harm(&hot);
        let before = left(&hot);
        let error = Opened::open(&hot, CACHE).err().unwrap_or_else(|| panic!("{name}: it opens"));
        assert!(crate::store::sled::table::is_damage(&error), "{name}: {error}");
        assert_eq!(left(&hot), before, "{name}");
    }
}

fn change(hot: &Path, number: u64, harm: impl Fn(&mut Vec<u8>)) {
    let path = hot.join(format!("journal.{number:012}"));
    let mut bytes = std::fs::read(&path).unwrap();
    harm(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn after_a_failure_nothing_more_is_taken_and_what_was_taken_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 1);
    // The next journal can't be made: its name is taken.
    std::fs::create_dir(dir.path().join(format!("journal.{:012}", log.number + 1))).unwrap();
    log.append(1, &[(key(1), Some(value(&key(1), 1)))]).unwrap();
    log.shared.published.write().sequence = 1;
    assert!(log.shown().is_err());
    assert!(log.append(2, &[]).is_err());
    drop(log);
    std::fs::remove_dir(dir.path().join("journal.000000000002")).unwrap();
    assert_eq!(found(dir.path()), (1, expected(1)));
}
