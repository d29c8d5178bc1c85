//! Health and metrics.

use super::peer::Peer;
use super::problem::Problem;
use super::state::State;
use axum::extract::State as Reach;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;

/// `/health/live`: the process answers. Depends on nothing else.
pub(super) async fn live() -> Response {
    Json(Live { live: true }).into_response()
}

/// `/health/ready`: 200 while requests can be taken and become durable, else 503.
pub(super) async fn ready(Reach(state): Reach<Arc<State>>) -> Response {
    let (store, draining) = (state.service.pulse().ready, state.shutdown.is_cancelled());
    let ready = store && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, store, draining })).into_response()
}

/// `/metrics`, for operators.
pub(super) async fn metrics(Reach(state): Reach<Arc<State>>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    if !state.takes_credentials(peer) {
        return Problem::new(StatusCode::FORBIDDEN, "This address takes credentials over TLS only.").into_response();
    }
    let shows_secret = headers.contains_key(header::AUTHORIZATION);
    if !state.lets_in("operator", (peer, shows_secret), || state.operators.admit(&headers)) {
        return Problem::unauthenticated().into_response();
    }
    let text = state.metrics.render(&state.service.pulse(), state.service.now());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    store: bool,
    draining: bool,
}
