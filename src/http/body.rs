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
    let announced = body.size_hint().exact().map(|it| usize::try_from(it).unwrap_or(usize::MAX));
    let most = announced.unwrap_or(limits.max_body_bytes);
    if most > limits.max_body_bytes {
        return Err(Unread::TooLarge);
    }
    timeout(limits.body(), collect(body, most)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect<B: Content>(mut body: B, most: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::with_capacity(most.min(ROOM));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        let len = bytes.len() + data.len();
        if len > most {
            return Err(Unread::TooLarge);
        }
        // As vectors grow, but never beyond what can come.
        if len > bytes.capacity() {
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

    /// Announces so much, or nothing (chunks), and brings this.
    struct Brings(Option<u64>, Option<&'static [u8]>);

    impl HttpBody for Brings {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.1.take().map(|it| Ok(Frame::data(Bytes::from_static(it)))))
        }

        fn size_hint(&self) -> SizeHint {
            self.0.map_or_else(SizeHint::new, SizeHint::with_exact)
        }
    }

    #[tokio::test]
    async fn what_is_announced_takes_no_room_before_it_comes() {
        let limits = Limits::default();
        let most = limits.max_body_bytes as u64;
        let check = async |announced: Option<u64>, brings: &'static [u8], room: usize| {
            let got = read(&HeaderMap::new(), Brings(announced, Some(brings)), &limits).await.unwrap();
            assert_eq!((got.as_slice() == brings, got.capacity()), (true, room), "{announced:?}");
        };
        static LARGE: [u8; 5 * ROOM] = [b'x'; 5 * ROOM];
        check(Some(most), b"x", ROOM).await;
        check(Some(1), b"x", 1).await;
        check(None, b"x", ROOM).await;
        check(Some(LARGE.len() as u64), &LARGE, LARGE.len()).await;
        check(None, &LARGE, 2 * LARGE.len()).await;
        assert_eq!(read(&HeaderMap::new(), Brings(Some(most + 1), None), &limits).await, Err(Unread::TooLarge));
    }
}
