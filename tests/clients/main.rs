//! Clients that somebody else's generators build from our WSDL, against a real process: zeep, node `soap`, PHP's SoapClient
//! and gSOAP. All run the same cases (`cases.json`), and all that we answered them must be valid by our schema.
//!
//! A bot that speaks REST is here, too ([`bot`]).
//!
//! zeep runs in plain `cargo test`; the others are in the slow tier `clients`. What is not installed makes its test fail, and
//! the failure says which command installs it: nothing is skipped unseen.

#[path = "../process/mod.rs"]
mod process;

mod bot;
mod case;
mod check;
mod foreign;
mod headers;
mod openapi;
mod planted;
mod recorder;
mod reference;
mod schema;

use foreign::Foreign;
use recorder::Recorder;
use serde_json::Value;

#[tokio::test]
async fn zeep_speaks_with_us() {
    speaks(&foreign::ZEEP).await;
}

#[tokio::test]
#[ignore = "slow tier: clients"]
async fn node_soap_speaks_with_us() {
    speaks(&foreign::NODE).await;
}

#[tokio::test]
#[ignore = "slow tier: clients"]
async fn php_soap_client_speaks_with_us() {
    speaks(&foreign::PHP).await;
}

#[tokio::test]
#[ignore = "slow tier: clients"]
async fn gsoap_speaks_with_us() {
    speaks(&foreign::GSOAP).await;
}

/// Runs every case that the client can send; checks what it tells of each, what became of each at the other end, and that each
/// of our answers is valid.
async fn speaks(client: &'static Foreign) {
    let data = tempfile::tempdir().unwrap();
    let demo = process::Demo::start(data.path());
    let recorder = Recorder::start(&demo.base, |body| body).await;
    let told = ask(client, &recorder.base).await;
    let cases = case::of(client.name);
    let wrong: Vec<String> = cases.iter().filter_map(|it| check::check(client, it, &told).err()).collect();
    assert!(wrong.is_empty(), "{}:\n{}", client.name, wrong.join("\n"));
    assert_eq!(told.as_object().unwrap().len(), cases.len(), "it tells of each case, and of nothing else");
    check::check_handset(&demo, &cases, &told).await;
    let exchanges = recorder.taken();
    schema::check(&exchanges);
    check::check_timestamps(&exchanges, cases.iter().filter(|it| it.has_timestamp()).count());
}

async fn ask(client: &'static Foreign, base: &str) -> Value {
    let base = base.to_owned();
    tokio::task::spawn_blocking(move || client.ask(&base)).await.unwrap()
}
