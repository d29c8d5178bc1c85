//! The table of cases that all clients share.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the table is.
pub fn path() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/cases.json").into()
}

/// One request, and what must come of it. `as` is how the caller proves itself; see the clients.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// The clients that can send it; absent: all.
    only: Option<Vec<String>>,
    /// The version of SOAP; absent: 1.1.
    pub soap: Option<String>,
    pub r#as: String,
    pub call: String,
    /// The content of the body's root, in schema order with the markers.
    pub request: Value,
    #[serde(flatten)]
    pub expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    Accepted(Accepted),
    /// A Ping's echo.
    Pinged(String),
    Fault(Fault),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// What we drew: `otp`, `otpa`, or nothing.
    pub otp: Option<String>,
    /// Addresses that get a message, and nobody else does.
    #[serde(default)]
    pub to: Vec<String>,
    /// What the person replies, and thereby verifies.
    pub reply: Option<Reply>,
    /// The case whose answer this one repeats.
    pub as_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    pub from: String,
    /// With `{otp}` for what the answer had.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The local name of the code.
    pub code: String,
    /// The text; absent: the codes of the rules.
    pub message: Option<String>,
    pub rules: Vec<BTreeMap<String, String>>,
    /// What a client raises instead, by its name: one that does not read such a fault at all.
    #[serde(default)]
    pub raised: BTreeMap<String, String>,
}

impl Case {
    /// What the request's header must be echoed as: its elements without the markers. Empty for Ping.
    pub fn header(&self) -> BTreeMap<&str, &str> {
        let header = self.request["MsgRqHdr"]["jXchangeHdr"].as_object();
        let elements = header.into_iter().flatten().filter(|(name, _)| !name.starts_with("Ver_"));
        elements.map(|(name, text)| (name.as_str(), text.as_str().unwrap())).collect()
    }

    pub fn has_timestamp(&self) -> bool {
        self.r#as.contains("timestamp")
    }
}

/// The cases that a client can send.
pub fn of(client: &str) -> Vec<Case> {
    let mut cases = all();
    cases.retain(|it| it.only.as_ref().is_none_or(|only| only.iter().any(|name| name == client)));
    cases
}

fn all() -> Vec<Case> {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

/// The cases a line each, and below it a line for each element with a text: for a client without a JSON parser.
pub fn flat(cases: &[Case]) -> String {
    let mut lines = Vec::new();
    for case in cases {
        lines.push(["case", &case.name, &case.r#as, case.soap.as_deref().unwrap_or("1.1"), &case.call].join("\t"));
        flatten("", &case.request, &mut lines);
    }
    assert!(lines.iter().all(|it| !it.contains('\n')), "a line is a line");
    lines.join("\n") + "\n"
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, it)| flatten(&below(name), it, lines)),
        Value::Array(items) => items.iter().enumerate().for_each(|(place, it)| flatten(&below(&place.to_string()), it, lines)),
        Value::String(text) => lines.push(format!("{path}\t{text}")),
        other => lines.push(format!("{path}\t{other}")),
    }
}

/// The eight published use cases, Ping, and the faults that the issue names, are in the table for every client.
#[test]
fn every_client_runs_what_it_must() {
    for client in ["zeep", "node", "php", "gsoap"] {
        let cases = of(client);
        let begins = |text: &str| cases.iter().any(|it| it.name.starts_with(text));
        assert!((1..=8).all(|number| begins(&format!("{number}: "))), "{client}");
        for name in ["Ping", "several rules", "a wrong password, by Basic", "a wrong password, by token", "an unknown recipient"] {
            assert!(begins(name), "{client} lacks {name}");
        }
        assert!(begins("a malformed field") && begins("a header with all") && begins("a fault with all"), "{client}");
    }
}
