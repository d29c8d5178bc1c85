//! `/v1/challenges`: one-time codes inside a dialog (contract `dialog-flow.md`): asked for, sent, verified, sent again, and told of.
//!
//! In reading order: `enter` (who calls, with which body; `json` and `fields` read it), `form` (what is asked), `answer` and
//! `refusal` (what is told), `say` (what a bot can say to the person), [`Settings`].

mod answer;
mod enter;
mod fields;
mod form;
mod json;
mod refusal;
mod say;
mod settings;

use super::auth::Caller;
use super::peer::Peer;
use super::problem::Problem;
use super::refusals::{BodyRefusals, Conflict, Limited, NotFound, Refusals};
use super::state::State;
use crate::domain::id::AggregateId;
use crate::domain::request::{Origin, Policy, Via};
use crate::domain::scope::Scope;
use crate::domain::summary::Summary;
use crate::domain::told::{Checked, Closed, Resent};
use crate::engine::Trouble;
use crate::engine::direct::{Call, Creation, Looked};
use answer::{Challenge, Judged, sent, spoken};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Reach};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use fields::{Wrong, joined};
use form::{Again, Answered, Empty, NewChallenge, Told};
use refusal::{ended, invalid, refused, too_many, too_soon, trouble, unknown};
use say::Voice;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub use settings::Settings;
pub(super) use {fields::Wrong as WrongField, say::Say};

type Reached = (Reach<Arc<State>>, Extension<Peer>);
type Named = Result<Path<String>, PathRejection>;

/// Says that nothing was done now: the answer is the first one's.
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// When to come again after a request that took too long: whatever became of it, its repeat gets its answer.
const TOO_LONG: Duration = Duration::from_secs(5);

/// The routes.
pub(super) fn routes() -> Router<Arc<State>> {
    Voice::warm();
    Router::new()
        .route("/v1/challenges", post(create))
        .route("/v1/challenges/{id}", get(show))
        .route("/v1/challenges/{id}/verify", post(verify))
        .route("/v1/challenges/{id}/resend", post(resend))
        .route("/v1/challenges/{id}/cancel", post(cancel))
        .route("/v1/challenges/{id}/outcome", post(outcome))
}

/// Asks for a challenge: a code is made, and a message with it accepted for sending.
///
/// The same `Idempotency-Key` with the same fields is answered with the first one's challenge, and nothing is sent.
#[utoipa::path(post, path = "/v1/challenges", tag = "challenges", operation_id = "createChallenge",
    params(("Idempotency-Key" = Option<String>, Header, description = "Tells this request from every other; at most 256 bytes")),
    request_body = NewChallenge,
    responses(
        (status = 201, description = "It is open.", body = Challenge, headers(("Location" = String, description = "Its path"))),
        (status = 200, description = "The request was seen before: its challenge as it is now.", body = Challenge,
            headers(("Location" = String, description = "Its path"), ("Idempotency-Replayed" = String, description = "`true`"))),
        BodyRefusals, Conflict, Limited))]
pub(super) async fn create((Reach(state), Extension(peer)): Reached, request: Request<Body>) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Create, (request.headers(), peer)).await?;
    let (key, headers) = (enter::key(request.headers())?, language(request.headers()));
    let (form, wrong) = NewChallenge::read(enter::fields(&state, request, false).await?);
    let (shows, channel) = (form.return_code == Some(true), form.channel.clone());
    may_show(&caller, shows)?;
    let voice = Voice::of(form.locale.as_deref(), &headers);
    let (origin, asked) = (origin(&state, &caller, peer), Box::new(form.asked(key)));
    let now = origin.received_at;
    if !wrong.is_empty() {
        let rules = within(&state, state.calls.breaches(origin, asked)).await.map_err(|it| trouble(it, voice))?;
        return Err(invalid(&joined(wrong, rules), voice, None));
    }
    match within(&state, state.calls.create(origin, asked)).await.map_err(|it| trouble(it, voice))? {
        Creation::Opened { summary, code, repeated } => {
            let (path, say) = (format!("/v1/challenges/{}", summary.id), sent(&summary, voice, now));
            let shown = Challenge::new(*summary, say).showing(code.filter(|_| shows));
            let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
            let mut response = (status, [(header::LOCATION, path)], Json(shown)).into_response();
            mark(&mut response, repeated);
            Ok(response)
        }
        Creation::Invalid(rules) => Err(invalid(&joined(Vec::new(), rules), voice, channel.as_deref())),
        Creation::Refused(why) => Err(refused(why, voice, now)),
    }
}

