//! The operator's end of the socket.

use super::command::{Command, Reply};
use super::{LARGEST_LINE, Outcome};
use std::io;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Sends `command` to the server whose socket is at `path`, and waits for what it says.
pub async fn ask(path: &Path, command: &Command) -> Outcome {
    let mut line = serde_json::to_vec(command).map_err(|_| "a path in the command is not UTF-8; rename it".to_owned())?;
    if line.len() >= LARGEST_LINE {
        return Err(format!("too large: a command takes at most {LARGEST_LINE} bytes; load fewer files at once"));
    }
    line.push(b'\n');
    let stream = UnixStream::connect(path).await.map_err(|error| unreachable(path, &error))?;
    let answer = exchange(stream, &line).await.map_err(|error| format!("the server broke off ({error}); see its log"))?;
    match serde_json::from_slice(&answer) {
        Ok(Reply::Done(text)) => Ok(text),
        Ok(Reply::Failed(why)) => Err(why),
        Err(_) => Err("the server ended before it answered; see its log".to_owned()),
    }
}

async fn exchange(mut stream: UnixStream, line: &[u8]) -> io::Result<Vec<u8>> {
    // A server that refuses early closes its end while we still write: its answer counts, not our broken pipe.
    let written = stream.write_all(line).await;
    let mut answer = Vec::new();
    stream.take(LARGEST_LINE as u64).read_to_end(&mut answer).await?;
    if answer.is_empty() {
        written?;
    }
    Ok(answer)
}

fn unreachable(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("no server runs here: {path} is not there; start it with countersign serve"),
        io::ErrorKind::ConnectionRefused => format!("no server runs here: nobody answers at {path}; start it with countersign serve"),
        io::ErrorKind::PermissionDenied => format!("you may not use {path}; be the server's user, or root"),
        _ => format!("{path} can't be reached: {error}"),
    }
}
