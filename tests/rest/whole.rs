//! A bank's server as it is installed: a bot's dialog over REST, a message through its carrier, and what is kept over a restart.

use crate::process::bank::{Bank, PASSWORD, Server};
use crate::process::peer::Peer;
use serde_json::{Value, json};

fn gateway(peer: &Peer) -> String {
    format!(
        "[http]\nlisten = '127.0.0.1:0'\n[challenges]\nresend_gap_seconds = 0\nresends = 1\n[[gateway]]\nname = 'carrier'\nurl = '{}'\n\
         allow_plain = true\nbody = {{ form = [['To', '{{to}}'], ['Body', '{{text}}']] }}\n[gateway.answer]\nsuccess = {{ status = [201] }}\n",
        peer.url("/messages")
    )
}

async fn ask(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let request = server.request(reqwest::Method::POST, path).basic_auth("bank", Some(PASSWORD));
    let got = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    (got.status().as_u16(), serde_json::from_str(&got.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_runs_through_a_whole_server() {
    let peer = Peer::start(&[], (201, "")).await;
    let bank = Bank::new(&gateway(&peer));
    let server = bank.start();
    let wish = json!({ "channel": "SMS", "recipient": "+1 202 555 0143", "text": "Code: <%$otp%>", "locale": "de" });
    let (status, made) = ask(&server, "/v1/challenges", &wish).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/v1/challenges/{}", made["id"].as_str().unwrap());
    let got = peer.wait_for(1).await.remove(0);
    assert_eq!(got.field("To"), "+12025550143");
    let code = got.field("Body").trim_start_matches("Code: ").to_owned();

    assert_eq!(ask(&server, &format!("{path}/resend"), &json!({})).await.0, 200);
    assert_eq!(peer.wait_for(2).await[1].field("Body"), format!("Code: {code}"));
    assert_eq!(ask(&server, &format!("{path}/resend"), &json!({})).await.1["type"], "urn:countersign:problem:resend-limit");
    let (_, told) = ask(&server, &format!("{path}/verify"), &json!({ "code": "nope" })).await;
    assert_eq!((&told["result"], &told["say"]["language"]), (&json!("wrong"), &json!("de")));
    let (_, told) = ask(&server, &format!("{path}/verify"), &json!({ "code": code })).await;
    assert_eq!(told["result"], "verified");
    server.wait_for_act(made["id"].as_str().unwrap(), "OOBVerified").await;
    let logs = server.logs();
    assert!(!logs.contains(&code) && !logs.contains("2025550143") && !logs.contains("202 555 0143"), "neither code nor address is logged");
    server.stop();

    let server = bank.start();
    let told: Value = serde_json::from_str(&server.get(&path, &[]).await.body).unwrap();
    assert_eq!((&told["state"], &told["attemptsLeft"]), (&json!("verified"), &json!(0)), "{told}");
    let metrics = bank.done(&["check-config"]);
    assert!(metrics.contains("[challenges]") && metrics.contains("resends = 1"), "{metrics}");
}
