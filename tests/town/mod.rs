//! The world around the server: callers that ask, a gateway that takes messages, handsets that reply, a subscriber and a reader
//! of events. It goes on through crashes, repeats what was not acknowledged, and keeps a record of everything. When all is over
//! [`check`] judges the record; [`planted`] has the faults that it must see.

#![allow(dead_code, reason = "each test file uses a part of this")]

pub mod check;
pub mod dice;
pub mod look;
mod planted;
pub mod record;
pub mod state;

use crate::process::bank::{Bank, PASSWORD, Server};
use crate::process::peer::Peer;
use crate::process::{IMS, PATIENCE, element, envelope, explicit};
use dice::Dice;
use record::{Event, Exam, Handed, Plan, Record, Seen};
use state::{State, code, cursor, find};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Failed replies of a phone in a day, then it is blocked; more than one session can have.
pub const BUDGET: u32 = 9;
const SETTINGS: &str = r#"
[http]
listen = '127.0.0.1:0'
[[gateway]]
name = "kannel"
url = "{gateway}"
method = "GET"
query = [["to", "{to}"], ["text", "{text}"], ["charset", "UTF-8"], ["coding", "{coding}"], ["account", "{id}"]]
allow_plain = true
[gateway.answer]
success = { status = [202], contains = ["0: Accepted", "3: Queued"] }
[[inbound]]
name = "kannel"
preset = "kannel"
proof = "networks"
networks = ["127.0.0.0/8", "::1/128"]
[[subscriber]]
publisher = 'bank'
[subscriber.webhook]
name = 'desk'
url = '{desk}'
secret_file = '{home}/webhook.secret'
allow_plain = true
allow_private = true
"#;

/// The world. Clones are the same one.
#[derive(Clone)]
pub struct Town(Arc<Inner>);

struct Inner {
    bank: Bank,
    gateway: Peer,
    desk: Peer,
    client: reqwest::Client,
    state: Mutex<State>,
}

/// Where the nodes are that take requests; each is asked in turn. Clones are the same.
#[derive(Clone, Default)]
pub struct Nodes(Arc<(Mutex<Vec<String>>, AtomicUsize)>);

impl Nodes {
    pub fn new(bases: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new((Mutex::new(bases.into_iter().collect()), AtomicUsize::new(0))))
    }

    /// The nth is elsewhere now.
    pub fn moved(&self, nth: usize, base: String) {
        self.0.0.lock().unwrap()[nth] = base;
    }

    pub fn next(&self) -> String {
        let all = self.0.0.lock().unwrap();
        all[self.0.1.fetch_add(1, Ordering::Relaxed) % all.len()].clone()
    }
}

impl Town {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// After more was set in the bank.
    pub async fn with(set: impl FnOnce(&Bank)) -> Self {
        let gateway = Peer::start(&[], (202, "0: Accepted for delivery")).await;
        let desk = Peer::start(&[], (204, "")).await;
        let bank = Bank::new(&SETTINGS.replace("{gateway}", &gateway.url("/cgi-bin/sendsms")).replace("{desk}", &desk.url("/hook")));
        bank.write("webhook.secret", WEBHOOK);
        let more = format!("[lifetime]\nmin = 1\nmax = 3600\ndefault = 600\n[budget]\ndaily = {BUDGET}\n[limits]\nper_second = 100000");
        bank.edit("registration/publisher.toml", "[limits]", &more);
        bank.edit("registration/publisher.toml", "answer_replies = true", "answer_replies = false");
        bank.edit("countersign.toml", "level = 'trace'", "level = 'info'");
        set(&bank);
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let state = State { cursor: "0".to_owned(), ..State::default() };
        Self(Arc::new(Inner { bank, gateway, desk, client, state: Mutex::new(state) }))
    }

    pub fn bank(&self) -> &Bank {
        &self.0.bank
    }

    pub fn record(&self) -> Record {
        self.know(|it| it.record.clone())
    }

    /// Goes on from another record: of a past that a power cut left.
    pub fn go_on(&self, mut record: Record, journal: Option<PathBuf>) {
        record.settle();
        self.know(|it| {
            it.cursor = cursor(record.read.len());
            it.codes = record.handed.iter().map(|it| (it.what.key.clone(), code(&it.what.text))).collect();
            it.record = record;
            it.journal = journal;
            it.busy.clear();
            it.polled = (self.0.gateway.count(), self.0.desk.count());
        });
    }

    /// The journal that the disk keeps from now on.
    pub fn keep(&self, journal: Option<PathBuf>) {
        self.go_on(self.record(), journal);
    }

    /// Everybody at once, while `wait` lasts; then `end` is called amid all that. Whoever waits for an answer never gets it.
    pub async fn rush(&self, server: &Server, wait: impl Future<Output = ()>, end: impl FnOnce()) {
        let all = async {
            wait.await;
            end();
        };
        self.rush_at(&Nodes::new([server.base.clone()]), all).await;
    }

    /// The same at several nodes, while `wait` lasts.
    pub async fn rush_at(&self, nodes: &Nodes, wait: impl Future<Output = ()>) {
        self.know(|it| it.round += 1);
        let mut everybody = self.everybody(nodes, true);
        wait.await;
        everybody.shutdown().await;
        self.poll();
        self.know(|it| it.busy.clear());
    }

