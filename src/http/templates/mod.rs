//! `/api/template`: message templates of the REST and bus flows (contract `otp-bus.md`). A publisher has its own; an operator names
//! whose with `?publisher=`. Each change is in the audit log before it is answered.

mod access;
mod answer;
mod form;

use super::peer::Peer;
use super::problem::Problem;
use super::refusals::{BodyRefusals, Changed, Conflict, NotFound, Refusals, Unusable};
use super::state::State;
use crate::domain::code::Secret;
use crate::domain::message::lint::lint as linted;
use crate::domain::message::{CODE, Compiled, Key, Kind, Source, Values};
use crate::domain::segment::count;
use crate::engine::Trouble;
use crate::engine::templates::{Entry, Refused};
use access::{Caller, Wanted, body, caller, condition, recorded};
use answer::{All, Linted, Listed, Previewed, Told};
use axum::body::Body;
use axum::extract::{Path, Query, State as Reach};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use form::{Written, language};
use serde_json::json;
use std::sync::Arc;

type Asked = Result<Query<Wanted>, axum::extract::rejection::QueryRejection>;
type Named = Result<Path<String>, axum::extract::rejection::PathRejection>;
type Reached = (Reach<Arc<State>>, Extension<Peer>);

/// What a preview shows as the code, unless the sample has one.
const SAMPLE_CODE: &str = "000000";

/// The kinds of problems; they stay.
pub(super) const INVALID: &str = "urn:countersign:problem:template-invalid";
pub(super) const MALFORMED: &str = "urn:countersign:problem:request-malformed";
const CHANGED: &str = "urn:countersign:problem:template-changed";
const UNKNOWN: &str = "urn:countersign:problem:template-unknown";
const AMBIGUOUS: &str = "urn:countersign:problem:template-ambiguous";
const FULL: &str = "urn:countersign:problem:template-limit";
const UNRENDERABLE: &str = "urn:countersign:problem:template-parameters";

/// `GET /api/template`: all templates.
#[utoipa::path(get, path = "/api/template", tag = "templates", operation_id = "listTemplates", params(Wanted), 
    responses((status = 200, description = "All templates.", body = All), Refusals))]
pub(super) async fn list((Reach(state), Extension(peer)): Reached, headers: HeaderMap, asked: Asked) -> Result<Json<All>, Problem> {
    let (caller, _) = caller(&state, &headers, peer, asked).await?;
    let all = state.templates.all(&caller.publisher).await.map_err(problem)?;
    Ok(Json(All { templates: all.iter().filter(|it| !it.removed).map(Listed::from).collect() }))
}

/// `POST /api/template`: creates or replaces one.
#[utoipa::path(post, path = "/api/template", tag = "templates", operation_id = "storeTemplate", params(Wanted, ("If-Match" = Option<String>, Header, description = "The version that is changed, as `ETag` told it; or `*`")), request_body = Written, 
    responses((status = 201, description = "It is new.", body = Listed, headers(("ETag" = String, description = "Its version"))),
        (status = 200, description = "It was replaced.", body = Listed, headers(("ETag" = String, description = "Its version"))), BodyRefusals, Conflict, Changed))]
pub(super) async fn store((Reach(state), Extension(peer)): Reached, asked: Asked, request: Request<Body>) -> Result<Response, Problem> {
    let (caller, _) = caller(&state, request.headers(), peer, asked).await?;
    put(&state, &caller, None, request).await
}

/// `PUT /api/template/{name}`: the same, by its path.
#[utoipa::path(put, path = "/api/template/{name}", tag = "templates", operation_id = "replaceTemplate", params(("name" = String, Path, description = "Its name"), Wanted, ("If-Match" = Option<String>, Header, description = "The version that is changed, as `ETag` told it; or `*`")), request_body = Written, 
    responses((status = 201, description = "It is new.", body = Listed, headers(("ETag" = String, description = "Its version"))),
        (status = 200, description = "It was replaced.", body = Listed, headers(("ETag" = String, description = "Its version"))), BodyRefusals, NotFound, Conflict, Changed))]
pub(super) async fn replace(
    (Reach(state), Extension(peer)): Reached,
    path: Named,
    asked: Asked,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let name = named(path)?;
    let (caller, wanted) = caller(&state, request.headers(), peer, asked).await?;
    put(&state, &caller, Some((&name, &wanted)), request).await
}

