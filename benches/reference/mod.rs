//! Reference servers: what a request costs before it is kept. They share the product's HTTP library, runtime and allocator, so
//! that the difference is the product's own work.

mod parse;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// What a server makes of a body: a status and a body.
type Answer = fn(Bytes) -> (u16, Bytes);

/// Sends each request's body back. Runs until it is killed.
pub fn echo(port: u16) -> Result<()> {
    serve(port, |body| (200, body))
}

/// Reads each envelope, checks it and answers as `OOBValidate` is answered; keeps nothing. Runs until it is killed.
pub fn parse(port: u16) -> Result<()> {
    serve(port, |body| parse::answer(&body))
}

fn serve(port: u16, answer: Answer) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime can't start")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.context("the port can't be had")?;
        loop {
            let (stream, _) = listener.accept().await.context("connections can't be accepted")?;
            tokio::spawn(connection(stream, answer));
        }
    })
}

async fn connection(stream: TcpStream, answer: Answer) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(request, answer));
    // A client that hangs up is no error here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, answer: Answer) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.into_body().collect().await {
        Ok(body) => answer(body.to_bytes()),
        Err(_) => (400, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    Ok(response)
}
