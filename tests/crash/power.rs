//! Power cuts: what was not synced is gone, or torn. One rush under load gives many moments at which the power might have failed;
//! from each the server must come up whole, with everything that was acknowledged before.

use super::check::{check, must_hold};
use super::dice::{Dice, seed};
use super::platter::{Cut, Platter};
use super::record::Record;
use super::shim::{Op, Under, journal, probe};
use super::town::Town;
use super::town::look::look;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How the power fails, after a rush.
struct Outage {
    /// Everything that was written down, with the journal's length after each.
    ops: Vec<(u64, Op)>,
    /// What was on the disk before.
    before: Platter,
    record: Record,
}

impl Outage {
    /// A rush on the disk `from`, which is there already; its process is killed, and what it did to the disk is known.
    async fn after(town: &Town, from: &Path, fault: &str, answers: usize) -> Self {
        let before = Platter::of(from);
        let file = from.with_extension("journal");
        let under = Under { root: from, journal: &file, fault, trigger: None };
        let mut environment = under.environment();
        environment.push(at(from));
        town.keep(Some(file.clone()));
        let server = town.bank().start_under(&environment);
        town.rush(&server, town.busy(answers, Duration::from_millis(3)), || server.signal("-KILL")).await;
        let _ = server.ended();
        Self { ops: journal(&file, from), before, record: town.record() }
    }

    /// The disk and what was known when the first `count` operations had been done.
    fn cut(&self, count: usize, how: Cut, to: &Path) -> Record {
        let mut platter = self.before.clone();
        self.ops[..count].iter().for_each(|it| platter.play(&it.1));
        platter.cut(how, to);
        self.record.until(self.ops[..count].last().map_or(0, |it| it.0))
    }

    /// A number of operations between which the power may fail: somewhere in the part where requests came in.
    fn moment(&self, dice: &mut Dice) -> usize {
        let first = self.ops.len() / 10;
        first + dice.below((self.ops.len() - first) as u64 + 1) as usize
    }
}

/// Where the store is.
pub fn at(disk: &Path) -> (String, String) {
    ("COUNTERSIGN__STORE__DIR".to_owned(), disk.join("data").to_str().unwrap().to_owned())
}

/// A directory that stands for a disk.
pub fn disk(town: &Town, name: &str) -> PathBuf {
    let disk = town.bank().path(name);
    std::fs::create_dir(&disk).unwrap();
    disk
}

