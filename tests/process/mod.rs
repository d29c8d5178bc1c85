//! Real processes of the program: `countersign demo` here, `countersign serve` in [`bank`]; and the little that a test asks of
//! them.

#![allow(dead_code, reason = "each test file uses a part of this")]

pub mod bank;
pub mod nodes;
pub mod peer;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a test waits for something that must happen. Generous: it bounds a failure, it times nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The path of the contract.
pub const IMS: &str = "/jxchange/2008/ServiceGateway/IMS.svc";

/// The Python that has the peers which tests talk to: what `.ci/setup tests` made, or the one in `COUNTERSIGN_PEERS_PYTHON`.
pub fn python() -> PathBuf {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python");
    std::env::var_os("COUNTERSIGN_PEERS_PYTHON").map_or_else(made, PathBuf::from)
}

/// A running demo. Killed when dropped.
pub struct Demo {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    client: reqwest::Client,
    logs: Logs,
}

/// What a process logs, read as it comes.
pub struct Logs {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Logs {
    pub fn of(mut stderr: ChildStderr) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = text.clone();
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..count]));
            }
        });
        Self { text, reader }
    }

    pub fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Everything, once the process has ended.
    pub fn all(&self) -> String {
        let started = Instant::now();
        while !self.reader.is_finished() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.text()
    }

    /// Waits for a whole line with this text.
    pub fn wait_for(&self, text: &str) -> String {
        self.line(text, PATIENCE).unwrap_or_else(|logs| panic!("no {text}; it said:\n{logs}"))
    }

    /// Waits for a whole line with this text; when the process ends without, all that it said.
    pub fn line(&self, text: &str, patience: Duration) -> Result<String, String> {
        let started = Instant::now();
        loop {
            let over = self.reader.is_finished();
            let logs = self.text();
            let whole = logs.rfind('\n').map_or("", |end| &logs[..end]);
            if let Some(line) = whole.lines().find(|it| it.contains(text)) {
                return Ok(line.to_owned());
            }
            if over {
                return Err(logs);
            }
            assert!(started.elapsed() < patience, "no {text}; it said:\n{logs}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// What the SOAP endpoint answered.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The text of the first element of this name, whatever its prefix; empty when there is none.
    pub fn element(&self, name: &str) -> String {
        element(&self.body, name).unwrap_or_default()
    }

    /// Every `ErrCode`, in order.
    pub fn codes(&self) -> Vec<String> {
        self.body.split("<ErrCode>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }
}

/// Reads a whole answer.
pub async fn said(response: reqwest::Response) -> Answer {
    Answer { status: response.status().as_u16(), body: response.text().await.unwrap() }
}

/// A SOAP 1.1 envelope.
pub fn envelope(body: &str) -> String {
    format!(r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>"#)
}

pub fn element(xml: &str, name: &str) -> Option<String> {
    let start = [format!("<{name}>"), format!(":{name}>")].into_iter().find_map(|tag| xml.find(&tag).map(|at| at + tag.len()))?;
    xml[start..].split('<').next().map(str::to_owned)
}

impl Demo {
    /// Starts a demo over `data`, logging everything it can log.
    pub fn start(data: &Path) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("COUNTERSIGN__LOG__LEVEL", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let logs = Logs::of(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.find("http://")?;
            let end = line[at + 7..].find('/').map_or(line.len(), |it| at + 7 + it);
            Some(line[at..end].to_owned())
        });
        let base = ready.unwrap_or_else(|| panic!("the demo tells its address; it said:\n{}", logs.text()));
        std::thread::spawn(move || lines.for_each(drop));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { child, base, client, logs }
    }

    /// SIGKILL: nothing is flushed, nobody says goodbye. Gives back what was logged.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.logs()
    }

    pub fn logs(&self) -> String {
        self.logs.text()
    }

    /// Posts an envelope around `body` to the IMS endpoint as the demo publisher, by HTTP Basic.
    pub async fn soap(&self, body: &str) -> Answer {
        self.envelope(envelope(body)).await
    }

    /// Posts a whole envelope.
    pub async fn envelope(&self, envelope: String) -> Answer {
        let request = self.client.post(format!("{}{IMS}", self.base)).basic_auth("demo", Some("demo"));
        let request =
            request.header("content-type", "text/xml; charset=utf-8").header("soapaction", "\"http://jackhenry.com/ws/OOBValidate\"");
        said(request.body(envelope).send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.base)).basic_auth("demo", Some("demo")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let encoded: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(encoded).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// What the virtual handset holds.
    pub async fn messages(&self) -> Vec<serde_json::Value> {
        let (status, body) = self.get("/sandbox/messages").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until the handset holds `count` messages.
    pub async fn wait_for_messages(&self, count: usize) -> Vec<serde_json::Value> {
        let started = Instant::now();
        loop {
            let messages = self.messages().await;
            if messages.len() >= count {
                return messages;
            }
            assert!(started.elapsed() < PATIENCE, "only {} of {count} messages came", messages.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the handset holds every message of a challenge, and gives those: answers to replies are not among them.
    pub async fn wait_for_challenge(&self, id: &str) -> Vec<serde_json::Value> {
        until("the challenge's messages", async || {
            let events = self.events().await;
            let mine = events.iter().filter(|it| it["data"]["AlrtPkgId"] == id && it["data"]["ENSActCode"] == "MsgAccepted");
            let ids: Vec<_> = mine.map(|it| it["data"]["AlrtPkgSubId"].clone()).collect();
            let held: Vec<_> = self.messages().await.into_iter().filter(|it| ids.contains(&it["id"])).collect();
            (!ids.is_empty() && held.len() == ids.len()).then_some(held)
        })
        .await
    }

    /// A handset writes to the bank.
    pub async fn text(&self, from: &str, body: &str, id: &str) {
        let (status, said) = self.post("/inbound/sms/sandbox", &[("From", from), ("To", ""), ("Body", body), ("MessageSid", id)]).await;
        assert!((200..300).contains(&status), "{status} {said}");
    }

    /// Every event so far, by paging from the start.
    pub async fn events(&self) -> Vec<serde_json::Value> {
        let (mut after, mut events) = ("0".to_owned(), Vec::new());
        loop {
            let (status, body) = self.get(&format!("/v1/events?after={after}&limit=100")).await;
            assert_eq!(status, 200, "{body}");
            let page: serde_json::Value = serde_json::from_str(&body).unwrap();
            let list = page["events"].as_array().unwrap();
            if list.is_empty() {
                return events;
            }
            events.extend(list.iter().cloned());
            after = page["next"].as_str().unwrap().to_owned();
        }
    }

    /// Outcome codes of a challenge: what `ENSActCode` says of those events that begin with `OOB`.
    pub async fn outcomes(&self, id: &str) -> Vec<String> {
        let events = self.events().await;
        let mine = events.iter().filter(|it| it["data"]["AlrtPkgId"] == id);
        mine.filter_map(|it| it["data"]["ENSActCode"].as_str()).filter(|it| it.starts_with("OOB")).map(str::to_owned).collect()
    }

    /// Waits until a challenge has an outcome.
    pub async fn wait_for_outcome(&self, id: &str) -> Vec<String> {
        let started = Instant::now();
        loop {
            let outcomes = self.outcomes(id).await;
            if !outcomes.is_empty() {
                return outcomes;
            }
            assert!(started.elapsed() < PATIENCE, "no outcome came");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An explicit request to a phone, in the tutorial's style; `extra` goes after SMSText, in schema order.
pub fn explicit(phone: &str, text: &str, extra: &str, correlation: Option<&str>) -> String {
    let correlation = correlation.map(|id| format!("<BusCorrelId>{id}</BusCorrelId>")).unwrap_or_default();
    let text =
        if text.is_empty() { String::new() } else { format!("<SMSText>{}</SMSText>", text.replace('<', "&lt;").replace('>', "&gt;")) };
    format!(
        r#"<OOBValidateRq xmlns="http://jackhenry.com/jxchange/TPG/2008"><MsgRqHdr><jXchangeHdr><AuditUsrId>teller</AuditUsrId><AuditWsId>branch-1</AuditWsId>{correlation}</jXchangeHdr></MsgRqHdr><PhoneNum>{phone}</PhoneNum>{text}{extra}</OOBValidateRq>"#
    )
}
