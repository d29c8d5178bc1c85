//! A bank's installation in a directory of its own, and a real `countersign serve` over it.

use super::{Answer, Logs, PATIENCE, said};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the log says when it takes requests.
const LISTENING: &str = "\"message\":\"listening\"";

/// The publisher's password; generated, so it is in a file.
pub const PASSWORD: &str = "Zr0W6cJ4c1mUuS9oHqk3xg";

const PUBLISHER: &str = r#"[publisher]
id = "bank"
display_name = "First Harbor Bank"
products = ["Online"]
consumer_names = ["Online"]
zone = "America/Chicago"
answer_replies = true

[defaults]
valid_consm_name = "Online"
valid_consm_prod = "Online"

[[institution]]
id = "011001276"
versions = ["1.0"]

[[credential]]
user = "bank"
password_file = "bank.password"

[limits]
per_phone_ten_minutes = 50
per_phone_day = 100
"#;

/// The installation: settings, registration, secrets and data.
pub struct Bank(TempDir);

/// What a command came to.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Bank {
    /// Registration files after the demo's, a root key made by the program itself, and `more` below the settings that every
    /// installation has. `{home}` in it is the installation's directory.
    pub fn new(more: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let bank = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(bank.path("registration")).unwrap();
        bank.write("registration/publisher.toml", PUBLISHER);
        bank.write("registration/bank.password", PASSWORD);
        for name in ["library.toml", "recipients.toml"] {
            let text = std::fs::read_to_string(format!("fixtures/registration/demo/{name}")).unwrap();
            bank.write(&format!("registration/{name}"), &text.replace("publisher = \"demo\"", "publisher = \"bank\""));
        }
        let own = "[store]\ndir = '{home}/data'\n[keys]\nroot_file = '{home}/root.key'\n[registration]\nfiles = ['{home}/registration']\n\
                   [admin]\nsocket = '{home}/admin.sock'\n[log]\nlevel = 'trace'\n";
        let home = bank.0.path().to_str().unwrap();
        bank.write("countersign.toml", &format!("{own}{more}").replace("{home}", home));
        let key = bank.path("root.key");
        assert!(bank.done(&["keys", "init", "--out", key.to_str().unwrap()]).contains("new root key"));
        bank
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces a text that must be there.
    pub fn edit(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "{name} has no {old:?}");
        self.write(name, &text.replace(old, new));
    }

    /// Keeps everything in this database; nodes apply the schema's steps themselves.
    pub fn keep_in(&self, database: &countersign::store::postgres::Settings) {
        let database = countersign::store::postgres::Settings { migrate: true, ..database.clone() };
        self.edit("countersign.toml", "[store]\n", "[store]\nengine = 'postgres'\n");
        let section = format!("{}\n[store.postgres]\n{}", self.read("countersign.toml"), toml::to_string(&database).unwrap());
        self.write("countersign.toml", &section);
    }

    /// The environment of a node: what each has for itself.
    pub fn node(&self, name: &str) -> Vec<(String, String)> {
        let path = |end: &str| self.path(&format!("{name}{end}")).to_str().unwrap().to_owned();
        [("COUNTERSIGN__STORE__DIR", ""), ("COUNTERSIGN__ADMIN__SOCKET", ".sock")].map(|(key, end)| (key.to_owned(), path(end))).to_vec()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env("COUNTERSIGN_CONFIG", self.path("countersign.toml")).env_remove("COUNTERSIGN__LOG__LEVEL");
        command
    }

    /// Runs a command as an operator types it.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_under(&[], arguments)
    }

    /// The same with these variables in its environment.
    pub fn run_under(&self, environment: &[(String, String)], arguments: &[&str]) -> Said {
        let environment = environment.iter().map(|(name, value)| (name, value));
        let output = self.command().envs(environment).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs a command that must succeed; gives back what it printed.
    pub fn done(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
        said.out
    }

    /// Starts the server, and waits until it listens. `more`: parts of the HTTP client that talks to it.
    pub fn start(&self) -> Server {
        self.start_with(|it| it)
    }

    pub fn start_with(&self, more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Server {
        self.launch(&[], more)
    }

    /// Starts the server with these variables in its environment.
    pub fn start_under(&self, environment: &[(String, String)]) -> Server {
        self.launch(environment, |it| it)
    }

    /// Starts a server that may refuse to run: then what it said.
    pub fn try_start_under(&self, environment: &[(String, String)]) -> Result<Server, Said> {
        self.try_start_within(environment, PATIENCE)
    }

    /// The same, for a start that may take this long.
    pub fn try_start_within(&self, environment: &[(String, String)], patience: Duration) -> Result<Server, Said> {
        let mut child = self.spawn(environment);
        let logs = Logs::of(child.stderr.take().unwrap());
        match logs.line(LISTENING, patience) {
            Ok(line) => Ok(Server::over((child, logs), &line, |it| it)),
            Err(err) => Err(Said { code: child.wait().unwrap().code(), out: String::new(), err }),
        }
    }

    fn spawn(&self, environment: &[(String, String)]) -> Child {
        let mut command = self.command();
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn launch(&self, environment: &[(String, String)], more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Server {
        let mut child = self.spawn(environment);
        let logs = Logs::of(child.stderr.take().unwrap());
        let line = logs.wait_for(LISTENING);
        Server::over((child, logs), &line, more)
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    pub base: String,
    client: reqwest::Client,
    logs: Logs,
}

impl Server {
    fn over((child, logs): (Child, Logs), line: &str, more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Self {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let scheme = if line["tls"] == true { "https" } else { "http" };
        let address: std::net::SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        Self { child, base: format!("{scheme}://localhost:{}", address.port()), client: more(builder).build().unwrap(), logs }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits until the process has ended by itself.
    pub fn ended(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end; it said:\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it logged, to the end; it has ended by itself.
    pub fn ended_saying(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(started.elapsed() < PATIENCE, "it does not end; it said:\n{}", self.logs()),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        (status, self.logs.all())
    }

    pub fn stop(self) -> ExitStatus {
        self.terminate();
        self.ended()
    }

    pub fn logs(&self) -> String {
        self.logs.text()
    }

    /// Memory that the process holds, in KiB.
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Posts an envelope around `body`, as the bank.
    pub async fn soap(&self, body: &str) -> Answer {
        self.envelope(super::envelope(body)).await
    }

    pub async fn envelope(&self, envelope: String) -> Answer {
        let request = self.request(reqwest::Method::POST, super::IMS).basic_auth("bank", Some(PASSWORD));
        said(request.header("content-type", "text/xml; charset=utf-8").body(envelope).send().await.unwrap()).await
    }

    /// Posts a form, with these headers.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let encoded: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.request(reqwest::Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        said(request.body(encoded).send().await.unwrap()).await
    }

    /// Gets a path with this query, as the bank.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let encoded: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let target = format!("{path}{}{encoded}", if encoded.is_empty() { "" } else { "?" });
        said(self.request(reqwest::Method::GET, &target).basic_auth("bank", Some(PASSWORD)).send().await.unwrap()).await
    }

    /// The codes of a challenge's events, oldest first.
    pub async fn acts(&self, id: &str) -> Vec<String> {
        let page = self.get("/v1/events", &[("after", "0"), ("limit", "500")]).await;
        let page: serde_json::Value = serde_json::from_str(&page.body).unwrap();
        let mine = page["events"].as_array().unwrap().iter().filter(|it| it["data"]["AlrtPkgId"] == id);
        mine.map(|it| it["data"]["ENSActCode"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a challenge has this act.
    pub async fn wait_for_act(&self, id: &str, act: &str) {
        super::until(act, async || self.acts(id).await.iter().any(|it| it == act).then_some(())).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
