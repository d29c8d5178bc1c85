//! Logs: one JSON object a line, with what surrounds it, and never a secret, also not from a panic.

use countersign::domain::code::{Secret, Tag};
use countersign::domain::contact;
use countersign::telemetry::{correlated, filter, subscriber};
use serde_json::Value;
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(level: &str, act: impl FnOnce()) -> Vec<Value> {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing::subscriber::with_default(subscriber(level, move || writer.clone()).expect("a level"), act);
    let bytes = lines.0.lock().expect("lines").clone();
    String::from_utf8(bytes).expect("text").lines().map(|it| serde_json::from_str(it).expect("JSON")).collect()
}

#[test]
fn a_line_has_its_fields_and_the_correlation_id_of_its_span() {
    let lines = logged("info", || {
        let _span = tracing::info_span!("request", correlation = "c-1").entered();
        tracing::info!(outcome = "opened", "answered");
        tracing::debug!("not at this level");
    });
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&line["message"], &line["outcome"], &line["level"]), (&"answered".into(), &"opened".into(), &"INFO".into()));
    assert_eq!(line["spans"][0]["correlation"], "c-1");
    assert!(line["timestamp"].is_string());
}

/// As if in a span `request`, but written only where a line is.
#[test]
fn every_line_of_a_request_has_its_correlation_id() {
    let id = uuid::Uuid::from_u128(7);
    let lines = logged("info", || {
        let work = async {
            tracing::info!(answer = "}\n,\"spans\":[", "in the request");
            let _span = tracing::info_span!("inner", part = 3).entered();
            tracing::info!("in a span in the request");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(correlated(id, work));
        tracing::info!("after the request");
    });
    let spans: Vec<_> = lines.iter().map(|it| it["spans"].clone()).collect();
    let request = serde_json::json!({ "correlation": id.to_string(), "name": "request" });
    let inner = serde_json::json!({ "part": 3, "name": "inner" });
    assert_eq!(spans, [serde_json::json!([request]), serde_json::json!([request, inner]), Value::Null]);
    assert_eq!(lines[0]["answer"], "}\n,\"spans\":[");
}

#[test]
fn secrets_do_not_show_themselves() {
    let lines = logged("trace", || {
        let address = contact::mail("canary@example.com").expect("an address");
        tracing::info!(code = ?Secret::new("canary"), ?address, tag = ?Tag([7; 16]), "sent");
    });
    let text = format!("{lines:?}");
    assert!(!text.contains("canary") && text.contains("[secret]") && text.contains("[address]"), "{text}");
}

#[test]
fn levels_are_read_and_misspelt_ones_refused() {
    let check = |level: &str, expected: bool| assert_eq!(filter(level).is_ok(), expected, "{level}");
    check("info", true);
    check("TRACE", true);
    check("info,countersign::engine=debug", true);
    check("off", true);
    check("", false);
    check("infoo", false);
    check("info,", false);
    check("countersign=loud", false);
}

#[test]
fn the_wire_is_not_logged_even_at_trace() {
    let lines = logged("trace", || {
        tracing::trace!(target: "hyper::proto", "bytes of the wire");
        tracing::trace!(target: "countersign::http", "ours");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// Runs in a process of its own, because the hook is the process's.
#[test]
fn a_panic_is_logged_by_its_place_only() {
    const CHILD: &str = "COUNTERSIGN_TEST_PANIC";
    if std::env::var_os(CHILD).is_some() {
        countersign::telemetry::begin("info").expect("begun");
        let _ = std::thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("the code is canary")).expect("a thread").join();
        return;
    }
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_panic_is_logged_by_its_place_only", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "full")
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&child.stderr).into_owned() + &String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}");
    assert!(!text.contains("canary"), "{text}");
    let line = text.lines().find(|it| it.contains("panicked")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert!(line["place"].as_str().expect("a place").contains("tests/telemetry.rs:"), "{line}");
    assert_eq!((&line["thread"], &line["level"]), (&"worker".into(), &"ERROR".into()));
}
