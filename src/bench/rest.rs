//! Challenges over REST as the unit of work: asked for, or answered rightly.

use super::client::{Answer, Connection, Failure};
use super::envelope::Caller;
use super::load::Unit;
use super::phones;
use super::record::Recorder;
use anyhow::{Context, Result, anyhow};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use url::Url;

/// Requests of one run. Each has a phone and an idempotency key of its own.
pub struct Requests {
    head: String,
    run: String,
    next: Cell<u64>,
}

/// An answer to a new challenge, as far as it is needed.
#[derive(Deserialize)]
struct Opened {
    id: String,
    code: String,
}

/// Asks for a challenge, and waits for the answer.
pub struct Create(pub Rc<Requests>);

/// Brings right codes of challenges that were opened before.
pub struct Verify {
    work: Rc<Requests>,
    ready: RefCell<Vec<Opened>>,
}

impl Requests {
    /// Requests to the server at `url`, with this caller's password.
    pub fn new(url: &Url, caller: &Caller) -> Result<Self> {
        let host = url.host_str().context("--url has no host")?;
        let port = url.port_or_known_default().context("--url has no port")?;
        let basic = BASE64_STANDARD.encode(format!("{}:{}", caller.user, caller.password));
        let head = format!(
            "Host: {host}:{port}\r\nUser-Agent: countersign-bench\r\nContent-Type: application/json\r\nAuthorization: Basic {basic}\r\n"
        );
        Ok(Self { head, run: format!("{}-", hex::encode(rand::random::<[u8; 8]>())), next: Cell::new(0) })
    }

    /// Bytes of a body that asks for a challenge.
    pub fn body_bytes(&self) -> usize {
        self.body(0, false).len()
    }

    fn create(&self, shown: bool) -> Vec<u8> {
        let index = self.next.replace(self.next.get() + 1);
        self.post("/v1/challenges", index, &self.body(index, shown))
    }

    fn verify(&self, ready: &Opened) -> Vec<u8> {
        let index = self.next.replace(self.next.get() + 1);
        self.post(format!("/v1/challenges/{}/verify", ready.id), index, &format!(r#"{{"code":"{}"}}"#, ready.code))
    }

    fn body(&self, index: u64, shown: bool) -> String {
        let phone = phones::number(u32::try_from(index % u64::from(phones::COUNT)).unwrap_or_default());
        format!(
            r#"{{"channel":"SMS","recipient":"{phone}","text":"First Harbor Bank: Your code is <%$otp%>. We never call to ask for it.","locale":"en-US","reference":"{}{index}","returnCode":{shown}}}"#,
            self.run
        )
    }

    fn post(&self, path: impl Display, index: u64, body: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let (head, run, length) = (&self.head, &self.run, body.len());
        // Writing into memory can't fail.
        let _ = write!(bytes, "POST {path} HTTP/1.1\r\n{head}Idempotency-Key: {run}{index}\r\nContent-Length: {length}\r\n\r\n{body}");
        bytes
    }
}

impl Create {
    /// One, before anything is loaded: what is wrong with all of them is told once, and plainly.
    pub async fn check(&self, address: SocketAddr) -> Result<()> {
        let failed = failure(&Connection::new(address).exchange(&self.0.create(false)).await, |it| it.status == 201);
        failed
            .map_or(Ok(()), |kind| Err(anyhow!("the first request was not acknowledged: {kind}. Check the URL, the user and the password")))
    }
}

impl Unit for Create {
    async fn once(&self, connection: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) {
        let (request, from) = (self.0.create(false), due.unwrap_or_else(Instant::now));
        let failed = failure(&connection.exchange(&request).await, |it| it.status == 201);
        noted(failed, from, record).await;
    }
}

impl Verify {
    /// Opens `count` challenges, `connections` at once.
    pub async fn prepare(work: Rc<Requests>, address: SocketAddr, (count, connections): (u32, usize)) -> Result<Self> {
        let left = Cell::new(count);
        let one = async || -> Result<Vec<Opened>> {
            let (mut connection, mut ready) = (Connection::new(address), Vec::new());
            while left.get() > 0 {
                left.set(left.get() - 1);
                let answer = connection.exchange(&work.create(true)).await;
                if let Some(kind) = failure(&answer, |it| it.status == 201) {
                    return Err(anyhow!("a challenge could not be opened: {kind}"));
                }
                ready.push(serde_json::from_slice(answer?.body).context("an opened challenge shows no id and code")?);
            }
            Ok(ready)
        };
        let mut all = Vec::new();
        for it in futures_util::future::join_all((0..connections).map(|_| one())).await {
            all.extend(it?);
        }
        Ok(Self { work, ready: RefCell::new(all) })
    }
}

impl Unit for Verify {
    async fn once(&self, connection: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) {
        let Some(ready) = self.ready.borrow_mut().pop() else { return tokio::time::sleep(Duration::from_millis(20)).await };
        let (request, from) = (self.work.verify(&ready), due.unwrap_or_else(Instant::now));
        let right = |it: &Answer<'_>| it.status == 200 && it.body.windows(10).any(|it| it == b"\"verified\"");
        let failed = failure(&connection.exchange(&request).await, right);
        noted(failed, from, record).await;
    }

    fn is_exhausted(&self) -> bool {
        self.ready.borrow().is_empty()
    }
}

async fn noted(failed: Option<String>, from: Instant, record: &RefCell<Recorder>) {
    match failed {
        None => record.borrow_mut().done(from, Instant::now()),
        Some(kind) => {
            record.borrow_mut().failed(kind);
            // A server that refuses at once is not to be flooded.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn failure(answer: &Result<Answer<'_>, Failure>, is_right: impl Fn(&Answer<'_>) -> bool) -> Option<String> {
    match answer {
        Err(failure) => Some(failure.to_string()),
        Ok(answer) if is_right(answer) => None,
        Ok(answer) => {
            let told: serde_json::Value = serde_json::from_slice(answer.body).unwrap_or_default();
            let kind = told["type"].as_str().or(told["result"].as_str()).unwrap_or("no reason is told");
            Some(format!("status {}, {}", answer.status, kind.chars().take(80).collect::<String>()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::envelope::Auth;

    #[test]
    fn only_the_wanted_answer_acknowledges() {
        let check = |status, body: &str, expected: Option<&str>| {
            assert_eq!(failure(&Ok(Answer { status, body: body.as_bytes() }), |it| it.status == 201).as_deref(), expected, "{body}");
        };
        check(201, "{}", None);
        check(200, r#"{"result":"wrong"}"#, Some("status 200, wrong"));
        check(429, r#"{"type":"urn:x"}"#, Some("status 429, urn:x"));
        check(500, "x", Some("status 500, no reason is told"));
        assert_eq!(failure(&Err(Failure::Closed), |_| true).as_deref(), Some("connection closed"));
    }

    #[test]
    fn each_request_is_one_of_its_own() {
        let caller = Caller { user: "bench".into(), password: "p".into(), auth: Auth::Basic };
        let work = Requests::new(&"http://127.0.0.1:80/x".parse().unwrap(), &caller).unwrap();
        let (one, other) = (String::from_utf8(work.create(true)).unwrap(), String::from_utf8(work.create(true)).unwrap());
        assert_ne!(one, other);
        let (head, body) = one.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/challenges HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["returnCode"], true);
    }
}
