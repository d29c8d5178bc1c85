//! What requests are read from: whose they are, under which idempotency key, which challenge, with which body; and for how long
//! they are worked on.

use super::fields::Fields;
use super::json::Json;
use super::refusal::{MALFORMED, MEDIA_TYPE, TOO_LARGE, malformed};
use crate::domain::decide::order::NAME_MAX;
use crate::domain::id::AggregateId;
use crate::domain::request::{Origin, Via};
use crate::domain::scope::Scope;
use crate::engine::Trouble;
use crate::http::auth::Caller;
use crate::http::body::{self as bytes, Content, Unread};
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::state::State;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// What tells a request from every other (draft-ietf-httpapi-idempotency-key-header).
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// When to come again after a request that took too long: whatever became of it, its repeat gets its answer.
const TOO_LONG: Duration = Duration::from_secs(5);

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
pub(super) fn named(path: Result<Path<String>, PathRejection>) -> Option<AggregateId> {
    id(&path.ok()?.0)
}

/// The challenge of this id; `None`: none of ours has such an id.
pub(super) fn id(text: &str) -> Option<AggregateId> {
    let (id, mut room) = (AggregateId::parse(text)?, Uuid::encode_buffer());
    // One id is written one way.
    (id.0.hyphenated().encode_lower(&mut room) == text).then_some(id)
}

/// The fields of the body. Where it is `optional`, an empty one has none.
pub(super) async fn fields<B: Content>(state: &State, (headers, content): (&HeaderMap, B), optional: bool) -> Result<Fields, Problem> {
    let read = bytes::read(headers, content, &state.limits).await.map_err(unread)?;
    if optional && read.is_empty() {
        return Ok(Fields::new(Vec::new()));
    }
    let media = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
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

/// Who asks, and since when: its last byte was read (decision 9).
pub(super) fn origin(state: &State, caller: &Caller, peer: Peer) -> Origin {
    Origin::new(caller.publisher.clone(), state.service.now()).by(Via::new(peer.addr.ip(), caller.key.clone()))
}

/// Whether the caller may see codes, where it wants to.
pub(super) fn may_show(caller: &Caller, shows: bool) -> Result<(), Problem> {
    if shows && !caller.may(Scope::Code) { Err(Problem::scope_missing(Scope::Code)) } else { Ok(()) }
}

/// Works for as long as a request may take; what is not done then may still be done: its repeat gets its answer.
pub(super) async fn within<T>(state: &State, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(state.limits.request(), work).await.unwrap_or(Err(Trouble::Busy { retry_after: TOO_LONG }))
}

fn unread(why: Unread) -> Problem {
    let kind = match why {
        Unread::TooLarge => TOO_LARGE,
        Unread::Encoded => MEDIA_TYPE,
        Unread::TooSlow | Unread::Broken => MALFORMED,
    };
    Problem::new(why.status(), why.text()).typed(kind)
}
