//! Bytes that change on the disk, and files that are cut off or gone: the server refuses with a word that says what to do, or it
//! has everything, or it tells what history lacks. It is never silently shorter; and a backup brings everything back.

use super::check::{check, must_hold};
use super::dice::{Dice, seed};
use super::power::{at, disk};
use super::process::bank::{Bank, Server};
use super::process::until;
use super::record::Record;
use super::town::Town;
use countersign::store::sled::{Settings, SledStore};
use countersign::vault::Vault;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a refusal says, one of these.
const REFUSALS: [&str; 4] = [
    "Restore a backup with `countersign restore`",
    "put it back, or restore a backup with `countersign restore`",
    "give the root file that belongs to this data",
    "the data directory can't be used",
];
/// What the log says of a history that lacks something, or that was mended.
const TOLD: [&str; 4] =
    ["history lacks records", "a day of history is damaged", "a day of history was broken", "an index of history is damaged"];

/// What follows from a record that history lacks: its events, and what tells a repeated request from a new one.
const FOLLOWS: [&str; 3] = ["answered with several ids", "different messages, by id or text", " events, the feed "];

/// A store with a past, and its backup.
struct Sound {
    town: Town,
    data: PathBuf,
    backup: String,
    record: Record,
}

impl Sound {
    async fn new() -> Self {
        let town = Town::new().await;
        let on = disk(&town, "disk-0");
        let server = town.bank().start_under(&[at(&on)]);
        town.rush(&server, town.busy(25, Duration::ZERO), || ()).await;
        town.drain(&server).await;
        assert!(server.stop().success());
        into_history(town.bank(), &on.join("data")).await;
        let server = town.bank().start_under(&[at(&on)]);
        let said = town.bank().done(&["backup", "--to", town.bank().path("backups").to_str().unwrap()]);
        let backup = said.split_once(": verified").expect("verified").0.to_owned();
        server.kill();
        let record = town.record();
        must_hold(&record, "before anything is damaged");
        Self { town, data: on.join("data"), backup, record }
    }

    // Asked again, every request has its first answer, and the feed is what it was; else what is wrong.
    async fn wrong_in(&self, server: &Server) -> Vec<String> {
        self.town.go_on(self.record.clone(), None);
        self.town.drain(server).await;
        check(&self.town.record())
    }

    // What history lacks is told, and it lacks nothing else. With a record its idempotency key is lost: repeated within 72 hours,
    // that request gets a new challenge and a new message. The operator's page says so.
    async fn tells(&self, server: &Server, wrong: &[String], what: &str) {
        let told = async || TOLD.iter().any(|it| server.logs().contains(it)).then_some(());
        until(&format!("a word about {wrong:?} after {what}"), told).await;
        let mut record = self.town.record();
        record.feed.clone_from(&self.record.feed);
        let mut other = check(&record);
        // Only where records themselves are damaged: an index, or any other file, costs nothing.
        let records = what.contains("/data:");
        other.retain(|it| !(records && FOLLOWS.iter().any(|follows| it.contains(follows))));
        assert!(other.is_empty(), "{what}:\n{}", other.join("\n"));
    }
}

