//! Limits that hold for all nodes together: failed logins, nonces, a publisher's requests, a handset's messages, the alarm.
//!
//! Each is one function over two nodes, and must fail over nodes that share nothing.

use super::counts::{exchange, two};
use crate::sample::*;
use aws_lc_rs::digest;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::code::Secret;
use countersign::domain::credential::{Credential, StoredSecret};
use countersign::domain::snapshot::Write;
use countersign::engine::guesses::{Guesses, UNUSUAL, WINDOW};
use countersign::engine::handsets::Handsets;
use countersign::engine::rates::Rates;
use countersign::engine::tally::Tally;
use countersign::http::auth::{Arrival, Claim, Denied, Once, Proof};
use countersign::http::{Credentials, settings::AuthSettings};
use countersign::store::contract::Counters;
use countersign::store::postgres::PostgresStore;
use std::sync::Arc;

const HERE: &str = "192.0.2.1";
const CREATED: &str = "2026-11-21T12:00:01Z";

/// Two nodes, over one database or over one each.
struct Pair {
    time: Time,
    stores: Vec<Arc<PostgresStore>>,
}

impl Pair {
    async fn together() -> Self {
        let time = Time::at(0);
        Self { stores: two(&time).await.0, time }
    }

    /// The planted fault.
    async fn apart() -> Self {
        let time = Time::at(0);
        Self { stores: vec![two(&time).await.0.remove(0), two(&time).await.0.remove(0)], time }
    }

    fn tally(&self, nth: usize) -> Tally {
        Tally::new(self.stores[nth].clone(), vault())
    }

    async fn exchange(&self) {
        exchange(&self.stores).await;
    }

    fn credentials(&self) -> [Credentials; 2] {
        let settings = AuthSettings { failures_per_pair: 4, failures_per_address: 8, failures_per_user: 6, ..AuthSettings::default() };
        let one = Credential {
            user: "bank".into(),
            publisher: demo(),
            secrets: vec![StoredSecret::Generated(Secret::new("right"))],
            password_digest: true,
            allow: Vec::new(),
        };
        [0, 1].map(|nth| {
            let credentials = Credentials::new(std::slice::from_ref(&one), vault(), &settings, self.tally(nth));
            credentials.begin(at(60));
            credentials
        })
    }
}

async fn says(node: &Credentials, (user, secret): (&str, &str), peer: &str) -> Result<(), Denied> {
    let claim = Claim { user: user.to_owned(), proof: Proof::Password(Secret::new(secret)), once: None, window: None };
    node.check(&claim, &Arrival::new(peer.parse().unwrap(), at(0), b"")).await.map(drop)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got:?}, not {expected:?}")) }
}

// Guesses at one node, and then the right secret at the other.
async fn logins(pair: &Pair) -> Result<(), String> {
    let [one, other] = pair.credentials();
    for nth in 0..4 {
        let node = if nth < 2 { &one } else { &other };
        expect("a guess", says(node, ("bank", "wrong"), HERE).await, Err(Denied::Wrong))?;
    }
    pair.exchange().await;
    for (node, name) in [(&one, "the one"), (&other, "the other")] {
        expect(name, says(node, ("bank", "right"), HERE).await, Err(Denied::Blocked))?;
        expect("from elsewhere", says(node, ("bank", "right"), "192.0.2.2").await, Ok(()))?;
        expect("another user", says(node, ("nobody", "x"), HERE).await, Err(Denied::Wrong))?;
    }
    expect("from elsewhere, at one only", says(&one, ("bank", "right"), "192.0.2.3").await, Ok(()))?;
    // Two more each, of other users: the address has had enough.
    for node in [&one, &other] {
        let _ = says(node, ("somebody", "x"), HERE).await;
    }
    pair.exchange().await;
    expect("the address", [one.is_blocked(HERE.parse().unwrap()), other.is_blocked(HERE.parse().unwrap())], [true; 2])?;
    for (nth, node) in [&one, &other].into_iter().cycle().take(4).enumerate() {
        let _ = says(node, ("bank", "wrong"), &format!("192.0.2.{}", 10 + nth)).await;
    }
    pair.exchange().await;
    expect("the user", says(&one, ("bank", "right"), "192.0.2.99").await, Err(Denied::Blocked))?;
    expect("the user where it is known", says(&one, ("bank", "right"), "192.0.2.2").await, Ok(()))?;
    expect("the user where the one knows it", says(&other, ("bank", "right"), "192.0.2.3").await, Ok(()))?;
    expect("the user at the other", says(&other, ("bank", "right"), "192.0.2.99").await, Err(Denied::Blocked))
}

// Whoever proves itself has no failures any more, and the others hear so.
async fn proved(pair: &Pair) {
    let [one, other] = pair.credentials();
    for _ in 0..3 {
        says(&one, ("bank", "wrong"), HERE).await.unwrap_err();
    }
    pair.exchange().await;
    says(&one, ("bank", "right"), HERE).await.unwrap();
    pair.exchange().await;
    says(&other, ("bank", "wrong"), HERE).await.unwrap_err();
    assert_eq!(says(&other, ("bank", "right"), HERE).await, Ok(()));
}

