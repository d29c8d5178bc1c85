//! A store on sled that an older version wrote: it opens, works on, and is rewritten by and by; and the older version, started on it
//! afterwards, leaves it alone.

use crate::life::{answer, is_known, is_told, life, open, settle};
use crate::sample::{Time, settings, vault};
use countersign::store::contract::Store;
use countersign::store::form::Form;
use countersign::store::sled::{OpenError, Settings, SledStore, restore};
use countersign::vault::Vault;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn store(dir: &Path, form: Form, keys: &Arc<Vault>) -> Result<Arc<SledStore>, OpenError> {
    let time = Time::at(0);
    // Everything goes to sled, where it can be looked at.
    let settings = Settings { form, journal_bytes: 0, linger: Duration::from_secs(3600), ..settings(dir, &time) };
    SledStore::open(settings, keys.clone(), time.now())
}

/// In which forms the challenges are.
fn forms(dir: &Path, keys: &Vault) -> BTreeMap<u128, u8> {
    // A handle that was dropped lets the lock go a little later.
    let open = || sled::open(dir.join("hot")).inspect_err(|_| std::thread::sleep(Duration::from_millis(20))).ok();
    let table = (0..100).find_map(|_| open()).unwrap();
    let form = |(key, value): (sled::IVec, sled::IVec)| {
        // The clear head: form, version, day, due time, and how many numbers of events.
        let day = u32::from_be_bytes(value[9..13].try_into().unwrap());
        let events = usize::from(u16::from_be_bytes(value[21..23].try_into().unwrap()));
        let plain = keys.open_row(day, &key, &value[23 + events * 8..value.len() - 4]).unwrap();
        (u128::from_be_bytes(key[1..].try_into().unwrap()), plain[0])
    };
    table.scan_prefix("A").map(|it| form(it.unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_older_form_works_on_and_is_rewritten_by_and_by() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), vault());
    let older = store(dir.path(), Form::One, &keys).unwrap();
    life(1, &[&*older]).await.unwrap();
    for n in 2..=4 {
        open(&*older, n).await.unwrap();
    }
    settle(&*older, 2).await.unwrap();
    older.close();
    drop(older);
    assert_eq!(forms(dir.path(), &keys), BTreeMap::from([(1, 1), (2, 1), (3, 1), (4, 1)]));

    let newer = store(dir.path(), Form::Two, &keys).unwrap();
    is_known(&*newer, 1).await.unwrap();
    answer(&*newer, 2).await.unwrap();
    settle(&*newer, 3).await.unwrap();
    life(5, &[&*newer]).await.unwrap();
    let (backup, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = backup.path().join("of-both");
    newer.backup(&file).await.unwrap();
    newer.close();
    drop(newer);
    assert_eq!(forms(dir.path(), &keys), BTreeMap::from([(1, 1), (2, 2), (3, 2), (4, 1), (5, 2)]));

    restore(&file, elsewhere.path()).unwrap();
    for dir in [dir.path(), elsewhere.path()] {
        // Neither damaged nor set aside.
        let refused = store(dir, Form::One, &keys).err();
        assert!(matches!(refused, Some(OpenError::Newer(_))), "{refused:?}");
        let again = store(dir, Form::Two, &keys).unwrap();
        assert!(again.status().ready);
        settle(&*again, 4).await.unwrap();
        for n in 3..=4 {
            answer(&*again, n).await.unwrap();
        }
        for n in 1..=5 {
            is_known(&*again, n).await.unwrap();
        }
        is_told(&*again, 1..=5).await.unwrap();
        again.close();
    }
}
