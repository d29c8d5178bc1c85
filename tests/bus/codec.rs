//! What a record means, and what is answered: the published messages, and what is wrong with others.

use countersign::bus::answer::{generated, validated};
use countersign::bus::ask::{self, Echo};
use countersign::bus::record::{Flow, Header, Record};
use countersign::domain::code::Wiped;
use countersign::domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn record(flow: Flow, headers: Vec<Header>, value: &[u8]) -> Record {
    Record {
        flow,
        topic: "in".into(),
        partition: 0,
        offset: 0,
        produced_at: None,
        key: None,
        headers,
        value: Wiped(value.to_vec()),
        received_at: Timestamp::default(),
    }
}

/// One line: what was understood, and what would be answered if all went well.
fn understood(record: &Record) -> (String, Value) {
    let json = |bytes: Vec<u8>| serde_json::from_slice(&bytes).unwrap();
    let refused = |it: ask::Malformed| {
        let error = Some(it.why.as_str());
        let answer = match record.flow {
            Flow::Generate => generated(&it.echo, error),
            Flow::Validate => validated(&it.echo, Err(&it.why)),
        };
        (if it.echo.process.is_some() { "refused".to_owned() } else { format!("dead: {}", it.why) }, json(answer))
    };
    match record.flow {
        Flow::Generate => ask::generate(record).map_or_else(refused, |it| {
            let values: Vec<_> = it.asked.parameters.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
            let template = it.asked.template.unwrap();
            let language = template.language.unwrap_or_default();
            let to = it.asked.recipient.map_or(String::new(), |it| it.expose().to_owned());
            (format!("{} {language} to {to}: {}", template.name, values.join(" ")), json(generated(&it.echo, None)))
        }),
        Flow::Validate => ask::validate(record).map_or_else(refused, |it| {
            (format!("{} {} {}", it.client, it.channel.name(), it.typed.expose()), json(validated(&it.echo, Ok(false))))
        }),
    }
}

