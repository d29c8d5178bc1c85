//! What a client tells of a case, against what the table says.

use super::case::{Accepted, Case, Expected, Fault};
use super::foreign::Foreign;
use super::process::Demo;
use super::recorder::Exchange;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether what `client` told of `case` is what the table expects; the error says what is not.
pub fn check(client: &Foreign, case: &Case, told: &Value) -> Result<(), String> {
    let mine = &told[&case.name];
    let found = match &case.expected {
        Expected::Pinged(text) => same("echo", mine["pinged"].as_str(), Some(text)),
        Expected::Accepted(expected) => accepted(case, expected, mine, told),
        Expected::Fault(expected) => match expected.raised.get(client.name) {
            Some(other) => same("error", mine["raised"].as_str(), Some(other)),
            None => same("exception", mine["raised"].as_str(), Some(client.raises))
                .and_then(|()| fault(expected, &mine["fault"]))
                .and_then(|()| if expected.rules.is_empty() { Ok(()) } else { echo(case, &mine["fault"]["header"], &[]) }),
        },
    };
    found.map_err(|error| format!("{}: {error}; it tells {mine}", case.name))
}

fn accepted(case: &Case, expected: &Accepted, mine: &Value, told: &Value) -> Result<(), String> {
    same("status", mine["status"].as_str(), Some("Success"))?;
    uuid::Uuid::parse_str(mine["id"].as_str().unwrap_or_default()).map_err(|_| "AlrtPkgId is no UUID".to_owned())?;
    let drawn = |length: usize, kind: fn(u8) -> bool| mine["otp"].as_str().is_some_and(|otp| otp.len() == length && otp.bytes().all(kind));
    let right = match expected.otp.as_deref() {
        Some("otp") => drawn(6, |it| it.is_ascii_digit()),
        Some("otpa") => drawn(5, |it| it.is_ascii_digit() || it.is_ascii_uppercase()),
        _ => mine["otp"].is_null(),
    };
    if !right {
        return Err(format!("OTP is not as expected, {:?}", expected.otp));
    }
    if let Some(before) = &expected.as_before {
        for part in ["id", "otp"] {
            same(part, mine[part].as_str(), told[before][part].as_str())?;
        }
    }
    echo(case, &mine["header"], &["JxVer", "jXLogTrackingId"])
}

fn fault(expected: &Fault, mine: &Value) -> Result<(), String> {
    let code = mine["code"].as_str().map(|it| it.rsplit(':').next().unwrap());
    same("code", code, Some(&expected.code))?;
    let codes: Vec<_> = expected.rules.iter().map(|it| it["code"].as_str()).collect();
    let message = expected.message.clone().unwrap_or_else(|| codes.join(", "));
    same("message", mine["message"].as_str(), Some(&message))?;
    let rules = mine["rules"].as_array().ok_or("no list of rules")?;
    let read: Vec<_> = rules.iter().map(|it| it["code"].as_str().unwrap_or_default()).collect();
    if read != codes {
        return Err(format!("the rules in the detail are {read:?} and not {codes:?}"));
    }
    for (expected, rule) in expected.rules.iter().zip(rules) {
        same("category", rule["category"].as_str(), Some("Error"))?;
        if rule["description"].as_str().is_none_or(str::is_empty) {
            return Err("a rule has no description".to_owned());
        }
        // No value in the table: none may be told, since it could be a secret.
        same("value", rule["value"].as_str(), expected.get("value").map(String::as_str))?;
        for (part, text) in expected {
            same(part, rule[part].as_str(), Some(text))?;
        }
    }
    Ok(())
}

/// The header comes back as it was sent, and with what we fill in. An empty element and none are the same to some clients.
fn echo(case: &Case, mine: &Value, filled: &[&str]) -> Result<(), String> {
    let read = mine.as_object().ok_or("no header")?;
    let read: BTreeMap<_, _> = read.iter().map(|(name, text)| (name.as_str(), text.as_str().unwrap_or_default())).collect();
    let expected = case.header();
    for name in read.keys().chain(expected.keys()).chain(filled) {
        let is_filled = filled.contains(name) && !expected.contains_key(name);
        let (sent, echoed) = (expected.get(name).copied().unwrap_or_default(), read.get(name).copied().unwrap_or_default());
        if is_filled && echoed.is_empty() || !is_filled && sent != echoed {
            return Err(format!("{name} was sent as {sent:?} and comes back as {echoed:?}"));
        }
    }
    Ok(())
}

fn same(what: &str, found: Option<&str>, expected: Option<&str>) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?} and not {expected:?}")) }
}

/// Exactly the expected messages went out, with the code in each where we drew one; the replies verify.
pub async fn check_handset(demo: &Demo, cases: &[Case], told: &Value) {
    let expected: Vec<(&Case, &Accepted)> =
        cases.iter().filter_map(|it| if let Expected::Accepted(accepted) = &it.expected { Some((it, accepted)) } else { None }).collect();
    let mut messages = demo.wait_for_messages(expected.iter().map(|it| it.1.to.len()).sum()).await;
    for (case, accepted) in &expected {
        let otp = told[&case.name]["otp"].as_str().unwrap_or_default();
        for to in &accepted.to {
            let at = messages.iter().position(|it| it["to"] == **to).unwrap_or_else(|| panic!("{}: nothing went to {to}", case.name));
            let message = messages.remove(at);
            assert!(message["body"].as_str().unwrap().contains(otp), "{}: {message}", case.name);
        }
    }
    assert!(messages.is_empty(), "nobody asked for these: {messages:?}");
    for (number, (case, accepted)) in expected.iter().enumerate() {
        let Some(reply) = &accepted.reply else { continue };
        let mine = &told[&case.name];
        let text = reply.text.replace("{otp}", mine["otp"].as_str().unwrap_or_default());
        demo.text(&reply.from, &text, &format!("SM-{number}")).await;
        assert_eq!(demo.wait_for_outcome(mine["id"].as_str().unwrap()).await, ["OOBVerified"], "{}", case.name);
    }
}

/// An answer has a security header with a timestamp exactly when its request had one. `least`: requests that had.
pub fn check_timestamps(exchanges: &[Exchange], least: usize) {
    let has = |text: &str| text.contains(":Timestamp>") || text.contains(":Timestamp ");
    let odd: Vec<_> = exchanges.iter().filter(|it| has(&it.request) != has(&it.answer)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(exchanges.iter().filter(|it| has(&it.request)).count() >= least, "the requests with a timestamp were seen");
}
