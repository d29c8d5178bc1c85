//! Who is let in is the same at all nodes: failed logins, and tokens that were shown before. Over real processes: what the tests of
//! `store_nodes` say in one process is wired up. Each test must fail over nodes that share nothing.

use super::process::bank::PASSWORD;
use super::process::{envelope, explicit};
use super::share::Some;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";

/// An envelope with a token that proves the bank, made now.
fn token(nonce: &[u8], body: &str) -> String {
    let created = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[nonce, created.as_bytes(), PASSWORD.as_bytes()].concat());
    let (sum, nonce) = (STANDARD.encode(sum), STANDARD.encode(nonce));
    let token = format!(
        "<s:Header><o:Security xmlns:o=\"{WSSE}\" xmlns:u=\"{WSU}\"><o:UsernameToken><o:Username>bank</o:Username>\
         <o:Password Type=\"{DIGEST}\">{sum}</o:Password><o:Nonce>{nonce}</o:Nonce><u:Created>{created}</u:Created>\
         </o:UsernameToken></o:Security></s:Header><s:Body>"
    );
    envelope(body).replace("<s:Body>", &token)
}

// A token that one took is shown to the other.
async fn tokens(nodes: &Some<2>) -> Result<(), String> {
    let [first, second] = &nodes.servers;
    let request = |phone: &str, key| explicit(phone, "Code <%$otp%>.", "", key);
    let keyed = token(b"keyed", &request("2025550181", Some("once")));
    let (one, other) = (first.envelope(keyed.clone()).await, second.envelope(keyed.clone()).await);
    if (one.status, other.status) != (200, 200) || one.element("AlrtPkgId") != other.element("AlrtPkgId") {
        return Err(format!("repeated with its key: {} {}, {} {}", one.status, one.body, other.status, other.body));
    }
    let plain = token(b"plain", &request("2025550182", None));
    for (what, changed) in [("the same", plain.clone()), ("another request", plain.replace("2025550182", "2025550183"))] {
        let taken = first.envelope(plain.clone()).await;
        let shown = second.envelope(changed).await;
        if !shown.body.contains("FailedAuthentication") {
            return Err(format!("{what}, after {}: {} {}", taken.status, shown.status, shown.body));
        }
    }
    Ok(())
}

// Somebody guesses at one; soon the other lets nobody in from there.
async fn guesses(nodes: &Some<2>) -> Result<(), String> {
    let [first, second] = &nodes.servers;
    for _ in 0..10 {
        let guess = first.request(reqwest::Method::GET, "/v1/events").basic_auth("bank", Some("wrong")).send().await.unwrap();
        assert_eq!(guess.status().as_u16(), 401);
    }
    for _ in 0..50 {
        if second.get("/v1/events", &[]).await.status == 401 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the other node goes on letting in".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_guesses_at_one_node_are_known_to_all() {
    let nodes = Some::together().await;
    tokens(&nodes).await.unwrap();
    guesses(&nodes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_nodes_that_share_nothing_are_seen() {
    let two = Some::apart().await;
    assert!(tokens(&two).await.is_err_and(|it| it.contains("repeated with its key: 200")));
    assert!(guesses(&two).await.is_err_and(|it| it.contains("goes on")));
}
