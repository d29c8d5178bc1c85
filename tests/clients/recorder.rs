//! A proxy between a client and the server. It keeps what passes, so that every answer to every client can be checked, and it
//! can change answers, so that a test can see whether a changed one is caught.

use super::process::IMS;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

/// A call, and the answer as the server gave it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: String,
    pub status: u16,
    pub answer: String,
}

/// The proxy, on a free port of the loopback. It passes the caller's Host on, so the WSDL's address is its own.
#[derive(Clone)]
pub struct Recorder {
    /// `http://127.0.0.1:PORT`
    pub base: String,
    inner: Arc<Inner>,
}

struct Inner {
    upstream: String,
    client: reqwest::Client,
    change: fn(String) -> String,
    taken: Mutex<Vec<Exchange>>,
}

impl Recorder {
    /// `change` is what becomes of an answer to a POST on its way to the client.
    pub async fn start(upstream: &str, change: fn(String) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let inner = Arc::new(Inner { upstream: upstream.to_owned(), client, change, taken: Mutex::default() });
        let recorder = Self { base: format!("http://{}", listener.local_addr().unwrap()), inner };
        let shared = recorder.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        recorder
    }

    /// What was posted so far.
    pub fn taken(&self) -> Vec<Exchange> {
        self.inner.taken.lock().unwrap().clone()
    }

    async fn serve(self, stream: TcpStream) {
        let service = hyper::service::service_fn(move |request| self.clone().pass(request));
        // A client that hangs up is no error here.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn pass(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        assert_eq!(head.uri.path(), IMS, "clients call the path of the contract");
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let mut headers = head.headers;
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        let onward = self.inner.client.request(head.method.clone(), format!("{}{}", self.inner.upstream, head.uri)).headers(headers);
        let said = onward.body(body).send().await.unwrap();
        let status = said.status();
        let mut answer = Response::builder().status(status);
        for name in [CONTENT_TYPE, hyper::header::WWW_AUTHENTICATE] {
            answer = said.headers().get(&name).into_iter().fold(answer, |it, value| it.header(&name, value));
        }
        let mut body = said.text().await.unwrap();
        if head.method == Method::POST {
            let exchange = Exchange { request: text, status: status.as_u16(), answer: body.clone() };
            self.inner.taken.lock().unwrap().push(exchange);
            body = (self.inner.change)(body);
        }
        Ok(answer.body(Full::from(body)).unwrap())
    }
}
