//! The accept loop. Every wait has an end: handshake, head, body, idleness, drain (our own loop, since the usual servers leave
//! silent sockets open).

use super::activity::{Activity, Progress};
use super::app::App;
use super::peer::Peer;
use super::places::Places;
use super::settings::Limits;
use super::tls::Tls;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Response;
use axum::http::header::CONTENT_TYPE;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::iter::once;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections that may wait to be taken. The usual 128 are there at once when a load balancer comes back, and whoever finds no room tries again
/// after a second. The system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// Header fields that hyper has room for by itself.
const HYPERS_HEADERS: usize = 100;

/// Everything a connection needs.
pub(super) struct Shared {
    pub(super) app: App,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) limits: Limits,
    pub(super) places: Places,
    pub(super) shutdown: CancellationToken,
}

/// Takes an address.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Not on Windows, where it would let others have it, too; there nobody waits for an address that was given back.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Accepts until the shutdown begins, then lets requests in progress end, within the drain's deadline.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(shared.limits.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shared.shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        match accepted {
            Ok((stream, addr)) => {
                let Some(place) = shared.places.take(addr.ip()) else {
                    tracing::debug!(%addr, "closed: the address has as many connections as it may");
                    continue;
                };
                let connection = connect(stream, addr, Arc::clone(&shared));
                connections.spawn(async move {
                    let (_slot, _place) = (slot, place);
                    connection.await;
                });
            }
            Err(cause) => pause_after(&cause).await,
        }
    }
    drop(listener);
    let drained = timeout(shared.limits.drain(), async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "drain deadline passed; cutting what is left");
        connections.shutdown().await;
    }
}

// A peer that left before it was accepted is no trouble; anything else (mostly: no file handles) needs a moment.
async fn pause_after(cause: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%cause, "can't accept connections; trying again in 100 ms");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn connect(stream: TcpStream, addr: SocketAddr, shared: Arc<Shared>) {
    // Answers are small and written at once: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    // Each kind of connection is in a place of its own: in one with the others, it would take as much as the largest.
    let Some(tls) = &shared.tls else {
        return Box::pin(http1_connection(stream, Peer { addr, tls: false }, shared)).await;
    };
    let acceptor = TlsAcceptor::from(tls.config());
    let handshake = tokio::select! {
        done = timeout(shared.limits.handshake(), acceptor.accept(stream)) => done,
        () = shared.shutdown.cancelled() => return,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(cause)) => return tracing::debug!(%addr, %cause, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%addr, "TLS handshake timed out"),
    };
    let peer = Peer { addr, tls: true };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Box::pin(http2_connection(stream, peer, shared)).await,
        _ => Box::pin(http1_connection(stream, peer, shared)).await,
    }
}

async fn http1_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, shared: Arc<Shared>) {
    let (activity, limits) = (Activity::default(), &shared.limits);
    let mut end: FuturesUnordered<_> = once(end_of(&activity, &shared)).collect();
    let mut builder = http1::Builder::new();
    // Room that is asked for is filled anew for each request. What is beyond the limit, but not beyond hyper's own room, `app` refuses.
    if limits.max_headers > HYPERS_HEADERS {
        builder.max_headers(limits.max_headers);
    }
    let connection = builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header().min(limits.idle()))
        .max_header_size(limits.max_header_bytes)
        .half_close(false)
        // Head and body of most answers are some hundred bytes: to copy them together costs less than to write a list of two.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service_fn(|request| serve(request, peer, &shared, activity.enter())));
    let mut connection = pin!(connection);
    let reason = tokio::select! {
        ended = connection.as_mut() => return report(ended, peer),
        Some(reason) = end.next() => reason,
    };
    connection.as_mut().graceful_shutdown();
    part(connection, reason, (peer, limits)).await;
}

async fn http2_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, shared: Arc<Shared>) {
    let (activity, limits) = (Activity::default(), &shared.limits);
    let mut end: FuturesUnordered<_> = once(end_of(&activity, &shared)).collect();
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle())
        .keep_alive_timeout(limits.header())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| {
                let (shared, progress) = (Arc::clone(&shared), activity.enter());
                async move { serve(request, peer, &shared, progress).await }
            }),
        );
    let mut connection = pin!(connection);
    let reason = tokio::select! {
        ended = connection.as_mut() => return report(ended, peer),
        Some(reason) = end.next() => reason,
    };
    connection.as_mut().graceful_shutdown();
    part(connection, reason, (peer, limits)).await;
}

// Lets a connection say goodbye. A peer that does not read what it asked for would hold its place for ever: an idle one is cut
// after as long again; in a shutdown the drain's deadline cuts.
async fn part(connection: Pin<&mut impl Future<Output = Result<(), hyper::Error>>>, reason: End, (peer, limits): (Peer, &Limits)) {
    tracing::debug!(peer = %peer.addr, ?reason, "closing connection");
    match reason {
        End::Shutdown => report(connection.await, peer),
        End::Idle => match timeout(limits.idle(), connection).await {
            Ok(ended) => report(ended, peer),
            Err(_) => tracing::debug!(peer = %peer.addr, "cut: the peer reads nothing"),
        },
    }
}

/// Why we end a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Shutdown,
    Idle,
}

fn report(ended: Result<(), hyper::Error>, peer: Peer) {
    if let Err(cause) = ended {
        tracing::debug!(peer = %peer.addr, %cause, "connection ended early");
    }
}

// No `async fn`: that would move the request once more, and copy it with every move of its own.
fn serve(
    request: hyper::Request<Incoming>,
    peer: Peer,
    shared: &Shared,
    progress: Progress,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    let response = shared.app.handle(request, peer);
    async move {
        let response = response.await;
        let streams = response.headers().get(CONTENT_TYPE).is_some_and(|it| it == "text/event-stream");
        // A stream is a request in progress for as long as it flows.
        Ok(if streams { response.map(|inner| Body::new(Streaming { inner, _progress: progress })) } else { response })
    }
}

/// A body that counts as a request in progress.
struct Streaming {
    inner: Body,
    _progress: Progress,
}

impl HttpBody for Streaming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

// Why the connection should end: shutdown, or no request for too long. A connection asks in a set of its own, which looks at it
// only when it is woken: once each time that it may have been idle for too long, and not for each request.
async fn end_of(activity: &Activity, shared: &Shared) -> End {
    tokio::select! {
        () = shared.shutdown.cancelled() => End::Shutdown,
        () = activity.idle_for(shared.limits.idle()) => End::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_of_connections_finds_room_before_the_first_is_taken() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|it| it.trim().parse().ok());
        let mut waiting = Vec::new();
        for nth in 0..allowed.unwrap_or(128).min(500) {
            let connected = timeout(Duration::from_secs(30), TcpStream::connect(listener.local_addr().unwrap())).await;
            waiting.push(connected.unwrap_or_else(|_| panic!("there is no room for connection {nth}")).unwrap());
        }
    }
}
