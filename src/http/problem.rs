//! Errors of the JSON side: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What a 401 asks for. The realm names the product, not the host.
pub(super) const BASIC_CHALLENGE: &str = "Basic realm=\"Countersign\", charset=\"UTF-8\"";

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
}

impl Problem {
    pub(super) fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        let title = code.canonical_reason().unwrap_or("Error");
        Self { code, retry_after_seconds: None, challenge: false, kind: None, status: code.as_u16(), title, detail: detail.into() }
    }

    /// The same, of a kind that programs can tell: a URI that stays.
    pub(super) fn typed(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// 401, asking for Basic.
    pub(super) fn unauthenticated() -> Self {
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, "Send valid credentials by HTTP Basic.") }
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
        }
        response
    }
}
