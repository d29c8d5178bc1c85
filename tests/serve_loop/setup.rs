//! Setting up a bank, and reading its settings anew.

use crate::banks::{hybrid, subscribed_bank};
use crate::gateways::TOKEN;
use crate::operator::check_audit;
use crate::process;
use crate::process::bank::{Bank, Server};
use crate::process::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_config_refuses_what_serve_would_refuse() {
    let (bank, _, _) = subscribed_bank("").await;
    let settings = bank.read("countersign.toml");
    let line = settings.lines().position(|it| it.starts_with("[store]")).unwrap() + 2;
    let check = |old: &str, new: &str, expected: &str| {
        bank.edit("countersign.toml", old, new);
        for command in ["check-config", "serve"] {
            let said = bank.run(&[command]);
            assert!(said.code == Some(1) && said.err.contains(expected), "{command}, {new}: {}", said.err);
        }
        bank.write("countersign.toml", &settings);
    };
    check("[store]", "[store]\nretain = 9", &format!("countersign.toml:{line}:1: unknown field `retain`"));
    check("carrier.password", "nowhere.password", "nowhere.password");
    check("{text}", "{txt}", "{txt} is none of the placeholders");
    check("allow_plain = true", "", "set allow_plain = true");
    check("networks = [\"127.0.0.0/8\", \"::1/128\"]", "", "needs networks");
    check("publisher = 'bank'", "publisher = 'bnak'", "\"bnak\": no registration file registers it");
    check("[http]", "[http]\nmetrics_token_file = 'nowhere.token'", "nowhere.token");
    check("[store]", "[http.tls]\ncertificate_file = 'nowhere.pem'\nkey_file = 'nowhere.key'\n[store]", "nowhere.pem");
    assert!(bank.done(&["check-config"]).contains("1 publishers, 4 alerts, 4 recipients"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_is_set_up_over_tls_by_its_operator() {
    let tls = "[http]\nlisten = '127.0.0.1:0'\npublic_url = 'https://countersign.bank.example'\nmetrics_token_file = '{home}/metrics.token'\n\
               [http.tls]\ncertificate_file = '{home}/certificate.pem'\nkey_file = '{home}/key.pem'\n";
    let bank = Bank::new(tls);
    let first = certificate(&bank);
    bank.write("metrics.token", TOKEN);
    assert!(bank.done(&["check-config"]).contains("1 publishers, 4 alerts, 4 recipients"));
    let again = bank.run(&["keys", "init", "--out", bank.path("root.key").to_str().unwrap()]);
    assert_eq!(again.code, Some(1), "a root key is never overwritten: {}", again.err);

    let server = bank.start_with(|it| it.tls_certs_only([first.clone()]));
    assert!(server.base.starts_with("https://"));
    assert!(server.get(process::IMS, &[("wsdl", "")]).await.status >= 400, "only ?wsdl is the contract");
    let wsdl = said(&server, &format!("{}?wsdl", process::IMS)).await;
    assert!(wsdl.contains("location=\"https://countersign.bank.example/jxchange/2008/ServiceGateway/IMS.svc\""), "{wsdl}");
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(plain.get(server.base.replace("https", "http")).send().await.is_err(), "no plain HTTP where TLS is set");

    let metrics = async |token| {
        let request = server.request(reqwest::Method::GET, "/metrics").bearer_auth(token);
        process::said(request.send().await.unwrap()).await
    };
    assert_eq!(metrics("another-token").await.status, 401);
    assert!(metrics(TOKEN).await.body.contains("# EOF"));

    let unknown = server.envelope(hybrid()).await;
    assert_eq!(unknown.status, 500, "no recipient is loaded yet: {}", unknown.body);
    let plan = bank.done(&["load"]);
    assert!(plan.contains("MERCHANT89785") && plan.contains("Nothing was changed"), "{plan}");
    assert_eq!(server.envelope(hybrid()).await.codes(), unknown.codes(), "a dry run changes nothing");
    let applied = bank.done(&["load", "--apply"]);
    assert_eq!(applied.replace("Applied.", "").lines().next(), plan.lines().next(), "what was planned");
    let answer = server.envelope(hybrid()).await;
    assert_eq!((answer.status, answer.element("RsStat").as_str()), (200, "Success"), "{}", answer.body);
    assert!(bank.done(&["load"]).starts_with("No change."));
    let status = bank.done(&["status"]);
    assert!(status.starts_with("ready\n1 open challenges"), "{status}");

    let second = certificate(&bank);
    bank.done(&["reload"]);
    let reach = async |it: &reqwest::Certificate| {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([it.clone()]).build().unwrap();
        client.get(format!("{}{}?wsdl", server.base, process::IMS)).send().await.is_ok()
    };
    assert_eq!((reach(&first).await, reach(&second).await), (false, true), "new connections get the new certificate");
    let third = certificate(&bank);
    server.signal("-HUP");
    until("the third certificate", async || reach(&third).await.then_some(())).await;
    bank.write("certificate.pem", "nonsense");
    let broken = bank.run(&["reload"]);
    assert!(broken.code == Some(1) && broken.err.contains("certificate.pem"), "{}", broken.err);
    assert!(reach(&third).await, "what was wrong changed nothing");

    assert!(server.stop().success());
    assert!(!bank.path("admin.sock").exists());
    check_audit(&bank, &["load plan done", "load apply started", "load apply done", "load plan done", "status done"]);
    check_audit(&bank, &["reload started", "reload done", "reload started", "reload failed"]);
}

/// Puts a new self-signed certificate for `localhost` where the settings want it.
fn certificate(bank: &Bank) -> reqwest::Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    bank.write("certificate.pem", &made.cert.pem());
    bank.write("key.pem", &made.signing_key.serialize_pem());
    reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

async fn said(server: &Server, path: &str) -> String {
    server.request(reqwest::Method::GET, path).send().await.unwrap().text().await.unwrap()
}
