//! A node that is stopped (SIGSTOP) past its lease while it has a message. Another sends it; when the first goes on it comes too
//! late: what it has to say is refused, and what it has not sent it does not send.

use super::postgres::{Cluster, shared};
use super::process::bank::Server;
use super::process::nodes::{LEASE, Nodes};
use super::process::{explicit, until};
use std::collections::BTreeSet;
use std::time::Duration;

const PHONE: &str = "2025550123";
const TEXT: &str = "First Harbor: your code is <%$otp%>.";
/// What the log says when a settlement is refused.
const FENCED: &str = "another worker has the delivery, and its word counts";
/// Until a node that looks for what nobody has finds it.
const PATIENCE: Duration = Duration::from_secs(LEASE + 5);

/// What was seen when all was over.
#[derive(Debug)]
struct Seen {
    /// Ids under which the message was handed over, one for each time.
    handed: Vec<String>,
    /// What the challenge's events tell.
    acts: Vec<String>,
    /// The first node said that its word did not count.
    refused: bool,
}

// Sent by both under one id, and settled by one.
fn judge(seen: &Seen, times: usize, refused: bool) -> Result<(), String> {
    let ids: BTreeSet<_> = seen.handed.iter().collect();
    let settled = seen.acts.iter().filter(|it| *it == "MsgAccepted").count();
    match (ids.len(), seen.handed.len(), settled, seen.refused) {
        (1, handed, 1, said) if handed == times && said == refused => Ok(()),
        _ => Err(format!("{seen:?}")),
    }
}

struct Pair {
    nodes: Nodes,
    first: Server,
    second: Server,
    database: String,
}

impl Pair {
    async fn new() -> Self {
        let database = shared().database();
        let nodes = Nodes::over(&shared().settings(&database)).await;
        let (first, second) = (nodes.start("first"), nodes.start("second"));
        Self { nodes, first, second, database }
    }

    async fn seen(&self, id: &str, otp: &str) -> Seen {
        let handed = self.nodes.gateway.got().iter().filter(|it| it.field("text").contains(otp)).map(|it| it.field("account")).collect();
        Seen { handed, acts: self.second.acts(id).await, refused: self.first.logs().contains(FENCED) }
    }
}

// Stopped while the gateway thinks. `meddle` happens when the second has settled.
async fn stopped_while_sending(meddle: impl FnOnce(&Cluster, &str)) -> Seen {
    let pair = Pair::new().await;
    pair.nodes.gateway.hold(true);
    let answer = pair.first.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    until("the first to send", async || (pair.nodes.gateway.count() == 1).then_some(())).await;
    pair.first.signal("-STOP");
    pair.nodes.gateway.hold(false);
    tokio::time::timeout(PATIENCE, pair.second.wait_for_act(&id, "MsgAccepted")).await.expect("the second sends it");
    meddle(shared(), &pair.database);
    pair.first.signal("-CONT");
    // Its own way out is over, or answered: it settles at once, and looks for more work.
    let _ = tokio::time::timeout(Duration::from_secs(4), until("a word", async || pair.first.logs().contains(FENCED).then_some(()))).await;
    pair.seen(&id, &otp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_stopped_while_sending_can_not_settle() {
    let seen = stopped_while_sending(|_, _| {}).await;
    judge(&seen, 2, true).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_ignored_is_seen() {
    let seen = stopped_while_sending(|cluster, database| {
        cluster.sql(database, "UPDATE aggregate SET fence = 1");
    })
    .await;
    assert!(judge(&seen, 2, true).is_err_and(|it| it.contains("refused: false")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_stopped_before_sending_does_not_send_late() {
    let pair = Pair::new().await;
    assert_eq!(pair.nodes.operate("first", &["outbox", "pause"]).code, Some(0));
    let answer = pair.first.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    pair.first.signal("-STOP");
    tokio::time::timeout(PATIENCE, pair.second.wait_for_act(&id, "MsgAccepted")).await.expect("the second sends it");
    pair.first.signal("-CONT");
    assert_eq!(pair.nodes.operate("first", &["outbox", "resume"]).code, Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    judge(&pair.seen(&id, &otp).await, 1, false).unwrap();
}

#[test]
fn a_late_or_doubled_message_is_seen() {
    let seen = |handed: &[&str], accepted: usize| Seen {
        handed: handed.iter().map(|it| (*it).to_owned()).collect(),
        acts: vec!["MsgAccepted".to_owned(); accepted],
        refused: false,
    };
    assert_eq!(judge(&seen(&["a"], 1), 1, false), Ok(()));
    for (wrong, why) in [(seen(&["a", "a"], 1), "sent late"), (seen(&["a", "b"], 1), "two ids"), (seen(&["a"], 2), "settled twice")] {
        assert!(judge(&wrong, 1, false).is_err(), "{why}");
    }
}
