//! Dispatch: the SOAP path first, everything else through the router. Each request gets a correlation id, a span and its count.

use super::auth::{Arrival, Claim, Credentials, Denied, Operators, basic};
use super::inbound::Gateways;
use super::listener::Peer;
use super::metrics::{Metrics, Operation};
use super::problem::Problem;
use super::server::Parts;
use super::service::Service;
use super::settings::{Limits, Settings};
use super::{feed, ims, inbound, status};
use crate::domain::id::PublisherId;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::Instrument;
use uuid::Uuid;

/// The header that every answer carries, and the id that our logs have.
pub(super) const CORRELATION: &str = "x-correlation-id";

/// What a handler can reach.
pub(super) struct State {
    pub(super) service: Arc<dyn Service>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) operators: Operators,
    pub(super) gateways: Gateways,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    pub(super) public_url: Option<String>,
    pub(super) allow_plaintext: bool,
    pub(super) shutdown: CancellationToken,
}

/// The correlation id of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlation(pub(super) Uuid);

/// What an answer is counted as; SOAP leaves it in the response's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted(pub(super) Operation, pub(super) &'static str);

/// All routes.
pub(super) struct App {
    state: Arc<State>,
    router: Router,
}

impl App {
    pub(super) fn new(settings: &Settings, parts: Parts) -> Self {
        let state = Arc::new(State {
            service: parts.service,
            credentials: parts.credentials,
            operators: parts.operators,
            gateways: parts.gateways,
            metrics: parts.metrics,
            limits: settings.limits.clone(),
            public_url: settings.public_url.clone(),
            allow_plaintext: settings.allow_plaintext,
            shutdown: parts.shutdown,
        });
        let router = routes(Arc::clone(&state));
        let router = parts.extra.map_or_else(|| router.clone(), |add| add(router.clone()));
        Self { state, router }
    }

    /// Answers one request.
    pub(super) async fn handle<B>(&self, request: Request<B>, peer: Peer) -> Response
    where
        B: HttpBody<Data = hyper::body::Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let (begun, id) = (Instant::now(), Uuid::new_v4());
        let span = tracing::info_span!("request", correlation = %id, method = %request.method(), path = logged_path(request.uri().path()));
        let at = Operation::at(request.uri().path());
        let mut response = self.dispatch(request, peer, Correlation(id)).instrument(span.clone()).await;
        let counted = response.extensions().get::<Counted>().copied();
        let Counted(asked, outcome) = counted.unwrap_or_else(|| Counted(at, class(response.status())));
        let took = begun.elapsed();
        self.state.metrics.request(asked, outcome, took);
        span.in_scope(|| tracing::debug!(operation = asked.name(), outcome, status = response.status().as_u16(), ?took, "answered"));
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(CORRELATION, value);
        }
        response
    }

    async fn dispatch<B>(&self, mut request: Request<B>, peer: Peer, id: Correlation) -> Response
    where
        B: HttpBody<Data = hyper::body::Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if is_cross_site(&request) {
            return Problem::new(StatusCode::FORBIDDEN, "Requests from pages of other sites are refused.").into_response();
        }
        if request.uri().path() == ims::PATH {
            return match *request.method() {
                Method::POST => ims::post(&self.state, request, peer, id).await,
                Method::GET => ims::document(&self.state, &request, peer),
                _ => ims::not_allowed(),
            };
        }
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(id);
        let routed = self.router.clone().oneshot(request.map(Body::new)).await;
        routed.unwrap_or_else(|never| match never {})
    }
}

impl State {
    /// The publisher that a Basic request proves.
    pub(super) async fn publisher(&self, headers: &HeaderMap, peer: Peer) -> Result<PublisherId, Problem> {
        let Some(claim) = basic(headers) else {
            self.metrics.denied("missing");
            return Err(Problem::unauthenticated());
        };
        if !self.takes_credentials(peer) {
            self.metrics.denied("plaintext");
            return Err(Problem::new(StatusCode::FORBIDDEN, "This address takes credentials over TLS only."));
        }
        self.check(&claim, &Arrival::new(peer.addr.ip(), self.service.now(), b"")).await.map_err(|denied| match denied {
            Denied::Busy => Problem::busy(Duration::from_secs(1)),
            _ => Problem::unauthenticated(),
        })
    }

