//! How FCM's answers are read (FCM, "ErrorCode"): for good, for now, or about our own key.

use crate::connect::client::{ID_MAX, Reply, graphic};
use crate::domain::delivery::Outcome;
use serde::Deserialize;
use std::time::Duration;

/// Our key is refused: told as "later", because the message is not at fault.
pub(super) const KEY: &str = "FCM refuses our service account";
/// What a sender over its quota waits when FCM does not say (FCM, "Scale", 429).
const QUOTA_WAIT: Duration = Duration::from_secs(60);

#[derive(Default, Deserialize)]
struct Failed {
    error: Failure,
}

#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    error_code: Option<String>,
    #[serde(default)]
    field_violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct Violation {
    field: Option<String>,
}

/// What an answer says of the message.
pub(super) fn judge(reply: &Reply) -> Outcome {
    if reply.status == 200 {
        return Outcome::Accepted { provider_id: name(reply) };
    }
    let failure = failure(reply);
    let code = code(&failure);
    let refused = |reason: String| Outcome::Refused { reason };
    let later = |after: Option<Duration>| Outcome::Later { reason: told(reply.status, &code), after: reply.retry_after().or(after) };
    match (reply.status, code.as_str()) {
        (_, "UNREGISTERED") => refused("the device is no longer registered".to_owned()),
        (_, "SENDER_ID_MISMATCH") => refused("the device is registered with another sender".to_owned()),
        (429, _) | (_, "QUOTA_EXCEEDED") => later(Some(QUOTA_WAIT)),
        // Google's own login at Apple or a push service: nothing that this message could change.
        (_, "THIRD_PARTY_AUTH_ERROR") => later(None),
        (400, "INVALID_ARGUMENT" | "") => refused(blamed(&failure, told(reply.status, &code))),
        (401 | 403, _) => Outcome::Later { reason: format!("{KEY} ({})", reply.status), after: reply.retry_after() },
        _ => later(None),
    }
}

/// Whether the answer is about the access token.
pub(super) fn blames_token(reply: &Reply) -> bool {
    reply.status == 401 && code(&failure(reply)) != "THIRD_PARTY_AUTH_ERROR"
}

// What is no JSON of theirs says nothing.
fn failure(reply: &Reply) -> Failure {
    serde_json::from_slice::<Failed>(&reply.body).unwrap_or_default().error
}

/// FCM's own code where there is one, else the one of Google's APIs.
fn code(failure: &Failure) -> String {
    let own = failure.details.iter().find_map(|it| it.error_code.as_deref());
    graphic(own.unwrap_or(&failure.status), 40)
}

fn told(status: u16, code: &str) -> String {
    if code.is_empty() { format!("status {status}") } else { format!("status {status}, code {code}") }
}

/// With the field that is wrong; its description may quote the token, so that stays unread.
fn blamed(failure: &Failure, reason: String) -> String {
    let field = failure.details.iter().flat_map(|it| &it.field_violations).find_map(|it| it.field.as_deref());
    let plain = |it: &&str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-[]".contains(&b));
    match field.filter(plain) {
        Some(field) => format!("{reason}, field {}", graphic(field, 64)),
        None => reason,
    }
}

/// `projects/…/messages/…`
fn name(reply: &Reply) -> Option<String> {
    #[derive(Deserialize)]
    struct Sent {
        name: String,
    }
    let sent: Sent = serde_json::from_slice(&reply.body).ok()?;
    Some(graphic(&sent.name, ID_MAX)).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use serde_json::{Value, json};

    fn check(status: u16, body: &Value, after: Option<&'static str>, expected: &Outcome) {
        let mut headers = HeaderMap::new();
        headers.extend(after.map(|it| (RETRY_AFTER, HeaderValue::from_static(it))));
        let reply = Reply { status, headers, body: body.to_string().into_bytes() };
        assert_eq!(judge(&reply), *expected, "{status} {body}");
    }

    fn error(status: &str, code: &str) -> Value {
        let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
        json!({"error": {"code": 0, "message": "m", "status": status, "details": [{"@type": kind, "errorCode": code}]}})
    }

    #[test]
    fn each_error_is_for_good_for_now_or_about_us() {
        let later = |reason: &str, after: Option<u64>| Outcome::Later { reason: reason.to_owned(), after: after.map(Duration::from_secs) };
        let refused = |reason: &str| Outcome::Refused { reason: reason.to_owned() };
        let sent = json!({"name": "projects/p/messages/0:1"});
        check(200, &sent, None, &Outcome::Accepted { provider_id: Some("projects/p/messages/0:1".to_owned()) });
        check(200, &json!({}), None, &Outcome::Accepted { provider_id: None });
        check(404, &error("NOT_FOUND", "UNREGISTERED"), None, &refused("the device is no longer registered"));
        check(403, &error("PERMISSION_DENIED", "SENDER_ID_MISMATCH"), None, &refused("the device is registered with another sender"));
        check(400, &error("INVALID_ARGUMENT", "INVALID_ARGUMENT"), None, &refused("status 400, code INVALID_ARGUMENT"));
        check(429, &error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), None, &later("status 429, code QUOTA_EXCEEDED", Some(60)));
        check(429, &error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Some("7"), &later("status 429, code QUOTA_EXCEEDED", Some(7)));
        check(503, &error("UNAVAILABLE", "UNAVAILABLE"), Some("9"), &later("status 503, code UNAVAILABLE", Some(9)));
        check(500, &error("INTERNAL", "INTERNAL"), None, &later("status 500, code INTERNAL", None));
        check(502, &json!("<html>"), None, &later("status 502", None));
        check(401, &error("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), None, &later("status 401, code THIRD_PARTY_AUTH_ERROR", None));
        check(401, &json!({"error": {"status": "UNAUTHENTICATED"}}), None, &later("FCM refuses our service account (401)", None));
        check(403, &json!({"error": {"status": "PERMISSION_DENIED"}}), None, &later("FCM refuses our service account (403)", None));
        check(404, &json!({"error": {"status": "NOT_FOUND"}}), None, &later("status 404, code NOT_FOUND", None));
        check(307, &json!(null), None, &later("status 307", None));
    }

    #[test]
    fn a_wrong_field_is_named_and_never_quoted() {
        let wrong = |field: &str| {
            let details = json!([{"fieldViolations": [{"field": field, "description": "device-token is wrong"}]}]);
            json!({"error": {"status": "INVALID_ARGUMENT", "message": "device-token", "details": details}})
        };
        let refused = |reason: &str| Outcome::Refused { reason: reason.to_owned() };
        check(400, &wrong("message.token"), None, &refused("status 400, code INVALID_ARGUMENT, field message.token"));
        check(400, &wrong("device token/1"), None, &refused("status 400, code INVALID_ARGUMENT"));
        check(400, &json!("oh"), None, &refused("status 400"));
    }
}
