//! A whole life as the unit of work: the request is answered, the carrier gets the message, the person replies, and the
//! publisher hears the outcome.

use super::client::Connection;
use super::load::Unit;
use super::peers::World;
use super::phones;
use super::record::{Recorder, Stage};
use super::workload::{Workload, element, failure};
use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How the server under measurement knows its gateway's address; it signs over it.
const PUBLIC: &str = "http://carrier.bench/inbound/sms/carrier";
/// The gateway's own number.
const OURS: &str = "+12025550100";
/// Longest wait for a message or an outcome.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who waits for what at the carrier and at the subscriber.
#[derive(Default)]
pub struct Waiting {
    messages: Mutex<HashMap<String, oneshot::Sender<()>>>,
    outcomes: Mutex<HashMap<String, oneshot::Sender<String>>>,
}

#[derive(Deserialize)]
struct Event {
    subject: String,
    #[serde(rename = "type")]
    kind: String,
}

impl World for Waiting {
    fn message(&self, form: &[u8]) {
        let to = url::form_urlencoded::parse(form).find(|it| it.0 == "To");
        if let Some(waiter) = to.and_then(|it| take(&self.messages, &it.1)) {
            let _ = waiter.send(());
        }
    }

    fn events(&self, json: &[u8]) {
        for it in serde_json::from_slice::<Vec<Event>>(json).unwrap_or_default() {
            if let Some(waiter) = take(&self.outcomes, &it.subject) {
                let _ = waiter.send(it.kind);
            }
        }
    }
}

fn take<T>(of: &Mutex<HashMap<String, T>>, key: &str) -> Option<T> {
    of.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
}

fn wait<T>(of: &Mutex<HashMap<String, oneshot::Sender<T>>>, key: &str) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    of.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), sender);
    receiver
}

/// Carries lives from the request to the outcome.
pub struct Life {
    work: Rc<Workload>,
    world: Arc<Waiting>,
    gateway: SocketAddr,
    key: hmac::Key,
}

impl Life {
    /// Over this workload; `secret` signs the replies.
    pub fn new(work: Rc<Workload>, world: Arc<Waiting>, gateway: SocketAddr, secret: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        Self { work, world, gateway, key }
    }

    /// Opens a challenge, and waits until its message is at the carrier.
    async fn open(&self, connection: &mut Connection, record: &RefCell<Recorder>) -> Result<Ready, String> {
        let (mut request, asked) = (Vec::new(), Instant::now());
        let index = self.work.next(&mut request);
        let handset = format!("+1{}", phones::number(self.work.handset(index)));
        let message = wait(&self.world.messages, &handset);
        let answer = connection.exchange(&request).await;
        if let Some(kind) = failure(&answer) {
            take(&self.world.messages, &handset);
            return Err(kind);
        }
        let answered = record.borrow_mut().passed(Stage::Answer, asked);
        let text = answer.map(|it| String::from_utf8_lossy(it.body).into_owned()).unwrap_or_default();
        let id = element(&text, "AlrtPkgId").ok_or("an answer without AlrtPkgId")?.to_owned();
        heard(message).await.ok_or("no message at the carrier within 30 s")?;
        record.borrow_mut().passed(Stage::Message, answered);
        let reply = wanted(self.work.case(index), element(&text, "OTP").unwrap_or_default());
        Ok(Ready { id, reply: self.reply(&handset, &reply, index) })
    }

    /// Replies, and waits for the outcome at the subscriber.
    async fn end(&self, connection: &mut Connection, ready: Ready, record: &RefCell<Recorder>) -> Result<(), String> {
        let (outcome, replied) = (wait(&self.world.outcomes, &ready.id), Instant::now());
        match connection.exchange(&ready.reply).await {
            Ok(it) if (200..300).contains(&it.status) => {}
            Ok(it) => return Err(format!("a reply was answered with status {}", it.status)),
            Err(failure) => return Err(format!("a reply: {failure}")),
        }
        let answered = record.borrow_mut().passed(Stage::Reply, replied);
        match heard(outcome).await.as_deref() {
            Some("countersign.OOBVerified") => {
                record.borrow_mut().passed(Stage::Outcome, answered);
                Ok(())
            }
            Some(other) => Err(format!("the outcome of a right reply was {other}")),
            None => Err("no outcome at the subscriber within 30 s".to_owned()),
        }
    }

