//! A client that somebody else's generator builds from our WSDL: zeep, against a real process.
//!
//! Needs what `.ci/setup tests` installs. Without it the test fails, so that it is never skipped unseen.

mod process;

use process::Demo;
use serde_json::{Value, json};
use std::process::Command;

#[tokio::test]
async fn a_generated_client_speaks_with_us() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let base = demo.base.clone();
    let told = tokio::task::spawn_blocking(move || zeep(&base)).await.unwrap();
    check_faults(&told);
    assert_eq!(told["operations"], json!(["OOBValidate", "Ping"]));
    assert_eq!((&told["ping"], &told["tutorial_ping"]), (&json!("harbor"), &json!("harbor")));
    let messages = demo.wait_for_messages(4).await;
    for (call, phone) in [("basic", "+12025550123"), ("token", "+12025550124"), ("native", "+12025550143"), ("tutorial", "+12025550125")] {
        let answer = &told[call];
        assert_eq!((&answer["status"], &answer["user"]), (&json!("Success"), &json!("teller")), "{call}: {answer}");
        let otp = answer["otp"].as_str().unwrap();
        let sent = messages.iter().find(|it| it["to"] == phone).unwrap_or_else(|| panic!("nothing went to {phone}"));
        assert!(otp.len() == 6 && sent["body"].as_str().unwrap().contains(otp), "{call}: {sent}");
        demo.text(phone, otp, &format!("SM-{call}")).await;
        assert_eq!(demo.wait_for_outcome(answer["id"].as_str().unwrap()).await, ["OOBVerified"], "{call}");
    }
    assert_eq!(messages.len(), 4, "what was refused sent nothing");
}

/// Faults come as zeep's own exception, their detail read by the type that the WSDL gives it.
fn check_faults(told: &Value) {
    let rule = |code, element, text| json!({"code": code, "category": "Error", "element": element, "description": text});
    let phone = rule("3147", "PhoneNum", "The mobile number must have 10 digits.");
    let seconds = rule("3160", "OOBExpSec", "Outside 15-3600.");
    assert_eq!(told["broken"], json!({"code": "s:Client", "message": "3147, 3160", "rules": [phone, seconds]}));
    for call in ["denied", "anonymous"] {
        let expected = json!({"code": "wsse:FailedAuthentication", "message": "Access is denied.", "rules": []});
        assert_eq!(told[call], expected, "{call}");
    }
}

fn zeep(base: &str) -> Value {
    let output = Command::new(process::python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/zeep_client.py"))
        .args([base, "demo", "demo"])
        .output()
        .expect("Python with zeep; install it with `.ci/setup tests`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
