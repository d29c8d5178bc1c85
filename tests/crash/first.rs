//! The very first start: whenever the power fails in it, the next one is whole; and once it serves, nothing is missing.

use super::dice::{Dice, seed};
use super::platter::{Cut, Platter};
use super::power::{at, disk};
use super::shim::{Under, journal};
use super::town::Town;
use countersign::store::contract::Notes;
use countersign::store::sled::{Settings, SledStore};
use countersign::vault::Vault;
use std::path::Path;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_moment_of_the_first_start_leaves_a_store_that_opens() {
    let (town, mut dice) = (Town::new().await, Dice::new(seed()));
    let (on, file) = (disk(&town, "disk"), town.bank().path("journal"));
    let mut platter = Platter::of(&on);
    let mut environment = Under { root: &on, journal: &file, fault: "", trigger: None }.environment();
    environment.push(at(&on));
    let server = town.bank().start_under(&environment);
    server.kill();
    let ops = journal(&file, &on);
    let key = town.bank().path("root.key");
    for (nth, (_, op)) in ops.iter().enumerate() {
        platter.play(op);
        let torn = dice.chance(50);
        let left = town.bank().path(&format!("left-{nth}"));
        platter.cut(if torn { Cut::Torn(dice.clone()) } else { Cut::Exact }, &left);
        opens(&left, &key).await.unwrap_or_else(|why| panic!("after {} of {} operations, torn: {torn}: {why}", nth + 1, ops.len()));
        std::fs::remove_dir_all(&left).unwrap();
    }
    let left = town.bank().path("left");
    platter.cut(Cut::Exact, &left);
    assert!(left.join("data/hot/db").exists() && left.join("data/hot/conf").metadata().unwrap().len() > 8, "its names are durable");
}

// It opens, takes something, and has it when it is opened again.
async fn opens(disk: &Path, key: &Path) -> Result<(), String> {
    let open = || {
        let vault = Arc::new(Vault::from_file(key).unwrap());
        SledStore::open(Settings::new(disk.join("data")), vault, chrono::Utc::now().into()).map_err(|error| error.to_string())
    };
    let store = open()?;
    store.set_notes(vec![("kept".into(), Some(vec![7]))]).await.map_err(|error| error.to_string())?;
    store.close();
    drop(store);
    let found = open()?.note("kept").await.map_err(|error| error.to_string())?;
    (found == Some(vec![7])).then_some(()).ok_or_else(|| "what it took is gone".to_owned())
}
