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

/// What a request's content comes as.
pub(super) trait Content: HttpBody<Data = hyper::body::Bytes> + Send + Unpin {}

impl<B: HttpBody<Data = hyper::body::Bytes> + Send + Unpin> Content for B {}

/// Bytes that a body gets room for by its mere announcement: more than nearly every request has. What is announced beyond
/// that is held once it came.
const ROOM: usize = 8 * 1024;

/// Reads the body to its end.
pub(super) async fn read<B: Content>(headers: &HeaderMap, body: B, limits: &Limits) -> Result<Vec<u8>, Unread> {
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|it| it != "identity") {
        return Err(Unread::Encoded);
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > limits.max_body_bytes {
        return Err(Unread::TooLarge);
    }
    timeout(limits.body(), collect(body, expected, limits.max_body_bytes)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect<B: Content>(mut body: B, expected: usize, max: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::with_capacity(expected.min(ROOM));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        let len = bytes.len() + data.len();
        if len > max {
            return Err(Unread::TooLarge);
        }
        // As vectors grow, but never beyond what can come.
        if len > bytes.capacity() {
            let most = if expected == 0 { max } else { expected.max(len) };
            bytes.reserve_exact((2 * len).min(most) - bytes.len());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::{Bytes, Frame, SizeHint};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// Announces so much, and brings this.
    struct Announced(u64, Option<&'static [u8]>);

    impl HttpBody for Announced {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.1.take().map(|it| Ok(Frame::data(Bytes::from_static(it)))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn what_is_announced_takes_no_room_before_it_comes() {
        let limits = Limits::default();
        let most = limits.max_body_bytes as u64;
        let got = read(&HeaderMap::new(), Announced(most, Some(b"x")), &limits).await.unwrap();
        assert_eq!((got.as_slice(), got.capacity() <= ROOM), (&b"x"[..], true));
        let large = &[b'x'; 5 * ROOM];
        for announced in [large.len() as u64, 0] {
            let got = read(&HeaderMap::new(), Announced(announced, Some(large)), &limits).await.unwrap();
            let most = if announced == 0 { 2 * large.len() } else { large.len() };
            assert_eq!((got.len(), got.capacity() <= most), (large.len(), true), "{announced}: {}", got.capacity());
        }
        assert_eq!(read(&HeaderMap::new(), Announced(most + 1, None), &limits).await, Err(Unread::TooLarge));
    }
}
