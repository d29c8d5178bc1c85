//! History is held to what it had: what is missing there is counted and told, what is damaged is set aside, moving goes on, and
//! nothing is deleted.

mod sample;

use countersign::store::contract::Store;
use countersign::store::sled::{SledStore, restore};
use sample::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DAY: &str = "history/2026-11-21";

async fn end(store: &SledStore, numbers: std::ops::RangeInclusive<u128>) {
    for n in numbers {
        let write = countersign::domain::snapshot::Write::Aggregate(boxed(&ended(challenge(n, &phone()), at(50))));
        store.commit(vec![write], Vec::new()).await.expect("it is written");
    }
}

async fn swept(dir: &Path, time: &Time) -> Arc<SledStore> {
    let store = open(dir, time);
    store.sweep().await.expect("a round ends");
    store
}

/// A store with 30 aggregates in the history of its day, closed; `old` has the day as it was with 10.
async fn filled(dir: &Path, time: &Time) {
    let store = open(dir, time);
    end(&store, 1..=10).await;
    store.sweep().await.unwrap();
    store.close();
    copy(&dir.join(DAY), &dir.join("old"));
    let store = open(dir, time);
    end(&store, 11..=30).await;
    store.sweep().await.unwrap();
    assert_eq!(store.status().history_lost, 0);
    store.close();
    open(dir, time).close();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let to = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &to);
        } else {
            fs::copy(item.path(), to).unwrap();
        }
    }
}

fn set_aside(dir: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(dir.join("history")).unwrap().map(|it| it.unwrap().path());
    items.filter(|it| it.file_name().unwrap().to_string_lossy().starts_with("quarantine-2026-11-21-")).collect()
}

fn harm(dir: &Path) {
    let file = dir.join(DAY).join("data");
    let mut bytes = fs::read(&file).unwrap();
    (0..bytes.len()).step_by(97).for_each(|at| bytes[at] ^= 0x55);
    fs::write(file, bytes).unwrap();
}

async fn there(store: &SledStore, numbers: impl IntoIterator<Item = u128>) -> usize {
    let mut found = 0;
    for n in numbers {
        found += usize::from(store.find(id(n)).await.expect("a look-up ends").is_some());
    }
    found
}

#[tokio::test]
async fn a_day_that_is_missing_or_shorter_is_counted_until_retention_ends_it() {
    let harms: [fn(&Path); 2] = [|_| {}, |dir| copy(&dir.join("old"), &dir.join(DAY))];
    for harm in harms {
        let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
        filled(dir.path(), &time).await;
        fs::remove_dir_all(dir.path().join(DAY)).unwrap();
        harm(dir.path());
        for _ in 0..2 {
            let store = swept(dir.path(), &time).await;
            assert_eq!(store.status().history_lost, 1);
            end(&store, 31..=33).await;
            store.sweep().await.unwrap();
            assert_eq!(there(&store, 31..=33).await, 3, "moving goes on");
            store.close();
        }
        time.set(at(60 + 100 * 24 * 3600));
        let store = swept(dir.path(), &time).await;
        store.sweep().await.unwrap();
        assert_eq!(store.status().history_lost, 0);
        store.close();
        let store = swept(dir.path(), &time).await;
        assert_eq!(store.status().history_lost, 0, "what ended in its time is not missed");
    }
}

#[tokio::test]
async fn a_damaged_day_is_set_aside_and_moving_goes_on() {
    for found_while_moving in [false, true] {
        let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
        filled(dir.path(), &time).await;
        harm(dir.path());
        let harmed = fs::read(dir.path().join(DAY).join("data")).unwrap();
        let store = open(dir.path(), &time);
        if found_while_moving {
            end(&store, 31..=33).await;
        }
        store.sweep().await.unwrap();
        assert_eq!(store.status().history_lost, 1);
        let aside = set_aside(dir.path());
        assert_eq!(aside.len(), 1);
        assert!(fs::read(aside[0].join("data")).unwrap().len() >= harmed.len(), "nothing is deleted");
        end(&store, 34..=36).await;
        store.sweep().await.unwrap();
        assert!(store.status().ready);
        assert_eq!(there(&store, 34..=36).await, 3);
        assert_eq!(there(&store, 1..=30).await, 0);
        assert!(!store.feed(&bank(), 0, 100).await.unwrap().is_empty(), "the feed goes on with what there is");
        store.close();
        let store = swept(dir.path(), &time).await;
        assert_eq!((store.status().history_lost, set_aside(dir.path()).len()), (1, 1));
        assert_eq!(there(&store, 34..=36).await, 3);
    }
}

