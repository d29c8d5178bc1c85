//! A server under measurement, as a process of its own: started, waited for, operated and ended.

use super::installation::Installation;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait until a server listens.
const PATIENCE: Duration = Duration::from_secs(60);
/// End of its log that is shown when it fails, in bytes.
const SHOWN: usize = 2_000;

/// A running process. Killed when dropped: what it was for is over.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `countersign serve` over an installation, as the first node or a later one; its log goes to a file there, as it would go to a journal.
    pub fn serve(at: &Installation, node: u32) -> Result<Self> {
        let log = at.path(&format!("server-{node}.log"));
        let mut command = Command::new(own()?);
        command.arg("serve").arg("--config").arg(at.path("countersign.toml"));
        as_node(clean(&mut command), at, node).stdout(Stdio::null()).stderr(File::create(&log)?);
        Self::start(command, || listening(&log), || tail(&log))
    }

    /// Starts another program that listens on the port it is given as its last argument, on the loopback.
    pub fn program(mut command: Command) -> Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        command.arg(address.port().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        let answers = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok().map(|_| address);
        Self::start(command, answers, String::new)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start(mut command: Command, ready: impl Fn() -> Option<SocketAddr>, why: impl Fn() -> String) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("{name} can't be started"))?;
        let (mut server, started) = (Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) }, Instant::now());
        loop {
            if let Some(address) = ready() {
                server.address = address;
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended before it listened ({status}). It said: {}", why());
            }
            ensure!(started.elapsed() < PATIENCE, "the server does not listen. It said: {}", why());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an operator's command on a server of an installation.
pub fn operate<S: AsRef<OsStr>>(at: &Installation, node: u32, arguments: &[S]) -> Result<()> {
    let mut command = Command::new(own()?);
    command.args(arguments).env("COUNTERSIGN_CONFIG", at.path("countersign.toml"));
    let output = as_node(clean(&mut command), at, node).stdin(Stdio::null()).output().context("this program can't be started again")?;
    ensure!(output.status.success(), "an operator's command failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// This program.
pub fn own() -> Result<PathBuf> {
    std::env::current_exe().context("this program can't tell where it is")
}

// Settings in the environment would go over those of the run.
fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|it| it.0.to_string_lossy().starts_with("COUNTERSIGN__")) {
        command.env_remove(name);
    }
    command
}

// Each but the first has a directory and a socket of its own.
fn as_node<'a>(command: &'a mut Command, at: &Installation, node: u32) -> &'a mut Command {
    if node > 0 {
        command.env("COUNTERSIGN__STORE__DIR", at.path(&format!("data-{node}")));
        command.env("COUNTERSIGN__ADMIN__SOCKET", at.path(&format!("admin-{node}.sock")));
    }
    command
}

fn listening(log: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(log).ok()?;
    let line = text.split_inclusive('\n').find(|it| it.ends_with('\n') && it.contains("\"message\":\"listening\""))?;
    serde_json::from_str::<serde_json::Value>(line).ok()?["address"].as_str()?.parse().ok()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let from = (text.len().saturating_sub(SHOWN)..text.len()).find(|it| text.is_char_boundary(*it)).unwrap_or_default();
    text[from..].to_owned()
}
