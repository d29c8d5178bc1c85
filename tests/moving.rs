//! `countersign copy`, `export` and `import` as an operator types them, on a server at work.

mod postgres;
mod process;

use countersign::store::postgres::Settings;
use postgres::shared;
use process::bank::Server;
use process::nodes::{Nodes, reply};
use process::{Answer, explicit};

const PHONE: &str = "2025550123";
const TEXT: &str = "First Harbor: your code is <%$otp%>.";

/// A server on sled with one message that went out and one that waits.
async fn at_work() -> (Nodes, Server, [(String, Answer); 2]) {
    let nodes = Nodes::alone().await;
    let server = nodes.start("a");
    let first = server.soap(&explicit(PHONE, TEXT, "", Some("one"))).await;
    nodes.message(&first.element("OTP")).await;
    server.wait_for_act(&first.element("AlrtPkgId"), "MsgAccepted").await;
    assert_eq!(nodes.operate("a", &["outbox", "pause"]).code, Some(0));
    let second = server.soap(&explicit("2025550144", TEXT, "", Some("two"))).await;
    assert_eq!(second.status, 200, "{}", second.body);
    (nodes, server, [(PHONE.to_owned(), first), ("2025550144".to_owned(), second)])
}

/// All goes on where it was: repeats, the message that waited, replies.
async fn goes_on(nodes: &Nodes, server: &Server, sessions: &[(String, Answer); 2]) {
    for (key, (phone, answer)) in ["one", "two"].iter().zip(sessions) {
        let again = server.soap(&explicit(phone, TEXT, "", Some(key))).await;
        assert_eq!((again.element("AlrtPkgId"), again.element("OTP")), (answer.element("AlrtPkgId"), answer.element("OTP")));
    }
    let (phone, waiting) = &sessions[1];
    let (id, otp) = (waiting.element("AlrtPkgId"), waiting.element("OTP"));
    nodes.message(&otp).await;
    server.wait_for_act(&id, "MsgAccepted").await;
    assert_eq!(reply(server, phone, &otp, "SM1").await, 200);
    server.wait_for_act(&id, "OOBVerified").await;
    assert_eq!((nodes.messages(&otp).len(), nodes.messages(&sessions[0].1.element("OTP")).len()), (1, 1), "each was sent once");
}

fn new_settings(nodes: &Nodes) -> String {
    let database = Settings { migrate: true, ..shared().settings(&shared().database()) };
    let old = nodes.bank.read("countersign.toml").replace("[store]\n", "[store]\nengine = 'postgres'\n");
    let text = format!("{old}\n[store.postgres]\n{}", toml::to_string(&database).unwrap());
    nodes.bank.write("new.toml", &text);
    nodes.bank.path("new.toml").to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_moves_from_sled_to_postgresql() {
    let (nodes, server, sessions) = at_work().await;
    let new = new_settings(&nodes);
    let old = nodes.bank.path("countersign.toml").to_str().unwrap().to_owned();
    let wrong = nodes.operate("a", &["copy", "--from", "sled", "--to", "postgres", "--settings", &old]);
    assert!(wrong.code == Some(1) && wrong.err.contains("store.engine is not"), "{}", wrong.err);
    let said = nodes.operate("a", &["copy", "--from", "sled", "--to", "postgres", "--settings", &new]);
    assert!(said.code == Some(0) && said.out.contains("2 sessions and messages"), "{}{}", said.out, said.err);
    assert!(said.out.contains("writes were refused for"), "{}", said.out);
    assert!(server.ended().success(), "it ends by itself, in order");
    let refused = nodes.bank.try_start_under(&nodes.bank.node("a")).map(drop).unwrap_err();
    assert!(refused.code == Some(1) && refused.err.contains("the data moved to the PostgreSQL database"), "{}", refused.err);
    nodes.bank.write("countersign.toml", &nodes.bank.read("new.toml"));
    let server = nodes.start("a");
    goes_on(&nodes, &server, &sessions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_exported_and_imported_elsewhere() {
    let (nodes, server, sessions) = at_work().await;
    let file = nodes.bank.path("all.jsonl").to_str().unwrap().to_owned();
    let said = nodes.operate("a", &["export", "--to", &file]);
    assert!(
        said.code == Some(0) && said.out.contains("written and verified") && said.out.contains("2 session"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(server.stop().success());
    let said = nodes.operate("b", &["import", "--from", &file]);
    assert!(said.code == Some(0) && said.out.contains("verified and imported"), "{}{}", said.out, said.err);
    let again = nodes.operate("b", &["import", "--from", &file]);
    assert!(again.code == Some(1) && again.err.contains("there is data already"), "{}", again.err);
    let server = nodes.start("b");
    goes_on(&nodes, &server, &sessions).await;
    assert!(server.stop().success());

    let on_sled = nodes.bank.read("countersign.toml");
    nodes.bank.write("countersign.toml", &std::fs::read_to_string(new_settings(&nodes)).unwrap());
    let said = nodes.operate("c", &["import", "--from", &file]);
    assert!(said.code == Some(0), "{}{}", said.out, said.err);
    let server = nodes.start("c");
    let again = server.soap(&explicit(PHONE, TEXT, "", Some("one"))).await;
    assert_eq!(again.element("AlrtPkgId"), sessions[0].1.element("AlrtPkgId"));

    let back = nodes.bank.path("back.jsonl").to_str().unwrap().to_owned();
    let said = nodes.operate("c", &["export", "--to", &back]);
    assert!(said.code == Some(0) && said.out.contains("2 session\n") && said.out.contains("1 opened"), "{}{}", said.out, said.err);
    let refused = nodes.operate("c", &["export", "--to", &back]);
    assert!(refused.code == Some(1) && refused.err.contains("the file exists"), "{}", refused.err);
    assert!(server.stop().success());
    nodes.bank.write("countersign.toml", &on_sled);
    let said = nodes.operate("d", &["import", "--from", &back]);
    assert!(said.code == Some(0) && said.out.contains("verified and imported"), "{}{}", said.out, said.err);
    let server = nodes.start("d");
    let again = server.soap(&explicit(PHONE, TEXT, "", Some("one"))).await;
    assert_eq!(again.element("AlrtPkgId"), sessions[0].1.element("AlrtPkgId"));
}