#[tokio::test]
async fn an_index_that_is_damaged_or_missing_is_made_anew() {
    let harms: [fn(&Path); 3] = [
        |run| fs::remove_file(run).unwrap(),
        |run| fs::write(run, b"short").unwrap(),
        |run| {
            let mut bytes = fs::read(run).unwrap();
            (0..bytes.len()).step_by(97).for_each(|at| bytes[at] ^= 0x55);
            fs::write(run, bytes).unwrap();
        },
    ];
    for harm in harms {
        let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
        filled(dir.path(), &time).await;
        let items = fs::read_dir(dir.path().join(DAY)).unwrap().map(|it| it.unwrap().path());
        let runs: Vec<_> = items.filter(|it| it.extension().is_some_and(|it| it == "run")).collect();
        assert!(!runs.is_empty());
        runs.iter().for_each(|it| harm(it));
        let store = swept(dir.path(), &time).await;
        assert_eq!(store.status().history_lost, 0);
        assert_eq!(there(&store, 1..=30).await, 30);
        assert_eq!(store.feed(&bank(), 0, 100).await.unwrap().len(), 60);
        assert!(set_aside(dir.path()).is_empty());
    }
}

#[tokio::test]
async fn what_history_had_is_known_after_a_restore_too() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
    filled(&dir.path().join("live"), &time).await;
    let (store, file, back) = (open(&dir.path().join("live"), &time), dir.path().join("file"), dir.path().join("back"));
    store.backup(&file).await.unwrap();
    restore(&file, &back).unwrap();
    let restored = swept(&back, &time).await;
    assert_eq!((restored.status().history_lost, there(&restored, 1..=30).await), (0, 30));
    restored.close();
    fs::remove_dir_all(back.join(DAY)).unwrap();
    assert_eq!(swept(&back, &time).await.status().history_lost, 1);
}

#[tokio::test]
async fn a_day_in_a_sled_database_is_converted() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
    let store = open(dir.path(), &time);
    end(&store, 1..=30).await;
    let before = store.feed(&bank(), 0, 100).await.unwrap();
    store.sweep().await.unwrap();
    let records: Vec<_> = {
        let bytes = fs::read(dir.path().join(DAY).join("data")).unwrap();
        let mut rest = &bytes[..];
        std::iter::from_fn(|| {
            let length = u32::from_be_bytes(rest.get(4..8)?.try_into().unwrap()) as usize;
            let (record, more) = rest.split_at(12 + length);
            rest = more;
            Some((record[13..29].to_vec(), record[29..].to_vec()))
        })
        .collect()
    };
    assert_eq!(records.len(), 30);
    store.close();
    fs::remove_dir_all(dir.path().join(DAY)).unwrap();
    let earlier = sled::Config::new().path(dir.path().join(DAY)).flush_every_ms(None).open().unwrap();
    for (id, value) in &records {
        earlier.insert([b"C", id.as_slice()].concat(), value.as_slice()).unwrap();
    }
    earlier.insert(b"N", &30_u64.to_be_bytes()).unwrap();
    earlier.flush().unwrap();
    drop(earlier);
    let store = swept(dir.path(), &time).await;
    assert_eq!((store.status().history_lost, there(&store, 1..=30).await), (0, 30));
    assert_eq!(store.feed(&bank(), 0, 100).await.unwrap(), before);
    let prior = store.load(&opening(&challenge(7, &phone()), at(60))).await.unwrap().prior;
    assert_eq!(prior.map(|it| it.id), Some(id(7)));
    assert!(dir.path().join(DAY).join("data").exists() && !dir.path().join(DAY).join("db").exists());
}