    /// Checks a claim; a denial is counted and logged here, once.
    pub(super) async fn check(&self, claim: &Claim, arrival: &Arrival) -> Result<PublisherId, Denied> {
        let judged = self.credentials.check(claim, arrival).await;
        if let Err(denied) = &judged {
            self.metrics.denied(denied.reason());
            tracing::warn!(peer = %arrival.peer, reason = denied.reason(), "not let in");
        }
        judged
    }

    /// Whether a secret may be taken from this peer (decision 29).
    pub(super) fn takes_credentials(&self, peer: Peer) -> bool {
        may_be_told_secrets(peer, self.allow_plaintext)
    }
}

/// The outcome of an answer that says nothing more precise.
pub(super) fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=399 => "ok",
        401 | 403 => "denied",
        404 => "not_found",
        400..=499 => "client_error",
        503 => "busy",
        _ => "failed",
    }
}

fn routes(state: Arc<State>) -> Router {
    let body = axum::extract::DefaultBodyLimit::max(state.limits.max_body_bytes);
    Router::new()
        .route("/v1/events", get(feed::events))
        .route("/inbound/sms/{gateway}", get(inbound::receive).post(inbound::receive))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.") })
        .layer(body)
        .with_state(state)
}

// Over TLS, on loopback, or where the operator says that somebody else does the TLS (decision 29).
fn may_be_told_secrets(peer: Peer, allow_plaintext: bool) -> bool {
    peer.tls || allow_plaintext || peer.addr.ip().to_canonical().is_loopback()
}

// A browser tells where a request comes from. Ours are no pages for others' scripts and forms.
fn is_cross_site<B>(request: &Request<B>) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let from = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    !safe && !matches!(from, None | Some(b"same-origin" | b"none"))
}

// A path can carry anything; only its beginning is logged, and nothing unprintable.
fn logged_path(path: &str) -> &str {
    let end = path.char_indices().take(80).find(|(_, c)| !c.is_ascii_graphic()).map_or(path.len().min(80), |(at, _)| at);
    path.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_over_tls_or_from_loopback() {
        let check = |addr: &str, tls: bool, allow: bool, expected: bool| {
            let peer = Peer { addr: addr.parse().unwrap(), tls };
            assert_eq!(may_be_told_secrets(peer, allow), expected, "{addr} {tls} {allow}");
        };
        check("127.0.0.1:1", false, false, true);
        check("[::1]:1", false, false, true);
        check("[::ffff:127.0.0.1]:1", false, false, true);
        check("192.0.2.1:1", false, false, false);
        check("[2001:db8::1]:1", false, false, false);
        check("192.0.2.1:1", true, false, true);
        check("192.0.2.1:1", false, true, true);
    }

    #[test]
    fn requests_of_other_sites_pages_are_told() {
        let check = |method: Method, from: Option<&str>, expected: bool| {
            let mut request = Request::builder().method(method.clone());
            if let Some(from) = from {
                request = request.header("sec-fetch-site", from);
            }
            assert_eq!(is_cross_site(&request.body(()).unwrap()), expected, "{method} {from:?}");
        };
        check(Method::POST, None, false);
        check(Method::POST, Some("same-origin"), false);
        check(Method::POST, Some("none"), false);
        check(Method::POST, Some("same-site"), true);
        check(Method::POST, Some("cross-site"), true);
        check(Method::GET, Some("cross-site"), false);
    }

    #[test]
    fn a_path_is_logged_short_and_printable() {
        let check = |path: &str, expected: &str| assert_eq!(logged_path(path), expected);
        check("/v1/events", "/v1/events");
        check("/é", "/");
        check(&"/".repeat(100), &"/".repeat(80));
    }
}
