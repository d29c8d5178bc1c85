//! Disks that stop taking writes: full, broken, read-only. Nobody is told of a success that is not durable; the process says why
//! and ends; and with the fault gone everything is there.

use super::check::must_hold;
use super::dice::{Dice, seed};
use super::platter::{Cut, Platter};
use super::power::{at, disk, files};
use super::process::bank::Server;
use super::process::until;
use super::shim::{Under, journal};
use super::town::Town;
use super::town::look::look;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a process ends with when a durable step failed.
const CANNOT_GO_ON: i32 = 70;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_under_load_ends_the_process_and_loses_nothing() {
    let mut dice = Dice::new(seed());
    for (fault, most) in [("enospc", 9_000), ("eiosync", 12)] {
        fails_under_load(&format!("{fault}:{}", dice.below(most))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: full disk"]
async fn disks_that_fail_at_many_moments() {
    let mut dice = Dice::new(seed());
    for (fault, most) in [("enospc", 60_000), ("eiowrite", 60_000), ("eiosync", 60)] {
        for _ in 0..4 {
            fails_under_load(&format!("{fault}:{}", dice.below(most))).await;
        }
    }
}

// It goes on from what the fault left durable, as if the power had failed with it: the strictest reading.
async fn fails_under_load(fault: &str) {
    println!("{fault}");
    let town = Town::new().await;
    let (on, to, file) = (disk(&town, "disk-0"), disk(&town, "disk-1"), town.bank().path("journal"));
    let trigger = town.bank().path("trigger");
    let mut platter = Platter::of(&on);
    let mut environment = Under { root: &on, journal: &file, fault, trigger: Some(&trigger) }.environment();
    environment.push(at(&on));
    let server = town.bank().start_under(&environment);
    let begins = async {
        town.busy(10, Duration::ZERO).await;
        std::fs::write(&trigger, "").unwrap();
        over(&server).await;
    };
    town.rush(&server, begins, || ()).await;
    ended(server, if fault.starts_with("enospc") { "No space left on device" } else { "Input/output error" });
    journal(&file, &on).iter().for_each(|it| platter.play(&it.1));
    platter.cut(Cut::Exact, &to);
    whole(&town, &to, fault).await;
}

/// Until nobody answers any more.
async fn over(server: &Server) {
    let gone = async || server.request(reqwest::Method::GET, "/health/live").send().await.is_err().then_some(());
    until("the end of the process", gone).await;
}

fn ended(server: Server, cause: &str) {
    let (status, said) = server.ended_saying();
    assert_eq!(status.code(), Some(CANNOT_GO_ON), "{said}");
    let told = said.lines().find(|it| it.contains("the store can't go on")).unwrap_or_else(|| panic!("no last word in:\n{said}"));
    assert!(told.contains(cause), "{told}");
}

async fn whole(town: &Town, on: &Path, what: &str) {
    town.keep(None);
    let server = town.bank().start_under(&[at(on)]);
    town.drain(&server).await;
    look(town, &server.base, &town.bank().path("admin.sock")).await;
    must_hold(&town.record(), what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_read_only_disk_it_says_so_and_changes_nothing() {
    let town = Town::new().await;
    let (on, file) = (disk(&town, "disk-0"), town.bank().path("journal"));
    let mut environment = Under { root: &on, journal: &file, fault: "erofs", trigger: None }.environment();
    environment.push(at(&on));
    let said = town.bank().try_start_under(&environment).err().expect("there is nowhere to write");
    assert!(said.code == Some(1) && said.err.contains("read-only: find out why"), "{}", said.err);
    let server = town.bank().start_under(&[at(&on)]);
    town.rush(&server, town.busy(5, Duration::ZERO), || server.signal("-KILL")).await;
    let _ = server.ended();
    let before = files(&on);
    let said = town.bank().try_start_under(&environment).err().expect("there is nowhere to write");
    assert!(said.code == Some(1) && said.err.contains("read-only: find out why"), "{}", said.err);
    assert_eq!(files(&on), before, "nothing was changed");
    whole(&town, &on, "writable again").await;
}

/// A file system in memory, unmounted in the end.
struct Small(PathBuf);

impl Small {
    fn mount(on: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(on).output();
        mounted.is_ok_and(|it| it.status.success()).then(|| Self(on.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_full_disk() {
    let town = Town::new().await;
    let on = disk(&town, "disk-0");
    let Some(_small) = Small::mount(&on) else {
        println!("skipped: only root may mount a small disk; the shim's full disk was tested");
        return;
    };
    let server = town.bank().start_under(&[at(&on)]);
    let filler = on.join("filler");
    let fills = async {
        town.busy(10, Duration::ZERO).await;
        // Writes until nothing more fits.
        let _ = std::io::copy(&mut std::io::repeat(1), &mut std::fs::File::create(&filler).unwrap());
        over(&server).await;
    };
    town.rush(&server, fills, || ()).await;
    ended(server, "No space left on device");
    let said = town.bank().try_start_under(&[at(&on)]);
    if let Err(said) = said {
        assert!(said.code != Some(0) && said.err.contains("No space left on device"), "{:?} {}", said.code, said.err);
    }
    std::fs::remove_file(&filler).unwrap();
    whole(&town, &on, "with room again").await;
}
