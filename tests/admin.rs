//! The admin socket: commands travel, are recorded, and nobody else may use it.

use countersign::admin::audit::{Audit, FILE};
use countersign::admin::command::{Command, Who};
use countersign::admin::keys::Keys;
use countersign::admin::listener::{Listener, Office};
use countersign::admin::{Files, Operations, Soon, client};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::time::Timestamp;
use countersign::store::postgres::Settings;
use countersign::store::transfer::copy::Plan;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Tells what it was asked.
struct Fake;

fn told(text: String) -> Soon<'static> {
    Box::pin(async move { Ok(text) })
}

impl Operations for Fake {
    fn load(&self, files: Files, apply: bool) -> Soon<'_> {
        told(format!("load {} {apply}", files.len()))
    }
    fn reload(&self) -> Soon<'_> {
        Box::pin(async { Err("the files have problems".to_owned()) })
    }
    fn challenge(&self, id: AggregateId) -> Soon<'_> {
        told(format!("challenge {id}"))
    }
    fn unlock(&self, key: BudgetKey) -> Soon<'_> {
        told(match key {
            BudgetKey::Address(institution, address) => format!("unlock {institution} {}", address.expose()),
            BudgetKey::Recipient(institution, publisher, id) => format!("unlock {institution} {publisher} {id}"),
        })
    }
    fn backup<'a>(&'a self, to: &'a Path) -> Soon<'a> {
        told(format!("backup {}", to.display()))
    }
    fn copy(&self, to: Settings, plan: Plan) -> Soon<'_> {
        told(format!("copy {} {}", to.database, plan.restart))
    }
    fn export<'a>(&'a self, to: &'a Path) -> Soon<'a> {
        told(format!("export {}", to.display()))
    }
    fn keys(&self, wish: Keys) -> Soon<'_> {
        told(match wish {
            Keys::Revoke { id } => format!("revoke {id}"),
            _ => "cs_canary".to_owned(),
        })
    }
    fn parked(&self, subscriber: String, replay: bool) -> Soon<'_> {
        told(format!("parked {subscriber} {replay}"))
    }
    fn status(&self) -> Soon<'_> {
        told("fine".to_owned())
    }
    fn pause_outbox(&self, paused: bool) -> Soon<'_> {
        told(format!("paused {paused}"))
    }
}

/// A server in a directory of its own.
struct Server {
    dir: TempDir,
    running: tokio::task::JoinHandle<()>,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let audit = Audit::open(dir.path()).expect("opened");
        let clock = Box::new(|| Timestamp::from_millis(1_000));
        let office = Arc::new(Office { operations: Arc::new(Fake), audit: Arc::new(audit), clock });
        let listener = Listener::bind(&dir.path().join("s")).expect("bound");
        let running = tokio::spawn(async move { listener.run(office).await });
        Self { dir, running }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    async fn ask(&self, command: Command) -> Result<String, String> {
        client::ask(&self.socket(), &command).await
    }

    async fn send(&self, bytes: &[u8]) -> Value {
        let mut stream = UnixStream::connect(self.socket()).await.expect("connected");
        stream.write_all(bytes).await.expect("written");
        stream.shutdown().await.expect("shut");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("read");
        serde_json::from_slice(&answer).expect("JSON")
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join(FILE)).expect("the log");
        text.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect()
    }
}

fn unlock(who: Who) -> Command {
    Command::Unlock { institution: "011001276".to_owned(), who }
}

fn files() -> Files {
    vec![("a.toml".into(), "canary".to_owned())]
}

#[tokio::test]
async fn each_command_reaches_its_operation() {
    let server = Server::start();
    let id = "72e67057-a1d8-4d29-b5fe-95b2d5b1d39f";
    let recipient = Who::Recipient { publisher: "demo".to_owned(), id: "R/1".to_owned() };
    let cases = [
        (Command::Load { files: files(), apply: false }, Ok("load 1 false")),
        (Command::Load { files: files(), apply: true }, Ok("load 1 true")),
        (Command::Reload, Err("the files have problems")),
        (Command::Challenge { id: id.to_owned() }, Ok("challenge 72e67057-a1d8-4d29-b5fe-95b2d5b1d39f")),
        (Command::Challenge { id: "7".to_owned() }, Err("that is no AlrtPkgId; it is a UUID")),
        (unlock(Who::Phone("(202) 555-0143".to_owned())), Ok("unlock 011001276 +12025550143")),
        (unlock(Who::Phone("+44 20 7946 0018".to_owned())), Ok("unlock 011001276 +442079460018")),
        (unlock(Who::Phone("0143".to_owned())), Err("that is no phone number; write ten digits, or + with country and number")),
        (unlock(Who::Mail("solo@Example.com".to_owned())), Ok("unlock 011001276 solo@example.com")),
        (unlock(Who::Mail("solo".to_owned())), Err("that is no e-mail address")),
        (unlock(recipient), Ok("unlock 011001276 demo R/1")),
        (Command::Backup { to: "/b".into() }, Ok("backup /b")),
        (Command::Backup { to: "b".into() }, Err("name the backup's directory by its absolute path")),
        (Command::Copy { to: Box::default(), plan: Plan { restart: true, ..Plan::default() } }, Ok("copy countersign true")),
        (Command::Export { to: "/e".into() }, Ok("export /e")),
        (Command::Export { to: "e".into() }, Err("name the file by its absolute path")),
        (Command::Status, Ok("fine")),
        (Command::Events { subscriber: "core".into(), replay: true }, Ok("parked core true")),
        (Command::Key { wish: Keys::Revoke { id: "abc".into() } }, Ok("revoke abc")),
        (Command::Outbox { paused: true }, Ok("paused true")),
    ];
    for (command, expected) in cases {
        let shown = format!("{command:?}");
        assert_eq!(server.ask(command).await.as_deref().map_err(String::as_str), expected, "{shown}");
        assert!(!shown.contains("canary") && !shown.contains("555"), "{shown}");
    }
}