// As a day later: what has ended leaves the hot store.
async fn into_history(bank: &Bank, data: &Path) {
    let mut settings = Settings::new(data);
    settings.linger = Duration::ZERO;
    // And what stays goes to sled: what comes after this is in a journal.
    settings.journal_bytes = 0;
    let vault = Arc::new(Vault::from_file(&bank.path("root.key")).unwrap());
    let store = SledStore::open(settings, vault, chrono::Utc::now().into()).unwrap();
    store.sweep().await.unwrap();
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_refused_or_whole_and_a_backup_brings_it_back() {
    damages(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: corruption"]
async fn many_damages() {
    damages(40).await;
}

async fn damages(count: u64) {
    let (sound, mut dice) = (Sound::new().await, Dice::new(seed()));
    let (mut refused, mut told) = (0, 0);
    for nth in 0..count {
        let on = disk(&sound.town, &format!("damaged-{nth}"));
        copy(&sound.data, &on.join("data"));
        let what = damage(&on.join("data"), nth, &mut dice);
        match sound.town.bank().try_start_under(&[at(&on)]) {
            Err(said) => {
                refused += 1;
                assert!(said.code == Some(1) && REFUSALS.iter().any(|it| said.err.contains(it)), "{what}: {:?} {}", said.code, said.err);
                if refused % 8 == 1 {
                    comes_back(&sound, &on, &what).await;
                }
            }
            Ok(server) => {
                let wrong = sound.wrong_in(&server).await;
                if !wrong.is_empty() {
                    told += 1;
                    sound.tells(&server, &wrong, &what).await;
                }
            }
        }
        std::fs::remove_dir_all(&on).unwrap();
    }
    println!("{count} damages: {refused} refused, {told} lack something of history and tell it, the rest whole");
    assert!(refused > 0, "something of this must matter");
}

// The way that the message says.
async fn comes_back(sound: &Sound, on: &Path, what: &str) {
    std::fs::rename(on.join("data"), on.join("data.old")).unwrap();
    let into = on.join("data");
    let said = sound.town.bank().done(&["restore", "--from", &sound.backup, "--into", into.to_str().unwrap()]);
    assert!(said.contains("verified and restored"), "{said}");
    let server = sound.town.bank().start_under(&[at(on)]);
    let wrong = sound.wrong_in(&server).await;
    assert!(wrong.is_empty(), "{what}, restored:\n{}", wrong.join("\n"));
}

/// Damages one file, in one of the ways of disks and people; says how.
fn damage(data: &Path, nth: u64, dice: &mut Dice) -> String {
    let mut all: Vec<PathBuf> = super::power::files(data).into_iter().map(|it| it.0).filter(|it| data.join(it).is_file()).collect();
    all.retain(|it| it.to_str() != Some("audit.jsonl"));
    // Those that matter most, in turn, then any.
    let journals = || all.iter().filter(|it| it.starts_with("hot") && it.to_string_lossy().contains("journal."));
    let fullest = || journals().max_by_key(|it| std::fs::read(data.join(it)).unwrap().iter().filter(|it| **it != 0).count());
    let file = match nth % 4 {
        0 if nth.is_multiple_of(8) => PathBuf::from("hot/db"),
        0 => fullest().expect("a journal").clone(),
        1 => all.iter().find(|it| it.starts_with("history") && it.ends_with("data")).expect("a day of history").clone(),
        2 => PathBuf::from("watermark"),
        _ => all[dice.below(all.len() as u64) as usize].clone(),
    };
    let path = data.join(&file);
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len() as u64;
    let how = match dice.below(4) {
        _ if length == 0 => "is gone".to_owned(),
        0 => {
            bytes.truncate(dice.below(length) as usize);
            format!("cut off at {} of {length}", bytes.len())
        }
        1 => {
            let (from, count) = (dice.below(length) as usize, 1 + dice.below(4096) as usize);
            bytes[from..].iter_mut().take(count).for_each(|it| *it = 0);
            format!("{count} bytes of {length} zeroed from {from}")
        }
        2 if dice.chance(30) => "is gone".to_owned(),
        _ => {
            let places: Vec<u64> = (0..1 + dice.below(8)).map(|_| dice.below(length)).collect();
            places.iter().for_each(|at| bytes[*at as usize] ^= 1 << (at % 8));
            format!("a bit flipped at each of {places:?} of {length}")
        }
    };
    if how == "is gone" {
        std::fs::remove_file(&path).unwrap()
    } else {
        std::fs::write(&path, bytes).unwrap()
    }
    let what = format!("{}: {how}", file.display());
    println!("{what}");
    what
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() { copy(&item.path(), &target) } else { assert!(std::fs::copy(item.path(), target).is_ok()) }
    }
}
