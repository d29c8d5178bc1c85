//! A network between a test and a server: it can be slow, go silent, break, and lead elsewhere, and counts what passes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Pieces in flight in one direction, of at most 16 KiB; then the sender is held back, as by a full window.
const IN_FLIGHT: usize = 256;

/// Forwards a port of 127.0.0.1 to a server's, in a thread of its own. Ends with all connections when dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Shared {
    target: AtomicU16,
    delay_micros: AtomicU64,
    state: watch::Sender<State>,
    round_trips: AtomicU64,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Nothing passes, and nothing breaks.
    silent: bool,
    /// New connections are closed at once.
    down: bool,
    /// Connections older than the last cut are over.
    cuts: u64,
}

impl Proxy {
    /// A proxy to `port` that does nothing yet.
    pub fn to(port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared { target: AtomicU16::new(port), ..Shared::default() });
        runtime.spawn(listen(listener, shared.clone()));
        Self { port: own, shared, runtime: Some(runtime) }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` of the proxy.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What is sent from now on takes this long, each way: a round trip takes twice as long.
    pub fn delay(&self, each_way: Duration) {
        self.shared.delay_micros.store(u64::try_from(each_way.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// How often so far a client spoke after the server had: what a request costs in round trips, connecting included. Requests
    /// in one go (pipelined) are one.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// Bytes so far to the server, and from it.
    pub fn bytes(&self) -> (u64, u64) {
        (self.shared.to_server.load(Ordering::Relaxed), self.shared.to_client.load(Ordering::Relaxed))
    }

    /// New connections lead to this port.
    pub fn lead_to(&self, port: u16) {
        self.shared.target.store(port, Ordering::Relaxed);
    }

    /// Nothing passes any more, and nobody is told: a black hole. New connections come about, and stay silent too.
    pub fn silence(&self) {
        self.shared.state.send_modify(|it| it.silent = true);
    }

    /// Ends [`Self::silence`]; what was sent meanwhile arrives.
    pub fn speak(&self) {
        self.shared.state.send_modify(|it| it.silent = false);
    }

    /// Breaks all connections (RST). New ones come about.
    pub fn cut(&self) {
        self.shared.state.send_modify(|it| it.cuts += 1);
    }

    /// Breaks all connections, and every new one at once.
    pub fn down(&self) {
        self.shared.state.send_modify(|it| (it.down, it.cuts) = (true, it.cuts + 1));
    }

    /// Ends [`Self::down`].
    pub fn up(&self) {
        self.shared.state.send_modify(|it| it.down = false);
    }
}

impl Drop for Proxy {
    // A test may drop it inside a runtime, where waiting for another one is forbidden.
    fn drop(&mut self) {
        self.runtime.take().expect("it is taken once").shutdown_background();
    }
}

async fn listen(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        if shared.state.borrow().down {
            reset(&client);
            continue;
        }
        tokio::spawn(serve(client, shared.clone()));
    }
}

// Ends when one side ends, or at a cut: then both sides hear of it by a reset.
async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mut state = shared.state.subscribe();
    let cuts = state.borrow_and_update().cuts;
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.target.load(Ordering::Relaxed)));
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let answered = AtomicBool::new(true);
    let asks = |length| {
        shared.to_server.fetch_add(length, Ordering::Relaxed);
        shared.round_trips.fetch_add(answered.swap(false, Ordering::Relaxed).into(), Ordering::Relaxed);
    };
    let answers = |length| {
        shared.to_client.fetch_add(length, Ordering::Relaxed);
        answered.store(true, Ordering::Relaxed);
    };
    tokio::select! {
        () = pump((from_client, to_server), &shared, asks) => return,
        () = pump((from_server, to_client), &shared, answers) => return,
        _ = state.wait_for(|it| it.cuts != cuts) => {}
    }
    reset(&client);
    reset(&server);
}

// Each piece arrives when its time has come, so the delay lowers no throughput.
async fn pump((mut from, mut to): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin), shared: &Shared, passes: impl Fn(u64)) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async move {
        loop {
            let mut piece = Vec::with_capacity(16 * 1024);
            let ended = matches!(from.read_buf(&mut piece).await, Ok(0) | Err(_));
            if !ended {
                passes(piece.len() as u64);
            }
            let due = Instant::now() + Duration::from_micros(shared.delay_micros.load(Ordering::Relaxed));
            // The end takes as long as everything else: an empty piece.
            if sender.send((due, piece)).await.is_err() || ended {
                return;
            }
        }
    };
    let write = async move {
        let mut state = shared.state.subscribe();
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            if state.wait_for(|it| !it.silent).await.is_err() || to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

// Closing says so at once, whatever is still on its way.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