#[tokio::test]
async fn every_command_is_recorded_and_a_change_before_it_begins() {
    let server = Server::start();
    let phone = unlock(Who::Phone("2025550143".to_owned()));
    for command in [Command::Status, Command::Load { files: files(), apply: true }, phone, Command::Reload] {
        let _ = server.ask(command).await;
    }
    let lines = server.audit();
    let told: Vec<_> = lines.iter().map(|it| json!([it["action"], it["result"], it["arguments"]])).collect();
    let loaded = json!({ "files": ["a.toml"] });
    let unlocked = json!({ "institution": "011001276", "who": "******0143" });
    let expected = [
        json!(["status", "done", {}]),
        json!(["load apply", "started", loaded]),
        json!(["load apply", "done", loaded]),
        json!(["unlock", "started", unlocked]),
        json!(["unlock", "done", unlocked]),
        json!(["reload", "started", {}]),
        json!(["reload", "failed", {}]),
    ];
    assert_eq!(told, expected);
    assert_eq!(lines[0]["time"], "1970-01-01T00:00:01.000Z");
    assert_eq!(lines[0]["pid"], std::process::id());
    assert!(lines[0]["uid"].is_number());
    let mode = std::fs::metadata(server.dir.path().join(FILE)).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_not_repeated() {
    let server = Server::start();
    let check = async |bytes: &[u8], expected: &str| {
        let answer = server.send(bytes).await;
        let text = answer["failed"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(text.contains(expected) && !text.contains("canary"), "{text}");
    };
    check(b"canary\n", "not JSON").await;
    check(b"{\"command\":\"canary\"}\n", "unknown command or argument").await;
    check(b"{\"command\":\"outbox\",\"paused\":\"canary\"}\n", "unknown command or argument").await;
    check(b"{\"command\":\"backup\",\"to\":\"/b\",\"canary\":1}\n", "unknown command or argument").await;
    check(b"{\"command\":\"status\"}", "one line").await;
    check(b"", "one line").await;
    check(&[&vec![b' '; 64 * 1024 * 1024 - 1][..], b"\xff\n"].concat(), "one line").await;
    assert_eq!(server.audit(), [] as [Value; 0]);
}

#[tokio::test]
async fn the_socket_is_the_servers_alone() {
    let server = Server::start();
    let path = server.socket();
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(server.dir.path()).expect("read").map(|it| it.expect("one").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["audit.jsonl", "s"]);
    let error = Listener::bind(&path).map(drop).expect_err("it is in use");
    assert_eq!(error.to_string(), format!("another server answers at {}; stop it first", path.display()));

    server.running.abort();
    while path.exists() {
        tokio::task::yield_now().await;
    }
    let asked = server.ask(Command::Status).await;
    assert_eq!(asked, Err(format!("no server runs here: {} is not there; start it with countersign serve", path.display())));

    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let asked = server.ask(Command::Status).await;
    assert_eq!(asked, Err(format!("no server runs here: nobody answers at {}; start it with countersign serve", path.display())));
    drop(Listener::bind(&path).expect("a dead server's socket is replaced"));
    assert_eq!(names(), ["audit.jsonl"]);
}

#[tokio::test]
async fn a_command_whose_record_fails_is_not_begun() {
    let dir = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink("/dev/full", dir.path().join(FILE)).expect("linked");
    let audit = Audit::open(dir.path()).expect("opened");
    let office = Arc::new(Office { operations: Arc::new(Fake), audit: Arc::new(audit), clock: Box::new(Timestamp::default) });
    let socket = dir.path().join("s");
    let listener = Listener::bind(&socket).expect("bound");
    let running = tokio::spawn(async move { listener.run(office).await });
    let asked = client::ask(&socket, &unlock(Who::Mail(Address::canonical("a@example.com").expose().to_owned()))).await;
    let why = asked.expect_err("not recorded");
    assert!(why.starts_with("the audit log can't be written") && why.ends_with("nothing was done"), "{why}");
    running.abort();
}
