//! The flows as the process engine sees them, against the mock cluster.

use crate::stand::{CLIENT, Stand, TOPICS};
use countersign::domain::contact::Channel;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_made_sent_and_judged() {
    let stand = Stand::new(2).await;
    let bus = stand.start("bank");
    let headers = [("processInstanceId", "739452"), ("destinationId", "register_contact_data"), ("callbacksForAction", "action21")];
    let value = json!({"templateName": "otpMail", "channel": "MAIL", "language": "en-US", "clientId": CLIENT, "recipient": "a@b.example",
        "contentParams": {"clientId": CLIENT}});
    stand.send(TOPICS[0], "p-739452", &headers, &value.to_string()).await;
    let answers = stand.read(TOPICS[1], 1).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(
        String::from_utf8_lossy(&answers[0].value),
        r#"{"processInstanceId":739452,"clientId":"1871201460101","channel":"MAIL","otpSent":true,"error":null}"#
    );
    assert_eq!(answers[0].key.as_deref(), Some("p-739452"));
    assert_eq!(answers[0].headers, headers.map(|it| (it.0.to_owned(), it.1.to_owned())));
    let sent = stand.world.deliver().await;
    assert_eq!((sent.len(), sent[0].channel, sent[0].to.expose()), (1, Channel::Mail, "a@b.example"));
    assert_eq!(sent[0].subject.as_ref().unwrap().expose(), "otp for 1871201460101");
    let html = sent[0].html.as_ref().unwrap().expose();
    let code = html.split_once("<p>").unwrap().1.split_once("</p>").unwrap().0;
    let validate = |otp: &str| json!({"processInstanceId": 12345, "clientId": CLIENT, "channel": "MAIL", "otp": otp}).to_string();
    stand.send(TOPICS[2], "p-739452", &headers[1..], &validate(code)).await;
    stand.send(TOPICS[2], "p-739452", &headers[1..], &validate(code)).await;
    let answers = stand.read(TOPICS[3], 2).await;
    let valid = r#"{"processInstanceId":12345,"clientId":"1871201460101","channel":"MAIL","otpValid":true}"#;
    assert_eq!(String::from_utf8_lossy(&answers[0].value), valid);
    // A code is valid once.
    assert_eq!(String::from_utf8_lossy(&answers[1].value), valid.replace("true", "false"));
    assert_eq!(answers[0].headers.len(), 2);
    bus.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_replaced_and_expired_codes_are_not_valid() {
    let stand = Stand::new(1).await;
    let bus = stand.start("bank");
    stand.generate(CLIENT, 1).await;
    stand.read(TOPICS[1], 1).await;
    let first = stand.codes().await[0].clone();
    stand.generate(CLIENT, 2).await;
    stand.read(TOPICS[1], 2).await;
    let second = stand.codes().await[1].clone();
    let wrong = if second == "000000" { "000001" } else { "000000" };
    let mut count = 0;
    let mut check = async |otp: &str, expected: serde_json::Value| {
        count += 1;
        stand.validate(CLIENT, count, otp).await;
        let answer = stand.read(TOPICS[3], count as usize).await.last().unwrap().json();
        assert_eq!((&answer["otpValid"], answer["error"].as_str()), (&expected[0], expected[1].as_str()), "{count}");
    };
    check(wrong, json!([false, null])).await;
    // A new code replaces the older.
    check(&first, json!([false, null])).await;
    check(" ", json!([false, "otp is missing, empty or no text."])).await;
    check(&second, json!([true, null])).await;
    check(&second, json!([false, null])).await;
    stand.generate(CLIENT, 3).await;
    stand.read(TOPICS[1], 3).await;
    let third = stand.codes().await[2].clone();
    stand.world.advance(Duration::from_secs(301));
    check(&third, json!([false, null])).await;
    bus.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_answered_with_the_reason() {
    let stand = Stand::new(1).await;
    let bus = stand.start("bank");
    let whole = json!({"templateName": "otpSMS", "channel": "SMS", "clientId": CLIENT, "recipient": "+12025550123"});
    let mut count = 0;
    let mut check = async |change: fn(&mut serde_json::Value), expected: &str| {
        let mut value = whole.clone();
        change(&mut value);
        count += 1;
        stand.send(TOPICS[0], "k", &[("processInstanceId", "7")], &value.to_string()).await;
        let answer = stand.read(TOPICS[1], count).await.last().unwrap().json();
        assert_eq!(answer["otpSent"], json!(false));
        let said = answer["error"].as_str().unwrap();
        assert!(said.contains(expected), "{said}");
    };
    check(|it| it["recipient"] = json!("12"), "recipient: Not a phone number.").await;
    check(|it| it["channel"] = json!("FAX"), "channel: ").await;
    check(|it| it["templateName"] = json!("other"), "templateName: ").await;
    check(|it| it["templateName"] = json!(null), "templateName is missing").await;
    // A mandatory parameter is missing.
    check(|it| drop(it.as_object_mut().unwrap().remove("clientId")), "clientId").await;
    assert_eq!(stand.codes().await.len(), 0);
    stand.validate("nobody", 7, "123456").await;
    let answer = stand.read(TOPICS[3], 1).await[0].json();
    assert_eq!(answer, json!({"processInstanceId": 7, "clientId": "nobody", "channel": "SMS", "otpValid": false}));
    bus.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_read_is_a_dead_letter_and_holds_nobody_up() {
    let stand = Stand::new(1).await;
    let bus = stand.start("bank");
    stand.send(TOPICS[0], CLIENT, &[("destinationId", "d")], "not JSON").await;
    stand.send(TOPICS[0], CLIENT, &[], &"x".repeat(100_000)).await;
    stand.send(TOPICS[0], CLIENT, &[("processInstanceId", "8")], "not JSON").await;
    stand.generate(CLIENT, 9).await;
    let answers = stand.read(TOPICS[1], 2).await;
    assert_eq!(answers.iter().map(|it| it.json()["processInstanceId"].clone()).collect::<Vec<_>>(), [json!(8), json!(9)]);
    assert_eq!([&answers[0].json()["otpSent"], &answers[1].json()["otpSent"]], [&json!(false), &json!(true)]);
    let dead = stand.read(TOPICS[4], 2).await;
    assert_eq!(dead.len(), 2);
    assert_eq!((dead[0].value.as_slice(), dead[0].key.as_deref()), (b"not JSON".as_slice(), Some(CLIENT)));
    assert_eq!(dead[0].header("destinationId"), "d");
    let says = |at: usize, name: &str| dead[at].header(&format!("countersign-{name}")).to_owned();
    assert_eq!(says(0, "reason"), "The value is not a JSON object in UTF-8.");
    assert_eq!([says(0, "topic"), says(0, "partition"), says(0, "offset"), says(0, "whole")], ["generate-in", "0", "0", "true"]);
    assert_eq!((dead[1].value.len(), says(1, "whole")), (65_536, "false".to_owned()));
    bus.end().await;
}
