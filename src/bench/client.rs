//! A lean HTTP/1.1 client: one connection, kept open, one request at a time, no allocation a request.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Failure {
    /// No connection.
    #[error("no connection")]
    Connect,
    /// The server hung up before it answered whole.
    #[error("connection closed")]
    Closed,
    /// No answer in time.
    #[error("no answer within 30 s")]
    Late,
    /// The answer is no HTTP/1.1.
    #[error("unreadable answer")]
    Unreadable,
}

/// A connection to one server. Opens itself when needed.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    /// Connections opened so far.
    pub opened: u64,
}

/// An answer, as long as the connection is not used again.
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: &'a [u8],
}

struct Head {
    status: u16,
    length: Length,
    closes: bool,
    end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Length {
    Bytes(usize),
    Chunked,
    ToTheEnd,
}

impl Connection {
    /// Connects to nobody yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::with_capacity(16 * 1024), opened: 0 }
    }

    /// Sends a whole request, reads a whole answer. A kept connection that the server closed meanwhile is opened again, once.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Failure> {
        let (status, body) = match timeout(PATIENCE, self.tried(request)).await {
            Ok(Ok(read)) => read,
            failed => {
                self.stream = None;
                return Err(failed.map_or(Failure::Late, |it| it.err().unwrap_or(Failure::Closed)));
            }
        };
        Ok(Answer { status, body: &self.buffer[body] })
    }

    async fn tried(&mut self, request: &[u8]) -> Result<(u16, std::ops::Range<usize>), Failure> {
        let kept = self.stream.is_some();
        match self.once(request).await {
            // Nothing came back on a connection that had served before: the server let it go while it was idle.
            Err(Failure::Closed) if kept && self.buffer.is_empty() => {
                self.stream = None;
                self.once(request).await
            }
            done => done,
        }
    }

    async fn once(&mut self, request: &[u8]) -> Result<(u16, std::ops::Range<usize>), Failure> {
        self.buffer.clear();
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await.map_err(|_| Failure::Connect)?;
            let _ = stream.set_nodelay(true);
            self.stream = Some(stream);
            self.opened += 1;
        }
        let stream = self.stream.as_mut().ok_or(Failure::Connect)?;
        stream.write_all(request).await.map_err(|_| Failure::Closed)?;
        let head = loop {
            more(stream, &mut self.buffer).await?;
            if let Some(head) = Head::read(&self.buffer)? {
                break head;
            }
        };
        let body = body(stream, &mut self.buffer, &head).await?;
        if head.closes {
            self.stream = None;
        }
        Ok((head.status, body))
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    if buffer.len() > LARGEST {
        return Err(Failure::Unreadable);
    }
    match stream.read_buf(buffer).await {
        Ok(1..) => Ok(()),
        _ => Err(Failure::Closed),
    }
}

async fn body(stream: &mut TcpStream, buffer: &mut Vec<u8>, head: &Head) -> Result<std::ops::Range<usize>, Failure> {
    match head.length {
        Length::Bytes(length) => {
            while buffer.len() < head.end + length {
                more(stream, buffer).await?;
            }
            Ok(head.end..head.end + length)
        }
        Length::ToTheEnd => {
            while more(stream, buffer).await.is_ok() {}
            Ok(head.end..buffer.len())
        }
        Length::Chunked => loop {
            if let Some(whole) = unchunked(&buffer[head.end..])? {
                buffer.truncate(head.end);
                buffer.extend_from_slice(&whole);
                return Ok(head.end..buffer.len());
            }
            more(stream, buffer).await?;
        },
    }
}

impl Head {
    /// `None`: more must be read.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Failure::Unreadable)?;
        let mut lines = text.split("\r\n");
        let first = lines.next().and_then(|it| it.strip_prefix("HTTP/1.")).ok_or(Failure::Unreadable)?;
        let status = first.get(2..5).and_then(|it| it.parse().ok()).ok_or(Failure::Unreadable)?;
        let mut head = Self { status, length: Length::ToTheEnd, closes: first.starts_with('0'), end: end + 4 };
        for (name, value) in lines.filter_map(|it| it.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Length::Bytes(value.parse().ok().filter(|it| *it <= LARGEST).ok_or(Failure::Unreadable)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.length = Length::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                head.closes = !value.eq_ignore_ascii_case("keep-alive");
            }
        }
        head.closes |= head.length == Length::ToTheEnd;
        Ok(Some(head))
    }
}

/// The text of a chunked body (RFC 9112, 7.1), without trailers; `None`: more must be read.
fn unchunked(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let mut whole = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|it| it == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|it| it.split(';').next()).unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).ok().filter(|it| *it <= LARGEST).ok_or(Failure::Unreadable)?;
        let from = end + 2;
        if bytes.len() < from + size + 2 {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(whole));
        }
        whole.extend_from_slice(&bytes[from..from + size]);
        bytes = &bytes[from + size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that answers with these texts, one a request, and hangs up after `each` of them.
    async fn server(answers: &'static [&'static str], each: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for group in answers.chunks(each) {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in group {
                    let mut got = [0; 4];
                    stream.read_exact(&mut got).await.unwrap();
                    for part in answer.as_bytes().chunks(7) {
                        stream.write_all(part).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
        address
    }

    async fn check(answer: &'static [&'static str], expected: Result<(u16, &str), Failure>) {
        let mut connection = Connection::new(server(answer, 1).await);
        let said = connection.exchange(b"GET\n").await;
        assert_eq!(said.map(|it| (it.status, std::str::from_utf8(it.body).unwrap())), expected, "{answer:?}");
    }

    #[tokio::test]
    async fn answers_are_read_whole() {
        check(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"], Ok((200, "hi"))).await;
        check(&["HTTP/1.1 500 No\r\ncontent-length:0\r\nConnection: close\r\n\r\n"], Ok((500, ""))).await;
        check(
            &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n"],
            Ok((200, "abc0123456789")),
        )
        .await;
        check(&["HTTP/1.0 200 OK\r\n\r\nto the end"], Ok((200, "to the end"))).await;
        check(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"], Err(Failure::Closed)).await;
        check(&["SSH-2.0\r\n\r\n"], Err(Failure::Unreadable)).await;
        check(&["HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"], Err(Failure::Unreadable)).await;
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_opened_again_when_it_was_closed() {
        const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let mut connection = Connection::new(server(&[OK, OK, OK, OK], 2).await);
        for _ in 0..4 {
            assert_eq!(connection.exchange(b"GET\n").await.map(|it| it.status), Ok(200));
        }
        assert_eq!(connection.opened, 2);
    }
}
