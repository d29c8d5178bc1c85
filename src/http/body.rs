//! Reading a request's body within its size and its time.

use super::settings::Limits;
use axum::body::HttpBody;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// Why there is no body to work on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unread {
    /// Longer than is taken.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The connection broke, or its framing was wrong.
    Broken,
    /// It is compressed.
    Encoded,
}

impl Unread {
    /// The HTTP status for it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// What to tell the peer.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "The request is too large.",
            Self::TooSlow => "The request's body did not arrive in time.",
            Self::Broken => "The request's body could not be read.",
            Self::Encoded => "Send the request without Content-Encoding.",
        }
    }
}

/// Reads the body to its end.
pub(super) async fn read<B>(headers: &HeaderMap, body: B, limits: &Limits) -> Result<Vec<u8>, Unread>
where
    B: HttpBody<Data = hyper::body::Bytes> + Unpin,
{
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|it| it != "identity") {
        return Err(Unread::Encoded);
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > limits.max_body_bytes {
        return Err(Unread::TooLarge);
    }
    timeout(limits.body(), collect(body, expected, limits.max_body_bytes)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect<B>(mut body: B, expected: usize, max: usize) -> Result<Vec<u8>, Unread>
where
    B: HttpBody<Data = hyper::body::Bytes> + Unpin,
{
    let mut bytes = Vec::with_capacity(expected);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > max {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}
