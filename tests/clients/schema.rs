//! Our answers against our schema, by libxml2: the whole envelope, not only what is ours in it.

use super::process;
use super::recorder::Exchange;
use std::io::Write;
use std::process::{Command, Stdio};

/// What is wrong with each document, empty for a valid one.
pub fn faults(documents: &[&str]) -> Vec<String> {
    let mut child = Command::new(process::python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/validate.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python with lxml; install it with `.ci/setup tests`");
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(documents).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Python with lxml is needed; install it with `.ci/setup tests`");
    let faults: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(faults.len(), documents.len());
    faults
}

/// Every answer is valid, and the kinds of answers that there are were all among them.
pub fn check(exchanges: &[Exchange]) {
    let documents: Vec<&str> = exchanges.iter().map(|it| it.answer.as_str()).collect();
    for (exchange, fault) in exchanges.iter().zip(faults(&documents)) {
        assert!(fault.is_empty(), "{fault}\n{}", exchange.answer);
    }
    let has = |status: u16, text: &str| exchanges.iter().any(|it| it.status == status && it.answer.contains(text));
    assert!(has(200, "<OOBValidateResponse") && has(200, "<PingResponse"), "answers and echoes were among them");
    assert!(has(500, "<HdrFault") && has(500, "FailedAuthentication") && has(401, "FailedAuthentication"), "faults were among them");
}
