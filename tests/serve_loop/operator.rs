//! An operator at the counter, and what the audit log keeps of it.

use crate::banks::{PHONE, TEXT, hybrid, kannel_bank};
use crate::gateways::{TOKEN, reply_by_kannel, wait_for_text};
use crate::process;
use crate::process::bank::Bank;
use crate::process::explicit;
use serde_json::Value;

/// These actions follow each other in the audit log, and no secret is in it.
pub fn check_audit(bank: &Bank, expected: &[&str]) {
    let text = bank.read("data/audit.jsonl");
    let line = |it: &str| {
        let it: Value = serde_json::from_str(it).unwrap();
        assert!(it["uid"].is_u64() && it["time"].is_string(), "{it}");
        format!("{} {}", it["action"].as_str().unwrap(), it["result"].as_str().unwrap())
    };
    let actions: Vec<_> = text.lines().map(line).collect();
    assert!(actions.windows(expected.len()).any(|it| it == expected), "{expected:?} not in {actions:?}");
    for secret in [process::bank::PASSWORD, TOKEN, "2025550143", "solo@corellia", "$otp"] {
        assert!(!text.contains(secret), "{secret} in the audit log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_unlocks_pauses_and_rewords() {
    let (bank, gateway) = kannel_bank(&[(503, "Temporal failure, try again later.")], "").await;
    let server = bank.start();
    bank.done(&["load", "--apply"]);
    for session in 0..4 {
        let answer = server.envelope(hybrid()).await;
        assert_eq!(answer.status, 200, "session {session}: {}", answer.body);
        let otp = answer.element("OTP");
        let wrong = if otp == "000000" { "111111" } else { "000000" };
        wait_for_text(&gateway, &otp).await;
        for attempt in 0..5 {
            reply_by_kannel(&server, wrong, &format!("S{session}A{attempt}")).await;
        }
        server.wait_for_act(&answer.element("AlrtPkgId"), "OOBFailed").await;
    }
    let tried = gateway.got();
    assert_eq!((tried[0].status, tried[1].status), (503, 202));
    assert_eq!(tried[0].field("account"), tried[1].field("account"), "a repeat has the same id");
    let (native, by_phone) = (hybrid(), process::envelope(&explicit(PHONE, TEXT, "", None)));
    let blocked = async |request: &str| server.envelope(request.to_owned()).await.codes() == ["39014"];
    assert!(blocked(&native).await && blocked(&by_phone).await, "the phone and the recipient");
    let unlock = |who: [&str; 2]| bank.run(&["unlock", "--institution", "011001276", who[0], who[1]]);
    assert_eq!(unlock(["--phone", "2025550199"]).code, Some(1), "nobody to unlock");
    assert!(unlock(["--phone", "202-555-0143"]).out.contains("Unlocked"));
    assert!(blocked(&native).await, "the recipient's budget stands for itself");
    assert!(unlock(["--recipient", "bank/MERCHANT89785"]).out.contains("Unlocked"));

    let before = gateway.taken().len();
    assert!(bank.done(&["outbox", "pause"]).contains("held back"));
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    assert_eq!(answer.status, 200, "accepted again: {}", answer.body);
    assert!(bank.done(&["status"]).contains("(paused)"));
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert!(gateway.taken()[before..].iter().all(|it| !it.field("text").contains("your code is")), "held back");
    bank.done(&["outbox", "resume"]);
    wait_for_text(&gateway, &answer.element("OTP")).await;
    reply_by_kannel(&server, &answer.element("OTP"), "K1").await;
    server.wait_for_act(&answer.element("AlrtPkgId"), "OOBVerified").await;

    bank.edit("registration/library.toml", "reply <%$otp%> or enter it online", "answer <%$otp%> or type it in");
    assert!(bank.done(&["load"]).contains("Unknown User OOB Alert"));
    assert!(bank.done(&["reload"]).contains("Unknown User OOB Alert"));
    let answer = server.envelope(hybrid()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    wait_for_text(&gateway, &format!("answer {} or type it in", answer.element("OTP"))).await;
    let rotated = "aNew0neOf128bitsOrMore==";
    bank.write("registration/bank.password", rotated);
    assert_eq!(server.soap(&explicit(PHONE, TEXT, "", None)).await.status, 200, "not yet");
    bank.done(&["reload"]);
    let status = async |password| {
        let request = server.request(reqwest::Method::GET, "/v1/events?after=0").basic_auth("bank", Some(password));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((status(rotated).await, status(process::bank::PASSWORD).await), (200, 401), "a password is changed by a reload");
    bank.edit("registration/library.toml", "answer <%$otp%> or type it in", "answer <%$opt%>");
    let refused = bank.run(&["reload"]);
    assert!(refused.code == Some(1) && refused.err.contains("library.toml:"), "{}", refused.err);
    check_audit(
        &bank,
        &["unlock started", "unlock failed", "unlock started", "unlock done", "unlock started", "unlock done", "outbox pause started"],
    );
    check_audit(&bank, &["reload started", "reload done", "reload started", "reload done", "reload started", "reload failed"]);
    assert!(bank.read("data/audit.jsonl").contains("0143"), "whose budget it was, masked");
}