// A token that one node took.
async fn nonces(pair: &Pair) -> Result<(), String> {
    let [one, other] = pair.credentials();
    let shows = async |node: &Credentials, nonce: &[u8], body: &[u8], keyed: bool| {
        let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[nonce, CREATED.as_bytes(), b"right"].concat());
        let once = Once { nonce: nonce.to_vec(), created_text: CREATED.into(), created: Some(at(1)) };
        let claim = Claim { user: "bank".into(), proof: Proof::Digest(sum.as_ref().to_vec()), once: Some(once), window: None };
        node.check(&claim, &Arrival::new(HERE.parse().unwrap(), at(2), body).keyed(keyed)).await.map(drop)
    };
    // It is younger than what all nodes remember, although older than this process.
    expect("at one", shows(&one, b"n-1", b"a", true).await, Ok(()))?;
    expect("the same at the other", shows(&other, b"n-1", b"a", false).await, Err(Denied::Replayed))?;
    expect("the same at the other, with a key", shows(&other, b"n-1", b"a", true).await, Ok(()))?;
    expect("for something else at the other", shows(&other, b"n-1", b"b", true).await, Err(Denied::Replayed))?;
    expect("another", shows(&other, b"n-2", b"b", false).await, Ok(()))?;
    expect("for something else at one", shows(&one, b"n-2", b"a", true).await, Err(Denied::Replayed))
}

// Twice as many requests a second as are allowed, unevenly divided; then all at one node.
async fn rates(pair: &Pair) -> Result<(), String> {
    let nodes = [0, 1].map(|nth| Rates::new(pair.tally(nth)));
    let (limit, publisher) = (100, demo());
    let mut taken = Vec::new();
    let (much, little, one) = ([150, 50], [60, 30], [200, 0]);
    for (second, asked) in [much, much, much, little, little, little, one, one, one].into_iter().enumerate() {
        let now = at(second as i64);
        pair.time.set(now);
        // What was asked in the second before is told with the first of this one.
        let mut all = [0, 0];
        for (nth, count) in asked.into_iter().enumerate().filter(|it| it.1 > 0) {
            all[nth] += usize::from(nodes[nth].asked(&publisher, limit, now) <= limit);
            pair.stores[nth].exchange().await.unwrap();
            all[nth] += (1..count).filter(|_| nodes[nth].asked(&publisher, limit, now) <= limit).count();
        }
        pair.exchange().await;
        taken.push(all);
    }
    expect("the first second", taken[0], [100, 50])?;
    expect("the third", taken[2], [75, 25])?;
    expect("all within the limit", taken[5], [60, 30])?;
    expect("all at one", taken[8], [100, 0])
}

// A handset that writes to both.
async fn handset(pair: &Pair) -> Result<(), String> {
    let nodes = [0, 1].map(|nth| Handsets::new(pair.tally(nth), nth as u64));
    for nth in 0..6 {
        nodes[nth % 2].wrote(&phone(), at(0));
    }
    pair.exchange().await;
    expect("the seventh", nodes[0].wrote(&phone(), at(10)), 7)?;
    pair.time.set(at(3_600));
    expect("after an hour", nodes[1].wrote(&phone(), at(3_600)), 1)
}

// Neither node sees enough by itself.
async fn alarm(pair: &Pair) -> Result<(), String> {
    let nodes = [0, 1].map(|nth| Guesses::new(pair.tally(nth)));
    let fail = |node: &Guesses| {
        let budget = Budget { recent: vec![at(0)], consecutive: 1 };
        node.count(&[Write::Budget(BudgetKey::Address(bank(), phone()), budget)], at(0));
    };
    (0..UNUSUAL - 1).for_each(|nth| fail(&nodes[(nth % 2) as usize]));
    pair.exchange().await;
    expect("too few", [0, 1].map(|nth: usize| nodes[nth].alarms(at(0))), [0, 0])?;
    fail(&nodes[0]);
    pair.exchange().await;
    expect("enough", [0, 1].map(|nth: usize| nodes[nth].alarms(at(0))), [1, 1])?;
    expect("later", nodes[1].alarms(at(0).plus(WINDOW)), 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_logins_close_all_nodes() {
    logins(&Pair::together().await).await.unwrap();
    proved(&Pair::together().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_once_whichever_node_it_is_shown_to() {
    nonces(&Pair::together().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_often_for_one_node_is_too_often_for_two() {
    let pair = Pair::together().await;
    handset(&pair).await.unwrap();
    alarm(&pair).await.unwrap();
    rates(&Pair::together().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_nodes_that_share_nothing_are_seen() {
    assert!(logins(&Pair::apart().await).await.is_err_and(|it| it.contains("the one: Ok")));
    assert!(nonces(&Pair::apart().await).await.is_err_and(|it| it.contains("the same at the other: Ok")));
    assert!(rates(&Pair::apart().await).await.is_err_and(|it| it.contains("the third: [100, 50]")));
    assert!(handset(&Pair::apart().await).await.is_err_and(|it| it.contains("the seventh: 4")));
    assert!(alarm(&Pair::apart().await).await.is_err_and(|it| it.contains("enough: [0, 0]")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_counts_as_one_always_did() {
    let (time, settings) = (Time::at(0), super::fresh());
    let store = super::node(&settings, super::options(&time), 1).await;
    let (rates, handsets) = (Rates::new(Tally::new(store.clone(), vault())), Handsets::new(Tally::new(store.clone(), vault()), 1));
    for second in 0..3 {
        time.set(at(second));
        for nth in 1..=150 {
            assert_eq!(rates.asked(&demo(), 100, at(second)), nth);
            assert_eq!(handsets.wrote(&phone(), at(second)), second as u32 * 150 + nth);
        }
        store.exchange().await.unwrap();
    }
}
