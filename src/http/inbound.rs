//! `/inbound/sms/{gateway}`: replies that gateways bring. Proved, read, judged, and only then acknowledged (decision 23).

use super::body::{self, Content};
use super::gateways::Gateway;
use super::peer::Peer;
use super::problem::Problem;
use super::state::State;
use crate::dialect::proof::Denied;
use crate::dialect::raw::RawInbound;
use crate::domain::answer::Verdict;
use crate::domain::request::Sms;
use crate::domain::time::Timestamp;
use crate::engine::Trouble;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State as Reach};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What the paths begin with; the gateway's name follows.
const PATH: &str = "/inbound/sms/";

/// The gateway whose name stands in the path as it is; `None` for what the router answers: other methods, an escaped name, nobody's.
pub(super) fn named<'a>(state: &'a State, head: &Parts) -> Option<&'a Gateway> {
    let name = head.uri.path().strip_prefix(PATH)?;
    let is_plain = matches!(head.method, Method::GET | Method::POST) && !name.contains(['%', '/']);
    state.gateways.find(name).filter(|_| is_plain)
}

/// The same as a route: for what is not [`named`], and where something is around the routes.
pub(super) async fn routed(
    Reach(state): Reach<Arc<State>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let gateway = state.gateways.find(&name);
    let gateway = gateway.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "No gateway of this name is configured."))?;
    let (head, content) = request.into_parts();
    receive(&state, gateway, (&head, content), peer).await
}

/// Answers a gateway.
pub(super) async fn receive<B: Content>(
    state: &State,
    gateway: &Gateway,
    (head, content): (&Parts, B),
    peer: Peer,
) -> Result<Response, Problem> {
    if head.headers.contains_key(header::AUTHORIZATION) && !state.takes_credentials(peer) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "This address takes credentials over TLS only."));
    }
    let bytes = body::read(&head.headers, content, &state.limits).await;
    let bytes = bytes.map_err(|unread| Problem::new(unread.status(), unread.text()))?;
    let received_at = state.service.now();
    let headers: Vec<(&str, &str)> = head.headers.iter().filter_map(|(k, v)| Some((k.as_str(), v.to_str().ok()?))).collect();
    let raw = RawInbound {
        method: head.method.as_str(),
        target: head.uri.path_and_query().map_or("/", |it| it.as_str()),
        headers: &headers,
        body: &bytes,
        peer: peer.addr.ip(),
    };
    prove(state, gateway, (&raw, peer), received_at)?;
    let sms = read(gateway, &raw, received_at)?;
    judge(state, sms).await?;
    Ok(acknowledge(gateway))
}

// Only a user's secret can be guessed; wrong signatures count against nobody.
fn prove(state: &State, gateway: &Gateway, (raw, peer): (&RawInbound<'_>, Peer), at: Timestamp) -> Result<(), Problem> {
    let shows_secret = raw.header("authorization").is_some();
    // What stays when the address is blocked: a right guess looks like a wrong one.
    let mut cause = Denied::Mismatch;
    let verify = || gateway.dialect.verify(raw, &gateway.secrets, at).inspect_err(|denied| cause = *denied).is_ok();
    if state.lets_in("gateway", (peer, shows_secret), verify) {
        return Ok(());
    }
    tracing::warn!(gateway = gateway.dialect.name(), peer = %raw.peer, %cause, "gateway not let in");
    Err(match cause {
        Denied::Missing => Problem::unauthenticated(),
        _ => Problem::new(StatusCode::FORBIDDEN, "The request is not proved to be the gateway's."),
    })
}

fn read(gateway: &Gateway, raw: &RawInbound<'_>, at: Timestamp) -> Result<Sms, Problem> {
    gateway.dialect.read(raw, at).map_err(|bad| {
        tracing::warn!(gateway = gateway.dialect.name(), cause = %bad, "message not read");
        Problem::new(StatusCode::from_u16(bad.status()).unwrap_or(StatusCode::BAD_REQUEST), bad.to_string())
    })
}

// The gateway is not told the verdict: what the handset gets goes through the outbox.
async fn judge(state: &State, sms: Sms) -> Result<(), Problem> {
    let judged = timeout(state.limits.request(), state.service.reply(sms)).await.unwrap_or(Err(Trouble::Failed));
    match judged {
        Ok(verdict) => {
            tell(verdict);
            Ok(())
        }
        Err(Trouble::Busy { retry_after }) => Err(Problem::busy(retry_after)),
        // A gateway repeats after a 503; the provider's id keeps the repeat from counting twice.
        Err(Trouble::Failed | Trouble::Cursor) => {
            tracing::error!("a reply could not be judged; the cause is logged where it happened");
            Err(Problem::busy(Duration::from_secs(5)))
        }
    }
}

// What went as it should is told by metrics and the challenge's own record.
fn tell(verdict: Verdict) {
    match verdict {
        Verdict::Verified | Verdict::Stopped | Verdict::Helped | Verdict::Started => tracing::debug!(?verdict, "reply judged"),
        _ => tracing::info!(?verdict, "reply judged"),
    }
}

fn acknowledge(gateway: &Gateway) -> Response {
    let it = gateway.dialect.acknowledge();
    let mut response = Body::from(it.body).into_response();
    *response.status_mut() = StatusCode::from_u16(it.status).unwrap_or(StatusCode::OK);
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(media) = it.content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    response
}
