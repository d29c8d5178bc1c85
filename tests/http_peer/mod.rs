//! An HTTP server in the test's own process, which keeps what it gets and answers what each test scripts; files of secrets for
//! those that call it.
#![allow(dead_code, reason = "each test file uses a part of this")]

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// A request that the stand-in got.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    /// Its body; what is not UTF-8 is replaced.
    pub body: String,
    pub bytes: Bytes,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }
}

/// What it answers; status 0 is silence.
#[derive(Clone, Default)]
pub struct Say {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

pub fn say(status: u16, body: &str) -> Say {
    Say { status, headers: Vec::new(), body: body.to_owned() }
}

/// An HTTP server on a free port of the loopback.
#[derive(Clone)]
pub struct Peer {
    pub port: u16,
    pub got: Arc<Mutex<Vec<Got>>>,
    first: Arc<Mutex<VecDeque<Say>>>,
    say: Arc<Mutex<Say>>,
}

impl Peer {
    pub async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self { port: listener.local_addr().unwrap().port(), got: Arc::default(), first: Arc::default(), say: Arc::default() };
        let shared = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (peer, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => peer.serve(stream).await,
                        Some(tls) => {
                            // A client that doesn't trust us ends here.
                            if let Ok(stream) = tls.accept(stream).await {
                                peer.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        peer
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = hyper::service::service_fn(move |request| self.clone().answer(request));
        // A client that hangs up is no error here.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        self.got.lock().push(Got { method: head.method.to_string(), target: head.uri.to_string(), headers: head.headers, body, bytes });
        let next = self.first.lock().pop_front();
        let say = next.unwrap_or_else(|| self.say.lock().clone());
        if say.status == 0 {
            std::future::pending::<()>().await;
        }
        let mut response = Response::builder().status(say.status);
        for (name, value) in &say.headers {
            response = response.header(*name, value);
        }
        Ok(response.body(Full::from(say.body)).unwrap())
    }

    pub fn says(&self, say: Say) {
        *self.say.lock() = say;
    }

    /// What it says to the next request alone; said in turn.
    pub fn says_next(&self, say: Say) {
        self.first.lock().push_back(say);
    }

    pub fn last(&self) -> Got {
        self.got.lock().last().cloned().unwrap()
    }

    pub fn count(&self) -> usize {
        self.got.lock().len()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// Files of secrets, gone with the test.
pub struct Files(TempDir);

impl Files {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        files.iter().for_each(|(name, content)| std::fs::write(dir.path().join(name), content).unwrap());
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
