//! The server's end of the socket.

use super::audit::{Audit, Entry, Peer, Step};
use super::command::{Command, Reply};
use super::{LARGEST_LINE, Operations};
use crate::domain::time::Timestamp;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Commands at once; more wait in the kernel's queue.
const AT_ONCE: usize = 4;
/// Time for a command to arrive, and for an answer to be taken. The command itself takes what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The socket, bound. Its file goes when this is dropped.
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

/// What commands are carried out with.
pub struct Office {
    /// The server's side of each command.
    pub operations: Arc<dyn Operations>,
    /// Where each is recorded.
    pub audit: Arc<Audit>,
    /// Tells the time for the record.
    pub clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Listener {
    /// Binds `path` with mode 0600; a socket that a dead server left is replaced, that of a living one is not.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let message = format!("another server answers at {}; stop it first", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        // Bound where nobody else may look, so that no moment exists in which others may connect.
        let nursery = path.with_extension(format!("{}.new", std::process::id()));
        // One may be left of a process that died here; in a container every process has the same number.
        let _ = fs::remove_dir_all(&nursery);
        DirBuilder::new().mode(0o700).create(&nursery)?;
        let bound = bind_in(&nursery, path);
        let _ = fs::remove_dir_all(&nursery);
        Ok(Self { socket: bound?, path: path.to_owned() })
    }

    /// Takes commands until the future is dropped. Commands in progress go on.
    pub async fn run(&self, office: Arc<Office>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let office = Arc::clone(&office);
                    tokio::spawn(async move {
                        if let Err(error) = office.serve(stream).await {
                            tracing::warn!(%error, "an operator's connection broke");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket can't accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Office {
    async fn serve(self: Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let cred = stream.peer_cred()?;
        let peer = Peer { uid: cred.uid(), pid: cred.pid() };
        let (reading, mut writing) = stream.into_split();
        let mut line = Vec::new();
        let mut limited = BufReader::new(reading).take(LARGEST_LINE as u64);
        timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
        let reply = match serde_json::from_slice::<Command>(&line) {
            _ if line.last() != Some(&b'\n') => Reply::Failed(format!("a command is one line of at most {LARGEST_LINE} bytes")),
            Ok(command) => self.carry_out(peer, command).await,
            Err(error) => Reply::Failed(format!("not a command this server knows; use the same version of countersign ({})", kind(&error))),
        };
        let mut bytes = serde_json::to_vec(&reply)?;
        bytes.push(b'\n');
        timeout(PATIENCE, writing.write_all(&bytes)).await??;
        writing.shutdown().await
    }

    async fn carry_out(self: &Arc<Self>, peer: Peer, command: Command) -> Reply {
        let entry = Entry::from(&command);
        if command.changes()
            && let Err(refusal) = self.record(peer, &entry, Step::Started).await
        {
            return refusal;
        }
        let (step, reply) = match command.run(&*self.operations).await {
            Ok(text) => (Step::Done, Reply::Done(text)),
            Err(why) => (Step::Failed, Reply::Failed(why)),
        };
        match self.record(peer, &entry, step).await {
            Ok(()) => reply,
            Err(refusal) => refusal,
        }
    }

    async fn record(self: &Arc<Self>, peer: Peer, entry: &Entry, step: Step) -> Result<(), Reply> {
        let (office, entry) = (Arc::clone(self), entry.clone());
        let written = tokio::task::spawn_blocking(move || office.audit.write((office.clock)(), peer, &entry, step)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unrecorded(step, &error.to_string())),
            Err(_) => Err(unrecorded(step, "the writer ended")),
        }
    }
}

fn unrecorded(step: Step, error: &str) -> Reply {
    let done = if step == Step::Started { "nothing was done" } else { "the command was carried out" };
    Reply::Failed(format!("the audit log can't be written ({error}); {done}"))
}

fn bind_in(nursery: &Path, path: &Path) -> io::Result<UnixListener> {
    let first = nursery.join("s");
    let socket = UnixListener::bind(&first)?;
    fs::set_permissions(&first, Permissions::from_mode(0o600))?;
    fs::rename(&first, path)?;
    Ok(socket)
}

/// What kind of mistake it was; never the text, which may hold a secret.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "unknown command or argument",
        _ => "not JSON",
    }
}
