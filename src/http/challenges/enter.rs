//! What requests are read from: under which idempotency key, which challenge, with which body.

use super::fields::Fields;
use super::json::Json;
use super::refusal::{MALFORMED, MEDIA_TYPE, TOO_LARGE, malformed};
use crate::domain::decide::order::NAME_MAX;
use crate::domain::id::AggregateId;
use crate::http::body::{self as bytes, Unread};
use crate::http::problem::Problem;
use crate::http::state::State;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, header};

/// What tells a request from every other (draft-ietf-httpapi-idempotency-key-header).
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key under which the request can be repeated, taken as it is.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let (first, second) = (all.next(), all.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| second.is_none());
    match text {
        Some(text) if (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic()) => Ok(Some(text.to_owned())),
        _ => Err(malformed("Idempotency-Key: send one, of 1 to 256 visible ASCII characters without spaces.")),
    }
}

/// The challenge that a path names; `None`: none of ours has such an id.
pub(super) fn id(path: Result<Path<String>, PathRejection>) -> Option<AggregateId> {
    let Path(text) = path.ok()?;
    // One id is written one way.
    let id = AggregateId::parse(&text)?;
    (id.to_string() == text).then_some(id)
}

/// The fields of the body. Where it is `optional`, an empty one has none.
pub(super) async fn fields(state: &State, request: Request<Body>, optional: bool) -> Result<Fields, Problem> {
    let (head, content) = request.into_parts();
    let read = bytes::read(&head.headers, content, &state.limits).await.map_err(unread)?;
    if optional && read.is_empty() {
        return Ok(Fields::new(Vec::new()));
    }
    let media = head.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let detail = "Send JSON, with Content-Type: application/json.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).typed(MEDIA_TYPE));
    }
    match serde_json::from_slice(&read) {
        Ok(Json::Object(members)) => Ok(Fields::new(members)),
        Ok(other) => Err(malformed(format!("The body must be a JSON object, not {}.", other.kind()))),
        // Says what is wrong and where, and no value.
        Err(cause) => Err(malformed(format!("The body is no JSON: {cause}."))),
    }
}

fn unread(why: Unread) -> Problem {
    let kind = match why {
        Unread::TooLarge => TOO_LARGE,
        Unread::Encoded => MEDIA_TYPE,
        Unread::TooSlow | Unread::Broken => MALFORMED,
    };
    Problem::new(why.status(), why.text()).typed(kind)
}
