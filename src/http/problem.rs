//! Errors of the JSON side: `application/problem+json` (RFC 9457).

use crate::domain::scope::Scope;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A key that may not be used for what was asked; it stays.
const SCOPE_MISSING: &str = "urn:countersign:problem:scope-missing";

/// What a 401 asks for. The realm names the product, not the host.
pub(super) const BASIC_CHALLENGE: &str = "Basic realm=\"Countersign\", charset=\"UTF-8\"";
const BEARER_CHALLENGE: &str = "Bearer realm=\"Countersign\"";

/// A refusal that says what to do.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(skip)]
    code: StatusCode,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
    #[serde(skip)]
    challenge: bool,
    /// Which problem it is, for programs; none: the status says it all (`about:blank`).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    status: u16,
    title: &'static str,
    detail: String,
    /// Further members (RFC 9457, 3.2).
    #[serde(flatten)]
    more: BTreeMap<&'static str, Value>,
}

impl Problem {
    pub(super) fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        let title = code.canonical_reason().unwrap_or("Error");
        Self {
            code,
            retry_after_seconds: None,
            challenge: false,
            kind: None,
            status: code.as_u16(),
            title,
            detail: detail.into(),
            more: BTreeMap::new(),
        }
    }

    /// The same, of a kind that programs can tell: a URI that stays.
    pub(super) fn typed(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// The same, with a further member; what can't be written is left out.
    pub(super) fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.more.extend(serde_json::to_value(value).ok().map(|it| (name, it)));
        self
    }

    /// The same, asking to come again after this long.
    pub(super) fn after(self, after: std::time::Duration) -> Self {
        Self { retry_after_seconds: Some(seconds(after)), ..self }
    }

    /// 401, asking for a bearer token or Basic.
    pub(super) fn unauthenticated() -> Self {
        let detail = "Send valid credentials: by HTTP Basic, or a bearer token where one is taken.";
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// 403: the caller's key was not made for this.
    pub(super) fn scope_missing(scope: Scope) -> Self {
        let detail = format!("This API key may not do this: it needs the scope {:?}.", scope.name());
        Self::new(StatusCode::FORBIDDEN, detail).typed(SCOPE_MISSING).with("scope", scope.name())
    }

    /// 503, asking to come again.
    pub(super) fn busy(after: std::time::Duration) -> Self {
        let it = Self::new(StatusCode::SERVICE_UNAVAILABLE, "Over capacity. Try again later.");
        Self { retry_after_seconds: Some(seconds(after)), ..it }
    }
}

/// Whole seconds for `Retry-After`: at least one.
pub(super) fn seconds(after: std::time::Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0 || after.is_zero())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC_CHALLENGE));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(BEARER_CHALLENGE));
        }
        response
    }
}
