//! The main job over real sockets, with a real process that is killed where it hurts.

mod process;

use process::{Demo, explicit};
use std::time::Duration;

const PHONE: &str = "2025550123";
const HANDSET: &str = "+12025550123";
const TEXT: &str = "First Harbor: your code is <%$otp%>. Reply with it.";

fn case(number: u8) -> String {
    std::fs::read_to_string(format!("fixtures/demo/case{number}.xml")).unwrap()
}

// The published hybrid tutorial's request: use case 3.
fn seed() -> String {
    case(3)
}

#[tokio::test]
async fn the_seed_request_reaches_the_handset_and_its_reply_one_event() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let answer = demo.envelope(seed()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    assert!(answer.body.contains("OOBValidateRs") && answer.element("RsStat") == "Success", "{}", answer.body);
    assert!(otp.len() == 6 && otp.bytes().all(|b| b.is_ascii_digit()));
    let message = &demo.wait_for_messages(1).await[0];
    let body = message["body"].as_str().unwrap();
    assert!(body.contains(&otp) && body.contains("Corellia") && body.contains("Thu, Jan 26, 2017 at 8:58 AM"), "{body}");
    assert_eq!((message["channel"].as_str(), message["to"].as_str()), (Some("sms"), Some("+12025550143")), "{message}");
    demo.text("+12025550143", &otp, "SM1").await;
    demo.text("+12025550143", &otp, "SM1").await;
    demo.text("+12025550143", &otp, "SM2").await;
    assert_eq!(demo.wait_for_outcome(&id).await, ["OOBVerified"]);
    let events = demo.events().await;
    let verified = events.iter().find(|it| it["data"]["ENSActCode"] == "OOBVerified").unwrap();
    assert_eq!(verified["number"], 90040);
    for (name, value) in [("ConsmRecipId", "MERCHANT89785"), ("AlrtName", "Unknown User OOB Alert"), ("InstRtId", "011001276")] {
        assert_eq!(verified["data"][name], value, "{verified}");
    }
}

/// What a use case comes to: the body of the messages to expect, who replies what, and the outcome.
struct UseCase {
    number: u8,
    channel: &'static str,
    messages: usize,
    code: &'static str,
    replies: &'static [(&'static str, &'static str)],
    outcome: Option<&'static str>,
}

#[tokio::test]
async fn the_eight_use_cases() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let cases = [
        UseCase { number: 1, channel: "mail", messages: 1, code: "otpa", replies: &[], outcome: None },
        UseCase { number: 2, channel: "sms", messages: 1, code: "otp", replies: &[("+12025550132", "{otp}")], outcome: None },
        UseCase {
            number: 3,
            channel: "sms",
            messages: 1,
            code: "otp",
            replies: &[("+12025550143", "{otp}")],
            outcome: Some("OOBVerified"),
        },
        UseCase { number: 4, channel: "sms", messages: 2, code: "", replies: &[("+12025550152", "482 913")], outcome: Some("OOBVerified") },
        UseCase {
            number: 5,
            channel: "sms",
            messages: 1,
            code: "",
            replies: &[("+12025550160", "blue harbor")],
            outcome: Some("OOBVerified"),
        },
        UseCase {
            number: 6,
            channel: "sms",
            messages: 1,
            code: "",
            replies: &[("+12025550136", "Lighthouse")],
            outcome: Some("OOBVerified"),
        },
        UseCase {
            number: 7,
            channel: "sms",
            messages: 1,
            code: "otp",
            replies: &[("+12025550137", "Code: {otp}.")],
            outcome: Some("OOBVerified"),
        },
        UseCase {
            number: 8,
            channel: "sms",
            messages: 1,
            code: "otp",
            replies: &[("+12025550138", "{otp} 4321")],
            outcome: Some("OOBVerified"),
        },
    ];
    for it in cases {
        check_use_case(&demo, it).await;
    }
}

async fn check_use_case(demo: &Demo, it: UseCase) {
    let answer = demo.envelope(case(it.number)).await;
    assert_eq!(answer.status, 200, "use case {}: {}", it.number, answer.body);
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    let length = match it.code {
        "otp" => 6,
        "otpa" => 5,
        _ => 0,
    };
    assert_eq!(otp.len(), length, "use case {}: {}", it.number, answer.body);
    let messages = demo.wait_for_challenge(&id).await;
    assert_eq!(messages.len(), it.messages, "use case {}", it.number);
    for message in &messages {
        assert_eq!(message["channel"], it.channel, "use case {}", it.number);
        assert!(message["body"].as_str().unwrap().contains(&otp), "use case {}: {message}", it.number);
    }
    for (index, (from, text)) in it.replies.iter().enumerate() {
        demo.text(from, &text.replace("{otp}", &otp), &format!("U{}-{index}", it.number)).await;
    }
    match it.outcome {
        Some(outcome) => assert_eq!(demo.wait_for_outcome(&id).await, [outcome], "use case {}", it.number),
        None => assert_eq!(demo.outcomes(&id).await, Vec::<String>::new(), "use case {}", it.number),
    }
}

