//! What the store on sled promises beyond the contract: nothing acknowledged is lost, nothing lost goes unnoticed, what is
//! over moves to history and stays answerable, and nothing is clear on disk.

mod sample;

use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::Challenge;
use countersign::domain::contact::Address;
use countersign::domain::snapshot::{Expect, Query, Write};
use countersign::store::contract::{Notes, Store, StoreError};
use countersign::store::sled::{OpenError, SledStore, restore, verify};
use countersign::vault::Vault;
use sample::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

async fn put(store: &SledStore, it: &Challenge) {
    store.commit(vec![Write::Aggregate(boxed(it))], Vec::new()).await.expect("it is written");
}

async fn numbers(store: &SledStore, after: u64, max: usize) -> Vec<(u64, u128, usize)> {
    let events = store.feed(&bank(), after, max).await.unwrap();
    events.iter().map(|(seq, of, index)| (*seq, of.id().0.as_u128(), *index)).collect()
}

/// Copies a directory as it is: what a crash would leave.
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

fn files(dir: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    items.flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}

fn refused(dir: &Path, vault: Arc<Vault>) -> OpenError {
    let time = Time::at(0);
    SledStore::open(settings(dir, &time), vault, time.now()).err().expect("it does not open")
}

async fn filled(dir: &Path, time: &Time) -> Arc<SledStore> {
    let store = open(dir, time);
    for n in 1..=40 {
        put(&store, &challenge(n, &phone())).await;
    }
    for n in 1..=10 {
        put(&store, &ended(challenge(n, &phone()), at(50))).await;
    }
    let person = recipient("anna");
    let budget = Budget { recent: vec![at(1)], consecutive: 1 };
    let writes = vec![
        Write::Recipient(person.key.clone(), Some(person)),
        Write::Budget(BudgetKey::Address(bank(), phone()), budget),
        Write::OptOut(demo(), phone(), true),
    ];
    store.commit(writes, Vec::new()).await.unwrap();
    store.set_notes(vec![("cursor".into(), Some(b"CANARY-NOTE".to_vec()))]).await.unwrap();
    store
}

/// Carries what the journals have over into sled.
async fn into_sled(dir: &Path, time: &Time) {
    let mut settings = settings(dir, time);
    settings.journal_bytes = 0;
    SledStore::open(settings, vault(), time.now()).unwrap().close();
}

async fn is_whole(store: &SledStore) {
    let view = store.load(&reply_from(&phone(), Some(&format!("sandbox/{}", id(3))), at(60))).await.unwrap();
    assert_eq!(view.addresses[0].open.len(), 30);
    assert_eq!(view.addresses[0].ended.len(), 5);
    assert_eq!(view.addresses[0].opt_outs, [demo()]);
    assert_eq!(view.budgets[0].1.value.consecutive, 1);
    assert_eq!(view.addresses[0].sends.len(), 40);
    assert!(view.seen.is_some());
    assert_eq!(numbers(store, 0, 1000).await.len(), 50);
    assert_eq!(store.note("cursor").await.unwrap(), Some(b"CANARY-NOTE".to_vec()));
    assert_eq!(store.recipients(&demo(), None, 9).await.unwrap().len(), 1);
    let status = store.status();
    assert_eq!((status.open, status.outbox, status.feed), (30, 30, vec![(bank(), 50)]));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = filled(dir.path(), &time).await;
    let (before, last) = (store.status(), store.find(id(40)).await.unwrap());
    store.lease(at(100), std::time::Duration::from_secs(99), 5).await.unwrap();
    store.close();
    assert!(matches!(store.commit(Vec::new(), Vec::new()).await, Err(StoreError::Failed(_))));
    let store = open(dir.path(), &time);
    is_whole(&store).await;
    assert_eq!(store.status().records, before.records);
    assert_eq!(store.find(id(40)).await.unwrap(), last, "the version too");
    assert_eq!(store.lease(at(100), std::time::Duration::from_secs(1), 99).await.unwrap().len(), 30, "leases are void on opening");
    put(&store, &challenge(41, &phone())).await;
    assert_eq!(numbers(&store, 50, 9).await, [(51, 41, 0)], "numbers go on");
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_crash() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = filled(&dir.path().join("live"), &time).await;
    copy(&dir.path().join("live"), &dir.path().join("crashed"));
    is_whole(&open(&dir.path().join("crashed"), &time)).await;
    drop(store);
    is_whole(&open(&dir.path().join("live"), &time)).await;
}

