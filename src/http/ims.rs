//! The SOAP path: `POST` for operations, `GET` for the WSDL and its schemas (contract, wire; decision 9).

use super::auth::{Arrival, Claim, Denied, Once, Proof, basic};
use super::body::{self, Content, Unread};
use super::metrics::Operation;
use super::peer::Peer;
use super::problem::{BASIC_CHALLENGE, Problem, seconds};
use super::state::{Answered, Correlation, Counted, State};
use crate::domain::answer::Answer;
use crate::domain::request::{Header, OobValidate, Origin, Via};
use crate::domain::time::Timestamp;
use crate::engine::Trouble;
use crate::soap::{self, Call, Fault, Malformed, Opened, Password, Root, Security, Stamp, UsernameToken, Validity, Version};
use axum::Extension;
use axum::body::Body;
use axum::extract::State as Reach;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The path of the contract.
pub(super) const PATH: &str = soap::IMS_PATH;

/// Names the operation in SOAP 1.1.
static SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// How long a `wsu:Timestamp` of ours holds.
const STAMP_HOLDS: Duration = Duration::from_secs(300);

/// When to come again after a request that took too long: whatever became of it, its repeat gets its answer.
const TOO_LONG: Duration = Duration::from_secs(5);

/// What an answer is made with: version and timestamp in kind, and the id for our logs.
#[derive(Clone, Copy)]
struct Kind {
    version: Version,
    stamp: Option<Stamp>,
    correlation: Correlation,
}

/// A request as read.
struct Got<'a> {
    headers: &'a HeaderMap,
    peer: Peer,
    bytes: Vec<u8>,
    received_at: Timestamp,
}

/// Answers what comes to the path.
pub(super) async fn serve<B: Content>(state: &State, (head, content): (&Parts, B), peer: Peer, id: Correlation) -> Answered {
    match head.method {
        Method::POST => {}
        Method::GET => return document(state, head, peer),
        _ => return not_allowed(),
    }
    let content_type = text(&head.headers, &header::CONTENT_TYPE);
    let bytes = match body::read(&head.headers, content, &state.limits).await {
        Ok(bytes) => bytes,
        Err(unread) => return not_read(unread, content_type, id),
    };
    // Expiry is judged on the moment at which the last byte was here.
    let received_at = state.service.now();
    let got = Got { headers: &head.headers, peer, bytes, received_at };
    match soap::read(&got.bytes, content_type, text(&head.headers, &SOAP_ACTION)) {
        Ok(call) => answer(state, got, call, id).await,
        Err(malformed) => refuse_malformed(&malformed, kind(malformed.version, malformed.stamped, received_at, id)),
    }
}

/// The same as a route, where something is around the routes.
pub(super) async fn routed(
    Reach(state): Reach<Arc<State>>,
    Extension(peer): Extension<Peer>,
    Extension(id): Extension<Correlation>,
    request: Request<Body>,
) -> Response {
    let (head, content) = request.into_parts();
    let Answered { mut response, counted } = serve(&state, (&head, content), peer, id).await;
    response.extensions_mut().insert(counted);
    response
}

// Serves `?wsdl` and `?xsd=<name>`.
fn document(state: &State, head: &Parts, peer: Peer) -> Answered {
    let served = address(state, head, peer).and_then(|it| soap::serve_contract(head.uri.query().unwrap_or_default(), &it));
    let Some(served) = served else {
        let problem = Problem::new(StatusCode::NOT_FOUND, "Operations are posted here; the contract is at ?wsdl.");
        return counted(problem.into_response(), Operation::Wsdl, "not_found");
    };
    counted(([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], served).into_response(), Operation::Wsdl, "ok")
}

fn not_allowed() -> Answered {
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Use POST, or GET with ?wsdl.").into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    counted(response, Operation::Soap, "client_error")
}