/// Tells how a challenge stands, also long after it ended.
#[utoipa::path(get, path = "/v1/challenges/{id}", tag = "challenges", operation_id = "readChallenge",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "How it stands, what happened to it, and which standards it met.", body = Challenge),
        Refusals, NotFound))]
pub(super) async fn show((Reach(state), Extension(peer)): Reached, path: Named, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Read, (&headers, peer)).await?;
    whole(&state, (&caller, &headers), enter::id(path)).await
}

/// Judges what a person typed. A repeated `Idempotency-Key` gets its first answer, and costs no attempt.
#[utoipa::path(post, path = "/v1/challenges/{id}/verify", tag = "challenges", operation_id = "verifyChallenge",
    params(("id" = String, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Tells this call from every other of the challenge; at most 256 bytes")),
    request_body = Answered,
    responses((status = 200, description = "What became of it. `unknown` where there is none that this caller may see.", body = Judged),
        BodyRefusals, NotFound))]
pub(super) async fn verify((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Verify, (request.headers(), peer)).await?;
    let (key, headers) = (enter::key(request.headers())?, language(request.headers()));
    let answered = Answered::read(enter::fields(&state, request, false).await?).map_err(|it| refuse(&it, &headers))?;
    let call = enter::id(path).map(|id| Call { origin: origin(&state, &caller, peer), id, key });
    let (checked, locale) = match call {
        Some(call) => within(&state, state.calls.verify(call, answered.code)).await.map_err(|it| trouble(it, spoken_to(&headers)))?,
        None => (Checked::Unknown, None),
    };
    // What is not known has no language.
    let locale = locale.filter(|_| checked != Checked::Unknown);
    Ok(Json(Judged::new(checked, Voice::of(locale.as_deref(), &headers), state.service.now())).into_response())
}

/// Sends a challenge's message again, with the same code or a new one. Its time, its attempts and its end stay the same.
#[utoipa::path(post, path = "/v1/challenges/{id}/resend", tag = "challenges", operation_id = "resendChallenge",
    params(("id" = String, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Tells this call from every other of the challenge; at most 256 bytes")),
    request_body(content = Option<Again>),
    responses((status = 200, description = "Another message is accepted for sending.", body = Challenge,
        headers(("Idempotency-Replayed" = String, description = "`true` when the call was seen before, and nothing was sent now"))),
        BodyRefusals, NotFound, Conflict, Limited))]
pub(super) async fn resend((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Create, (request.headers(), peer)).await?;
    let (key, headers) = (enter::key(request.headers())?, language(request.headers()));
    let again = Again::read(enter::fields(&state, request, true).await?).map_err(|it| refuse(&it, &headers))?;
    may_show(&caller, again.return_code)?;
    let Some(id) = enter::id(path) else { return Err(unknown(spoken_to(&headers))) };
    let call = Call { origin: origin(&state, &caller, peer), id, key };
    let now = call.origin.received_at;
    let told = within(&state, state.calls.resend(call, again.policy, state.pace)).await;
    let (summary, code) = match told.map_err(|it| trouble(it, spoken_to(&headers)))? {
        Resent::Sent { summary, code } => (*summary, code.filter(|_| again.return_code)),
        Resent::Repeated => {
            let mut response = whole(&state, (&caller, &headers), Some(id)).await?;
            mark(&mut response, true);
            return Ok(response);
        }
        Resent::Unknown => return Err(unknown(spoken_to(&headers))),
        other => {
            let voice = voice(&state, (&caller, &headers), id).await;
            return Err(not_resent(other, voice, now));
        }
    };
    let voice = Voice::of(summary.locale.as_deref(), &headers);
    let say = spoken(resent(again.policy), &summary, voice, now);
    Ok(Json(Challenge::new(summary, say).showing(code)).into_response())
}

/// Ends a challenge that is of no use any more. Again is as good as once.
#[utoipa::path(post, path = "/v1/challenges/{id}/cancel", tag = "challenges", operation_id = "cancelChallenge",
    params(("id" = String, Path, description = "Its id")),
    request_body(content = Option<Empty>),
    responses((status = 200, description = "It has ended so.", body = Challenge), BodyRefusals, NotFound, Conflict))]
pub(super) async fn cancel((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Cancel, (request.headers(), peer)).await?;
    let headers = language(request.headers());
    Empty::read(enter::fields(&state, request, true).await?).map_err(|it| refuse(&it, &headers))?;
    let Some(id) = enter::id(path) else { return Err(unknown(spoken_to(&headers))) };
    let told = within(&state, state.calls.cancel(Call { origin: origin(&state, &caller, peer), id, key: None })).await;
    closed(&state, (&caller, &headers), id, told).await
}

