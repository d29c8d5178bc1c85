//! Kill rounds: SIGKILL at a random moment under load, a start on the same data, again and again; then everything is judged.

use super::check::must_hold;
use super::dice::{Dice, seed};
use super::record::Plan;
use super::town::Town;
use super::town::look::look;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_loses_nothing_and_repeats_nothing() {
    rounds(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: kill rounds"]
async fn fifty_kill_rounds() {
    rounds(50).await;
}

async fn rounds(count: u64) {
    let (town, mut dice) = (Town::new().await, Dice::new(seed()));
    for _ in 0..count {
        let server = town.bank().start();
        let (answers, moment) = (5 + dice.below(60) as usize, Duration::from_millis(dice.below(50)));
        town.rush(&server, town.busy(answers, moment), || server.signal("-KILL")).await;
        let _ = server.ended();
    }
    let server = town.bank().start();
    town.drain(&server).await;
    look(&town, &server.base, &town.bank().path("admin.sock")).await;
    let record = town.record();
    println!(
        "{count} kills: {} requests, {} messages handed over {} times, {} events, {} pushes",
        record.sessions.len(),
        record.sessions.values().filter(|it| it.plan != Plan::Silent).count(),
        record.handed.len(),
        record.feed.len(),
        record.pushed.len()
    );
    assert!(record.sessions.len() as u64 >= 5 * count, "hardly any load: {}", record.sessions.len());
    must_hold(&record, "after the kills");
}
