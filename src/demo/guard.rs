//! Keeps the demonstration on this machine: its secrets are printed in the manual.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;

/// The demonstration may listen on loopback only.
#[derive(Debug, thiserror::Error)]
#[error(
    "the demonstration listens on loopback only, and {0} is not: use 127.0.0.1 or [::1], or run `countersign serve` with secrets of your own"
)]
pub struct NotLoopback(SocketAddr);

/// Whether the demonstration may listen there.
pub fn check_listen(address: SocketAddr) -> Result<(), NotLoopback> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(NotLoopback(address)) }
}

/// Refuses requests under another name than this machine's own (a page elsewhere can point its own name at us), and those
/// that a browser says come from another site.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    if is_welcome(&request) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "The demonstration answers this machine only: open it as http://127.0.0.1 or localhost.\n").into_response()
}

fn is_welcome<B>(request: &axum::http::Request<B>) -> bool {
    let tells = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
    let host = request.uri().authority().map(|it| it.as_str()).or_else(|| tells("host"));
    let own_page = matches!(tells("sec-fetch-site"), None | Some("same-origin" | "none"));
    // Somebody who follows a link to the handset comes from another site, and that site can read nothing of ours.
    let opens_page = tells("sec-fetch-mode") == Some("navigate") && tells("sec-fetch-dest") == Some("document");
    let followed = request.method() == Method::GET && opens_page;
    host.is_some_and(is_own) && (own_page || followed)
}

fn is_own(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "localhost" | "::1") || name.parse::<std::net::Ipv4Addr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let check = |host: &str, expected: bool| assert_eq!(is_own(host), expected, "{host}");
        check("localhost:8080", true);
        check("127.0.0.1", true);
        check("127.9.9.9:1", true);
        check("[::1]:8080", true);
        check("evil.example:8080", false);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example", false);
        check("192.0.2.1", false);
        check("", false);
    }

    #[test]
    fn only_loopback_is_listened_on() {
        let check = |address: &str, expected: bool| assert_eq!(check_listen(address.parse().unwrap()).is_ok(), expected, "{address}");
        check("127.0.0.1:8080", true);
        check("[::1]:0", true);
        check("0.0.0.0:8080", false);
        check("[::]:8080", false);
        check("192.0.2.1:8080", false);
    }
}
