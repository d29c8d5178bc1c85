//! What is sent: by text and mail, and how its answers and receipts come back.

use crate::banks::{LISTEN, hybrid, kannel_bank};
use crate::events::{WEBHOOK, webhook, webhook_signature};
use crate::gateways::{HANDSET, TOKEN, reply_by_twilio, twilio};
use crate::process;
use crate::process::bank::Bank;
use crate::process::peer::Peer;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

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