    /// Lasts until so many more answers came, and a moment longer: a busy machine changes nothing in what is tested.
    pub async fn busy(&self, answers: usize, moment: Duration) {
        let count = || self.know(|it| it.record.sessions.values().map(|it| it.answers.len()).sum::<usize>());
        let (before, started) = (count(), Instant::now());
        while count() < before + answers && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(moment).await;
    }

    /// No new requests; everything open comes to its end, as long as anything still moves: how long it takes is the machine's
    /// affair, and a standstill is not. Then everything is asked once more.
    pub async fn drain(&self, server: &Server) {
        self.drain_at(&Nodes::new([server.base.clone()])).await;
    }

    /// The same at several nodes.
    pub async fn drain_at(&self, nodes: &Nodes) {
        self.drain_within(nodes, PATIENCE).await;
    }

    /// The same, where a standstill may last so long.
    pub async fn drain_within(&self, nodes: &Nodes, patience: Duration) {
        let mut everybody = self.everybody(nodes, false);
        let (mut reached, mut moved) = (self.know(|it| it.record.reached()), Instant::now());
        while !self.is_over() && moved.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.poll();
            let now = self.know(|it| it.record.reached());
            if now != reached {
                (reached, moved) = (now, Instant::now());
            }
        }
        everybody.shutdown().await;
        self.know(|it| it.busy.clear());
        self.ask_again_at(nodes).await;
        // What comes late would be one too many.
        tokio::time::sleep(Duration::from_millis(100)).await;
        while self.read(&nodes.next(), 0).await == Some(true) {}
        self.poll();
        let feed = self.whole_feed(&nodes.next()).await;
        self.know(|it| it.record.feed = feed);
    }

    /// Every request once more.
    pub async fn ask_again(&self, server: &Server) {
        self.ask_again_at(&Nodes::new([server.base.clone()])).await;
    }

    async fn ask_again_at(&self, nodes: &Nodes) {
        for key in self.know(|it| it.record.sessions.keys().cloned().collect::<Vec<_>>()) {
            self.ask(&nodes.next(), &key).await;
        }
    }

    fn everybody(&self, nodes: &Nodes, fresh: bool) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for n in 0..6 {
            let (town, nodes) = (self.clone(), nodes.clone());
            let dice = Dice::new(self.know(|it| it.round as u64) * 100 + n);
            tasks.spawn(async move { town.call(&nodes, dice, fresh).await });
        }
        for _ in 0..4 {
            let (town, nodes) = (self.clone(), nodes.clone());
            tasks.spawn(async move { town.handset(&nodes).await });
        }
        let (town, nodes) = (self.clone(), nodes.clone());
        tasks.spawn(async move {
            loop {
                if town.read(&nodes.next(), 1).await.is_none() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        tasks
    }

    // A caller: repeats what was not answered, now and then what was, and asks for new.
    async fn call(&self, nodes: &Nodes, mut dice: Dice, fresh: bool) {
        loop {
            let key = self.know(|it| it.next_call(&mut dice, fresh));
            let Some(key) = key else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let answered = self.ask(&nodes.next(), &key).await;
            self.know(|it| it.busy.remove(&key));
            if !answered {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn ask(&self, base: &str, key: &str) -> bool {
        let (phone, plan) = self.know(|it| (it.record.sessions[key].phone.clone(), it.record.sessions[key].plan));
        let seconds = if plan == Plan::Silent { 2 } else { 1800 };
        let body =
            explicit(&phone, &format!("Bank: <%$otp%> is your code. Ref {key}."), &format!("<OOBExpSec>{seconds}</OOBExpSec>"), Some(key));
        let Some((status, text)) = self.post(base, body).await else { return false };
        let id = element(&text, "AlrtPkgId").filter(|_| status == 200);
        let (fault, otp) = (element(&text, "ErrCode"), element(&text, "OTP"));
        self.know(|it| match id {
            Some(id) => {
                let at = it.position();
                it.record.sessions.get_mut(key).unwrap().answers.push(Seen { what: id, at });
                // Whoever got a message around a power cut may have one that counts no more, or that won't come again.
                if it.record.perhaps.handed.iter().any(|it| it.key == key) {
                    it.codes.extend(otp.map(|otp| (key.to_owned(), otp)));
                }
                true
            }
            // 503 and our own trouble tell nothing; a rule that is said to be broken is odd.
            None => {
                if fault.is_some() || !matches!(status, 500 | 503) {
                    it.record.odd.push(format!("{key} got {status} {text}"));
                }
                false
            }
        })
    }

    pub async fn post(&self, base: &str, body: String) -> Option<(u16, String)> {
        let request = self.0.client.post(format!("{base}{IMS}")).basic_auth("bank", Some(PASSWORD));
        let said = request.header("content-type", "text/xml; charset=utf-8").body(envelope(&body)).send().await.ok()?;
        Some((said.status().as_u16(), said.text().await.ok()?))
    }

    // People who reply, each in turn: first what is wrong, then what is right, each until it is acknowledged.
    async fn handset(&self, nodes: &Nodes) {
        loop {
            self.poll();
            let Some((key, phone, text, nth)) = self.know(State::next_reply) else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let taken = self.reply(&nodes.next(), &phone, &text, &format!("{key}-{nth}")).await;
            self.know(|it| {
                let at = it.position();
                if taken {
                    it.record.sessions.get_mut(&key).unwrap().replied.push(Seen { what: (), at });
                }
                it.busy.remove(&key);
            });
            if !taken {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Through the gateway; whether it was acknowledged.
    pub async fn reply(&self, base: &str, phone: &str, text: &str, id: &str) -> bool {
        let query = [("from", format!("+1{phone}")), ("to", "28849".into()), ("text", text.into()), ("id", id.into())];
        let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let said = self.0.client.get(format!("{base}/inbound/sms/kannel?{query}&charset=UTF-8")).send().await;
        said.is_ok_and(|it| it.status().is_success())
    }

    // The next page; whether there was something in it. A page that was not answered whole does not move the cursor.
    async fn read(&self, base: &str, wait: u64) -> Option<bool> {
        let after = self.know(|it| it.cursor.clone());
        let (next, events) = self.page(base, &after, wait).await?;
        self.know(|it| {
            let at = it.position();
            if it.cursor == after {
                it.cursor = next;
                it.record.read.extend(events.iter().cloned().map(|what| Seen { what, at }));
            }
        });
        Some(!events.is_empty())
    }

    async fn page(&self, base: &str, after: &str, wait: u64) -> Option<(String, Vec<Event>)> {
        let url = format!("{base}/v1/events?after={after}&limit=200&wait={wait}");
        let said = self.0.client.get(url).basic_auth("bank", Some(PASSWORD)).send().await.ok()?;
        let said = said.error_for_status().ok()?.text().await.ok()?;
        let page: serde_json::Value = serde_json::from_str(&said).unwrap();
        let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
        let event = |it: &serde_json::Value| Event {
            seq: it["seq"].as_u64().unwrap(),
            id: text(&it["id"]),
            act: text(&it["data"]["ENSActCode"]),
            package: it["data"]["AlrtPkgId"].as_str().unwrap_or_default().to_owned(),
        };
        Some((text(&page["next"]), page["events"].as_array().unwrap().iter().map(event).collect()))
    }

    async fn whole_feed(&self, base: &str) -> Vec<Event> {
        let (mut after, mut all) = ("0".to_owned(), Vec::new());
        while let Some((next, events)) = self.page(base, &after, 0).await.filter(|it| !it.1.is_empty()) {
            all.extend(events);
            after = next;
        }
        all
    }

    // Takes into the record what the peers got.
    fn poll(&self) {
        self.know(|it| {
            let at = it.position();
            for got in self.0.gateway.since(it.polled.0) {
                it.polled.0 += 1;
                let text = got.field("text");
                let key = text.rsplit_once("Ref ").map_or("", |it| it.1).trim_end_matches('.').to_owned();
                it.codes.insert(key.clone(), code(&text));
                it.record.handed.push(Seen { what: Handed { key, id: got.field("account"), text }, at });
            }
            for got in self.0.desk.since(it.polled.1) {
                it.polled.1 += 1;
                let body: serde_json::Value = serde_json::from_str(&got.body).unwrap();
                let text = |it: &serde_json::Value| it.as_str().unwrap_or_default().to_owned();
                let act = text(&body["type"]).trim_start_matches("countersign.").to_owned();
                let package = find(&body, "AlrtPkgId").map(text).unwrap_or_default();
                it.record.pushed.push(Seen { what: Event { seq: 0, id: got.header("webhook-id").to_owned(), act, package }, at });
            }
        });
    }

    fn is_over(&self) -> bool {
        self.know(|it| {
            let sessions = &it.record.sessions;
            let ends = it.record.read.iter().filter(|it| it.what.act.starts_with("OOB")).count();
            let pushed: BTreeSet<&str> = it.record.pushed.iter().map(|it| it.what.id.as_str()).collect();
            let perhaps = it.record.perhaps.pushed.iter().filter(|of| it.record.read.iter().any(|it| it.what.id == of.id));
            let pushed: BTreeSet<&str> = pushed.into_iter().chain(perhaps.map(|it| it.id.as_str())).collect();
            let done = sessions.values().all(|it| !it.answers.is_empty() && !it.wants_reply());
            done && ends >= sessions.len() && pushed.len() >= ends
        })
    }

    fn know<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.state.lock().unwrap())
    }

    /// Fills in what operators see of these sessions.
    pub fn show(&self, keys: &[String], told: impl Fn(&str) -> (u32, u32)) {
        for key in keys {
            let id = self.know(|it| it.record.sessions[key].answers.first().map(|it| it.what.clone()));
            let shown = id.map(|id| told(&id));
            self.know(|it| it.record.sessions.get_mut(key).unwrap().shown = shown);
        }
    }

    pub fn note_exam(&self, exam: Exam) {
        self.know(|it| it.record.exams.push(exam));
    }
}
