//! A node that is stopped (SIGSTOP) past its lease while it has a message. Another sends it; when the first goes on it comes too
//! late: what it has to say is refused, and what it has not sent it does not send.

use super::postgres::{Cluster, shared};
use super::process::bank::Server;
use super::process::nodes::{LEASE, Nodes};
use super::process::{explicit, until};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
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

// Sent so many times under one id, and settled once.
fn judge(seen: &Seen, times: RangeInclusive<usize>, refused: bool) -> Result<(), String> {
    let ids: BTreeSet<_> = seen.handed.iter().collect();
    let settled = seen.acts.iter().filter(|it| *it == "MsgSent").count();
    match (ids.len(), seen.handed.len(), settled, seen.refused) {
        (1, handed, 1, said) if times.contains(&handed) && said == refused => Ok(()),
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

// Stopped while the gateway thinks. `meddle` happens when the second is sending.
async fn stopped_while_sending(meddle: impl Fn(&Cluster, &str)) -> Seen {
    loop {
        let (first_sent, seen) = one_stop(&meddle).await;
        // On a machine that is too busy the second may be the first to send.
        if first_sent {
            return seen;
        }
    }
}

async fn one_stop(meddle: &impl Fn(&Cluster, &str)) -> (bool, Seen) {
    let pair = Pair::new().await;
    let sent = async |times: usize| until("a hand-over", async || (pair.nodes.gateway.count() >= times).then_some(())).await;
    pair.nodes.gateway.hold(true);
    let answer = pair.first.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    sent(1).await;
    pair.first.signal("-STOP");
    tokio::time::timeout(PATIENCE, sent(2)).await.expect("the second sends it");
    // The second has it now, and has not settled.
    pair.second.signal("-STOP");
    meddle(shared(), &pair.database);
    pair.first.signal("-CONT");
    // Its hand-over timed out while it was stopped: it settles that at once.
    let _ = tokio::time::timeout(Duration::from_secs(4), until("a word", async || pair.first.logs().contains(FENCED).then_some(()))).await;
    pair.nodes.gateway.hold(false);
    pair.second.signal("-CONT");
    pair.second.wait_for_act(&id, "MsgSent").await;
    (!pair.first.logs().contains("a lease was over before"), pair.seen(&id, &otp).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_stopped_while_sending_can_not_settle() {
    let seen = stopped_while_sending(|_, _| {}).await;
    judge(&seen, 2..=3, true).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_ignored_is_seen() {
    let seen = stopped_while_sending(|cluster, database| {
        cluster.sql(database, "UPDATE aggregate SET fence = 1");
    })
    .await;
    assert!(judge(&seen, 2..=3, true).is_err_and(|it| it.contains("refused: false")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_stopped_before_sending_does_not_send_late() {
    let pair = Pair::new().await;
    assert_eq!(pair.nodes.operate("first", &["outbox", "pause"]).code, Some(0));
    let answer = pair.first.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    pair.first.signal("-STOP");
    tokio::time::timeout(PATIENCE, pair.second.wait_for_act(&id, "MsgSent")).await.expect("the second sends it");
    pair.first.signal("-CONT");
    assert_eq!(pair.nodes.operate("first", &["outbox", "resume"]).code, Some(0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    judge(&pair.seen(&id, &otp).await, 1..=1, false).unwrap();
}

#[test]
fn a_late_or_doubled_message_is_seen() {
    let seen = |handed: &[&str], accepted: usize| Seen {
        handed: handed.iter().map(|it| (*it).to_owned()).collect(),
        acts: vec!["MsgSent".to_owned(); accepted],
        refused: false,
    };
    assert_eq!(judge(&seen(&["a"], 1), 1..=1, false), Ok(()));
    for (wrong, why) in [(seen(&["a", "a"], 1), "sent late"), (seen(&["a", "b"], 1), "two ids"), (seen(&["a"], 2), "settled twice")] {
        assert!(judge(&wrong, 1..=1, false).is_err(), "{why}");
    }
}