async fn answer(state: &State, got: Got<'_>, call: Call, id: Correlation) -> Answered {
    let kind = kind(call.version, call.is_stamped(), got.received_at, id);
    match call.operation {
        soap::Operation::Ping { root, text } => {
            let bytes = soap::pong(call.version, root, &text, kind.stamp);
            message(StatusCode::OK, bytes, kind.version, (Operation::Ping, "ok"))
        }
        soap::Operation::OobValidate { root, request } => {
            let keyed = request.header.as_ref().is_some_and(|it| it.bus_correl_id.is_some() || it.tracking_id.is_some());
            let claim = match claim(state, &got, call.security) {
                Ok(claim) => claim,
                Err(refusal) => return refuse(refusal, kind),
            };
            let arrival = Arrival::new(got.peer.addr.ip(), got.received_at, &got.bytes).keyed(keyed);
            let publisher = match state.check(&claim, &arrival).await {
                Ok(publisher) => publisher,
                Err(Denied::Busy) => return refuse(Refusal::Busy, kind),
                Err(_) => return refuse(Refusal::Denied, kind),
            };
            drop(claim);
            let origin = Origin::new(publisher, got.received_at).by(Via::new(got.peer.addr.ip(), None));
            open(state, (origin, request), root, kind).await
        }
    }
}

async fn open(state: &State, (origin, request): (Origin, Box<OobValidate>), root: Root, kind: Kind) -> Answered {
    let echo = request.header.clone();
    let judged = timeout(state.limits.request(), state.service.open(origin, request)).await;
    let judged = judged.unwrap_or(Err(Trouble::Busy { retry_after: TOO_LONG }));
    match judged {
        Ok(Answer::Opened { id, otp }) => {
            let header = echo.unwrap_or_default();
            let opened = Opened {
                version: kind.version,
                root,
                header: &header,
                tracking_id: kind.correlation.text(),
                id,
                otp: otp.as_ref(),
                stamp: kind.stamp,
            };
            message(StatusCode::OK, opened.write(), kind.version, (Operation::OobValidate, "opened"))
        }
        Ok(Answer::Refused(list)) => refuse_rules(echo.as_ref(), &list, kind),
        Err(Trouble::Busy { retry_after }) => busy(retry_after, kind),
        Ok(_) | Err(Trouble::Failed | Trouble::Cursor) => {
            tracing::error!("a request to open a challenge failed; the cause is logged where it happened");
            let fault = Fault::Server { correlation: kind.correlation.text() };
            fault_message(&fault, kind, (Operation::OobValidate, "failed"))
        }
    }
}

/// Why a caller is not let in.
enum Refusal {
    Missing,
    Plaintext,
    Denied,
    Busy,
}

// The token of the message, else Basic. Secrets are not looked at where they should not have been sent.
fn claim(state: &State, got: &Got<'_>, shown: Option<Security>) -> Result<Claim, Refusal> {
    let Security { token, timestamp } = shown.unwrap_or_default();
    let claim = match token {
        Some(token) => claimed(token, timestamp).ok_or(Refusal::Denied),
        None => basic(got.headers).ok_or(Refusal::Missing),
    };
    if !matches!(claim, Err(Refusal::Missing)) && !state.takes_credentials(got.peer) {
        state.metrics.denied("plaintext");
        return Err(Refusal::Plaintext);
    }
    claim.inspect_err(|_| state.metrics.denied("missing"))
}

// What a UsernameToken claims; `None` when it proves nothing: no password, or a nonce or digest that can't be read.
fn claimed(token: UsernameToken, window: Option<Validity>) -> Option<Claim> {
    let proof = match token.password? {
        Password::Text(secret) => Proof::Password(secret),
        Password::Digest(sum) => Proof::Digest(STANDARD.decode(sum.expose().trim()).ok()?),
    };
    let once = match (token.nonce, token.created) {
        (Some(nonce), Some(created)) => {
            let nonce = STANDARD.decode(nonce).ok().filter(|it| !it.is_empty())?;
            Some(Once { nonce, created: moment(&created), created_text: created })
        }
        // A nonce without its time can't be remembered long enough.
        (Some(_), None) => return None,
        (None, _) => None,
    };
    let window = window.map(|it| (it.created.as_deref().and_then(moment), it.expires.as_deref().and_then(moment)));
    Some(Claim { user: token.username, proof, once, window })
}