/// Everything comes to its end on this disk, and is judged.
async fn comes_back(town: &Town, disk: &Path, record: Record) -> Vec<String> {
    town.go_on(record, None);
    let server = town.bank().start_under(&[at(disk)]);
    town.ask_again(&server).await;
    town.drain(&server).await;
    look(town, &server.base, &town.bank().path("admin.sock")).await;
    assert!(server.stop().success());
    check(&town.record())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_power_cut_leaves_it_comes_back_whole() {
    outages(1, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: power cuts"]
async fn many_power_cuts() {
    outages(6, 3).await;
}

/// So many rushes, one upon what the other left; each with so many moments at which the power fails.
async fn outages(rounds: u64, moments: u64) {
    let (town, mut dice) = (Town::new().await, Dice::new(seed()));
    let mut on = disk(&town, "disk-0");
    for round in 1..=rounds {
        let outage = Outage::after(&town, &on, "", 20 + dice.below(60) as usize).await;
        for moment in 0..moments {
            let count = outage.moment(&mut dice);
            let (name, how) = if dice.chance(50) { ("exact", Cut::Exact) } else { ("torn", Cut::Torn(dice.clone())) };
            let to = disk(&town, &format!("disk-{round}-{moment}"));
            let record = outage.cut(count, how, &to);
            let sessions = record.sessions.values().filter(|it| !it.answers.is_empty()).count();
            println!("round {round}: {name} after operation {count} of {}, {sessions} requests acknowledged before", outage.ops.len());
            let wrong = comes_back(&town, &to, record).await;
            assert!(wrong.is_empty(), "round {round}, moment {moment}, {name} after {count}:\n{}", wrong.join("\n"));
        }
        // The next rush is on what the power cut at the very end leaves.
        let to = disk(&town, &format!("disk-{round}"));
        let how = if dice.chance(50) { Cut::Exact } else { Cut::Torn(dice.clone()) };
        let record = outage.cut(outage.ops.len(), how, &to);
        town.go_on(record, None);
        on = to;
    }
    let record = town.record();
    let wrong = comes_back(&town, &on, record).await;
    assert!(wrong.is_empty(), "at the end:\n{}", wrong.join("\n"));
    println!("{rounds} rushes, {} requests in the last line of them", town.record().sessions.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_real_sync_the_judge_sees_the_loss() {
    for fault in ["nosync", "rangesync"] {
        let town = Town::new().await;
        let on = disk(&town, "disk-0");
        // The store is made on a sound disk: what is planted is in the commits, not in the making.
        let server = town.bank().start_under(&[at(&on)]);
        assert_eq!(server.get("/health/ready", &[]).await.status, 200);
        assert!(server.stop().success());
        let outage = Outage::after(&town, &on, fault, 15).await;
        let to = disk(&town, "disk-1");
        let record = outage.cut(outage.ops.len(), Cut::Exact, &to);
        let acknowledged = record.sessions.values().filter(|it| !it.answers.is_empty()).count();
        assert!(acknowledged > 3, "{fault}: the server does not notice; {acknowledged} were acknowledged");
        town.go_on(record, None);
        match town.bank().try_start_under(&[at(&to)]) {
            Ok(server) => {
                town.ask_again(&server).await;
                let wrong = check(&town.record());
                let lost = wrong.iter().filter(|it| it.contains("several ids")).count();
                assert!(lost > 0, "{fault}: {acknowledged} acknowledged requests were never synced, and nobody saw it: {wrong:?}");
            }
            // Its own watermark may see it first.
            Err(said) => assert!(said.err.contains("damaged or incomplete"), "{fault}: {}", said.err),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_tells_all_that_happens_to_the_disk() {
    let town = Town::new().await;
    let on = disk(&town, "disk-0");
    let (file, before) = (town.bank().path("journal"), Platter::of(&on));
    let mut environment = Under { root: &on, journal: &file, fault: "", trigger: None }.environment();
    environment.push(at(&on));
    let server = town.bank().start_under(&environment);
    town.rush(&server, town.busy(20, Duration::ZERO), || ()).await;
    assert!(server.stop().success());
    let mut platter = before;
    journal(&file, &on).iter().for_each(|it| platter.play(&it.1));
    let to = disk(&town, "disk-1");
    platter.cut(Cut::Nothing, &to);
    assert_eq!(files(&to), files(&on), "every byte went through the shim");
    must_hold(&Record::default(), "nothing was asked of the judge");
}

/// Names, lengths and checksums of everything below a directory.
pub fn files(dir: &Path) -> Vec<(PathBuf, u64, u32)> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for item in std::fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_owned();
            if path.is_dir() {
                found.push((name, 0, 0));
                left.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.push((name, bytes.len() as u64, crc32fast::hash(&bytes)));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn only_what_is_synced_survives() {
    let cases =
        [("none", None), ("range", None), ("data", None), ("range-dir", Some("")), ("whole", Some("acknowledged")), ("renamed", None)];
    for (how, expected) in cases {
        let home = tempfile::tempdir().unwrap();
        let (root, to, file) = (home.path().join("disk"), home.path().join("left"), home.path().join("journal"));
        std::fs::create_dir(&root).unwrap();
        let mut platter = Platter::of(&root);
        let under = Under { root: &root, journal: &file, fault: "", trigger: None };
        let status = Command::new(probe()).arg(&root).arg(how).envs(under.environment()).status().unwrap();
        assert!(status.success(), "{how}");
        journal(&file, &root).iter().for_each(|it| platter.play(&it.1));
        platter.cut(Cut::Exact, &to);
        assert_eq!(std::fs::read_to_string(to.join("file")).ok().as_deref(), expected, "{how}");
        platter.cut(Cut::Nothing, &to);
        assert_eq!(std::fs::read_to_string(to.join("file")).unwrap(), "acknowledged", "{how}: it was written");
    }
}
