//! One changed byte of one stored value: the store is set aside and refused, whether sled notices or only our own checksum and
//! seal can; or a step of the journal is gone.

mod sample;

use countersign::domain::snapshot::Write;
use countersign::store::contract::Store;
use countersign::store::sled::{OpenError, SledStore};
use sample::*;
use std::fs;
use std::path::Path;

const VICTIM: u128 = 20;

fn key() -> Vec<u8> {
    [b"A".as_slice(), id(VICTIM).0.as_bytes()].concat()
}

fn with_log<T>(dir: &Path, work: impl FnOnce(&sled::Db) -> T) -> T {
    // A handle that was dropped lets the lock go a little later.
    let open = || sled::Config::new().path(dir.join("hot")).flush_every_ms(None).open();
    let db = (0..100).find_map(|_| open().inspect_err(|_| std::thread::sleep(std::time::Duration::from_millis(20))).ok()).unwrap();
    let done = work(&db);
    db.flush().unwrap();
    done
}

fn value(dir: &Path) -> Vec<u8> {
    with_log(dir, |db| db.get(key()).unwrap().expect("it is stored under its id").to_vec())
}

/// Changes one byte in every place of sled's file where the value is: which of them is read is sled's business.
fn change_in_the_file(dir: &Path, value: &[u8], at: usize) {
    let file = dir.join("hot/db");
    let mut bytes = fs::read(&file).unwrap();
    let places: Vec<usize> = bytes.windows(value.len()).enumerate().filter(|it| it.1 == value).map(|it| it.0).collect();
    assert!(!places.is_empty(), "values are in the file as they are");
    places.iter().for_each(|place| bytes[place + at] ^= 1);
    fs::write(file, bytes).unwrap();
}

/// As sled would give it back without noticing.
fn change_under_sled(dir: &Path, value: &[u8], at: usize) {
    let mut changed = value.to_vec();
    changed[at] ^= 1;
    with_log(dir, |db| db.insert(key(), changed).unwrap());
}

/// A value that is whole, in the place of another.
fn put_another_there(dir: &Path, _: &[u8], _: usize) {
    let other = [b"A".as_slice(), id(VICTIM + 1).0.as_bytes()].concat();
    with_log(dir, |db| db.insert(key(), db.get(other).unwrap().unwrap()).unwrap());
}

fn remove_it(dir: &Path, _: &[u8], _: usize) {
    with_log(dir, |db| db.remove(key()).unwrap());
}

#[tokio::test]
async fn one_changed_value_sets_the_store_aside() {
    type Harm = fn(&Path, &[u8], usize);
    let harms: [(&str, Harm); 4] = [
        ("in sled's file", change_in_the_file),
        ("under sled", change_under_sled),
        ("another's value", put_another_there),
        ("one record less", remove_it),
    ];
    // The head's version, its key id, the sealed body, and the checksum's last byte.
    for (name, harm) in harms {
        for at in [4, 12, 60, usize::MAX] {
            let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
            let mut settings = settings(dir.path(), &time);
            settings.journal_bytes = 0;
            let store = SledStore::open(settings, vault(), time.now()).unwrap();
            for n in 1..=40 {
                store.commit(vec![Write::Aggregate(boxed(&challenge(n, &phone())))], Vec::new()).await.unwrap();
            }
            store.close();
            let value = value(dir.path());
            harm(dir.path(), &value, at.min(value.len() - 1));
            let harmed = fs::read(dir.path().join("hot/db")).unwrap();
            match SledStore::open(sample::settings(dir.path(), &time), vault(), time.now()).err() {
                Some(OpenError::Damaged { copy, .. }) => {
                    let kept = fs::read(copy.join("db")).unwrap();
                    assert!(kept.len() >= harmed.len(), "{name}, byte {at}: nothing is deleted");
                    assert!(!dir.path().join("hot").exists());
                }
                other => panic!("{name}, byte {at}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_journal_sets_the_store_aside() {
    type Harm = fn(&mut Vec<u8>, usize);
    let harms: [(&str, Harm); 4] = [
        ("a changed byte", |bytes, at| bytes[at] ^= 1),
        ("a sector of zeros", |bytes, at| bytes[at..].iter_mut().take(512).for_each(|it| *it = 0)),
        ("cut off", |bytes, at| bytes.truncate(at)),
        ("gone", |bytes, _| bytes.clear()),
    ];
    for (name, harm) in harms {
        let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
        let store = open(dir.path(), &time);
        for n in 1..=40 {
            store.commit(vec![Write::Aggregate(boxed(&challenge(n, &phone())))], Vec::new()).await.unwrap();
        }
        store.close();
        let journal = fs::read_dir(dir.path().join("hot")).unwrap().map(|it| it.unwrap().path());
        let journal = journal.filter(|it| it.to_string_lossy().contains("journal.")).max().unwrap();
        let sound = fs::read(&journal).unwrap();
        let used = sound.iter().rposition(|it| *it != 0).unwrap();
        for at in [0, 5, 9, 13, 21, 40, 60, 600, used / 2, used - 9] {
            let mut bytes = sound.clone();
            harm(&mut bytes, at);
            fs::write(&journal, &bytes).unwrap();
            match SledStore::open(sample::settings(dir.path(), &time), vault(), time.now()).err() {
                Some(OpenError::Damaged { copy, .. }) => {
                    assert_eq!(fs::read(copy.join(journal.file_name().unwrap())).unwrap(), bytes, "nothing is deleted");
                    fs::rename(copy, dir.path().join("hot")).unwrap();
                }
                other => panic!("{name}, byte {at} of {used}: {other:?}"),
            }
        }
        fs::write(&journal, &sound).unwrap();
        let whole = open(dir.path(), &time);
        assert_eq!(whole.status().open, 40, "undamaged, it is whole");
    }
}