#[tokio::test]
async fn an_acknowledged_request_outlives_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    demo.post("/sandbox/outbox/pause", &[]).await;
    let request = explicit(PHONE, TEXT, "", Some("life-1"));
    let answer = demo.soap(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(demo.messages().await.is_empty(), "acknowledged, but the outbox is paused");
    demo.kill();

    let demo = Demo::start(data.path());
    let message = &demo.wait_for_messages(1).await[0];
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    assert!(message["body"].as_str().unwrap().contains(&otp));
    let again = demo.soap(&request).await;
    assert_eq!((again.element("AlrtPkgId"), again.element("OTP")), (id.clone(), otp.clone()), "the first answer, after a kill");
    demo.text(HANDSET, &otp, "SM1").await;
    assert_eq!(demo.wait_for_outcome(&id).await, ["OOBVerified"]);
    demo.kill();

    let demo = Demo::start(data.path());
    let again = demo.soap(&request).await;
    assert_eq!(again.element("AlrtPkgId"), id, "the first answer, after the session's end and a kill");
    assert_eq!(again.element("OTP"), "", "the code is destroyed with the session");
    demo.text(HANDSET, &otp, "SM1").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let challenges = demo.messages().await.into_iter().filter(|it| it["body"].as_str().unwrap().contains(&otp)).count();
    assert_eq!(challenges, 0, "the code is not sent again");
    assert_eq!(demo.outcomes(&id).await, ["OOBVerified"], "and nothing happens twice");
}

#[tokio::test]
async fn a_paused_outbox_holds_what_is_acknowledged_and_lets_it_go() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    demo.post("/sandbox/outbox/pause", &[]).await;
    let answer = demo.soap(&explicit(PHONE, TEXT, "", None)).await;
    assert_eq!(answer.status, 200);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(demo.messages().await.is_empty());
    demo.post("/sandbox/outbox/resume", &[]).await;
    assert!(demo.wait_for_messages(1).await[0]["body"].as_str().unwrap().contains(&answer.element("OTP")));
}

#[tokio::test]
async fn the_failure_budget_survives_reissue_and_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    for session in 0..4 {
        let answer = demo.soap(&explicit(PHONE, TEXT, "", None)).await;
        assert_eq!(answer.status, 200, "session {session}: {}", answer.body);
        let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
        let wrong = if otp == "000000" { "111111" } else { "000000" };
        for attempt in 0..5 {
            demo.text(HANDSET, wrong, &format!("S{session}A{attempt}")).await;
        }
        assert_eq!(demo.wait_for_outcome(&id).await, ["OOBFailed"]);
    }
    demo.kill();
    let demo = Demo::start(data.path());
    let answer = demo.soap(&explicit(PHONE, TEXT, "", None)).await;
    assert_eq!((answer.status, answer.codes()), (500, vec!["39014".to_owned()]), "{}", answer.body);
}

#[tokio::test]
async fn guesses_and_denials_never_verify() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let answer = demo.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    let number: u32 = otp.parse().unwrap();
    let fifty: Vec<_> = (0..50).map(|it| format!("{:06}", (number + it) % 1_000_000)).collect();
    demo.text(HANDSET, &fifty.join(" "), "SM1").await;
    assert_eq!(demo.outcomes(&id).await, Vec::<String>::new());
    demo.text(HANDSET, &format!("not me\n> Your code is {otp}. Reply with it."), "SM2").await;
    assert_eq!(demo.wait_for_outcome(&id).await, ["OOBFailed"]);
    demo.text(HANDSET, &otp, "SM3").await;
    assert_eq!(demo.outcomes(&id).await, ["OOBFailed"]);
}

#[tokio::test]
async fn secrets_are_found_nowhere() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    // Canaries that occur nowhere by themselves.
    let (phone, handset, text, value) = ("3125550187", "+13125550187", "CANARYTEXT <%$otp%>", "CANARYVALUE7");
    let answer = demo.soap(&explicit(phone, text, &format!("<VerifVal>{value}</VerifVal>"), Some("canary-1"))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let otp = answer.element("OTP");
    demo.wait_for_messages(1).await;
    demo.text(handset, &format!("{otp}CANARYWRONG"), "SM1").await;
    let fault =
        demo.soap(&explicit("312555018", "CANARYTEXT <%x%>", "<VerifVal>CANARYVALUE7</VerifVal><OOBExpSec>1</OOBExpSec>", None)).await;
    assert_eq!(fault.status, 500);
    let other = demo.envelope(seed().replace("Corellia", "CANARYPARAMETER")).await;
    assert_eq!(other.status, 200);
    demo.wait_for_messages(2).await;
    demo.text(handset, &format!("{otp}{value}"), "SM2").await;
    assert_eq!(demo.wait_for_outcome(&answer.element("AlrtPkgId")).await, ["OOBVerified"]);
    let canaries = [handset.trim_start_matches('+'), "CANARYTEXT", value, "CANARYWRONG", "CANARYPARAMETER", otp.as_str()];
    let (_, metrics) = demo.get("/metrics").await;
    let (_, health) = demo.get("/health/ready").await;
    let logs = demo.kill();
    assert!(logs.len() > 200, "trace logs were captured");
    let mut places = vec![("logs".to_owned(), logs.into_bytes()), ("fault".to_owned(), fault.body.into_bytes())];
    places.extend([("metrics".to_owned(), metrics.into_bytes()), ("health".to_owned(), health.into_bytes())]);
    files(data.path(), &mut places);
    assert!(places.len() > 6, "the data directory was read");
    for (place, bytes) in &places {
        for canary in canaries {
            // Six digits may occur by chance in binary files; there, only longer canaries prove anything.
            let by_chance = canary == otp && !["logs", "fault", "health"].contains(&place.as_str());
            assert!(by_chance || !holds(bytes, canary), "{canary} stands in {place}");
        }
    }
}

fn files(folder: &std::path::Path, places: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, places),
            false => places.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default())),
        }
    }
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    bytes.windows(canary.len()).any(|it| it == canary.as_bytes())
}