/// `GET /api/template/{name}?type=&language=&version=`: one, as it was written.
#[utoipa::path(get, path = "/api/template/{name}", tag = "templates", operation_id = "readTemplate", params(("name" = String, Path, description = "Its name"), Wanted), 
    responses((status = 200, description = "It, as it was written.", body = Told, headers(("ETag" = String, description = "Its version"))), Refusals, NotFound, Conflict, Unusable))]
pub(super) async fn show(
    (Reach(state), Extension(peer)): Reached,
    path: Named,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Problem> {
    let name = named(path)?;
    let (caller, wanted) = caller(&state, &headers, peer, asked).await?;
    let entry = find(&state, &caller, &name, &wanted).await?;
    let version = wanted.version.unwrap_or(entry.version);
    let stored = state.templates.version(&caller.publisher, &entry.key, version).await.map_err(problem)?;
    let stored = stored.ok_or_else(|| unknown("This version is not kept: it never was, is too old, or was a removal."))?;
    Ok(tagged(StatusCode::OK, version, Json(Told::new(stored))))
}

/// `DELETE /api/template/{name}?type=&language=`: removes one for new challenges.
#[utoipa::path(delete, path = "/api/template/{name}", tag = "templates", operation_id = "removeTemplate", params(("name" = String, Path, description = "Its name"), Wanted, ("If-Match" = Option<String>, Header, description = "The version that is changed, as `ETag` told it; or `*`")), 
    responses((status = 204, description = "It is removed for new challenges."), Refusals, NotFound, Conflict, Changed, Unusable))]
