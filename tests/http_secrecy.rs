//! What passes through the HTTP side leaves nothing secret in the log, at its finest level.

mod http_stand;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::engine::Trouble;
use countersign::http::Settings;
use http_stand::*;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let stand = stand(Settings::default(), &generated()).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    stand.post(IMS, BASIC, &envelope("").replace("2025550123", "2025550177")).await;
    stand.post(IMS, &format!("Authorization: Basic {}\r\n", STANDARD.encode("canary-user:canary-password")), &envelope("")).await;
    stand.post(IMS, "", "<canary-broken").await;
    stand.post("/inbound/sms/sandbox", form, "From=%2B12025550177&Body=canary-reply&MessageSid=SM1").await;
    stand.post("/inbound/sms/sandbox", form, "From=canary-sender&Body=canary-reply&MessageSid=SM1").await;
    stand.get("/inbound/sms/kannel?from=2025550177&text=canary-query&id=k1", "").await;
    stand.get("/v1/events?after=canary-cursor", BASIC).await;
    *stand.fake.trouble.lock().unwrap() = Some(Trouble::Failed);
    stand.post(IMS, BASIC, &envelope("").replace("2025550123", "2025550177")).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("answered") && text.contains("not let in"), "{text}");
    for canary in ["canary", "2025550177", "561126", SECRET, "cHVibGlzaGVyOm"] {
        assert!(!text.contains(canary), "{canary} is in the log:\n{text}");
    }
}

/// What is logged of a request has the id that its answer has.
#[tokio::test]
async fn the_log_has_the_correlation_id_of_the_answer() {
    let log = Log::default();
    let writer = log.clone();
    let _guard = tracing::subscriber::set_default(countersign::telemetry::subscriber("debug", move || writer.clone()).unwrap());
    let stand = stand(Settings::default(), &generated()).await;
    log.0.lock().unwrap().clear();
    *stand.fake.trouble.lock().unwrap() = Some(Trouble::Failed);
    let got = stand.post(IMS, BASIC, &envelope("")).await;
    let id = got.head.split("x-correlation-id: ").nth(1).and_then(|it| it.get(..36)).unwrap().to_owned();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    for message in ["a request to open a challenge failed; the cause is logged where it happened", "answered"] {
        let line = lines.iter().find(|it| it["message"] == message).unwrap_or_else(|| panic!("no {message:?} in\n{text}"));
        assert_eq!(line["spans"], serde_json::json!([{ "correlation": id, "name": "request" }]), "{line}");
    }
}
