//! What is asked most: to open a challenge, and to judge an answer. Both are served without the router where nothing is around the
//! routes: the router takes some ten thousand instructions, of a hundred thousand that a verification takes on its connection.

use super::answer::{Challenge, Judged, mark, sent, written};
use super::enter::{self, may_show, origin, within};
use super::fields::joined;
use super::form::{Answered, NewChallenge};
use super::refusal::{invalid, refuse, refused, trouble};
use super::say::{Voice, spoken_to};
use crate::domain::id::AggregateId;
use crate::domain::scope::Scope;
use crate::domain::told::Checked;
use crate::engine::direct::{Call, Creation};
use crate::http::body::Content;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::state::State;
use axum::body::HttpBody;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Where challenges are.
pub(super) const PATH: &str = "/v1/challenges";

/// What a request may plainly ask for, without the router: what is asked most.
pub(in crate::http) enum Plain {
    /// A challenge.
    Create,
    /// To judge an answer to this one; `None`: none of ours has such an id.
    Verify(Option<AggregateId>),
}

impl Plain {
    /// What the head asks for; `None` for what the router answers: everything else, and paths with escapes.
    pub(in crate::http) fn of(head: &Parts) -> Option<Self> {
        let rest = head.uri.path().strip_prefix(PATH).filter(|_| head.method == Method::POST)?;
        if rest.is_empty() {
            return Some(Self::Create);
        }
        let id = rest.strip_prefix('/')?.strip_suffix("/verify")?;
        (!id.is_empty() && !id.contains(['%', '/'])).then(|| Self::Verify(enter::id(id)))
    }

    /// The answer, as the router would give it: byte for byte, so that nothing tells which way a request went.
    pub(in crate::http) async fn serve<B: Content>(self, state: &State, peer: Peer, (head, content): (&Parts, B)) -> Response {
        let answer = match self {
            Self::Create => open(state, peer, (&head.headers, content)).await,
            Self::Verify(id) => judge(state, peer, (&head.headers, content), id).await,
        };
        let mut response = answer.into_response();
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }
}

/// Opens a challenge, or says why not.
pub(super) async fn open<B: Content>(state: &State, peer: Peer, (headers, content): (&HeaderMap, B)) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Create, (headers, peer)).await?;
    let key = enter::key(headers)?;
    let (form, wrong) = NewChallenge::read(enter::fields(state, (headers, content), false).await?);
    let (shows, channel) = (form.return_code == Some(true), form.channel.clone());
    may_show(&caller, shows)?;
    let voice = Voice::of(form.locale.as_deref(), headers);
    let (origin, asked) = (origin(state, &caller, peer), Box::new(form.asked(key)));
    let now = origin.received_at;
    if !wrong.is_empty() {
        let rules = within(state, state.calls.breaches(origin, asked)).await.map_err(|it| trouble(it, voice))?;
        return Err(invalid(&joined(wrong, rules), voice, None));
    }
    match within(state, state.calls.create(origin, asked)).await.map_err(|it| trouble(it, voice))? {
        Creation::Opened { summary, code, repeated } => {
            let (path, say) = (format!("{PATH}/{}", summary.id), sent(&summary, voice, now));
            let shown = Challenge::new(*summary, say).showing(code.filter(|_| shows));
            let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
            let mut response = written(status, &shown);
            response.headers_mut().extend(HeaderValue::try_from(path).ok().map(|it| (header::LOCATION, it)));
            mark(&mut response, repeated);
            Ok(response)
        }
        Creation::Invalid(rules) => Err(invalid(&joined(Vec::new(), rules), voice, channel.as_deref())),
        Creation::Refused(why) => Err(refused(why, voice, now)),
    }
}

/// Judges what a person typed.
pub(super) async fn judge<B: Content>(
    state: &State,
    peer: Peer,
    (headers, content): (&HeaderMap, B),
    id: Option<AggregateId>,
) -> Result<Response, Problem> {
    let caller = state.caller_for(Scope::Verify, (headers, peer)).await?;
    let key = enter::key(headers)?;
    let answered = Answered::read(enter::fields(state, (headers, content), false).await?).map_err(|it| refuse(&it, headers))?;
    let call = id.map(|id| Call { origin: origin(state, &caller, peer), id, key });
    let (checked, locale) = match call {
        Some(call) => within(state, state.calls.verify(call, answered.code)).await.map_err(|it| trouble(it, spoken_to(headers)))?,
        None => (Checked::Unknown, None),
    };
    // What is not known has no language.
    let locale = locale.filter(|_| checked != Checked::Unknown);
    Ok(written(StatusCode::OK, &Judged::new(checked, Voice::of(locale.as_deref(), headers), state.service.now())))
}
