//! Message templates on several nodes: of changes at once each makes a version of its own, and one of those that rely on the same
//! version is made.

use super::{Nodes, fresh, node, options};
use crate::sample::{Time, at};
use countersign::domain::code::Secret;
use countersign::domain::id::PublisherId;
use countersign::domain::message::{Key, Kind, Source, Values};
use countersign::domain::time::Timestamp;
use countersign::engine::draw::Clock;
use countersign::engine::templates::{Condition, Refused, Templates};
use countersign::store::contract::{Duty, Later, Notes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Barrier;

/// Changes that go on at once.
const CROWD: usize = 12;

pub(super) struct Hands(pub(super) Time);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

fn source(name: &str, body: &str) -> Source {
    Source {
        key: Key { name: name.into(), kind: Kind::Sms, language: None },
        strategy: None,
        active: true,
        subject: None,
        body: body.into(),
        context: Vec::new(),
        parameters: Vec::new(),
    }
}

fn bank() -> PublisherId {
    PublisherId::from("bank")
}

// A process has one, whatever asks it.
fn templates(notes: Arc<dyn Notes>, time: &Time) -> Arc<Templates> {
    Arc::new(Templates::new(notes, Arc::new(Hands(time.clone()))))
}

/// Puts and removals at once at all nodes; then what must be true of what is left.
async fn crowd(nodes: &[Arc<Templates>]) -> Result<(), String> {
    let mut tasks = Vec::new();
    for turn in 0..CROWD {
        let it = nodes[turn % nodes.len()].clone();
        tasks.push(tokio::spawn(async move { it.put(&bank(), source("shared", &format!("text {turn}")), Condition::None).await }));
        let it = nodes[(turn + 1) % nodes.len()].clone();
        tasks.push(tokio::spawn(async move { it.put(&bank(), source(&format!("own{turn}"), "x"), Condition::Absent).await }));
    }
    let mut versions = Vec::new();
    for (nth, task) in tasks.into_iter().enumerate() {
        let put = task.await.unwrap().map_err(|it| format!("{it:?}"))?;
        if nth % 2 == 0 {
            versions.push(put.version);
        }
    }
    versions.sort_unstable();
    if versions != (1..=CROWD as u32).collect::<Vec<_>>() {
        return Err(format!("versions {versions:?}"));
    }
    let count = nodes[0].all(&bank()).await.unwrap().len();
    if count != CROWD + 1 {
        return Err(format!("{count} templates are left of {}", CROWD + 1));
    }
    Ok(())
}

/// Of many changes of one version one is made, and all nodes have it.
async fn one_wins(nodes: &[Arc<Templates>]) {
    nodes[0].put(&bank(), source("raced", "first"), Condition::None).await.unwrap();
    let tasks: Vec<_> = (0..CROWD)
        .map(|turn| {
            let it = nodes[turn % nodes.len()].clone();
            tokio::spawn(async move { it.put(&bank(), source("raced", &format!("by {turn}")), Condition::Version(1)).await })
        })
        .collect();
    let mut won = Vec::new();
    for (turn, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(put) => won.push((turn, put.version)),
            Err(refused) => assert_eq!(refused, Refused::Changed(Some(2))),
        }
    }
    assert!(won.len() == 1 && won[0].1 == 2, "{won:?}");
    for node in nodes {
        let text = node.version(&bank(), &source("raced", "").key, 2).await.unwrap().unwrap().source.body;
        assert_eq!(text, format!("by {}", won[0].0));
    }
}

async fn seen_elsewhere(nodes: &[Arc<Templates>], time: &Time) {
    let shown = async |node: &Templates| {
        let chosen = node.resolve(&bank(), "seen", Kind::Sms, None).await.unwrap()?;
        let message = chosen.template.render(&Values { code: &Secret::new("561126"), parameters: &[] }).unwrap();
        Some((chosen.version, message.body.expose().to_owned()))
    };
    let (one, other) = (&nodes[0], &nodes[nodes.len() - 1]);
    one.put(&bank(), source("seen", "OTP [(${otpValue})]"), Condition::None).await.unwrap();
    time.set(at(2));
    assert_eq!(shown(other).await, Some((1, "OTP 561126".to_owned())));
    one.put(&bank(), source("seen", "Code [(${otpValue})]"), Condition::None).await.unwrap();
    assert_eq!(shown(one).await, Some((2, "Code 561126".to_owned())), "here at once");
    time.set(at(4));
    assert_eq!(shown(other).await, Some((2, "Code 561126".to_owned())));
    other.remove(&bank(), &source("seen", "").key, Condition::Version(2)).await.unwrap();
    time.set(at(6));
    assert_eq!(shown(one).await, None);
    assert!(one.compiled(&bank(), &source("seen", "").key, 2).await.unwrap().is_some(), "challenges still have it");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sled() {
    let (nodes, time) = (Nodes::sled(), Time::at(0));
    let one = templates(nodes.node(0), &time);
    crowd(&[one.clone(), one.clone()]).await.unwrap();
    one_wins(std::slice::from_ref(&one)).await;
    seen_elsewhere(&[one], &time).await;
}

pub(super) async fn on_postgres(time: &Time) -> Vec<Arc<dyn Notes>> {
    let settings = fresh();
    let mut all: Vec<Arc<dyn Notes>> = Vec::new();
    for number in 1..=2 {
        all.push(node(&settings, options(time), number).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn on_two_nodes() {
    let time = Time::at(0);
    let nodes: Vec<_> = on_postgres(&time).await.into_iter().map(|it| templates(it, &time)).collect();
    crowd(&nodes).await.unwrap();
    one_wins(&nodes).await;
    seen_elsewhere(&nodes, &time).await;
}

/// The planted fault: a store that gives every duty to everybody, as one of a single process does. What each node reads first it
/// has only when all have read, so that none has seen what another writes.
struct Generous {
    notes: Arc<dyn Notes>,
    first: AtomicBool,
    all_have_read: Arc<Barrier>,
}

pub(super) fn generous(nodes: Vec<Arc<dyn Notes>>) -> Vec<Arc<dyn Notes>> {
    let all_have_read = Arc::new(Barrier::new(nodes.len()));
    let each = |notes| Generous { notes, first: AtomicBool::new(true), all_have_read: all_have_read.clone() };
    nodes.into_iter().map(|it| Arc::new(each(it)) as Arc<dyn Notes>).collect()
}

impl Notes for Generous {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let found = self.notes.note(name).await;
            if self.first.swap(false, Ordering::Relaxed) {
                self.all_have_read.wait().await;
            }
            found
        })
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        self.notes.set_notes(values)
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.notes.notes(prefix)
    }

    fn set_notes_on(&self, _: Duty, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        self.notes.set_notes(values)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_duty_changes_are_lost() {
    let time = Time::at(0);
    let nodes: Vec<_> = generous(on_postgres(&time).await).into_iter().map(|it| templates(it, &time)).collect();
    crowd(&nodes).await.expect_err("two nodes overwrite each other's list");
}
