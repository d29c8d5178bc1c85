//! `/sandbox/…`: what was sent, for scripts; and the pause of the outbox.

use super::floor::Floor;
use super::shown::{Outbox, Shown};
use crate::domain::id::DeliveryId;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Mail of others is shown without scripts, forms, or anything from elsewhere.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// What a mail program gives a mail that says nothing of its own looks.
const MAIL_LOOK: &str = "<!doctype html><meta charset=utf-8><style>html{scrollbar-width:thin}body{font:15px/1.5 system-ui,sans-serif;margin:14px;color:#14212b}</style>";

/// `GET /sandbox/messages`
pub(super) async fn messages(State(floor): State<Floor>) -> Response {
    let shown: Vec<Shown> = floor.stage.messages().iter().map(Shown::from).collect();
    fresh(Json(shown))
}

/// `GET /sandbox/messages/{id}/html`: a mail's HTML, for a frame.
pub(super) async fn html(State(floor): State<Floor>, Path(id): Path<String>) -> Response {
    let id = DeliveryId::parse(&id);
    let found = floor.stage.messages().into_iter().find(|it| Some(it.id) == id).and_then(|it| it.html);
    let Some(html) = found else { return (StatusCode::NOT_FOUND, "No such mail.").into_response() };
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, MAIL_POLICY)];
    fresh((headers, format!("{MAIL_LOOK}{}", html.expose())))
}

/// `GET /sandbox/outbox`
pub(super) async fn outbox(State(floor): State<Floor>) -> Response {
    fresh(Json(Outbox { paused: floor.stage.is_paused() }))
}

/// `POST /sandbox/outbox/pause`
pub(super) async fn pause(State(floor): State<Floor>) -> Response {
    set(&floor, true)
}

/// `POST /sandbox/outbox/resume`
pub(super) async fn resume(State(floor): State<Floor>) -> Response {
    set(&floor, false)
}

fn set(floor: &Floor, paused: bool) -> Response {
    floor.stage.pause(paused);
    floor.nudge();
    fresh(Json(Outbox { paused }))
}

const NO_STORE: [(HeaderName, &str); 2] = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

fn fresh(content: impl IntoResponse) -> Response {
    (NO_STORE, content).into_response()
}
