//! The interface's description: `/openapi.json` (OpenAPI 3.1), made from the code, and a page to read at `/docs/api`.

mod page;

use super::challenges::{self, Say, WrongField};
use super::feed;
use super::state::State;
use super::templates;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, response::Html};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static JSON: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(DOCUMENT.to_string()));
static PAGE: LazyLock<page::Page> = LazyLock::new(|| page::render(&DOCUMENT));

/// The operations. Each handler says its own part.
#[derive(OpenApi)]
#[openapi(
    info(title = "Countersign", description = "Out-of-band verification: one-time codes, sent and verified."),
    paths(
        challenges::create, challenges::show, challenges::verify, challenges::resend, challenges::cancel, challenges::outcome,
        feed::events,
        templates::list, templates::store, templates::show, templates::replace, templates::remove, templates::lint, templates::preview
    ),
    components(schemas(Refusal)),
    modifiers(&Finish),
    security(("basic" = []), ("key" = []))
)]
struct Interface;

/// Why a request is refused (RFC 9457). Further members may come.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[allow(dead_code, reason = "the document's form of what `Problem` writes")]
struct Refusal {
    /// Which problem it is, for programs; it stays. Absent: the status says it all.
    #[schema(nullable = false, example = "urn:countersign:problem:request-invalid")]
    r#type: Option<String>,
    /// The HTTP status.
    status: u16,
    /// The status in words.
    title: String,
    /// What to do about it, in English.
    detail: String,
    /// Which limit is reached.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// All fields that are wrong.
    #[schema(nullable = false)]
    errors: Option<Vec<WrongField>>,
    /// How the challenge had ended.
    #[schema(nullable = false)]
    state: Option<String>,
    /// The scope that the key has not.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// What a bot can say, where a person is concerned.
    #[schema(nullable = false)]
    say: Option<Say>,
}

/// What no handler can say of itself.
struct Finish;

impl Modify for Finish {
    fn modify(&self, document: &mut Document) {
        let scheme = |scheme, says: &str| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(says)).build());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("basic", scheme(HttpAuthScheme::Basic, "A publisher's own user and password."));
        components.add_security_scheme("key", scheme(HttpAuthScheme::Bearer, "An API key; it may do what its scopes say."));
    }
}

/// The routes; they need no credentials.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/openapi.json", get(json)).route("/docs/api", get(read))
}

async fn json() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], JSON.clone()).into_response()
}

async fn read() -> Response {
    let mut response = Html(PAGE.html.as_str()).into_response();
    let policy = HeaderValue::from_str(&PAGE.policy).expect("a policy is made of ASCII");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

// What is read strictly is described so: no further members.
fn document() -> Value {
    let mut all = serde_json::to_value(Interface::openapi()).expect("a document of ours can be written");
    for name in ["NewChallenge", "TemplateChoice", "Answered", "Again", "Told", "Empty"] {
        if let Some(schema) = all["components"]["schemas"].get_mut(name) {
            schema["additionalProperties"] = json!(false);
        }
    }
    let paths = all["paths"].as_object_mut().into_iter().flat_map(|it| it.values_mut());
    let operations = paths.flat_map(|it| it.as_object_mut()).flat_map(|it| it.values_mut());
    let parameters = operations.filter_map(|it| it["parameters"].as_array_mut()).flatten();
    for key in parameters.filter(|it| it["name"] == "Idempotency-Key") {
        key["schema"] = json!({ "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$" });
    }
    all["paths"]["/v1/challenges"]["post"]["responses"]["201"]["links"] = links();
    all
}

// What can be done with a challenge that was opened: for programs that walk from one operation to the next.
fn links() -> Value {
    let operations = ["readChallenge", "verifyChallenge", "resendChallenge", "cancelChallenge", "tellOutcome"];
    let link = |id: &str| json!({ "operationId": id, "parameters": { "id": "$response.body#/id" } });
    operations.into_iter().map(|it| (it.to_owned(), link(it))).collect::<serde_json::Map<_, _>>().into()
}
