//! `countersign serve` as a bank runs it: a real process, real peers around it, and an operator at its counter.

mod process;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use process::bank::{Bank, Server};
use process::peer::{Got, Peer};
use process::{element, explicit, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

const PHONE: &str = "2025550143";
const HANDSET: &str = "+12025550143";
const TEXT: &str = "First Harbor: your code is <%$otp%>. Reply with it.";
const LISTEN: &str = "[http]\nlisten = '127.0.0.1:0'\n";
const TOKEN: &str = "tw1lio-auth-t0ken-of-the-bank";
const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BEHIND: &str = "https://countersign.bank.example/inbound/sms/carrier";

/// A gateway like Twilio's, its replies signed.
fn twilio(peer: &Peer) -> String {
    format!(
        r#"
[[gateway]]
name = "carrier"
url = "{}"
from = "+12025550100"
basic = {{ user = "AC1", password_file = "{{home}}/carrier.password" }}
headers = {{ I-Twilio-Idempotency-Token = "{{id}}" }}
body = {{ form = [["To", "{{to}}"], ["From", "{{from}}"], ["Body", "{{text}}"]] }}
allow_plain = true
[gateway.answer]
success = {{ pointer = "/sid" }}
message_id = {{ pointer = "/sid" }}
[[inbound]]
name = "carrier"
preset = "twilio"
proof = {{ twilio = {{ public_url = "{BEHIND}" }} }}
secret_file = "{{home}}/carrier.password"
"#,
        peer.url("/2010-04-01/Accounts/AC1/Messages.json")
    )
}

/// A gateway like Kannel's, its replies known by where they come from.
fn kannel(peer: &Peer) -> String {
    format!(
        r#"
[[gateway]]
name = "kannel"
url = "{}"
method = "GET"
secret_file = "{{home}}/carrier.password"
query = [["username", "bank"], ["password", "{{secret}}"], ["to", "{{to}}"], ["text", "{{text}}"], ["charset", "UTF-8"],
         ["coding", "{{coding}}"], ["account", "{{id}}"]]
allow_plain = true
[gateway.answer]
success = {{ status = [202], contains = ["0: Accepted", "3: Queued"] }}
[[inbound]]
name = "kannel"
preset = "kannel"
proof = "networks"
networks = ["127.0.0.0/8", "::1/128"]
"#,
        peer.url("/cgi-bin/sendsms")
    )
}

const KANNEL_SAYS: (u16, &str) = (202, "0: Accepted for delivery");

async fn kannel_bank(first: &[(u16, &'static str)], more: &str) -> (Bank, Peer) {
    let gateway = Peer::start(first, KANNEL_SAYS).await;
    let bank = Bank::new(&format!("{LISTEN}{}{more}", kannel(&gateway)));
    bank.write("carrier.password", TOKEN);
    (bank, gateway)
}

/// The published use case 3, to both of its contacts: a code by text and mail, and a reply that decides.
fn hybrid() -> String {
    let case = std::fs::read_to_string("fixtures/demo/case3.xml").unwrap();
    let mail = "</OOBRecipConIdInfoRec><OOBRecipConIdInfoRec><RecipConId>E-mail address</RecipConId></OOBRecipConIdInfoRec>";
    case.replacen("</OOBRecipConIdInfoRec>", mail, 1)
}

/// A handset's reply through Kannel.
async fn reply_by_kannel(server: &Server, text: &str, id: &str) {
    let query = [("from", HANDSET), ("to", "28849"), ("text", text), ("id", id), ("charset", "UTF-8")];
    let said = server.get("/inbound/sms/kannel", &query).await;
    assert_eq!((said.status, said.body.as_str()), (200, ""), "an empty answer: Kannel would send on what is in it");
}

/// A handset's reply through Twilio, signed with `token`.
async fn reply_by_twilio(server: &Server, token: &str, text: &str, id: &str) -> u16 {
    let mut form = [("Body", text), ("From", HANDSET), ("MessageSid", id), ("To", "+12025550100")];
    form.sort_unstable();
    let signed: String = std::iter::once(BEHIND).chain(form.iter().flat_map(|it| [it.0, it.1])).collect();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let signature = BASE64_STANDARD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()));
    server.post("/inbound/sms/carrier", &[("x-twilio-signature", &signature)], &form).await.status
}

/// A subscriber that gets events as JSON.
fn webhook(peer: &Peer, more: &str) -> String {
    format!(
        "[[subscriber]]\npublisher = 'bank'\n{more}[subscriber.webhook]\nname = 'desk'\nurl = '{}'\n\
         secret_file = '{{home}}/webhook.secret'\nallow_plain = true\nallow_private = true\n",
        peer.url("/hook")
    )
}

/// Signs a webhook as Standard Webhooks says, by another way than the code under test.
fn webhook_signature(got: &Got) -> String {
    let key = BASE64_STANDARD.decode(WEBHOOK.trim_start_matches("whsec_")).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let content = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    format!("v1,{}", BASE64_STANDARD.encode(aws_lc_rs::hmac::sign(&key, content.as_bytes())))
}

/// A real SMTP server.
struct Relay {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: String,
}

impl Relay {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/smtp_sink.py");
        let mut child = Command::new(process::python())
            .args([script, "plain"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python with aiosmtpd; install it with `.ci/setup tests`");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        assert!(port.trim().parse::<u16>().is_ok(), "the SMTP server starts; install it with `.ci/setup tests`");
        Self { child, lines, port: port.trim().to_owned() }
    }

    /// Waits for the next message.
    async fn took(&mut self) -> Value {
        let mut line = String::new();
        tokio::task::block_in_place(|| self.lines.read_line(&mut line)).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hybrid_alert_goes_out_by_text_and_mail_and_its_verdict_comes_back() {
    let gateway = Peer::start(&[(503, "busy")], (201, r#"{"sid":"SM77","status":"queued"}"#)).await;
    let (hook, mut relay) = (Peer::start(&[], (204, "")).await, Relay::start());
    let subscriber = format!(
        "[smtp]\nname = 'relay'\nhost = 'localhost'\nport = {}\ntls = 'none'\nfrom = 'alerts@bank.example'\n{}",
        relay.port,
        webhook(&hook, "")
    );
    let bank = Bank::new(&format!("{LISTEN}{}{subscriber}", twilio(&gateway)));
    bank.write("carrier.password", TOKEN);
    bank.write("webhook.secret", WEBHOOK);
    let server = bank.start();
    bank.done(&["load", "--apply"]);

    let answer = server.envelope(hybrid()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    let sms = gateway.wait_for(1).await.remove(0);
    assert_eq!((sms.field("To").as_str(), sms.field("From").as_str()), (HANDSET, "+12025550100"));
    assert!(sms.field("Body").contains(&otp) && sms.field("Body").contains("Corellia"), "{}", sms.field("Body"));
    assert_eq!(sms.header("authorization"), format!("Basic {}", BASE64_STANDARD.encode(format!("AC1:{TOKEN}"))));
    let ids: Vec<_> = gateway.got().iter().map(|it| (it.status, it.header("i-twilio-idempotency-token").to_owned())).collect();
    assert_eq!(ids.len(), 2, "first it was busy, then it took it");
    assert!(ids[0].1.len() == 36 && ids[0].1 == ids[1].1, "a repeat has the same idempotency id: {ids:?}");
    let mail = relay.took().await;
    assert_eq!(mail["to"], json!(["solo@corellia.example.com"]));
    assert_eq!(mail["headers"]["subject"], "Confirm your First Harbor sign-in");
    assert!(mail["parts"]["text/plain"].as_str().unwrap().contains(&otp) && mail["parts"]["text/html"].as_str().unwrap().contains(&otp));

    assert_eq!(reply_by_twilio(&server, "another-token", &otp, "SM1").await, 403, "a forged reply");
    assert_eq!(reply_by_twilio(&server, TOKEN, &otp, "SM1").await, 200);
    assert_eq!(reply_by_twilio(&server, TOKEN, &otp, "SM1").await, 200, "a repeated one changes nothing");
    let pushed = hook.wait_for(1).await.remove(0);
    assert_eq!(pushed.header("webhook-signature"), webhook_signature(&pushed));
    let event: Value = serde_json::from_str(&pushed.body).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("countersign.OOBVerified"), &json!(pushed.header("webhook-id"))));
    assert!(event.to_string().contains(&id) && !event.to_string().contains(&otp), "{event}");

    let shown = bank.done(&["challenge", "show", &id]);
    for part in [id.as_str(), "OOBVerified", "MERCHANT89785", "TwoWay"] {
        assert!(shown.contains(part), "no {part} in:\n{shown}");
    }
    for secret in [otp.as_str(), "2025550143", "solo@corellia", "Corellia"] {
        assert!(!shown.contains(secret), "{secret} in:\n{shown}");
    }
    let unknown = bank.run(&["challenge", "show", "0193a1c0-0000-7000-8000-000000000001"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("no challenge that is known here"), "{}", unknown.err);
    assert_eq!(hook.taken().len(), 1, "one outcome");
    let logs = server.logs();
    for secret in [otp.as_str(), "2025550143", "solo@corellia", "Corellia", TOKEN, WEBHOOK] {
        let line = logs.lines().find(|it| it.contains(secret));
        assert!(line.is_none(), "{secret} in the logs: {}", line.unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_out_by_sendgrid_and_again_after_a_throttle() {
    let sendgrid = Peer::start(&[(429, "{}")], (202, "")).await;
    let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let public = BASE64_STANDARD.encode(AsDer::<PublicKeyX509Der>::as_der(signer.public_key()).unwrap().as_ref());
    let section = "[sendgrid]\nfrom = 'First Harbor <alerts@bank.example>'\napi_key_file = '{home}/sendgrid.key'\nallow_plain = true\n";
    let (bank, _) = kannel_bank(&[], &format!("{section}base_url = '{}'\nwebhook_key = '{public}'\n", sendgrid.url(""))).await;
    bank.write("sendgrid.key", "SG.key-of-the-bank");
    let server = bank.start();
    bank.done(&["load", "--apply"]);

    let answer = server.envelope(hybrid()).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    sendgrid.wait_for(1).await;
    let got = sendgrid.got();
    assert_eq!(got.iter().map(|it| it.status).collect::<Vec<_>>(), [429, 202]);
    assert_eq!(got[0].body, got[1].body, "a repeat is the same mail under the same delivery id");
    assert_eq!((got[1].target.as_str(), got[1].header("authorization")), ("/v3/mail/send", "Bearer SG.key-of-the-bank"));
    let mail: Value = serde_json::from_str(&got[1].body).unwrap();
    assert_eq!(mail["personalizations"][0]["to"], json!([{"email": "solo@corellia.example.com"}]));
    assert_eq!(mail["subject"], "Confirm your First Harbor sign-in");
    assert!((0..2).all(|it| mail["content"][it]["value"].as_str().unwrap().contains(&otp)), "{mail}");
    let delivery = mail["personalizations"][0]["custom_args"]["countersign_delivery"].as_str().unwrap();
    assert!(bank.done(&["challenge", "show", &id]).contains(delivery), "{delivery}");

    // Its event webhook: the arguments come back in each event.
    let arguments = &mail["personalizations"][0]["custom_args"];
    let mut event = json!({"event": "delivered", "email": "solo@corellia.example.com", "sg_message_id": "m1.x", "sg_event_id": "e1"});
    event.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    let body = json!([event]).to_string();
    let stamp = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let signed = signer.sign(&SystemRandom::new(), format!("{stamp}{body}").as_bytes()).unwrap();
    for (body, status) in [(body.replace("delivered", "bounce"), 403), (body.clone(), 200), (body, 200)] {
        let request = server.request(reqwest::Method::POST, "/inbound/receipts/sendgrid").header("content-type", "application/json");
        let request = request.header("x-twilio-email-event-webhook-timestamp", &stamp);
        let request = request.header("x-twilio-email-event-webhook-signature", BASE64_STANDARD.encode(signed));
        assert_eq!(request.body(body).send().await.unwrap().status(), status);
    }
    let acts = server.acts(&id).await;
    let told = ["MsgDelivered", "MsgUndeliverable"].map(|act| acts.iter().filter(|it| *it == act).count());
    assert_eq!(told, [1, 0], "a repeat changes nothing, a forgery neither: {acts:?}");
    let logs = server.logs();
    for secret in [otp.as_str(), "solo@corellia", "Corellia", "SG.key-of-the-bank"] {
        let line = logs.lines().find(|it| it.contains(secret));
        assert!(line.is_none(), "{secret} in the logs: {}", line.unwrap_or_default());
    }
}

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

/// These actions follow each other in the audit log, and no secret is in it.
fn check_audit(bank: &Bank, expected: &[&str]) {
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

async fn wait_for_text(gateway: &Peer, text: &str) {
    until(text, async || gateway.taken().iter().any(|it| it.field("text").contains(text)).then_some(())).await;
}

const EES_SAYS: (u16, &str) = (
    200,
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><EESEventAddResponse xmlns="http://jackhenry.com/jxchange/JES/2008"/></s:Body></s:Envelope>"#,
);

/// A bank, its gateway, and its core system, which gets outcomes by `EESEventAdd`.
async fn subscribed_bank(more: &str) -> (Bank, Peer, Peer) {
    let core = Peer::start(&[], EES_SAYS).await;
    let subscriber = format!(
        "[[subscriber]]\npublisher = 'bank'\n[subscriber.ees]\nname = 'core'\nurl = '{}'\nallow_plain = true\nallow_private = true\n\
         allow_address = true\nbasic = {{ user = 'ens', password_file = '{{home}}/ees.password' }}\n",
        core.url("/ees")
    );
    let (bank, gateway) = kannel_bank(&[], &format!("{subscriber}{more}")).await;
    bank.write("ees.password", "core-password");
    (bank, gateway, core)
}

/// A challenge that is answered right; its `AlrtPkgId`.
async fn verified(server: &Server, gateway: &Peer) -> String {
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    wait_for_text(gateway, &otp).await;
    reply_by_kannel(server, &otp, &id).await;
    server.wait_for_act(&id, "OOBVerified").await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_events_that_a_subscriber_stumbles_over() {
    let (bank, gateway, core) = subscribed_bank("").await;
    let server = bank.start();
    core.set_down(true);
    let (first, second, third) = (verified(&server, &gateway).await, verified(&server, &gateway).await, verified(&server, &gateway).await);
    core.stumble_over(&[&first, &second]);
    core.set_down(false);
    let has = |id: &str| core.taken().iter().any(|it| it.body.contains(id));
    until("the third event", async || has(&third).then_some(())).await;
    assert!(!has(&first) && !has(&second));
    core.stumble_over(&[]);
    until("those before it", async || (has(&first) && has(&second)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_a_subscriber_that_was_down_through_a_kill() {
    let hook = Peer::start(&[], (204, "")).await;
    let (bank, gateway, core) = subscribed_bank(&webhook(&hook, "deliveries = true\n")).await;
    bank.write("webhook.secret", WEBHOOK);
    core.set_down(true);
    let server = bank.start();
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    wait_for_text(&gateway, &otp).await;
    // The gateway has the text a moment before its word is settled; people take longer than that.
    server.wait_for_act(&id, "MsgSent").await;
    reply_by_kannel(&server, &otp, "K1").await;
    server.wait_for_act(&id, "OOBVerified").await;
    let steps = async |count| hook.wait_for(count).await.iter().map(act).collect::<Vec<_>>();
    assert_eq!(steps(3).await, ["MsgAccepted", "MsgSent", "OOBVerified"], "who is there does not wait for who is not");
    until("two tries", async || (core.turned_away() >= 2).then_some(())).await;
    server.kill();

    let server = bank.start();
    let before = core.turned_away();
    until("another try", async || (core.turned_away() > before).then_some(())).await;
    core.set_down(false);
    let pushed = core.wait_for(1).await.remove(0);
    assert_eq!(pushed.header("authorization"), format!("Basic {}", BASE64_STANDARD.encode("ens:core-password")));
    assert_eq!(pushed.header("soapaction"), "\"http://jackhenry.com/ws/EESEventAdd\"");
    let mine = events(&pushed.body).into_iter().filter(|it| it.contains(&("AlrtPkgId".to_owned(), id.clone()))).collect::<Vec<_>>();
    assert_eq!(mine.len(), 1, "outcomes only, and one: {}", pushed.body);
    for pair in [("EventNum", "90040"), ("InstId", "011001276"), ("ENSActCode", "OOBVerified"), ("ConsumerProd", "Online")] {
        assert!(mine[0].contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?} not in {:?}", mine[0]);
    }
    assert!(!pushed.body.contains(&otp) && !pushed.body.contains(PHONE), "{}", pushed.body);

    // The next outcome is behind it: when that has come, the first has not come twice.
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    let last = answer.element("AlrtPkgId");
    wait_for_text(&gateway, &answer.element("OTP")).await;
    server.wait_for_act(&last, "MsgSent").await;
    reply_by_kannel(&server, &answer.element("OTP"), "K2").await;
    until("the next outcome", async || core.taken().iter().any(|it| it.body.contains(&last)).then_some(())).await;
    let all: Vec<_> = core.taken().iter().flat_map(|it| events(&it.body)).collect();
    let ids: std::collections::HashSet<_> = all.iter().map(|it| it.iter().find(|it| it.0 == "EventUniqueId").unwrap().1.clone()).collect();
    assert_eq!((all.len(), ids.len()), (2, 2), "one event for each outcome: {all:?}");
    assert_eq!(steps(6).await[3..], ["MsgAccepted", "MsgSent", "OOBVerified"], "the kill repeated nothing that was taken");
}

/// The act that a webhook's event is about.
fn act(got: &Got) -> String {
    let event: Value = serde_json::from_str(&got.body).unwrap();
    event["type"].as_str().unwrap().trim_start_matches("countersign.").to_owned()
}

/// The events of an `EESEventAdd`: each the pairs of its elements and of its `EventDataInfo`.
fn events(xml: &str) -> Vec<Vec<(String, String)>> {
    let info = |text: &str| {
        let head = ["EventNum", "EventProd", "EventTimeDt", "InstId", "EventUniqueId"];
        let mut pairs: Vec<_> = head.iter().filter_map(|name| Some(((*name).to_owned(), element(text, name)?))).collect();
        let data = text.split("<EventDataInfo>").skip(1);
        pairs.extend(data.filter_map(|it| Some((element(it, "Name")?, element(it, "Val")?))));
        pairs
    };
    let body = xml.split_once("<EESEventAdd ").expect("an EESEventAdd").1;
    body.split("<EESEventInfo>").skip(1).map(info).collect()
}

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