#[test]
fn the_published_messages_mean_what_their_guides_say() {
    let check = |name: &str, expected: &str| {
        let text = std::fs::read_to_string(format!("fixtures/bus/{name}.json")).unwrap();
        let fixture: Value = serde_json::from_str(&text).unwrap();
        let flow = if fixture["flow"] == "generate" { Flow::Generate } else { Flow::Validate };
        let headers = fixture["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| (name.clone(), Some(value.as_str().unwrap().into()))).collect();
        let (meaning, answer) = understood(&record(flow, headers, fixture["value"].to_string().as_bytes()));
        assert_eq!((meaning.as_str(), &answer), (expected, &fixture["answer"]), "{name}");
    };
    check("generate-mail", "otpMail en-US to a@b.example: clientId=1871201460101");
    check("generate-sms", "otpSMS en-US to +12025550123: clientId=1871201460101");
    check("generate-older-form", "otpMail  to a@b.example: clientId=1234567890");
    check("validate-with-process", "1871201460101 MAIL 1111");
    check("validate", "1871201460101 MAIL 1111");
}

#[test]
fn answers_are_written_exactly_so() {
    let read = |headers: &[(&str, &str)], value: &str| {
        let headers = headers.iter().map(|it| (it.0.to_owned(), Some(it.1.as_bytes().to_vec()))).collect();
        ask::validate(&record(Flow::Validate, headers, value.as_bytes())).map_or_else(|it| it.echo, |it| it.echo)
    };
    let check = |headers: &[(&str, &str)], value: &str, expected: [&str; 2]| {
        let echo: Echo = read(headers, value);
        let got = [generated(&echo, Some("No \"such\" thing.")), validated(&echo, Ok(true))].map(|it| String::from_utf8(it).unwrap());
        assert_eq!(got, expected, "{headers:?} {value}");
    };
    let sent =
        |process: &str, rest: &str| format!(r#"{{"processInstanceId":{process},{rest},"otpSent":false,"error":"No \"such\" thing."}}"#);
    let rest = r#""clientId":"c","channel":"SMS""#;
    let valid = |process: &str| format!(r#"{{{process}{rest},"otpValid":true}}"#);
    let value = r#"{"clientId":"c","channel":"SMS"}"#;
    check(&[("processInstanceId", "739452")], value, [&sent("739452", rest), &valid(r#""processInstanceId":739452,"#)]);
    check(&[("processInstanceId", "0739452")], value, [&sent("\"0739452\"", rest), &valid(r#""processInstanceId":"0739452","#)]);
    check(&[("processInstanceId", "p-1")], value, [&sent("\"p-1\"", rest), &valid(r#""processInstanceId":"p-1","#)]);
    // The last of a name counts, and the body before a header.
    check(&[("processInstanceId", "1"), ("processInstanceId", "2")], value, [&sent("2", rest), &valid(r#""processInstanceId":2,"#)]);
    let own = r#"{"clientId":"c","channel":"SMS","processInstanceId":"x\ny"}"#;
    check(&[("processInstanceId", "1")], own, [&sent(r#""x\ny""#, rest), &valid(r#""processInstanceId":"x\ny","#)]);
    let large = r#"{"clientId":"c","channel":"SMS","processInstanceId":123456789012345678901234567890}"#;
    check(&[], large, [&sent("123456789012345678901234567890", rest), &valid(r#""processInstanceId":123456789012345678901234567890,"#)]);
    check(&[], value, [&sent("null", rest), &valid("")]);
    let none = r#"{"processInstanceId":null,"clientId":null,"channel":null,"otpSent":false,"error":"No \"such\" thing."}"#;
    check(&[], "{}", [none, r#"{"clientId":null,"channel":null,"otpValid":true}"#]);
}

#[test]
fn what_is_no_request_is_refused_or_dead() {
    let check = |flow: Flow, value: &str, expected: &str| {
        let (dead, _) = understood(&record(flow, Vec::new(), value.as_bytes()));
        let headers = vec![("processInstanceId".to_owned(), Some(b"7".to_vec()))];
        let (refused, answer) = understood(&record(flow, headers, value.as_bytes()));
        assert_eq!((dead.as_str(), refused.as_str()), (format!("dead: {expected}").as_str(), "refused"), "{value:.60}");
        assert_eq!((&answer["processInstanceId"], &answer["error"]), (&json!(7), &json!(expected)), "{value:.60}");
    };
    let object = "The value is not a JSON object in UTF-8.";
    let large = "The record has more than 64 KiB in its value, its key or its headers.";
    for flow in [Flow::Generate, Flow::Validate] {
        check(flow, "", object);
        check(flow, "otp", object);
        check(flow, "[1]", object);
        check(flow, "{\"clientId\": \"1\"", object);
        check(flow, "{\"a\":1,\"a\":2}", "A member of an object is there twice.");
        check(flow, &" ".repeat(70_000), large);
    }
    check(Flow::Generate, r#"{"channel":"SMS"}"#, "templateName is missing, or no text.");
    check(Flow::Generate, r#"{"templateName":["t"]}"#, "templateName is missing, or no text.");
    check(Flow::Generate, r#"{"templateName":"t","language":1}"#, "language is no text.");
    check(Flow::Generate, r#"{"templateName":"t","contentParams":{"a":1,"a":1}}"#, "A member of an object is there twice.");
    check(Flow::Validate, r#"{"channel":"SMS","otp":"1"}"#, "clientId is missing, or no text.");
    check(Flow::Validate, r#"{"clientId":"c","channel":"FAX","otp":"1"}"#, "channel is not one of SMS, MAIL, PUSH.");
    check(Flow::Validate, r#"{"clientId":"c","channel":"SMS"}"#, "otp is missing, empty or no text.");
    check(Flow::Validate, r#"{"clientId":"c","channel":"SMS","otp":" "}"#, "otp is missing, empty or no text.");
    check(Flow::Validate, r#"{"clientId":"c","channel":"SMS","otp":{}}"#, "otp is missing, empty or no text.");
    check(Flow::Validate, r#"{"clientId":"c","channel":"SMS","otp":"\ud800"}"#, "otp is missing, empty or no text.");
}

#[test]
fn parameters_come_from_both_places() {
    let check = |value: Value, expected: &str| {
        let (meaning, _) = understood(&record(Flow::Generate, Vec::new(), value.to_string().as_bytes()));
        assert_eq!(meaning.split_once(": ").unwrap().1, expected, "{value}");
    };
    check(json!({"templateName": "t", "clientId": "1", "amount": 12.50, "ok": true}), "amount=12.5 clientId=1 ok=true");
    check(json!({"templateName": "t", "clientId": "1", "contentParams": {"clientId": "2", "a": "b"}}), "a=b clientId=2");
    check(json!({"templateName": "t", "contentParams": {"a": null, "b": {"c": 1}, "d": [1], "e": ""}}), "e=");
    check(json!({"templateName": "t", "contentParams": "x"}), "");
    check(json!({"templateName": "t", "contentParams": {"clientId": "9"}}), "clientId=9");
    let (meaning, answer) = understood(&record(
        Flow::Generate,
        Vec::new(),
        json!({"templateName": "t", "contentParams": {"clientId": 9}}).to_string().as_bytes(),
    ));
    assert_eq!((meaning.as_str(), &answer["clientId"]), ("t  to : clientId=9", &json!("9")));
}

#[test]
fn a_number_may_stand_for_a_text() {
    let (meaning, answer) = understood(&record(Flow::Validate, Vec::new(), br#"{"clientId":187,"channel":"SMS","otp":1111}"#));
    assert_eq!((meaning.as_str(), &answer["clientId"]), ("187 SMS 1111", &json!("187")));
}

proptest! {
    #[test]
    fn any_record_is_answered_or_dead(
        generate: bool,
        value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[\\[{\":,}\\]a-c0-9\\\\u ]{0,80}".prop_map(String::into_bytes),
            pieces().prop_map(String::into_bytes),
        ],
        header in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
    ) {
        let flow = if generate { Flow::Generate } else { Flow::Validate };
        let record = record(flow, vec![("processInstanceId".to_owned(), header)], &value);
        // The answer is JSON, whatever came; without a process and without sense, it is a dead letter.
        let (meaning, answer) = understood(&record);
        prop_assert!(answer.is_object());
        prop_assert!(!meaning.is_empty());
    }
}

// Objects of members that mean something, each with any value.
fn pieces() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("clientId"),
        Just("channel"),
        Just("otp"),
        Just("templateName"),
        Just("recipient"),
        Just("language"),
        Just("contentParams"),
        Just("processInstanceId"),
        Just("other"),
    ];
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("[]".to_owned()),
        Just("{\"a\":1}".to_owned()),
        Just("\"SMS\"".to_owned()),
        any::<i64>().prop_map(|it| it.to_string()),
        any::<f64>().prop_map(|it| json!(it).to_string()),
        ".{0,20}".prop_map(|it| json!(it).to_string()),
    ];
    proptest::collection::vec((name, value), 0..9)
        .prop_map(|all| format!("{{{}}}", all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",")))
}
