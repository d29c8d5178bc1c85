//! temporary
use super::app::{Correlation, State};
use super::listener::Peer;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
pub(super) const PATH: &str = "/jxchange/2008/ServiceGateway/IMS.svc";
pub(super) async fn post<B>(_: &Arc<State>, _: Request<B>, _: Peer, _: Correlation) -> Response {
    StatusCode::NOT_FOUND.into_response()
}
pub(super) fn document<B>(_: &Arc<State>, _: &Request<B>, _: Peer) -> Response {
    StatusCode::NOT_FOUND.into_response()
}
pub(super) fn not_allowed() -> Response {
    StatusCode::METHOD_NOT_ALLOWED.into_response()
}
