//! temporary
use axum::response::{IntoResponse, Response};
#[derive(Default)]
pub struct Gateways;
pub(super) async fn receive() -> Response {
    axum::http::StatusCode::NOT_FOUND.into_response()
}
