//! Kill rounds: SIGKILL at a random moment under load, a start on the same data, again and again; then everything is judged.

use super::check::must_hold;
use super::dice::{Dice, seed};
use super::process::bank::Server;
use super::process::explicit;
use super::record::{Exam, Plan};
use super::state::other;
use super::town::{BUDGET, Town};
use countersign::admin::client;
use countersign::admin::command::Command;
use std::time::Duration;

/// Sessions whose timeline and budget are looked at.
const SHOWN: usize = 60;
const EXAMINED: usize = 4;

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
    look(&town, &server).await;
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

/// What operators see of some sessions, and what some budgets count.
pub async fn look(town: &Town, server: &Server) {
    let record = town.record();
    let step = (record.sessions.len() / SHOWN).max(1);
    let keys: Vec<String> = record.sessions.keys().step_by(step).cloned().collect();
    let socket = town.bank().path("admin.sock");
    let ask = |id: &str| {
        let command = Command::Challenge { id: id.to_owned() };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(client::ask(&socket, &command)))
    };
    town.show(&keys, |id| ask(id).map_or((u32::MAX, 0), |text| counted(&text)));
    let failed = record.sessions.iter().filter(|it| it.1.plan.replies().1 > 0);
    for (key, session) in failed.step_by((record.sessions.len() / 10).max(1)).take(EXAMINED) {
        let counted = budget(town, server, &session.phone).await;
        town.note_exam(Exam { key: key.clone(), failed: session.plan.replies().1, counted });
    }
}

// Wrong answers, and replies in all.
fn counted(timeline: &str) -> (u32, u32) {
    let wrong = timeline.split_once("wrong answers ").and_then(|it| it.1.split(' ').next()?.parse().ok());
    (wrong.unwrap_or(u32::MAX), timeline.matches("  reply: ").count() as u32)
}

// Fails on purpose until the budget is spent: what was left of it tells what it had counted.
async fn budget(town: &Town, server: &Server, phone: &str) -> u32 {
    for more in 0..=BUDGET {
        let key = format!("exam-{phone}-{more}");
        let (status, said) = town.post(&server.base, explicit(phone, "Exam: <%$otp%>", "", Some(&key))).await.expect("an answer");
        let Some(code) = super::process::element(&said, "OTP") else {
            assert!(said.contains("39014"), "blocked is what it should be: {status} {said}");
            return BUDGET - more;
        };
        assert!(town.reply(&server.base, phone, &other(&code), &key).await);
    }
    0
}
