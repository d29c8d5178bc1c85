//! Stand-ins for the world around a server: an SMS gateway, a subscriber of events and a mail relay, in this process.

use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// What comes in at the stand-ins.
pub trait World: Send + Sync + 'static {
    /// An SMS for a handset: the gateway's form.
    fn message(&self, form: &[u8]);
    /// Events, as a JSON array.
    fn events(&self, json: &[u8]);
}

// With room for all connections that a server opens at once: of a queue that is full it hears after a second.
fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    socket.listen(4096)
}

/// Starts a gateway (`/carrier`) and a subscriber (any other path); gives the address.
pub async fn web(world: Arc<dyn World>) -> Result<SocketAddr> {
    let listener = listen()?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (world, _) = (world.clone(), stream.set_nodelay(true));
            let service = service_fn(move |request| answer(world.clone(), request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

/// Starts a relay that takes all mail, and forgets it; gives the address.
pub async fn relay() -> Result<SocketAddr> {
    let listener = listen()?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_mail(stream));
        }
    });
    Ok(address)
}

async fn answer(world: Arc<dyn World>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let carrier = request.uri().path() == "/carrier";
    let id = request.headers().get("idempotency-key").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(body) = request.into_body().collect().await else {
        return Ok(Response::builder().status(400).body(Full::default()).expect("a status is a whole answer"));
    };
    let body = body.to_bytes();
    if !carrier {
        world.events(&body);
        return Ok(Response::builder().status(204).body(Full::default()).expect("a status is a whole answer"));
    }
    world.message(&body);
    Ok(Response::new(Full::from(format!("{{\"sid\":\"SM{id}\"}}"))))
}

// RFC 5321, as far as a client goes that sends a mail.
async fn take_mail(stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).split(b'\n');
    write.write_all(b"220 relay\r\n").await?;
    let mut data = false;
    while let Some(line) = lines.next_segment().await? {
        let line = line.trim_ascii_end();
        let said: &[u8] = match line.get(..4).unwrap_or(line) {
            b"." if data => {
                data = false;
                b"250 taken\r\n"
            }
            _ if data => continue,
            b"DATA" => {
                data = true;
                b"354 go on\r\n"
            }
            b"QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 fine\r\n",
        };
        write.write_all(said).await?;
    }
    Ok(())
}
