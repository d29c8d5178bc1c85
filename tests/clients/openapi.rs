//! The REST interface against its own document: schemathesis makes requests of it, right ones and wrong ones, in sequences too, and
//! judges the answers by it.

use super::process::Demo;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Everything that it checks, but for two. That each request which fits the document is taken: no document can say which numbers a
/// numbering plan has. And that two callers see different things: there is one here.
const LEFT_OUT: &str = "positive_data_acceptance,object_level_authorization";

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/openapi/bin/schemathesis");
    assert!(path.exists(), "schemathesis is not installed; run .ci/setup clients");
    path
}

/// Judges the server at `base` by a document, with so many requests of each kind and operation.
fn judged(base: &str, document: &str, (examples, more): (u32, &[&str])) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(program())
        .args(["run", document, "--url", base, "--auth", "demo:demo", "--checks", "all", "--exclude-checks", LEFT_OUT])
        .args(["--seed", "20080101", "--max-examples", &examples.to_string(), "--workers", "1", "--no-shrink", "--continue-on-failure"])
        .args(["--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "60"])
        // An answer may wait for events.
        .args(["--max-response-time", "60"])
        .args(more)
        // It writes a cache and, unless told otherwise, reports: into a directory that goes.
        .current_dir(home.path())
        .output()
        .unwrap()
}

#[test]
#[ignore = "slow tier: clients"]
fn what_the_document_says_holds() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let said = judged(&demo.base, &format!("{}/openapi.json", demo.base), (40, &[]));
    assert!(said.status.success(), "{}\n{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
}

/// A document that promises something else must not hold.
#[tokio::test]
#[ignore = "slow tier: clients"]
async fn a_document_that_is_wrong_is_seen() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let (_, document) = demo.get("/openapi.json").await;
    for (what, old, new) in [
        ("a field of another name", "\"attemptsLeft\"", "\"attemptsRemaining\""),
        ("a status that does not come", "\"404\"", "\"410\""),
        ("a problem of another media type", "application/problem+json", "application/json"),
    ] {
        let wrong = document.replace(old, new);
        assert_ne!(wrong, document, "{what} was not planted");
        let file = data.path().join("openapi.json");
        std::fs::write(&file, wrong).unwrap();
        let (base, path) = (demo.base.clone(), file.display().to_string());
        let said =
            tokio::task::spawn_blocking(move || judged(&base, &path, (10, &["--include-path-regex", "^/v1/challenges"]))).await.unwrap();
        assert_eq!(said.status.code(), Some(1), "{what} went unnoticed:\n{}", String::from_utf8_lossy(&said.stdout));
    }
}