    /// What the gateway posts for a reply, signed as Twilio signs.
    fn reply(&self, from: &str, text: &str, index: u64) -> Vec<u8> {
        let sid = format!("SM{index:016}");
        // In the order of their names, as the signature has them.
        let fields = [("Body", text), ("From", from), ("MessageSid", &sid), ("To", OURS)];
        let mut signed = PUBLIC.to_owned();
        fields.iter().for_each(|it| signed.extend([it.0, it.1]));
        let signature = BASE64_STANDARD.encode(hmac::sign(&self.key, signed.as_bytes()));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        format!(
            "POST /inbound/sms/carrier HTTP/1.1\r\nHost: {}\r\nX-Twilio-Signature: {signature}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.gateway,
            form.len()
        )
        .into_bytes()
    }
}

/// A challenge whose message has arrived.
pub struct Ready {
    id: String,
    reply: Vec<u8>,
}

/// The second half of lives alone: what a reply costs.
pub struct Replies {
    life: Rc<Life>,
    ready: RefCell<Vec<Ready>>,
}

impl Replies {
    /// Carries `count` lives so far that only the reply is missing, `connections` at once.
    pub async fn prepare(life: Life, count: u32, connections: usize) -> anyhow::Result<Self> {
        let (life, left) = (Rc::new(life), Rc::new(Cell::new(count)));
        let this = Self { life: life.clone(), ready: RefCell::default() };
        let record = RefCell::new(Recorder::new(Duration::from_secs(1)));
        let one = async || -> Result<Vec<Ready>, String> {
            let (mut connection, mut ready) = (Connection::new(life.gateway), Vec::new());
            while left.get() > 0 {
                left.set(left.get() - 1);
                ready.push(life.open(&mut connection, &record).await?);
            }
            Ok(ready)
        };
        for it in futures_util::future::join_all((0..connections).map(|_| one())).await {
            this.ready.borrow_mut().extend(it.map_err(|why| anyhow::anyhow!("a challenge to reply to could not be opened: {why}"))?);
        }
        Ok(this)
    }
}

impl Unit for Replies {
    async fn once(&self, connection: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) {
        let Some(ready) = self.ready.borrow_mut().pop() else { return tokio::time::sleep(Duration::from_millis(20)).await };
        let from = due.unwrap_or_else(Instant::now);
        match self.life.end(connection, ready, record).await {
            Ok(()) => record.borrow_mut().done(from, Instant::now()),
            Err(kind) => record.borrow_mut().failed(kind),
        }
    }

    fn is_exhausted(&self) -> bool {
        self.ready.borrow().is_empty()
    }
}

impl Unit for Life {
    async fn once(&self, connection: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) {
        let from = due.unwrap_or_else(Instant::now);
        let lived = match self.open(connection, record).await {
            Ok(ready) => self.end(connection, ready, record).await,
            Err(kind) => Err(kind),
        };
        match lived {
            Ok(()) => record.borrow_mut().done(from, Instant::now()),
            Err(kind) => {
                record.borrow_mut().failed(kind);
                // A server that refuses at once is not to be flooded.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

async fn heard<T>(what: oneshot::Receiver<T>) -> Option<T> {
    timeout(PATIENCE, what).await.ok()?.ok()
}

/// What a person answers in a use case.
fn wanted(case: u8, otp: &str) -> String {
    match case {
        4 => "482 913".to_owned(),
        5 => "Blue harbor".to_owned(),
        6 => "Lighthouse".to_owned(),
        8 => format!("{otp} 4321"),
        _ => otp.to_owned(),
    }
}