fn moment(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|it| it.to_utc().into())
}

fn kind(version: Version, stamped: bool, created: Timestamp, correlation: Correlation) -> Kind {
    let stamp = stamped.then(|| Stamp { created, expires: created.plus(STAMP_HOLDS) });
    Kind { version, stamp, correlation }
}

fn refuse(refusal: Refusal, kind: Kind) -> Answered {
    let at = |outcome| (Operation::OobValidate, outcome);
    match refusal {
        Refusal::Denied => fault_message(&Fault::Denied, kind, at("denied")),
        Refusal::Busy => busy(Duration::from_secs(1), kind),
        Refusal::Plaintext => {
            let malformed = Malformed::whole("This address takes credentials over TLS only.");
            fault_message(&Fault::Malformed(&malformed), kind, at("denied"))
        }
        Refusal::Missing => {
            let mut answered = fault_message(&Fault::Denied, kind, at("unauthenticated"));
            *answered.response.status_mut() = StatusCode::UNAUTHORIZED;
            answered.response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC_CHALLENGE));
            answered
        }
    }
}

fn refuse_rules(header: Option<&Header>, list: &[crate::domain::fault::Violation], kind: Kind) -> Answered {
    let codes: Vec<u32> = list.iter().map(|it| it.code).collect();
    tracing::info!(?codes, "refused");
    fault_message(&Fault::Violations { header, list }, kind, (Operation::OobValidate, "refused"))
}

fn refuse_malformed(malformed: &Malformed, kind: Kind) -> Answered {
    tracing::info!(position = ?malformed.position, "malformed message");
    fault_message(&Fault::Malformed(malformed), kind, (Operation::Soap, "malformed"))
}

fn busy(after: Duration, kind: Kind) -> Answered {
    let fault = Fault::Busy { correlation: kind.correlation.text() };
    let mut answered = fault_message(&fault, kind, (Operation::OobValidate, "busy"));
    answered.response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(after)));
    answered
}

// Nothing of the message is known: the content type tells the version to answer in.
fn not_read(unread: Unread, content_type: Option<&str>, id: Correlation) -> Answered {
    let soap12 = content_type.is_some_and(|it| it.trim_start().to_ascii_lowercase().starts_with("application/soap+xml"));
    let version = if soap12 { Version::V12 } else { Version::V11 };
    let kind = Kind { version, stamp: None, correlation: id };
    let malformed = Malformed::whole(unread.text());
    let mut answered = fault_message(&Fault::Malformed(&malformed), kind, (Operation::Soap, "unread"));
    *answered.response.status_mut() = unread.status();
    answered
}

fn fault_message(fault: &Fault<'_>, kind: Kind, at: (Operation, &'static str)) -> Answered {
    let (status, bytes) = soap::write_fault(kind.version, fault, kind.stamp);
    message(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), bytes, kind.version, at)
}

fn message(status: StatusCode, bytes: Vec<u8>, version: Version, at: (Operation, &'static str)) -> Answered {
    let media = match version {
        Version::V11 => "text/xml; charset=utf-8",
        Version::V12 => "application/soap+xml; charset=utf-8",
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    counted(response, at.0, at.1)
}

fn counted(response: Response, operation: Operation, outcome: &'static str) -> Answered {
    Answered { response, counted: Counted(operation, outcome) }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|it| it.to_str().ok())
}

// The service's URL as the client reached us, unless one is configured; `None` when the host is no host.
fn address(state: &State, head: &Parts, peer: Peer) -> Option<String> {
    if let Some(url) = &state.public_url {
        return Some(format!("{}{PATH}", url.trim_end_matches('/')));
    }
    let host = head.uri.authority().map(|it| it.as_str()).or_else(|| text(&head.headers, &header::HOST))?;
    let plain = !host.is_empty() && host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
    let scheme = if peer.tls { "https" } else { "http" };
    plain.then(|| format!("{scheme}://{host}{PATH}"))
}
