//! Dispatch: what is asked most first (SOAP, replies, challenges; unless something is around the routes), everything else through the router. Each request gets a correlation id and its count.

use super::body::Content;
use super::metrics::Operation;
use super::parts::Parts;
use super::peer::Peer;
use super::problem::Problem;
use super::settings::Settings;
use super::state::{Answered, Correlation, Counted, State};
use super::{challenges, feed, ims, inbound, openapi, receipts, status, templates};
use crate::telemetry;
use axum::Router;
use axum::body::Body;
use axum::http::request::Parts as Head;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt;

/// The header that every answer carries, and the id that our logs have.
static CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Where a browser says a request comes from.
static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// All routes.
pub(super) struct App {
    state: Arc<State>,
    router: Router,
    /// Something is around the routes, and must see every request: no way past the router.
    surrounded: bool,
}

impl App {
    pub(super) fn new(settings: &Settings, mut parts: Parts) -> Self {
        let extra = parts.extra.take();
        let state = Arc::new(State::new(settings, parts));
        let (router, surrounded) = (routes(Arc::clone(&state)), extra.is_some());
        let router = match extra {
            Some(add) => add(router),
            None => router,
        };
        Self { state, router, surrounded }
    }

    /// Answers one request of whoever is behind `peer`, the other end of the connection.
    pub(super) fn handle<B>(&self, request: Request<B>, peer: Peer) -> impl Future<Output = Response>
    where
        B: Content + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let id = Correlation::new();
        // Some kilobytes: put once where they stay, they are not moved with each future around them, and a connection that
        // waits holds none of them.
        telemetry::correlated(id.id, Box::pin(self.answer(request.into_parts(), peer, id)))
    }

    async fn answer<B>(&self, (head, content): (Head, B), peer: Peer, id: Correlation) -> Response
    where
        B: Content + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let begun = Instant::now();
        let peer = self.state.proxies.client(peer, &head.headers);
        let asked_for = tracing::enabled!(tracing::Level::DEBUG).then(|| format!("{} {}", head.method, logged_path(head.uri.path())));
        let Answered { mut response, counted: Counted(asked, outcome) } = self.dispatch(head, content, (peer, id)).await;
        let took = begun.elapsed();
        self.state.metrics.request(asked, outcome, took);
        tracing::debug!(request = asked_for, operation = asked.name(), outcome, status = response.status().as_u16(), ?took, "answered");
        if let Ok(value) = HeaderValue::from_str(id.text()) {
            response.headers_mut().insert(&CORRELATION, value);
        }
        response
    }

    async fn dispatch<B>(&self, head: Head, content: B, (peer, id): (Peer, Correlation)) -> Answered
    where
        B: Content + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let at = Operation::at(head.uri.path());
        if head.headers.len() > self.state.limits.max_headers {
            return told(too_many_fields(&head, self.state.limits.max_headers), at);
        }
        if !names_one_host(&head) {
            return told(Problem::new(StatusCode::BAD_REQUEST, "A request has one Host.").into_response(), at);
        }
        if is_cross_site(&head) {
            return told(Problem::new(StatusCode::FORBIDDEN, "Requests from pages of other sites are refused.").into_response(), at);
        }
        if head.uri.path() == ims::PATH && !self.surrounded {
            return ims::serve(&self.state, (&head, content), peer, id).await;
        }
        if let Some(gateway) = inbound::named(&self.state, &head).filter(|_| !self.surrounded) {
            return told(inbound::receive(&self.state, gateway, (&head, content), peer).await.into_response(), at);
        }
        if let Some(asked) = challenges::Plain::of(&head).filter(|_| !self.surrounded) {
            return told(asked.serve(&self.state, peer, (&head, content)).await, at);
        }
        let mut request = Request::from_parts(head, content);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(id);
        let routed = self.router.clone().oneshot(request.map(Body::new)).await;
        told(routed.unwrap_or_else(|never| match never {}), at)
    }
}

/// An answer that may say what it is counted as, else is counted as what its status says of `at`.
fn told(mut response: Response, at: Operation) -> Answered {
    // What is told of a challenge is for nobody else.
    if at == Operation::Challenges {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let counted = response.extensions_mut().remove().unwrap_or_else(|| Counted(at, class(response.status())));
    Answered { response, counted }
}

/// The outcome of an answer that says nothing more precise.
fn class(status: StatusCode) -> &'static str {
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
    // Bodies are read by `body`, which bounds them; this is for whoever takes one by an extractor some day.
    let body = axum::extract::DefaultBodyLimit::max(state.limits.max_body_bytes);
    Router::new()
        .route(ims::PATH, any(ims::routed))
        .route("/v1/events", get(feed::events))
        .route("/inbound/sms/{gateway}", get(inbound::routed).post(inbound::routed))
        .route("/api/template", get(templates::list).post(templates::store))
        .route("/api/template/lint", post(templates::lint))
        .route("/api/template/preview", post(templates::preview))
        .route("/api/template/{name}", get(templates::show).put(templates::replace).delete(templates::remove))
        .route("/inbound/receipts/{way}", post(receipts::routed))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.") })
        .merge(challenges::routes())
        .merge(openapi::routes())
        .method_not_allowed_fallback(async || {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Allow tells the methods of this path.");
            problem.typed("urn:countersign:problem:method-not-allowed")
        })
        .layer(body)
        .with_state(state)
}

fn too_many_fields(head: &Head, most: usize) -> Response {
    let detail = format!("A request has at most {most} header fields.");
    let mut response = Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail).into_response();
    if head.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // The router would see to it, and hyper does on HTTP/1 only (RFC 9110, 9.3.2).
    if head.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

// Another one may be what a proxy before us went by (RFC 9112, 3.2). HTTP/2 has its own field.
fn names_one_host(head: &Head) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    head.version != Version::HTTP_11 || hosts.next().is_some() && hosts.next().is_none()
}

// A browser tells where a request comes from. Ours are no pages for others' scripts and forms.
fn is_cross_site(head: &Head) -> bool {
    let safe = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let from = head.headers.get(&FETCH_SITE).map(HeaderValue::as_bytes);
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
    fn requests_of_other_sites_pages_are_told() {
        let check = |method: Method, from: Option<&str>, expected: bool| {
            let mut request = Request::builder().method(method.clone());
            if let Some(from) = from {
                request = request.header("sec-fetch-site", from);
            }
            assert_eq!(is_cross_site(&request.body(()).unwrap().into_parts().0), expected, "{method} {from:?}");
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
