//! Through a file of JSON lines: of either engine, into either; and what is refused.

use super::*;
use countersign::store::transfer::export;
use countersign::store::transfer::file::{self, FileError};
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_file_makes_the_same_store_in_either_engine() {
    let from = filled(160).await;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("all.jsonl");
    let written = export::from_sled(&from.store, &vault(), &path, from.time.now()).unwrap();
    assert_eq!(file::verify(&path, &vault()).unwrap(), written);
    assert_eq!((written["session"], written["recipient"], written["note"]), (160, 5, 30));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("CANARY") && !text.contains("+1202555") && !text.contains("493817"), "it is sealed");
    assert!(matches!(export::from_sled(&from.store, &vault(), &path, from.time.now()), Err(FileError::Io(_))), "nothing is overwritten");

    imported(&path, &from, place.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgresql_exports_makes_the_same_store_in_either_engine() {
    let (from, to) = (filled(160).await, database());
    let place = tempfile::tempdir().unwrap();
    let (there, back) = (place.path().join("there.jsonl"), place.path().join("back.jsonl"));
    let mut written = export::from_sled(&from.store, &vault(), &there, from.time.now()).unwrap();
    file::import_postgres(&there, (&to, options(&from.time)), vault(), Plan::default()).await.unwrap();
    let store = arrived(&to, &from.time).await.unwrap();
    let mut again = export::from_postgres(&store, vault(), &[demo()], &back, from.time.now()).await.unwrap();
    assert_eq!(file::verify(&back, &vault()).unwrap(), again);
    let text = std::fs::read_to_string(&back).unwrap();
    assert!(!text.contains("CANARY") && !text.contains("+1202555") && !text.contains("493817"), "it is sealed");
    // Each store makes the data keys of the days that it needs.
    for counts in [&mut written, &mut again] {
        counts.remove("data_key");
    }
    assert_eq!(again, written);
    imported(&back, &from, place.path()).await;

    // Whoever wants messages again gets them, from the next start on, too.
    let dir = place.path().join("fresh");
    let open = || SledStore::open(settings(&dir, &from.time), vault(), from.time.now()).unwrap();
    let opted_out =
        async |store: &SledStore, n| !store.load(&reply_from(&number(n), None, at(NOW))).await.unwrap().addresses[0].opt_outs.is_empty();
    let store = open();
    assert!(opted_out(&store, 0).await && opted_out(&store, 3).await && !opted_out(&store, 1).await);
    store.commit(vec![Write::OptOut(demo(), number(3), true)], Vec::new()).await.unwrap();
    store.commit([0, 3].map(|n| Write::OptOut(demo(), number(n), false)).into(), Vec::new()).await.unwrap();
    assert!(!opted_out(&store, 0).await && !opted_out(&store, 3).await);
    store.close();
    drop(store);
    let store = open();
    assert!(!opted_out(&store, 0).await && !opted_out(&store, 3).await && opted_out(&store, 6).await);
    store.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_written_leaves_nothing_behind() {
    let (from, to) = (filled(40).await, database());
    from.moved(&to).await.unwrap();
    let store = arrived(&to, &from.time).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let nowhere = place.path().join("nowhere/all.jsonl");
    let refused = export::from_postgres(&store, vault(), &[], &nowhere, from.time.now()).await;
    assert!(matches!(refused, Err(FileError::Io(_))), "{refused:?}");
    // Its own root key opens nothing that is there.
    let path = place.path().join("all.jsonl");
    let other = Arc::new(Vault::from_root(&[7; 32]));
    export::from_postgres(&store, other, &[], &path, from.time.now()).await.unwrap_err();
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    // What somebody else is writing, or began to write.
    let begun = place.path().join("all.jsonl.partial");
    std::fs::write(&begun, "{}").unwrap();
    let refused = export::from_postgres(&store, vault(), &[], &path, from.time.now()).await.unwrap_err().to_string();
    assert!(refused.contains("all.jsonl.partial is there"), "{refused}");
    assert_eq!(std::fs::read_to_string(&begun).unwrap(), "{}");
    std::fs::remove_file(&begun).unwrap();
    assert!(export::from_postgres(&store, vault(), &[], &path, from.time.now()).await.is_ok(), "its connections are whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_number_is_gone_goes_along_without_one() {
    let (from, base) = (filled(40).await, shared().database());
    from.moved(&Settings { migrate: true, ..shared().settings(&base) }).await.unwrap();
    let store = arrived(&shared().settings(&base), &from.time).await.unwrap();
    shared().sql(&base, "DELETE FROM event WHERE seq = 7");
    let place = tempfile::tempdir().unwrap();
    let (path, fresh) = (place.path().join("all.jsonl"), place.path().join("fresh"));
    export::from_postgres(&store, vault(), &[], &path, from.time.now()).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"events\":[0") || text.contains(",0]"), "{text}");
    file::import_postgres(&path, (&database(), options(&from.time)), vault(), Plan::default()).await.unwrap();
    file::import_sled(&path, &vault(), &fresh).unwrap();
    let there = SledStore::open(settings(&fresh, &from.time), vault(), from.time.now()).unwrap();
    for it in &from.all {
        assert_eq!(there.find(it.id).await.unwrap().unwrap().value, boxed(it));
    }
    let numbers: Vec<u64> = feed(&*there, &bank(), 0, 7).await.into_iter().map(|it| it.0).collect();
    assert!(numbers.len() > 20 && numbers[0] > 0 && numbers.is_sorted(), "{numbers:?}");
    there.close();
}

// Makes a store of the file in either engine: in the directory `fresh` of `place`, and in a database.
async fn imported(path: &Path, from: &Filled, place: &Path) {
    let to = database();
    file::import_postgres(path, (&to, options(&from.time)), vault(), Plan::default()).await.unwrap();
    same(&*from.store, &*arrived(&to, &from.time).await.unwrap(), &from.all).await;
    let again = file::import_postgres(path, (&to, options(&from.time)), vault(), Plan { restart: true, ..Plan::default() }).await;
    assert!(matches!(again, Err(FileError::Taken)), "what is somebody's is left alone");

    let fresh = place.join("fresh");
    file::import_sled(path, &vault(), &fresh).unwrap();
    for _ in 0..2 {
        let there = SledStore::open(settings(&fresh, &from.time), vault(), from.time.now()).unwrap();
        same(&*from.store, &*there, &from.all).await;
        there.sweep().await.unwrap();
        same(&*from.store, &*there, &from.all).await;
        there.close();
    }
    assert!(matches!(file::import_sled(path, &vault(), &fresh), Err(FileError::Taken)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_damaged_cut_off_or_anothers_is_refused_before_anything_is_written() {
    let from = filled(40).await;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("all.jsonl");
    export::from_sled(&from.store, &vault(), &path, from.time.now()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (base, into) = (shared().database(), place.path().join("into"));
    let to = Settings { migrate: true, ..shared().settings(&base) };
    let check = async |name: &str, changed: String, expected: &str| {
        let harmed = place.path().join("harmed.jsonl");
        std::fs::write(&harmed, changed).unwrap();
        let refused = file::import_sled(&harmed, &vault(), &into).unwrap_err().to_string();
        assert!(refused.contains(expected) && refused.contains("nothing was imported"), "{name}: {refused}");
        let refused = file::import_postgres(&harmed, (&to, options(&from.time)), vault(), Plan::default()).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{name}: {refused}");
        assert!(!into.exists(), "{name}");
    };
    let session = lines.iter().position(|it| it.contains("\"type\":\"session\"")).unwrap();
    let with = |at: usize, new: &str| [&lines[..at], &[new], &lines[at + 1..]].concat().concat();
    check("empty", String::new(), "line 1: it is cut off").await;
    check("no end", lines[..lines.len() - 1].concat(), "it is cut off").await;
    check("half a line", text[..text.len() - 5].to_owned(), "it is cut off").await;
    check("a line less", with(session, ""), "changed or damaged").await;
    check("a line twice", with(session, &lines[session].repeat(2)), "changed or damaged").await;
    check("another number", with(session, &lines[session].replace("\"events\":[", "\"events\":[9")), "changed or damaged").await;
    check("another name", with(session, &lines[session].replace("demo", "demi")), "does not say").await;
    check("another seal", with(session, &lines[session].replace("\"sealed\":\"", "\"sealed\":\"AAAA")), "does not say").await;
    check("more", format!("{text}{{}}\n"), "changed or damaged").await;
    check("no heading", lines[1..].concat(), "not the first line").await;
    check("another version", with(0, &lines[0].replace("\"version\":1", "\"version\":2")), "another version").await;
    check("no line of ours", with(1, "{\"type\":\"else\"}\n"), "no line that this version reads").await;
    let other = file::verify(&path, &Vault::from_root(&[7; 32])).unwrap_err().to_string();
    assert!(other.contains("root key"), "{other}");
}