#[tokio::test]
async fn what_is_over_moves_to_history_and_stays_answerable() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = filled(dir.path(), &time).await;
    let (feed, third) = (numbers(&store, 0, 1000).await, store.find(id(3)).await.unwrap());
    let (view, records) = (store.load(&reply_from(&phone(), None, at(60))).await.unwrap(), store.status().records);
    time.set(at(60));
    for round in 0..2 {
        store.sweep().await.unwrap();
        assert!(dir.path().join("history/2026-11-21/data").exists());
        assert_eq!(store.status().records, records - 10 + 1, "they are gone, and what the day has is noted; round {round}");
        is_whole(&store).await;
        assert_eq!(numbers(&store, 0, 1000).await, feed);
        assert_eq!(numbers(&store, 2, 3).await, feed[2..5]);
        assert_eq!(numbers(&store, 45, 3).await, feed[45..48]);
        assert_eq!(store.find(id(3)).await.unwrap(), third);
        assert_eq!(store.load(&Query::One(id(3))).await.unwrap().one, third);
        assert_eq!(store.by_delivery(delivery_id(3)).await.unwrap(), Some(id(3)));
        let again = store.load(&reply_from(&phone(), None, at(60))).await.unwrap();
        assert_eq!((&again.addresses[0].ended, again.addresses[0].version), (&view.addresses[0].ended, view.addresses[0].version));
        let opening = store.load(&opening(&challenge(3, &phone()), at(60))).await.unwrap();
        assert_eq!(opening.prior.map(|it| (it.id, it.material)), Some((id(3), None)));
        assert_eq!(opening.publisher_today, 40);
        let used = Expect::Unrepeated(demo(), bank(), "T:track-3".into());
        assert_eq!(store.commit(Vec::new(), vec![used]).await, Err(StoreError::Conflict));
        let seen = Expect::Unseen(format!("sandbox/{}", id(3)));
        assert_eq!(store.commit(Vec::new(), vec![seen]).await, Err(StoreError::Conflict));
    }
    store.close();
    is_whole(&open(dir.path(), &time)).await;
}

#[tokio::test]
async fn what_ended_is_answerable_for_72_hours_also_after_a_restart() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
    let mut place = dir.path().join("0");
    let mut store = open(&place, &time);
    for n in 1..=6 {
        put(&store, &ended(challenge(n, &phone()), at(5 + n as i64))).await;
    }
    // Restarted at each of these moments: closed in order, or as a crash would leave it.
    for (turn, (hours, crashes)) in [(0, false), (0, true), (30, true), (60, false), (71, true), (72, false)].into_iter().enumerate() {
        time.set(at(hours * 3600 + 60));
        store.sweep().await.unwrap();
        if crashes {
            let crashed = dir.path().join(format!("{}", turn + 1));
            copy(&place, &crashed);
            place = crashed;
        } else {
            store.close();
        }
        store = open(&place, &time);
        let known = hours < 72;
        let now = time.now();
        for n in 1..=6 {
            let name = format!("sandbox/{}", id(n));
            let view = store.load(&opening(&challenge(n, &phone()), now)).await.unwrap();
            assert_eq!(view.prior.map(|it| it.id), known.then_some(id(n)), "{n} after {hours} h");
            assert_eq!(view.addresses[0].sends.len(), if hours == 0 { 6 } else { 0 });
            assert_eq!(view.publisher_today, if hours == 0 { 6 } else { 0 });
            let reply = store.load(&reply_from(&phone(), Some(&name), now)).await.unwrap();
            assert_eq!((reply.seen.is_some(), reply.addresses[0].ended.len()), (known, if hours == 0 { 5 } else { 0 }));
            assert_eq!(store.by_delivery(delivery_id(n)).await.unwrap(), known.then_some(id(n)));
            for used in [Expect::Unseen(name), Expect::Unrepeated(demo(), bank(), format!("T:track-{n}"))] {
                let outcome = if known { Err(StoreError::Conflict) } else { Ok(()) };
                assert_eq!(store.commit(Vec::new(), vec![used]).await, outcome);
            }
            assert!(store.find(id(n)).await.unwrap().is_some(), "history has it longer");
        }
    }
}

