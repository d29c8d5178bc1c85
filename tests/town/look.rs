//! What operators see, and what budgets count.

use super::record::Exam;
use super::state::other;
use super::{BUDGET, Town};
use crate::process::{element, explicit};
use countersign::admin::client;
use countersign::admin::command::Command;
use std::path::Path;

/// Sessions whose timeline and budget are looked at.
const SHOWN: usize = 60;
const EXAMINED: usize = 4;

/// What operators see of some sessions, and what some budgets count.
pub async fn look(town: &Town, base: &str, socket: &Path) {
    let record = town.record();
    let step = (record.sessions.len() / SHOWN).max(1);
    let keys: Vec<String> = record.sessions.keys().step_by(step).cloned().collect();
    let ask = |id: &str| {
        let command = Command::Challenge { id: id.to_owned() };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(client::ask(socket, &command)))
    };
    town.show(&keys, |id| ask(id).map_or((u32::MAX, 0), |text| counted(&text)));
    let failed = record.sessions.iter().filter(|it| it.1.plan.replies().1 > 0);
    for (key, session) in failed.step_by((record.sessions.len() / 10).max(1)).take(EXAMINED) {
        let counted = budget(town, base, &session.phone).await;
        town.note_exam(Exam { key: key.clone(), failed: session.plan.replies().1, counted });
    }
}

// Wrong answers, and replies in all.
fn counted(timeline: &str) -> (u32, u32) {
    let wrong = timeline.split_once("wrong answers ").and_then(|it| it.1.split(' ').next()?.parse().ok());
    (wrong.unwrap_or(u32::MAX), timeline.matches("  reply: ").count() as u32)
}

// Fails on purpose until the budget is spent: what was left of it tells what it had counted.
async fn budget(town: &Town, base: &str, phone: &str) -> u32 {
    for more in 0..=BUDGET {
        let key = format!("exam-{phone}-{more}");
        let (status, said) = town.post(base, explicit(phone, "Exam: <%$otp%>", "", Some(&key))).await.expect("an answer");
        let Some(code) = element(&said, "OTP") else {
            assert!(said.contains("39014"), "blocked is what it should be: {status} {said}");
            return BUDGET - more;
        };
        assert!(town.reply(base, phone, &other(&code), &key).await);
    }
    0
}
