//! `countersign serve` and `countersign migrate` on a real PostgreSQL server: the main job over a restart, a schema that is brought
//! there or refused, and a database that goes away and comes back.

mod postgres;
mod process;

use countersign::store::postgres::{STEPS, Settings};
use postgres::latency::Proxy;
use postgres::{Cluster, shared};
use process::bank::{Bank, PASSWORD, Server};
use process::nodes::{Nodes, reply};
use process::{IMS, explicit, until};

const PHONE: &str = "2025550123";
const TEXT: &str = "First Harbor: your code is <%$otp%>.";

fn fresh() -> Settings {
    shared().settings(&shared().database())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_goes_on_over_a_restart() {
    let nodes = Nodes::over(&fresh()).await;
    let server = nodes.start("a");
    let request = explicit(PHONE, TEXT, "", Some("life-1"));
    let answer = server.soap(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    assert!(nodes.message(&otp).await.field("text").contains("First Harbor"));
    server.wait_for_act(&id, "MsgSent").await;
    assert!(server.stop().success(), "told to stop it ends in order");

    let server = nodes.start("a");
    let again = server.soap(&request).await;
    assert_eq!((again.element("AlrtPkgId"), again.element("OTP")), (id.clone(), otp.clone()), "the first answer, after a restart");
    assert_eq!(reply(&server, PHONE, &otp, "SM1").await, 200);
    server.wait_for_act(&id, "OOBVerified").await;
    server.kill();

    let server = nodes.start("a");
    assert_eq!(reply(&server, PHONE, &otp, "SM1").await, 200);
    assert_eq!(server.soap(&request).await.element("AlrtPkgId"), id);
    assert_eq!(server.acts(&id).await.iter().filter(|it| it.starts_with("OOB")).collect::<Vec<_>>(), ["OOBVerified"]);
    assert_eq!(nodes.messages(&otp).len(), 1, "it was sent once");
    let shown = nodes.operate("a", &["challenge", "show", &id]);
    assert!(shown.code == Some(0) && shown.out.contains("reply:"), "{}{}", shown.out, shown.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_a_node_stops_in_order_goes_out_at_once_elsewhere() {
    let nodes = Nodes::over(&fresh()).await;
    // Longer than any test waits: who gets the message did not wait for the lease.
    nodes.bank.edit("countersign.toml", "lease_secs = 5", "lease_secs = 600");
    let server = nodes.start("a");
    assert_eq!(nodes.operate("a", &["outbox", "pause"]).code, Some(0));
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(server.stop().success());
    let _other = nodes.start("b");
    nodes.message(&answer.element("OTP")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_brought_there_by_command_or_the_server_refuses() {
    let nodes = Nodes::over(&fresh()).await;
    let bank = &nodes.bank;
    bank.edit("countersign.toml", "migrate = true", "migrate = false");
    let said = bank.try_start_under(&bank.node("a")).map(drop).unwrap_err();
    assert!(said.code == Some(1) && said.err.contains("run `countersign migrate --apply`"), "{}", said.err);
    let plan = bank.done(&["migrate"]);
    assert!(plan.contains("pending    1  the tables") && plan.contains("Add --apply"), "{plan}");
    let all = format!("{} step(s) applied now.", STEPS.len());
    assert!(bank.done(&["migrate", "--apply"]).contains(&all));
    let plan = bank.done(&["migrate"]);
    assert!(plan.contains("applied    1") && plan.contains("Nothing is to be done.") && !plan.contains("--apply"), "{plan}");
    assert!(bank.done(&["migrate", "--apply"]).contains("0 step(s) applied now."));
    let server = nodes.start("a");
    assert_eq!(server.soap(&explicit(PHONE, TEXT, "", None)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_done_here_says_what_to_do() {
    let nodes = Nodes::over(&fresh()).await;
    let _server = nodes.start("a");
    let check = |said: process::bank::Said, expected: &str| {
        assert!(said.code == Some(1) && said.err.contains(expected), "{expected}: {}{}", said.out, said.err);
    };
    check(nodes.operate("a", &["backup", "--to", "/nowhere"]), "back them up with the database's own tools");
    nodes.bank.write("other.key", "");
    std::fs::remove_file(nodes.bank.path("other.key")).unwrap();
    nodes.bank.done(&["keys", "init", "--out", nodes.bank.path("other.key").to_str().unwrap()]);
    let mut other = nodes.bank.node("b");
    other.push(("COUNTERSIGN__KEYS__ROOT_FILE".to_owned(), nodes.bank.path("other.key").to_str().unwrap().to_owned()));
    check(nodes.bank.try_start_under(&other).map(drop).unwrap_err(), "was begun with root key");
    let mut nowhere = nodes.bank.node("c");
    nowhere.push(("COUNTERSIGN__STORE__POSTGRES__HOSTS".to_owned(), "127.0.0.1:1".to_owned()));
    check(nodes.bank.try_start_under(&nowhere).map(drop).unwrap_err(), "is it running, and are `hosts` right?");
    check(nodes.bank.run_under(&nowhere, &["migrate"]), "is it running, and are `hosts` right?");
    let sled = Bank::new("");
    check(sled.run(&["migrate"]), "nothing to migrate");
    nodes.bank.edit("countersign.toml", "password_file", "ca_file = 'nowhere.pem'\npassword_file");
    nodes.bank.edit("countersign.toml", "tls = \"off\"", "tls = \"verify\"");
    check(nodes.bank.run(&["check-config"]), "nowhere.pem");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_ends_nothing_and_all_goes_on_when_it_is_back() {
    let mut cluster = Cluster::quick();
    let database = cluster.database();
    let proxy = Proxy::to(cluster.port());
    let nodes = Nodes::over(&Settings { hosts: vec![proxy.host()], ..cluster.settings(&database) }).await;
    let server = nodes.start("a");
    assert_eq!(ready(&server).await, 200);
    assert_eq!(server.soap(&explicit(PHONE, TEXT, "", Some("before"))).await.status, 200);

    // Gone, and said so.
    cluster.kill();
    shed(&server, "gone").await;
    until("not ready", async || (ready(&server).await == 503).then_some(())).await;
    cluster.restart();
    back(&server, "gone").await;

    // Silent: nobody says anything.
    proxy.silence();
    shed(&server, "silent").await;
    until("not ready", async || (ready(&server).await == 503).then_some(())).await;
    proxy.speak();
    back(&server, "silent").await;
    assert!(server.stop().success());
}

// A clear fault that says when to come again.
async fn shed(server: &Server, key: &str) {
    let request = server.request(reqwest::Method::POST, IMS).basic_auth("bank", Some(PASSWORD));
    let body = process::envelope(&explicit(PHONE, TEXT, "", Some(key)));
    let said = request.header("content-type", "text/xml; charset=utf-8").body(body).send().await.unwrap();
    let after = said.headers().get("retry-after").map(|it| it.to_str().unwrap().to_owned());
    assert_eq!((said.status().as_u16(), after.as_deref()), (503, Some("2")), "{key}");
    assert!(said.text().await.unwrap().contains("Fault>"), "{key}");
}

// Ready again by itself; and the same request is taken, once.
async fn back(server: &Server, key: &str) {
    until("ready", async || (ready(server).await == 200).then_some(())).await;
    let ask = async || Some(server.soap(&explicit(PHONE, TEXT, "", Some(key))).await).filter(|it| it.status == 200);
    let first = until("taken", ask).await.element("AlrtPkgId");
    assert_eq!(until("taken again", ask).await.element("AlrtPkgId"), first);
    server.wait_for_act(&first, "MsgSent").await;
}

async fn ready(server: &Server) -> u16 {
    server.get("/health/ready", &[]).await.status
}