pub(super) async fn remove(
    (Reach(state), Extension(peer)): Reached,
    path: Named,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Problem> {
    let name = named(path)?;
    let (caller, wanted) = caller(&state, &headers, peer, asked).await?;
    let condition = condition(&headers)?;
    let entry = find(&state, &caller, &name, &wanted).await?;
    let act = caller.act("template_remove", json!({ "publisher": caller.publisher.as_str(), "template": entry.key.to_string() }));
    let (templates, publisher) = (state.templates.clone(), caller.publisher.clone());
    recorded(&state, act, async move { templates.remove(&publisher, &entry.key, condition).await.map_err(refused) }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/template/lint`: what the linter says; stores nothing.
#[utoipa::path(post, path = "/api/template/lint", tag = "templates", operation_id = "lintTemplate", params(Wanted), request_body = Written, 
    responses((status = 200, description = "What the linter says.", body = Linted), BodyRefusals))]
pub(super) async fn lint((Reach(state), Extension(peer)): Reached, asked: Asked, request: Request<Body>) -> Result<Json<Linted>, Problem> {
    caller(&state, request.headers(), peer, asked).await?;
    let (source, samples) = read(&state, None, request).await?;
    Ok(Json(Linted { findings: linted(&source, &samples).into_iter().map(Into::into).collect() }))
}

/// `POST /api/template/preview`: the message for the sample values; stores and sends nothing.
#[utoipa::path(post, path = "/api/template/preview", tag = "templates", operation_id = "previewTemplate", params(Wanted), request_body = Written, 
    responses((status = 200, description = "The message.", body = Previewed), BodyRefusals))]
pub(super) async fn preview(
    (Reach(state), Extension(peer)): Reached,
    asked: Asked,
    request: Request<Body>,
) -> Result<Json<Previewed>, Problem> {
    caller(&state, request.headers(), peer, asked).await?;
    let (source, samples) = read(&state, None, request).await?;
    let compiled = Compiled::new(&source).map_err(|it| refused(Refused::Invalid(it)))?;
    let code = samples.iter().find(|(key, _)| key == CODE).map_or_else(|| Secret::new(SAMPLE_CODE), |(_, code)| code.clone());
    let message = compiled.render(&Values { code: &code, parameters: &samples });
    let message = message.map_err(|it| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, it.to_string()).typed(UNRENDERABLE))?;
    let body = message.body.expose().to_owned();
    let sms = (source.key.kind == Kind::Sms).then(|| count(&body).into());
    Ok(Json(Previewed { subject: message.subject.map(|it| it.expose().to_owned()), body, sms }))
}

async fn put(state: &State, caller: &Caller, at: Option<(&String, &Wanted)>, request: Request<Body>) -> Result<Response, Problem> {
    let condition = condition(request.headers())?;
    let (source, samples) = read(state, at.map(|it| it.0), request).await?;
    if !samples.is_empty() {
        return Err(invalid("sample: it belongs to lint and preview; leave it out"));
    }
    if at.is_some_and(|(_, wanted)| !names(wanted, &source.key)) {
        return Err(invalid("type and language: they are not the query's; send the same, or leave the query out"));
    }
    let mut listed = Listed {
        name: source.key.name.clone(),
        kind: source.key.kind.into(),
        language: source.key.language.as_ref().map(ToString::to_string),
        active: source.active,
        version: 0,
        changed_at: None,
    };
    let act = caller.act("template_put", json!({ "publisher": caller.publisher.as_str(), "template": source.key.to_string() }));
    let (templates, publisher) = (state.templates.clone(), caller.publisher.clone());
    let made = recorded(state, act, async move { templates.put(&publisher, source, condition).await.map_err(refused) }).await?;
    listed.version = made.version;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, made.version, Json(listed)))
}

async fn read(state: &State, name: Option<&String>, request: Request<Body>) -> Result<(Source, Vec<(String, Secret)>), Problem> {
    let written: Written = body(state, request).await?;
    written.read(name.map(String::as_str)).map_err(invalid)
}

// A path that can't be read names no template.
fn named(path: Named) -> Result<String, Problem> {
    path.map(|it| it.0).map_err(|_| unknown("There is no template of this name."))
}

// Whether a query, as far as it says anything, names this key.
fn names(wanted: &Wanted, key: &Key) -> bool {
    let kind = wanted.kind.is_none_or(|it| Kind::from(it) == key.kind);
    let tag = wanted.language.as_deref().map(|it| language(Some(it)));
    kind && tag.is_none_or(|it| it.as_ref() == Ok(&key.language))
}

// The one that name and query tell; a removed one only when a version is asked for.
async fn find(state: &State, caller: &Caller, name: &str, wanted: &Wanted) -> Result<Entry, Problem> {
    if let Some(tag) = &wanted.language {
        language(Some(tag)).map_err(invalid)?;
    }
    let mut found = state.templates.all(&caller.publisher).await.map_err(problem)?;
    found.retain(|it| it.key.name == name && names(wanted, &it.key) && (!it.removed || wanted.version.is_some()));
    match found.len() {
        0 => Err(unknown("There is no template of this name, type and language.")),
        1 => Ok(found.remove(0)),
        _ => {
            let all: Vec<String> = found.iter().take(20).map(|it| it.key.to_string()).collect();
            let detail = format!("Several templates have this name: {}. Say which with ?type= and ?language=.", all.join(", "));
            Err(Problem::new(StatusCode::CONFLICT, detail).typed(AMBIGUOUS))
        }
    }
}

fn tagged(status: StatusCode, version: u32, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn refused(why: Refused) -> Problem {
    match why {
        Refused::Invalid(it) => invalid(it.to_string()),
        Refused::Changed(current) => {
            let now = current.map_or_else(|| "there is none".to_owned(), |it| format!("its version is {it}"));
            let detail = format!("The template is not as If-Match or If-None-Match says: {now}. Read it again, and change that.");
            Problem::new(StatusCode::PRECONDITION_FAILED, detail).typed(CHANGED)
        }
        Refused::Unknown => unknown("There is no template of this name, type and language."),
        Refused::Full(most) => {
            let detail = format!("A publisher has at most {most} templates, removed ones among them. Use a name that was used before.");
            Problem::new(StatusCode::CONFLICT, detail).typed(FULL)
        }
        Refused::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "All texts of the template together are too long to store."),
        Refused::Trouble(trouble) => problem(trouble),
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).typed(INVALID)
}

fn unknown(detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, detail).typed(UNKNOWN)
}

fn problem(trouble: Trouble) -> Problem {
    match trouble {
        Trouble::Busy { retry_after } => Problem::busy(retry_after),
        Trouble::Failed | Trouble::Cursor => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Our own trouble; x-correlation-id tells our logs which.")
        }
    }
}