#[tokio::test]
async fn a_late_receipt_changes_what_is_in_history() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
    let store = open(dir.path(), &time);
    let mut it = ended(challenge(1, &phone()), at(5));
    put(&store, &it).await;
    store.sweep().await.unwrap();
    let version = store.find(id(1)).await.unwrap().unwrap().version;
    it.events.push(event(1, 9, countersign::domain::event::Act::MsgDelivered, at(61), Some(delivery_id(1))));
    let late = || vec![Write::Aggregate(boxed(&it))];
    assert_eq!(store.commit(late(), vec![Expect::Aggregate(id(1), version + 1)]).await, Err(StoreError::Conflict));
    store.commit(late(), vec![Expect::Aggregate(id(1), version)]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(numbers(&store, 0, 9).await, [(1, 1, 0), (2, 1, 1), (3, 1, 2)]);
        assert_eq!(store.find(id(1)).await.unwrap().unwrap().value, boxed(&it));
        assert_eq!(store.load(&Query::One(id(1))).await.unwrap().one.unwrap().value, boxed(&it));
        store.sweep().await.unwrap();
    }
}

#[tokio::test]
async fn tombstones_and_history_end_with_their_time() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(60));
    let mut settings = settings(dir.path(), &time);
    settings.retention_days = 5;
    let store = SledStore::open(settings, vault(), time.now()).unwrap();
    put(&store, &ended(challenge(1, &phone()), at(5))).await;
    store.sweep().await.unwrap();
    time.set(at(5 + 71 * 3600));
    store.sweep().await.unwrap();
    let used = || vec![Expect::Unrepeated(demo(), bank(), "T:track-1".into())];
    assert_eq!(store.commit(Vec::new(), used()).await, Err(StoreError::Conflict));
    time.set(at(6 + 72 * 3600));
    store.sweep().await.unwrap();
    assert_eq!(store.commit(Vec::new(), used()).await, Ok(()));
    assert_eq!(store.load(&Query::One(id(1))).await.unwrap().one, None);
    assert!(store.find(id(1)).await.unwrap().is_some(), "history still has it");
    assert_eq!(numbers(&store, 0, 9).await.len(), 2);
    let keys = store.status().records;
    time.set(at(6 * 24 * 3600));
    store.sweep().await.unwrap();
    assert_eq!(store.find(id(1)).await.unwrap(), None);
    assert!(numbers(&store, 0, 9).await.is_empty());
    assert!(!dir.path().join("history/2026-11-21").exists());
    time.set(at(7 * 24 * 3600));
    store.sweep().await.unwrap();
    let gained = 4 + 2; // what the day has goes with it; today's and tomorrow's key at the two jumps of time; none was lost yet but those of the first days
    assert!(store.status().records < keys + gained, "data keys were destroyed");
    put(&store, &challenge(2, &phone())).await;
    assert_eq!(numbers(&store, 0, 9).await, [(3, 2, 0)], "numbers are never given twice");
}

#[tokio::test]
async fn nothing_is_clear_on_disk() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = filled(dir.path(), &time).await;
    time.set(at(60));
    store.sweep().await.unwrap();
    store.close();
    let canaries =
        ["2025550123", "493817", "CANARY", "canary@", "track-", "sandbox/", "Login", "cursor", "anna", "demo", "011001276", "uid-"];
    let all = files(dir.path());
    assert!(all.iter().any(|it| it.ends_with("history/2026-11-21/data")) && all.len() > 4);
    for file in all {
        let bytes = fs::read(&file).unwrap();
        for canary in canaries {
            let found = bytes.windows(canary.len()).any(|it| it == canary.as_bytes());
            assert!(!found, "{canary} is clear in {}", file.display());
        }
    }
}

#[tokio::test]
async fn another_root_key_is_refused_and_nothing_is_moved() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    filled(dir.path(), &time).await.close();
    let refusal = refused(dir.path(), Arc::new(Vault::from_root(&[1; 32])));
    assert!(matches!(refusal, OpenError::Key { .. }), "{refusal}");
    is_whole(&open(dir.path(), &time)).await;
}

#[tokio::test]
async fn a_second_process_is_refused_and_nothing_is_moved() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = filled(dir.path(), &time).await;
    let refusal = refused(dir.path(), vault());
    assert!(matches!(refusal, OpenError::Io(_)), "{refusal}");
    is_whole(&store).await;
}

