//! What one node knows, all know: a session, an idempotency key, a failure budget, a phone's limit, the feed. Each test is one
//! function over nodes, and must fail over nodes that share nothing.

use super::postgres::shared;
use super::process::bank::Server;
use super::process::nodes::{Nodes, reply};
use super::process::{element, explicit, until};
use std::collections::BTreeSet;

const PHONE: &str = "2025550123";
const TEXT: &str = "First Harbor: your code is <%$otp%>.";

/// Nodes, each with the installation that its messages go through.
pub struct Some<const N: usize> {
    homes: Vec<Nodes>,
    pub servers: [Server; N],
}

impl<const N: usize> Some<N> {
    /// Over one database.
    pub async fn together() -> Self {
        let nodes = Nodes::over(&shared().settings(&shared().database())).await;
        strict(&nodes);
        let servers = std::array::from_fn(|nth| nodes.start(&format!("n{nth}")));
        Self { homes: vec![nodes], servers }
    }

    /// The planted fault: a database for each.
    pub async fn apart() -> Self {
        let mut homes = Vec::new();
        for _ in 0..N {
            let nodes = Nodes::over(&shared().settings(&shared().database())).await;
            strict(&nodes);
            homes.push(nodes);
        }
        let servers = std::array::from_fn(|nth| homes[nth].start("n"));
        Self { homes, servers }
    }

    fn messages(&self, text: &str) -> usize {
        self.homes.iter().map(|it| it.messages(text).len()).sum()
    }
}

fn strict(nodes: &Nodes) {
    let limits = "[budget]\ndaily = 5\n[limits]\nper_second = 100000";
    nodes.bank.edit("registration/publisher.toml", "[limits]", limits);
    nodes.bank.edit("registration/publisher.toml", "[[credential]]", "[[credential]]\npassword_digest = true");
    nodes.bank.edit("registration/publisher.toml", "answer_replies = true", "answer_replies = false");
    nodes.bank.edit("registration/publisher.toml", "per_phone_ten_minutes = 50", "per_phone_ten_minutes = 4");
}

// A request at one, its reply at another, its event at the third.
async fn one_session(nodes: &Some<3>) -> Result<(), String> {
    let [first, second, third] = &nodes.servers;
    let answer = first.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    until("its message", async || (nodes.messages(&otp) > 0).then_some(())).await;
    if reply(second, PHONE, &otp, "SM1").await != 200 {
        return Err("the reply was not taken".to_owned());
    }
    for _ in 0..20 {
        let acts = third.acts(&id).await;
        match acts.iter().filter(|it| it.starts_with("OOB")).count() {
            0 => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            1 if acts.contains(&"OOBVerified".to_owned()) => return Ok(()),
            _ => return Err(format!("the third node tells {acts:?}")),
        }
    }
    Err("the third node tells no outcome".to_owned())
}

// The two halves of one idempotent request at the same instant, again and again.
async fn pairs(nodes: &Some<2>, rounds: u64) -> Result<(), String> {
    let [first, second] = &nodes.servers;
    for nth in 0..rounds {
        let (phone, text) = (format!("{}", 2_012_000_000 + nth), format!("Round {nth}. Code <%$otp%>."));
        let request = explicit(&phone, &text, "", Some(&format!("pair-{nth}")));
        let (one, other) = tokio::join!(first.soap(&request), second.soap(&request));
        let ids: BTreeSet<_> = [&one, &other].map(|it| element(&it.body, "AlrtPkgId")).into_iter().collect();
        let codes: BTreeSet<_> = [&one, &other].map(|it| element(&it.body, "OTP")).into_iter().collect();
        if (one.status, other.status, ids.len(), codes.len()) != (200, 200, 1, 1) {
            return Err(format!("round {nth}: {} {} {ids:?}\n{}\n{}", one.status, other.status, one.body, other.body));
        }
    }
    let all = async || (0..rounds).all(|nth| nodes.messages(&format!("Round {nth}.")) > 0).then_some(());
    until("all messages", all).await;
    // One too many would come as soon as the others.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    match (0..rounds).find(|nth| nodes.messages(&format!("Round {nth}.")) != 1) {
        Some(nth) => Err(format!("round {nth}: {} messages", nodes.messages(&format!("Round {nth}.")))),
        None => Ok(()),
    }
}

// Wrong replies at one use up the budget; another refuses.
async fn budget(nodes: &Some<2>) -> Result<(), String> {
    let [first, second] = &nodes.servers;
    let answer = first.soap(&explicit(PHONE, TEXT, "", None)).await;
    let otp = answer.element("OTP");
    let wrong = if otp == "000000" { "111111" } else { "000000" };
    for nth in 0..5 {
        assert_eq!(reply(first, PHONE, wrong, &format!("W{nth}")).await, 200);
    }
    let refused = second.soap(&explicit(PHONE, TEXT, "", None)).await;
    if refused.codes() == ["39014"] { Ok(()) } else { Err(format!("the other node answered {} {}", refused.status, refused.body)) }
}

// Four messages in ten minutes, whoever takes the requests.
async fn limit(nodes: &Some<2>) -> Result<(), String> {
    let mut taken = 0;
    for nth in 0..6 {
        let answer = nodes.servers[nth % 2].soap(&explicit("2025550177", TEXT, "", None)).await;
        taken += usize::from(answer.status == 200);
    }
    if taken == 4 { Ok(()) } else { Err(format!("{taken} of 6 requests for one phone were taken, and 4 are allowed")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_at_any_node() {
    one_session(&Some::together().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_and_limits_hold_at_all_nodes() {
    let nodes = Some::together().await;
    limit(&nodes).await.unwrap();
    budget(&nodes).await.unwrap();
    pairs(&nodes, 5).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow tier: nodes"]
async fn fifty_pairs_at_the_same_instant() {
    pairs(&Some::together().await, 50).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_share_nothing_are_seen() {
    let two = Some::apart().await;
    assert!(limit(&two).await.is_err_and(|it| it.contains("of 6 requests")));
    assert!(budget(&two).await.is_err_and(|it| it.contains("the other node answered 200")));
    assert!(pairs(&two, 1).await.is_err_and(|it| it.contains("round 0")));
    let three = Some::<3>::apart().await;
    assert!(one_session(&three).await.is_err_and(|it| it.contains("no outcome")));
}