/// Tells what became of an answer that the publisher verified itself.
#[utoipa::path(post, path = "/v1/challenges/{id}/outcome", tag = "challenges", operation_id = "tellOutcome",
    params(("id" = String, Path, description = "Its id")),
    request_body = Told,
    responses((status = 200, description = "It has ended so.", body = Challenge), BodyRefusals, NotFound, Conflict))]
pub(super) async fn outcome((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Outcome, (request.headers(), peer)).await?;
    let headers = language(request.headers());
    let told = Told::read(enter::fields(&state, request, false).await?).map_err(|it| refuse(&it, &headers))?;
    let Some(id) = enter::id(path) else { return Err(unknown(spoken_to(&headers))) };
    let told = within(&state, state.calls.outcome(Call { origin: origin(&state, &caller, peer), id, key: None }, told.outcome)).await;
    closed(&state, (&caller, &headers), id, told).await
}

async fn closed(state: &State, who: (&Caller, &HeaderMap), id: AggregateId, told: Result<Closed, Trouble>) -> Result<Response, Problem> {
    match told.map_err(|it| trouble(it, spoken_to(who.1)))? {
        Closed::Done => whole(state, who, Some(id)).await,
        Closed::Ended { outcome } => Err(ended(outcome, voice(state, who, id).await)),
        Closed::Unknown => Err(unknown(spoken_to(who.1))),
    }
}

// All of a challenge that this caller may see.
async fn whole(state: &State, (caller, headers): (&Caller, &HeaderMap), id: Option<AggregateId>) -> Result<Response, Problem> {
    let found = match id {
        Some(id) => within(state, state.calls.look(&caller.publisher, id)).await.map_err(|it| trouble(it, spoken_to(headers)))?,
        None => None,
    };
    let Some(found) = found else { return Err(unknown(spoken_to(headers))) };
    let voice = Voice::of(found.summary.locale.as_deref(), headers);
    let shown = Challenge::whole(found, voice, state.service.now());
    // Who may end it need not be who may read what happened to it.
    Ok(Json(if caller.may(Scope::Read) { shown } else { shown.brief() }).into_response())
}

// The language of a challenge that this caller may see.
async fn voice(state: &State, (caller, headers): (&Caller, &HeaderMap), id: AggregateId) -> Voice {
    let found = within(state, state.calls.look(&caller.publisher, id)).await;
    let locale = found.ok().flatten().and_then(|Looked { summary: Summary { locale, .. }, .. }| locale);
    Voice::of(locale.as_deref(), headers)
}

fn not_resent(why: Resent, voice: Voice, now: crate::domain::time::Timestamp) -> Problem {
    match why {
        Resent::TooSoon { until } => too_soon(until, voice, now),
        Resent::TooMany => too_many(voice),
        Resent::Refused(why) => refused(why, voice, now),
        Resent::Ended { outcome } => ended(outcome, voice),
        Resent::Sent { .. } | Resent::Repeated | Resent::Unknown => unknown(voice),
    }
}

fn resent(policy: Policy) -> &'static str {
    match policy {
        Policy::SameCode => "resent.same",
        Policy::Supersede => "resent.new",
        Policy::AnyOfSession => "resent.any",
    }
}

// Since its last byte was read (decision 9).
fn origin(state: &State, caller: &Caller, peer: Peer) -> Origin {
    Origin::new(caller.publisher.clone(), state.service.now()).by(Via::new(peer.addr.ip(), caller.key.clone()))
}

fn may_show(caller: &Caller, shows: bool) -> Result<(), Problem> {
    if shows && !caller.may(Scope::Code) { Err(Problem::scope_missing(Scope::Code)) } else { Ok(()) }
}

async fn within<T>(state: &State, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(state.limits.request(), work).await.unwrap_or(Err(Trouble::Busy { retry_after: TOO_LONG }))
}

fn refuse(wrong: &[Wrong], headers: &HeaderMap) -> Problem {
    invalid(wrong, spoken_to(headers), None)
}

fn spoken_to(headers: &HeaderMap) -> Voice {
    Voice::of(None, headers)
}

// What is needed of the head when the body has been read.
fn language(headers: &HeaderMap) -> HeaderMap {
    headers.get_all(header::ACCEPT_LANGUAGE).iter().map(|it| (header::ACCEPT_LANGUAGE, it.clone())).collect()
}

fn mark(response: &mut Response, repeated: bool) {
    if repeated {
        response.headers_mut().insert(&REPLAYED, HeaderValue::from_static("true"));
    }
}