#[tokio::test]
async fn a_damaged_or_shorter_store_is_set_aside_and_never_started() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("cut short", |dir| {
            let db = fs::OpenOptions::new().write(true).open(dir.join("hot/db")).unwrap();
            db.set_len(5_000).unwrap();
        }),
        ("cut to nothing", |dir| fs::write(dir.join("hot/db"), b"").unwrap()),
        ("an older copy", |dir| {
            fs::remove_dir_all(dir.join("hot")).unwrap();
            copy(&dir.join("old"), &dir.join("hot"));
        }),
        ("a byte in every place of the file", |dir| {
            let mut bytes = fs::read(dir.join("hot/db")).unwrap();
            (0..bytes.len()).step_by(97).for_each(|at| bytes[at] ^= 0x55);
            fs::write(dir.join("hot/db"), bytes).unwrap();
        }),
    ];
    for (name, harm) in harms {
        let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
        filled(dir.path(), &time).await.close();
        into_sled(dir.path(), &time).await;
        copy(&dir.path().join("hot"), &dir.path().join("old"));
        let store = open(dir.path(), &time);
        put(&store, &challenge(41, &phone())).await;
        store.close();
        into_sled(dir.path(), &time).await;
        harm(dir.path());
        let harmed = fs::read(dir.path().join("hot/db")).unwrap().len();
        match refused(dir.path(), vault()) {
            OpenError::Damaged { why, copy } => {
                assert!(why.contains("was durable"), "{name}: {why}");
                assert!(fs::read(copy.join("db")).unwrap().len() >= harmed, "{name}: nothing is deleted");
            }
            other => panic!("{name}: {other}"),
        }
        assert!(matches!(refused(dir.path(), vault()), OpenError::Missing(_)), "{name}: it does not start empty afterwards");
    }
}

#[tokio::test]
async fn a_broken_snapshot_on_a_whole_log_is_rebuilt_on_a_copy() {
    for length in [0, 10] {
        let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
        filled(dir.path(), &time).await.close();
        into_sled(dir.path(), &time).await;
        open(dir.path(), &time).close(); // sled writes a snapshot when it reads a log
        let snapshots: Vec<_> = files(&dir.path().join("hot")).into_iter().filter(|it| it.to_string_lossy().contains("snap.")).collect();
        assert!(!snapshots.is_empty());
        for snapshot in snapshots {
            fs::OpenOptions::new().write(true).open(snapshot).unwrap().set_len(length).unwrap();
        }
        is_whole(&open(dir.path(), &time)).await;
        assert!(dir.path().join(format!("quarantine-{}", at(0).millis())).join("db").exists(), "the store as it was is kept");
    }
}

#[tokio::test]
async fn a_backup_is_verified_and_restores_everything() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let (live, file, back) = (dir.path().join("live"), dir.path().join("file.backup"), dir.path().join("back"));
    let store = filled(&live, &time).await;
    time.set(at(60));
    store.sweep().await.unwrap();
    let made = store.backup(&file).await.unwrap();
    assert!(made.total > made.records);
    assert!(store.backup(&file).await.is_err(), "a backup is never overwritten");
    let feed = numbers(&store, 0, 1000).await;
    put(&store, &challenge(41, &phone())).await;
    assert_eq!(verify(&file).unwrap(), made);
    assert_eq!(restore(&file, &back).unwrap(), made);
    assert!(restore(&file, &back).is_err(), "a store is never overwritten");
    let restored = open(&back, &time);
    is_whole(&restored).await;
    assert_eq!(numbers(&restored, 0, 1000).await, feed);
    assert_eq!(restored.load(&Query::One(id(3))).await.unwrap().one, store.load(&Query::One(id(3))).await.unwrap().one);
    restored.close();
    let bytes = fs::read(&file).unwrap();
    let harmed = dir.path().join("harmed");
    for at in (0..bytes.len()).step_by(bytes.len() / 40).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&harmed, &changed).unwrap();
        assert!(verify(&harmed).is_err(), "byte {at} was changed");
        fs::write(&harmed, &bytes[..at]).unwrap();
        assert!(verify(&harmed).is_err(), "cut at {at}");
    }
    assert!(restore(&harmed, &dir.path().join("none")).is_err());
    assert!(!dir.path().join("none").exists(), "nothing is restored from a backup that does not verify");
}

