//! Who asks for templates, under which condition, with which body; and the record of what was changed.

use super::form::Type;
use super::{Asked, MALFORMED};
use crate::domain::id::PublisherId;
use crate::domain::scope::Scope;
use crate::engine::templates::Condition;
use crate::http::body as bytes;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::trail::{Action, Step};
use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::IpAddr;
use utoipa::IntoParams;

/// Longest name of a publisher that an operator may give.
const PUBLISHER_LENGTH: usize = 128;

/// What a query may say.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Wanted {
    /// Of which type.
    #[serde(rename = "type")]
    pub kind: Option<Type>,
    /// In which language; empty: the one without a language.
    pub language: Option<String>,
    /// In which version.
    pub version: Option<u32>,
    /// Whose: an operator must say, a publisher has its own only.
    pub publisher: Option<String>,
}

/// Who asks.
pub(super) struct Caller {
    /// Whose templates it is about.
    pub publisher: PublisherId,
    key: Option<String>,
    operator: bool,
    address: IpAddr,
}

impl Caller {
    /// What the record tells of a change.
    pub fn act(&self, action: &'static str, arguments: Value) -> Action {
        let user = match &self.key {
            _ if self.operator => "operator".to_owned(),
            Some(key) => format!("publisher {} with key {key}", self.publisher),
            None => format!("publisher {}", self.publisher),
        };
        Action { user, address: self.address, action, arguments }
    }
}

/// The caller, and its query.
pub(super) async fn caller(state: &State, headers: &HeaderMap, peer: Peer, asked: Asked) -> Result<(Caller, Wanted), Problem> {
    let address = peer.addr.ip();
    // Where there were too many wrong secrets nobody is asked; the other check says so.
    let operator = state.takes_credentials(peer) && !state.credentials.is_blocked(address) && state.operators.admit_person(headers);
    let own = if operator { None } else { Some(state.caller_for(Scope::Templates, (headers, peer)).await?) };
    let (own, key) = own.map_or((None, None), |it| (Some(it.publisher), it.key));
    let Query(wanted) = asked.map_err(|cause| malformed(cause.body_text()))?;
    let named = wanted.publisher.as_deref().filter(|it| !it.is_empty() && it.len() <= PUBLISHER_LENGTH);
    let publisher = match (own, named) {
        (Some(own), None) if wanted.publisher.is_none() => own,
        (Some(own), Some(named)) if own.as_str() == named => own,
        (None, Some(named)) => PublisherId::from(named),
        (None, None) => return Err(malformed("publisher: say whose templates, with ?publisher=".to_owned())),
        (Some(_), _) => return Err(Problem::new(StatusCode::FORBIDDEN, "A publisher has its own templates only; leave ?publisher= out.")),
    };
    Ok((Caller { publisher, key, operator, address }, wanted))
}

/// What `If-Match` and `If-None-Match` say (RFC 9110, 13.1).
pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    let text = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default().trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Condition::None),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some("*"), None) => Ok(Condition::Present),
        (Some(tag), None) => match tag.strip_prefix('"').and_then(|it| it.strip_suffix('"')).and_then(|it| it.parse().ok()) {
            Some(version) => Ok(Condition::Version(version)),
            None => Err(malformed("If-Match: send one ETag of ours as it came, such as \"3\", or *".to_owned())),
        },
        _ => Err(malformed("Send either If-Match, or If-None-Match: *".to_owned())),
    }
}

/// The body, which must be JSON.
pub(super) async fn body<T: DeserializeOwned>(state: &State, request: Request<Body>) -> Result<T, Problem> {
    let (head, content) = request.into_parts();
    let media = head.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send JSON, with Content-Type: application/json."));
    }
    let read = bytes::read(&head.headers, content, &state.limits).await;
    let read = read.map_err(|unread| Problem::new(unread.status(), unread.text()))?;
    // Says a field's name and a place, and of a value at most what type it is or one word of ours that it should have been.
    serde_json::from_slice(&read).map_err(|cause| malformed(format!("The body is not as it must be: {cause}")))
}

/// Makes a change between its beginning and its end in the record. It goes on when the caller goes away.
pub(super) async fn recorded<T: Send + 'static>(
    state: &State,
    act: Action,
    change: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let (trail, service) = (state.trail.clone(), state.service.clone());
    let done = tokio::spawn(async move {
        let write = |step: Step| {
            let (trail, at, act) = (trail.clone(), service.now(), act.clone());
            tokio::task::spawn_blocking(move || trail.write(at, &act, step))
        };
        let written = write(Step::Started).await;
        if !matches!(written, Ok(Ok(()))) {
            return Err(unrecorded("The audit log can't be written; nothing was changed."));
        }
        let changed = change.await;
        let written = write(if changed.is_ok() { Step::Done } else { Step::Failed }).await;
        match written {
            Ok(Ok(())) => changed,
            _ if changed.is_err() => changed,
            _ => Err(unrecorded("The audit log can't be written; the change was made.")),
        }
    });
    done.await.unwrap_or_else(|_| Err(unrecorded("Our own trouble; x-correlation-id tells our logs which.")))
}

fn unrecorded(detail: &str) -> Problem {
    tracing::error!(detail, "a change over HTTP was not recorded");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).typed(MALFORMED)
}
