//! The handset page and its files: part of the program, nothing from elsewhere.

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /handset`
pub(super) async fn handset() -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "no-referrer")];
    (policy, file("text/html; charset=utf-8", include_str!("page/handset.html"))).into_response()
}

/// `GET /handset.css`
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", concat!(include_str!("page/handset.css"), include_str!("page/phone.css")))
}

/// `GET /handset.js`
pub(super) async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        concat!(include_str!("page/phone.js"), include_str!("page/request.js"), include_str!("page/handset.js")),
    )
}

/// `GET /favicon.ico`
pub(super) async fn icon() -> Response {
    file("image/svg+xml", include_str!("page/icon.svg"))
}

fn file(media: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, &str); 3] =
        [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-cache"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, content).into_response()
}
