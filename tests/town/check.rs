//! The judge: what a record must show when all is over, whatever broke in between. Written from the contract; it knows nothing
//! of how the server works.

use super::record::{Event, Plan, Record, Session};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong; empty is well.
pub fn check(record: &Record) -> Vec<String> {
    let mut wrong: Vec<String> = record.odd.iter().map(|it| format!("odd: {it}")).collect();
    let owners = answers(record, &mut wrong);
    feed(record, &mut wrong);
    outcomes(record, &owners, &mut wrong);
    messages(record, &mut wrong);
    pushes(record, &mut wrong);
    counts(record, &mut wrong);
    wrong
}

/// Fails with everything that is wrong.
#[track_caller]
pub fn must_hold(record: &Record, what: &str) {
    let wrong = check(record);
    assert!(wrong.is_empty(), "{what}: {} of it, the first:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

// Each request has one answer, however often it was repeated; no two share one. Gives back whose each is.
fn answers<'a>(record: &'a Record, wrong: &mut Vec<String>) -> BTreeMap<&'a str, &'a str> {
    let mut owners = BTreeMap::new();
    for (key, session) in &record.sessions {
        let ids: BTreeSet<&str> = session.answers.iter().map(|it| it.what.as_str()).collect();
        match ids.len() {
            0 => wrong.push(format!("{key}: never answered")),
            1 => {}
            _ => wrong.push(format!("{key}: answered with several ids: {ids:?}")),
        }
        for id in ids {
            if let Some(other) = owners.insert(id, key.as_str()) {
                wrong.push(format!("{key} and {other}: one id {id}"));
            }
        }
    }
    owners
}

// Numbers without gap or repeat; ids once; and whoever followed by cursor has read just this.
fn feed(record: &Record, wrong: &mut Vec<String>) {
    for (event, seq) in record.feed.iter().zip(1..) {
        if event.seq != seq {
            wrong.push(format!("the feed has number {} where {seq} should be", event.seq));
            break;
        }
    }
    let ids: BTreeSet<&str> = record.feed.iter().map(|it| it.id.as_str()).collect();
    if ids.len() != record.feed.len() {
        wrong.push("the feed has an id twice".to_owned());
    }
    for (nth, (read, there)) in record.read.iter().map(|it| &it.what).zip(&record.feed).enumerate() {
        if read != there {
            wrong.push(format!("the reader's event {} was {read:?}; now the feed has {there:?}", nth + 1));
            break;
        }
    }
    if record.read.len() != record.feed.len() {
        wrong.push(format!("the reader has {} events, the feed {}", record.read.len(), record.feed.len()));
    }
}

// Exactly one outcome each, that which the person's replies make.
fn outcomes(record: &Record, owners: &BTreeMap<&str, &str>, wrong: &mut Vec<String>) {
    let mut acts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in &record.feed {
        match owners.get(event.package.as_str()) {
            Some(key) => acts.entry(key).or_default().push(&event.act),
            None => wrong.push(format!("an event of a challenge that nobody was told of: {event:?}")),
        }
    }
    for (key, session) in &record.sessions {
        let all = acts.get(key.as_str()).map_or(&[][..], Vec::as_slice);
        let ends: Vec<_> = all.iter().filter(|it| it.starts_with("OOB")).collect();
        if ends != [&session.plan.outcome()] {
            wrong.push(format!("{key}: {:?} should end as {}; its events are {all:?}", session.plan, session.plan.outcome()));
        }
    }
}

// One message each, under one id and with one text, however often it was handed over.
fn messages(record: &Record, wrong: &mut Vec<String>) {
    let mut of: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for it in &record.handed {
        of.entry(&it.what.key).or_default().insert((&it.what.id, &it.what.text));
        if !record.sessions.contains_key(&it.what.key) {
            wrong.push(format!("a message for nobody: {:?}", it.what));
        }
    }
    for (key, session) in &record.sessions {
        match of.get(key.as_str()).map_or(0, BTreeSet::len) {
            // Who never replies may have been down for all of its short life.
            0 if session.plan == Plan::Silent => {}
            0 if record.perhaps.handed.iter().any(|it| it.key == *key) => {}
            0 => wrong.push(format!("{key}: its message was lost")),
            1 => {}
            count => wrong.push(format!("{key}: {count} different messages, by id or text")),
        }
    }
}

// Every outcome is pushed, under the id it has in the feed.
fn pushes(record: &Record, wrong: &mut Vec<String>) {
    let ends = |event: &&Event| event.act.starts_with("OOB");
    let known: BTreeMap<&str, &Event> = record.feed.iter().filter(ends).map(|it| (it.id.as_str(), it)).collect();
    let pushed: BTreeMap<&str, &Event> = record.pushed.iter().map(|it| (it.what.id.as_str(), &it.what)).collect();
    for (id, event) in &pushed {
        let same = known.get(id).is_some_and(|it| it.act == event.act && it.package == event.package);
        if !same {
            wrong.push(format!("pushed, and not so in the feed: {event:?}"));
        }
    }
    let perhaps: BTreeSet<&str> = record.perhaps.pushed.iter().map(|it| it.id.as_str()).collect();
    let missing = known.iter().filter(|it| !pushed.contains_key(it.0) && !perhaps.contains(it.0));
    missing.for_each(|it| wrong.push(format!("never pushed: {:?}", it.1)));
}

// Each reply counts once: in its session and in the budget.
fn counts(record: &Record, wrong: &mut Vec<String>) {
    let sure = |it: &(&String, &Session)| it.1.shown.is_some();
    for (key, session) in record.sessions.iter().filter(sure) {
        let (replies, failed) = session.plan.replies();
        if session.replied.len() as u32 != replies {
            wrong.push(format!("{key}: {} of {replies} replies were acknowledged", session.replied.len()));
        }
        if session.shown != Some((failed, replies)) {
            wrong.push(format!("{key}: {failed} wrong answers in {replies} replies; shown are {:?}", session.shown));
        }
    }
    for exam in record.exams.iter().filter(|it| it.counted != it.failed) {
        wrong.push(format!("{}: {} failed replies, its budget counts {}", exam.key, exam.failed, exam.counted));
    }
}
