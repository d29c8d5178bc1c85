//! Stops, restarts and backups: what was answered stays.

use crate::banks::{LISTEN, PHONE, TEXT, kannel_bank, subscribed_bank, verified};
use crate::gateways::{HANDSET, reply_by_kannel, wait_for_text};
use crate::process;
use crate::process::bank::{Bank, Server};
use crate::process::{explicit, until};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_restores_what_was_answered() {
    let (bank, gateway) = kannel_bank(&[], "").await;
    let server = bank.start();
    let second = bank.run(&["serve"]);
    assert!(second.code == Some(1) && second.err.contains("another"), "one server a data directory: {}", second.err);
    bank.done(&["load", "--apply"]);
    let request = explicit(PHONE, TEXT, "", Some("restore-1"));
    let first = server.soap(&request).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let (id, otp) = (first.element("AlrtPkgId"), first.element("OTP"));
    wait_for_text(&gateway, &otp).await;
    server.wait_for_act(&id, "MsgSent").await;
    let said = bank.done(&["backup", "--to", bank.path("backups").to_str().unwrap()]);
    let file = said.split_once(": verified").expect("verified").0.to_owned();
    let (data, home) = (bank.path("data"), bank.path("data").to_str().unwrap().to_owned());
    assert!(server.stop().success());
    let occupied = bank.run(&["restore", "--from", &file, "--into", &home]);
    assert!(occupied.code == Some(1) && occupied.err.contains("empty directory"), "{}", occupied.err);
    std::fs::remove_dir_all(&data).unwrap();
    assert!(bank.done(&["restore", "--from", &file, "--into", &home]).contains("verified and restored"));

    let server = bank.start();
    let again = server.soap(&request).await;
    assert_eq!((again.element("AlrtPkgId"), again.element("OTP")), (id.clone(), otp.clone()), "the first answer, from a backup");
    assert!(bank.done(&["load"]).starts_with("No change."), "recipients too");
    reply_by_kannel(&server, &otp, "K1").await;
    server.wait_for_act(&id, "OOBVerified").await;
    assert_eq!(gateway.taken().iter().filter(|it| it.field("text").contains(&otp)).count(), 1, "sent once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_ends_what_it_began() {
    let (bank, gateway) = kannel_bank(&[], "").await;
    let server = bank.start();
    gateway.hold(true);
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    until("a hand-over", async || (gateway.got().len() == 1).then_some(())).await;
    server.terminate();
    // It takes no new request, and waits for the gateway's answer.
    let refused = async || server.request(reqwest::Method::GET, "/health/ready").send().await.is_err().then_some(());
    until("closed doors", refused).await;
    gateway.hold(false);
    let logs = server.logs();
    assert!(server.ended().success(), "{logs}");

    let server = bank.start();
    server.wait_for_act(&answer.element("AlrtPkgId"), "MsgSent").await;
    let next = server.soap(&explicit("2025550144", TEXT, "", None)).await;
    wait_for_text(&gateway, &next.element("OTP")).await;
    assert_eq!(gateway.taken().len(), 2, "what was handed over is not handed over again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_amid_a_refusal_loses_no_event() {
    const NO: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>"#;
    let (bank, gateway, core) = subscribed_bank("").await;
    let server = bank.start();
    core.says_next((500, NO));
    core.hold(true);
    let id = verified(&server, &gateway).await;
    until("a push", async || (!core.got().is_empty()).then_some(())).await;
    server.terminate();
    until("the signal", async || server.logs().contains("told to stop").then_some(())).await;
    core.hold(false);
    assert!(server.ended().success());
    let _server = bank.start();
    let pushed = core.wait_for(1).await.remove(0);
    assert!(pushed.body.contains(&id), "neither taken nor parked, it comes after the start: {}", pushed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_s_quota_holds_over_a_restart() {
    let bank = Bank::new(LISTEN);
    bank.edit("registration/publisher.toml", "[limits]", "[quotas]\nper_country_day = 3\n[limits]");
    let body = json!({"channel": "SMS", "recipient": HANDSET, "text": "Your code is <%$otp%>"}).to_string();
    let ask = async |server: &Server| {
        let request = server.request(reqwest::Method::POST, "/v1/challenges").basic_auth("bank", Some(process::bank::PASSWORD));
        request.header("content-type", "application/json").body(body.clone()).send().await.unwrap().status().as_u16()
    };
    for expected in [[201, 201], [201, 429], [429, 429]] {
        let server = tokio::task::block_in_place(|| bank.start());
        assert_eq!([ask(&server).await, ask(&server).await], expected);
        assert!(tokio::task::block_in_place(|| server.stop()).success());
    }
}
