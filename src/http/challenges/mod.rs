//! `/v1/challenges`: one-time codes inside a dialog (contract `dialog-flow.md`): asked for, sent, verified, sent again, and told of.
//!
//! In reading order: `enter` (who calls, with which body, for how long; `json` and `fields` read it), `form` (what is asked), `answer` and
//! `refusal` (what is told), `say` (what a bot can say to the person), `plain` (what is asked most, without the router), [`Settings`].

mod answer;
mod enter;
mod fields;
mod form;
mod json;
mod plain;
mod refusal;
mod say;
mod settings;

use super::auth::Caller;
use super::peer::Peer;
use super::problem::Problem;
use super::refusals::{BodyRefusals, Conflict, Limited, NotFound, Refusals};
use super::state::State;
use crate::domain::id::AggregateId;
use crate::domain::request::Policy;
use crate::domain::scope::Scope;
use crate::domain::summary::Summary;
use crate::domain::told::{Closed, Resent};
use crate::engine::Trouble;
use crate::engine::direct::{Call, Looked};
use answer::{Challenge, Judged, mark, spoken, written};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Reach};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use enter::{may_show, origin, within};
use form::{Again, Answered, Empty, NewChallenge, Told};
use plain::{PATH, judge, open};
use refusal::{ended, refuse, refused, too_many, too_soon, trouble, unknown};
use say::{Voice, spoken_to};
use std::sync::Arc;

pub use settings::Settings;
pub(super) use {fields::Wrong as WrongField, plain::Plain, say::Say};

type Reached = (Reach<Arc<State>>, Extension<Peer>);
type Named = Result<Path<String>, PathRejection>;

/// The routes.
pub(super) fn routes() -> Router<Arc<State>> {
    Voice::warm();
    Router::new()
        .route(PATH, post(create))
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
    let (head, content) = request.into_parts();
    open(&state, peer, (&head.headers, content)).await
}

/// Tells how a challenge stands, also long after it ended.
#[utoipa::path(get, path = "/v1/challenges/{id}", tag = "challenges", operation_id = "readChallenge",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "How it stands, what happened to it, and which standards it met.", body = Challenge),
        Refusals, NotFound))]
pub(super) async fn show((Reach(state), Extension(peer)): Reached, path: Named, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Read, (&headers, peer)).await?;
    whole(&state, (&caller, &headers), enter::named(path)).await
}

/// Judges what a person typed. A repeated `Idempotency-Key` gets its first answer, and costs no attempt.
#[utoipa::path(post, path = "/v1/challenges/{id}/verify", tag = "challenges", operation_id = "verifyChallenge",
    params(("id" = String, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Tells this call from every other of the challenge; at most 256 bytes")),
    request_body = Answered,
    responses((status = 200, description = "What became of it. `unknown` where there is none that this caller may see.", body = Judged),
        BodyRefusals, NotFound))]
pub(super) async fn verify((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let (head, content) = request.into_parts();
    judge(&state, peer, (&head.headers, content), enter::named(path)).await
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
    let (head, content) = request.into_parts();
    let headers = &head.headers;
    let caller = state.caller_for(Scope::Create, (headers, peer)).await?;
    let key = enter::key(headers)?;
    let again = Again::read(enter::fields(&state, (headers, content), true).await?).map_err(|it| refuse(&it, headers))?;
    may_show(&caller, again.return_code)?;
    let Some(id) = enter::named(path) else { return Err(unknown(spoken_to(headers))) };
    let call = Call { origin: origin(&state, &caller, peer), id, key };
    let now = call.origin.received_at;
    let told = within(&state, state.calls.resend(call, again.policy, state.pace)).await;
    let (summary, code) = match told.map_err(|it| trouble(it, spoken_to(headers)))? {
        Resent::Sent { summary, code } => (*summary, code.filter(|_| again.return_code)),
        Resent::Repeated => {
            let mut response = whole(&state, (&caller, headers), Some(id)).await?;
            mark(&mut response, true);
            return Ok(response);
        }
        Resent::Unknown => return Err(unknown(spoken_to(headers))),
        other => {
            let voice = voice(&state, (&caller, headers), id).await;
            return Err(not_resent(other, voice, now));
        }
    };
    let voice = Voice::of(summary.locale.as_deref(), headers);
    let say = spoken(resent(again.policy), &summary, voice, now);
    Ok(written(StatusCode::OK, &Challenge::new(summary, say).showing(code)))
}

/// Ends a challenge that is of no use any more. Again is as good as once.
#[utoipa::path(post, path = "/v1/challenges/{id}/cancel", tag = "challenges", operation_id = "cancelChallenge",
    params(("id" = String, Path, description = "Its id")),
    request_body(content = Option<Empty>),
    responses((status = 200, description = "It has ended so.", body = Challenge), BodyRefusals, NotFound, Conflict))]
pub(super) async fn cancel((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let (head, content) = request.into_parts();
    let headers = &head.headers;
    let caller = state.caller_for(Scope::Cancel, (headers, peer)).await?;
    Empty::read(enter::fields(&state, (headers, content), true).await?).map_err(|it| refuse(&it, headers))?;
    let Some(id) = enter::named(path) else { return Err(unknown(spoken_to(headers))) };
    let told = within(&state, state.calls.cancel(Call { origin: origin(&state, &caller, peer), id, key: None })).await;
    closed(&state, (&caller, headers), id, told).await
}

/// Tells what became of an answer that the publisher verified itself.
#[utoipa::path(post, path = "/v1/challenges/{id}/outcome", tag = "challenges", operation_id = "tellOutcome",
    params(("id" = String, Path, description = "Its id")),
    request_body = Told,
    responses((status = 200, description = "It has ended so.", body = Challenge), BodyRefusals, NotFound, Conflict))]
pub(super) async fn outcome((Reach(state), Extension(peer)): Reached, path: Named, request: Request<Body>) -> Result<Response, Problem> {
    let (head, content) = request.into_parts();
    let headers = &head.headers;
    let caller = state.caller_for(Scope::Outcome, (headers, peer)).await?;
    let told = Told::read(enter::fields(&state, (headers, content), false).await?).map_err(|it| refuse(&it, headers))?;
    let Some(id) = enter::named(path) else { return Err(unknown(spoken_to(headers))) };
    let told = within(&state, state.calls.outcome(Call { origin: origin(&state, &caller, peer), id, key: None }, told.outcome)).await;
    closed(&state, (&caller, headers), id, told).await
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
    Ok(written(StatusCode::OK, &if caller.may(Scope::Read) { shown } else { shown.brief() }))
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
