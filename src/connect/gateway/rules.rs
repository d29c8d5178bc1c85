//! How a gateway's answer is read: did it take the message, what does it call it, is its no for good.

use crate::connect::client::{ID_MAX, Reply, graphic};
use crate::connect::setting::StatusSet;
use crate::domain::delivery::Outcome;
use serde::Deserialize;
use serde_json::Value;

/// How an answer is read. All rules of `success` must hold; else one rule of `permanent` makes it a refusal; else it is "later".
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// When it took the message.
    pub success: Success,
    /// Where its id of the message is.
    pub message_id: MessageId,
    /// When its no is for good.
    pub permanent: Permanent,
}

/// When a gateway took the message: all that is set must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Success {
    /// Statuses; 200 to 299 unless set.
    pub status: StatusSet,
    /// Texts of which the body must have one.
    pub contains: Vec<String>,
    /// A place (JSON pointer, RFC 6901) that must be there ...
    pub pointer: Option<String>,
    /// ... and hold this, as text; unset: anything but null.
    pub equals: Option<String>,
}

impl Default for Success {
    fn default() -> Self {
        Self { status: StatusSet::range(200, 299), contains: Vec::new(), pointer: None, equals: None }
    }
}

/// Where a gateway tells its id of the message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum MessageId {
    /// It tells none.
    #[default]
    None,
    /// At a JSON pointer.
    Pointer(String),
    /// In a header.
    Header(String),
    /// The word after this text in the body.
    After(String),
}

/// When a gateway's no is for good: one of these is enough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permanent {
    /// Statuses.
    pub status: StatusSet,
    /// A JSON pointer to an error code ...
    pub pointer: Option<String>,
    /// ... and the codes, as text, that are for good.
    pub codes: Vec<String>,
    /// Texts in the body that are for good.
    pub contains: Vec<String>,
}

impl Rules {
    /// What the answer says of the message.
    pub fn judge(&self, reply: &Reply) -> Outcome {
        let json = self.reads_json().then(|| serde_json::from_slice::<Value>(&reply.body).ok()).flatten();
        let text = reply.text();
        if self.success.holds(reply.status, &text, json.as_ref()) {
            return Outcome::Accepted { provider_id: self.message_id.find(reply, json.as_ref()) };
        }
        let code = self.permanent.pointer.as_deref().and_then(|it| value_at(json.as_ref(), it));
        let reason = match &code {
            Some(code) => format!("status {}, code {}", reply.status, graphic(code, 32)),
            None => format!("status {}", reply.status),
        };
        match self.permanent.holds(reply.status, &text, code.as_deref()) {
            true => Outcome::Refused { reason },
            false => Outcome::Later { reason, after: reply.retry_after() },
        }
    }

    /// Whether the rules make sense; an error says which does not.
    pub fn check(&self) -> Result<(), String> {
        let of_id = match &self.message_id {
            MessageId::Pointer(pointer) => Some(pointer),
            _ => None,
        };
        for pointer in [self.success.pointer.as_ref(), self.permanent.pointer.as_ref(), of_id].into_iter().flatten() {
            if !pointer.starts_with('/') {
                return Err(format!("the JSON pointer {pointer:?} must begin with a slash"));
            }
        }
        if self.success.equals.is_some() && self.success.pointer.is_none() {
            return Err("success.equals needs success.pointer".to_owned());
        }
        if self.permanent.pointer.is_some() == self.permanent.codes.is_empty() {
            return Err("permanent.pointer and permanent.codes go together".to_owned());
        }
        Ok(())
    }

    fn reads_json(&self) -> bool {
        self.success.pointer.is_some() || self.permanent.pointer.is_some() || matches!(self.message_id, MessageId::Pointer(_))
    }
}

impl Success {
    fn holds(&self, status: u16, text: &str, json: Option<&Value>) -> bool {
        let pointed = || match (&self.pointer, &self.equals) {
            (None, _) => true,
            (Some(pointer), None) => value_at(json, pointer).is_some(),
            (Some(pointer), Some(expected)) => value_at(json, pointer).as_ref() == Some(expected),
        };
        let said = || self.contains.is_empty() || self.contains.iter().any(|it| text.contains(it.as_str()));
        self.status.has(status) && said() && pointed()
    }
}

impl MessageId {
    fn find(&self, reply: &Reply, json: Option<&Value>) -> Option<String> {
        let found = match self {
            Self::None => None,
            Self::Pointer(pointer) => value_at(json, pointer),
            Self::Header(name) => reply.headers.get(name.as_str()).and_then(|it| it.to_str().ok()).map(str::to_owned),
            Self::After(prefix) => {
                let text = reply.text();
                text.split_once(prefix.as_str()).and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned)
            }
        };
        found.map(|id| graphic(&id, ID_MAX)).filter(|id| !id.is_empty())
    }
}

impl Permanent {
    fn holds(&self, status: u16, text: &str, code: Option<&str>) -> bool {
        self.status.has(status)
            || code.is_some_and(|code| self.codes.iter().any(|it| it == code))
            || self.contains.iter().any(|it| text.contains(it.as_str()))
    }
}

/// A text, number or boolean, as text.
fn value_at(json: Option<&Value>, pointer: &str) -> Option<String> {
    match json?.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        Value::Object(_) | Value::Array(_) => Some("[...]".to_owned()),
        Value::Null => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};
    use std::time::Duration;

    pub(in crate::connect::gateway) fn check(
        rules: &Rules,
        (status, header, body): (u16, Option<(&'static str, &'static str)>, &str),
        expected: Outcome,
    ) {
        let headers: HeaderMap =
            header.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        let reply = Reply { status, headers, body: body.as_bytes().to_vec() };
        assert_eq!(rules.judge(&reply), expected, "{status} {body}");
    }

    pub(in crate::connect::gateway) fn accepted(id: Option<&str>) -> Outcome {
        Outcome::Accepted { provider_id: id.map(str::to_owned) }
    }

    pub(in crate::connect::gateway) fn refused(reason: &str) -> Outcome {
        Outcome::Refused { reason: reason.to_owned() }
    }

    pub(in crate::connect::gateway) fn later(reason: &str, after: Option<u64>) -> Outcome {
        Outcome::Later { reason: reason.to_owned(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn any_gateway_can_be_described() {
        let rules: Rules = toml::from_str(
            "success = { pointer = '/ok', equals = 'true', contains = ['ok'] }\nmessage_id = { header = 'x-id' }\npermanent = { contains = ['blocked'] }",
        )
        .unwrap();
        check(&rules, (200, Some(("x-id", "A 1")), r#"{"ok":true}"#), accepted(Some("A1")));
        check(&rules, (200, None, r#"{"ok":false,"why":"blocked"}"#), refused("status 200"));
        check(&rules, (200, None, r#"{"ok":false}"#), later("status 200", None));
        let rules: Rules = toml::from_str("message_id = { after = 'ID: ' }").unwrap();
        check(&rules, (200, None, "OK ID: 77 x"), accepted(Some("77")));
        check(&rules, (200, None, "OK"), accepted(None));
    }

    #[test]
    fn rules_that_make_no_sense_are_told() {
        let check = |toml: &str| assert!(toml::from_str::<Rules>(toml).unwrap().check().is_err(), "{toml}");
        check("success = { pointer = 'ok' }");
        check("success = { equals = 'ok' }");
        check("permanent = { codes = ['1'] }");
        check("permanent = { pointer = '/code' }");
        assert!(Rules::default().check().is_ok());
    }
}
