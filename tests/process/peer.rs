//! An HTTP server in the test's own process: an SMS gateway or a subscriber, which records what it gets and answers as told.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request that it got, and what it answered.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: String,
    pub status: u16,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// A field of the form in the body, or of the query.
    pub fn field(&self, name: &str) -> String {
        let query = self.target.split_once('?').map_or("", |it| it.1);
        let of = |text: &str| url::form_urlencoded::parse(text.as_bytes()).find(|it| it.0 == name).map(|it| it.1.into_owned());
        of(query).or_else(|| of(&self.body)).unwrap_or_default()
    }
}

/// A status and a body.
pub type Say = (u16, &'static str);

/// The server, on a free port of the loopback. Clones are the same server.
#[derive(Clone)]
pub struct Peer(Arc<Inner>);

struct Inner {
    port: u16,
    got: Mutex<Vec<Got>>,
    first: Mutex<VecDeque<Say>>,
    then: Mutex<Say>,
    poison: Mutex<Vec<String>>,
    down: AtomicBool,
    turned_away: AtomicUsize,
    gate: watch::Sender<bool>,
}

impl Peer {
    /// Answers `first` in turn, then always `then`.
    pub async fn start(first: &[Say], then: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Inner {
            port: listener.local_addr().unwrap().port(),
            got: Mutex::default(),
            first: Mutex::new(first.iter().copied().collect()),
            then: Mutex::new(then),
            poison: Mutex::default(),
            down: AtomicBool::new(false),
            turned_away: AtomicUsize::new(0),
            gate: watch::Sender::new(true),
        };
        let peer = Self(Arc::new(inner));
        let shared = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if shared.0.down.load(Ordering::SeqCst) {
                    shared.0.turned_away.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        peer
    }

    async fn serve(self, stream: TcpStream) {
        let service = hyper::service::service_fn(move |request| self.clone().answer(request));
        // A client that hangs up is no error here.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let next = self.0.first.lock().unwrap().pop_front();
        let mut said = next.unwrap_or_else(|| *self.0.then.lock().unwrap());
        if self.0.poison.lock().unwrap().iter().any(|it| body.contains(it)) {
            said = (500, "stumbled");
        }
        let (status, text) = said;
        let got = Got { method: head.method.to_string(), target: head.uri.to_string(), headers: head.headers, body, status };
        self.0.got.lock().unwrap().push(got);
        let mut gate = self.0.gate.subscribe();
        let _ = gate.wait_for(|open| *open).await;
        Ok(Response::builder().status(status).header("content-type", "text/xml").body(Full::from(text)).unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.0.port)
    }

    /// What it answers to the next request.
    pub fn says_next(&self, say: Say) {
        self.0.first.lock().unwrap().push_back(say);
    }

    /// It stumbles (status 500) over every body with one of these texts in it.
    pub fn stumble_over(&self, texts: &[&str]) {
        *self.0.poison.lock().unwrap() = texts.iter().map(|it| (*it).to_owned()).collect();
    }

    /// While down, it hangs up on everybody.
    pub fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// Connections that it hung up on.
    pub fn turned_away(&self) -> usize {
        self.0.turned_away.load(Ordering::SeqCst)
    }

    /// While it holds, it takes requests and does not answer them.
    pub fn hold(&self, hold: bool) {
        self.0.gate.send_replace(!hold);
    }

    pub fn got(&self) -> Vec<Got> {
        self.0.got.lock().unwrap().clone()
    }

    /// How many requests it got.
    pub fn count(&self) -> usize {
        self.0.got.lock().unwrap().len()
    }

    /// What it got from the `from`th request on.
    pub fn since(&self, from: usize) -> Vec<Got> {
        self.0.got.lock().unwrap().get(from..).map_or_else(Vec::new, <[Got]>::to_vec)
    }

    /// What it answered with a status of 2xx.
    pub fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(|it| it.status < 300).collect()
    }

    /// Waits until it has taken `count`.
    pub async fn wait_for(&self, count: usize) -> Vec<Got> {
        super::until(&format!("{count} requests taken"), async || Some(self.taken()).filter(|it| it.len() >= count)).await
    }
}
