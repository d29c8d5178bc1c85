//! `/inbound/receipts/{way}`: what ways out report later of messages that they took. Proved, read, made durable, and only then
//! acknowledged; what can't be made durable now is brought again, and a repeat changes nothing.

use super::body;
use super::gateways::Reporter;
use super::peer::Peer;
use super::problem::Problem;
use super::settings::Limits;
use super::state::State;
use crate::dialect::proof::Denied;
use crate::dialect::raw::RawInbound;
use crate::dialect::sendgrid::BODY_MAX;
use crate::domain::receipt::Receipt;
use crate::engine::Trouble;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State as Reach};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Receipts of one batch that are worked on at once: they share durable steps.
const AT_ONCE: usize = 32;

/// Answers a way out.
pub(super) async fn routed(
    Reach(state): Reach<Arc<State>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<StatusCode, Problem> {
    let reporter = state.gateways.reporter(&name);
    let reporter = reporter.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "No way out of this name brings receipts."))?;
    // A batch is larger than other requests, and whoever sends it is not known before it is read.
    let _place = reporter.places.try_acquire().map_err(|_| Problem::busy(Duration::from_secs(1)))?;
    let (head, content) = request.into_parts();
    let limits = Limits { max_body_bytes: BODY_MAX, ..state.limits.clone() };
    let bytes = body::read(&head.headers, content, &limits).await;
    let bytes = bytes.map_err(|unread| Problem::new(unread.status(), unread.text()))?;
    let receipts = read(&state, reporter, (&head, &bytes), peer)?;
    take(&state, receipts).await?;
    Ok(StatusCode::OK)
}

fn read(state: &State, reporter: &Reporter, (head, bytes): (&Parts, &[u8]), peer: Peer) -> Result<Vec<Receipt>, Problem> {
    let headers: Vec<(&str, &str)> = head.headers.iter().filter_map(|(k, v)| Some((k.as_str(), v.to_str().ok()?))).collect();
    let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let raw = RawInbound { method: head.method.as_str(), target, headers: &headers, body: bytes, peer: peer.addr.ip() };
    reporter.webhook.verify(&raw, state.service.now()).map_err(|cause| {
        tracing::warn!(way = reporter.name, peer = %raw.peer, %cause, "receipts not let in");
        match cause {
            Denied::Missing => Problem::unauthenticated(),
            _ => Problem::new(StatusCode::FORBIDDEN, "The request is not proved to be the way out's."),
        }
    })?;
    reporter.webhook.read(&raw).map_err(|cause| {
        tracing::warn!(way = reporter.name, %cause, "receipts not read");
        Problem::new(StatusCode::from_u16(cause.status()).unwrap_or(StatusCode::BAD_REQUEST), cause.to_string())
    })
}

async fn take(state: &State, receipts: Vec<Receipt>) -> Result<(), Problem> {
    let each = stream::iter(receipts).map(|it| {
        tracing::debug!(challenge = %it.challenge, delivery = %it.delivery, step = ?it.step, cause = it.cause, "receipt");
        state.service.receive(it)
    });
    let all = each.buffer_unordered(AT_ONCE).try_collect::<()>();
    match timeout(state.limits.request(), all).await.unwrap_or(Err(Trouble::Failed)) {
        Ok(()) => Ok(()),
        Err(Trouble::Busy { retry_after }) => Err(Problem::busy(retry_after)),
        Err(Trouble::Failed | Trouble::Cursor) => {
            tracing::error!("receipts could not be taken; the cause is logged where it happened");
            Err(Problem::busy(Duration::from_secs(5)))
        }
    }
}