#[tokio::test]
async fn a_queue_that_is_full_refuses_and_answers_everyone() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let mut settings = settings(dir.path(), &time);
    settings.queue = 1;
    let store = SledStore::open(settings, vault(), time.now()).unwrap();
    let writes = (1..=500).map(|n| store.commit(vec![Write::Aggregate(boxed(&challenge(n, &phone())))], Vec::new()));
    let outcomes = futures_util::future::join_all(writes).await;
    let busy = outcomes.iter().filter(|it| **it == Err(StoreError::Busy)).count();
    let done = outcomes.iter().filter(|it| it.is_ok()).count();
    assert!(busy > 0, "one may wait, and five hundred come at once");
    assert_eq!(busy + done, 500, "an answer for each, and no other");
    assert_eq!(store.status().open, done as u64);
    assert_eq!(store.status().waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_has_no_gap_while_things_move() {
    const COUNT: u128 = 200;
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(1000));
    let store = open(dir.path(), &time);
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 1..=COUNT {
                put(&store, &challenge(n, &phone())).await;
                put(&store, &ended(challenge(n, &phone()), at(500))).await;
            }
        })
    };
    let moving = {
        let store = store.clone();
        tokio::spawn(async move {
            while store.status().open > 0 || store.status().feed.first().is_none_or(|it| it.1 < 2 * COUNT as u64) {
                store.sweep().await.unwrap();
            }
            store.sweep().await.unwrap();
        })
    };
    let mut after = 0;
    while after < 2 * COUNT as u64 {
        for (seq, of, index) in numbers(&store, after, 7).await {
            assert_eq!((seq, of, index), (after + 1, u128::from(after / 2) + 1, (after % 2) as usize));
            after = seq;
        }
        assert!(numbers(&store, 0, 3).await.iter().map(|it| it.0).eq(1..=after.min(3)) || after < 3);
    }
    writing.await.unwrap();
    moving.await.unwrap();
    assert_eq!(numbers(&store, 0, 1000).await.len(), 2 * COUNT as usize);
    assert!(store.find(id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn without_its_watermark_a_store_is_refused() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    filled(dir.path(), &time).await.close();
    let mark = dir.path().join("watermark");
    let kept = fs::read(&mark).unwrap();
    fs::write(&mark, &kept[..10]).unwrap();
    let refusal = refused(dir.path(), vault());
    assert!(matches!(refusal, OpenError::Unproven(_)), "{refusal}");
    fs::remove_file(&mark).unwrap();
    let refusal = refused(dir.path(), vault());
    assert!(matches!(refusal, OpenError::Unproven(_)), "{refusal}");
    fs::write(&mark, kept).unwrap();
    is_whole(&open(dir.path(), &time)).await;
}

#[tokio::test]
async fn commits_that_meet_are_each_checked_against_the_one_before() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let store = open(dir.path(), &time);
    let tries = (1..=50).map(|n| {
        let (store, to) = (store.clone(), Address::canonical(&format!("+1202555{:04}", n % 10)));
        tokio::spawn(async move {
            let mut won = 0;
            loop {
                let view = store.load(&reply_from(&to, None, at(99))).await.unwrap();
                let version = view.addresses[0].version;
                let write = vec![Write::Aggregate(boxed(&challenge(n, &to)))];
                match store.commit(write, vec![Expect::Address(to.clone(), version), Expect::Aggregate(id(n), 0)]).await {
                    Ok(()) => won += 1,
                    Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error}"),
                }
                if won == 1 {
                    let open = store.load(&reply_from(&to, None, at(99))).await.unwrap().addresses.remove(0).open;
                    assert!(open.iter().any(|it| it.value.id == id(n)), "what is acknowledged is visible");
                    return;
                }
            }
        })
    });
    for task in tries.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let all = numbers(&store, 0, 1000).await;
    assert_eq!(all.iter().map(|it| it.0).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    assert_eq!(store.status().open, 50);
    store.close();
    assert_eq!(numbers(&open(dir.path(), &time), 0, 1000).await, all);
}

#[tokio::test]
async fn without_its_housekeeping_a_store_is_not_ready_and_calls_for_the_end_once() {
    let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
    let (broken, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (breaks, counts) = (broken.clone(), ends.clone());
    let mut settings = settings(dir.path(), &time);
    settings.clock = Arc::new(move || if breaks.load(Ordering::SeqCst) { panic!("no time") } else { at(0) });
    settings.fatal = Arc::new(move |why| {
        assert!(why.contains("no time"), "{why}");
        counts.fetch_add(1, Ordering::SeqCst);
    });
    let store = SledStore::open(settings, vault(), at(0)).unwrap();
    put(&store, &challenge(1, &phone())).await;
    broken.store(true, Ordering::SeqCst);
    assert!(matches!(store.sweep().await, Err(StoreError::Failed(_))));
    assert!(matches!(store.sweep().await, Err(StoreError::Failed(_))), "nobody is there any more");
    while ends.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!store.status().ready);
    let late = store.commit(vec![Write::Aggregate(boxed(&challenge(2, &phone())))], Vec::new()).await;
    assert!(matches!(late, Err(StoreError::Failed(_))));
    store.close();
    assert_eq!(ends.load(Ordering::SeqCst), 1);
}
