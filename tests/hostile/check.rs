//! One check for every case: what comes back, and what must not have happened.

use super::corpus::{Caller, Case, Step};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Bounds a failure; times nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where cases are sent.
pub struct Place<'a> {
    pub address: SocketAddr,
    pub caller: Caller,
    /// Phones of opened challenges and texts of judged replies since it was asked last, where that can be seen.
    pub seen: &'a (dyn Fn() -> (Vec<String>, Vec<String>) + Sync),
}

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends a case and judges what came of it.
pub async fn check(place: &Place<'_>, case: &Case) -> Result<(), String> {
    let sent = tokio::time::timeout(PATIENCE, exchange(place.address, case.steps(&place.caller)));
    let raw = sent.await.map_err(|_| "the connection stays open".to_owned())?;
    let (phones, replies) = (place.seen)();
    judge(case, &answers(&raw)?)?;
    if phones != case.phones {
        return Err(format!("challenges were opened for {phones:?}"));
    }
    if replies != case.replies {
        return Err(format!("replies were judged: {replies:?}"));
    }
    Ok(())
}

/// Writes the steps and reads to the end.
pub async fn exchange(address: SocketAddr, steps: Vec<Step>) -> Vec<u8> {
    let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
    // Who is refused early may be cut off while it still writes.
    let writing = tokio::spawn(act(write, steps));
    let got = read_all(read).await;
    writing.abort();
    got
}

async fn act(mut write: OwnedWriteHalf, steps: Vec<Step>) -> std::io::Result<OwnedWriteHalf> {
    for step in steps {
        match step {
            Step::Send(bytes) => write.write_all(&bytes).await?,
            Step::Half => write.shutdown().await?,
            Step::Dribble(bytes) => {
                for byte in bytes {
                    write.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
    // Given back, not dropped: a closed half would end what should stay silent.
    std::future::pending::<()>().await;
    Ok(write)
}

async fn read_all(mut read: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 8192]);
    while let Ok(count @ 1..) = read.read(&mut chunk).await {
        all.extend_from_slice(&chunk[..count]);
    }
    all
}

/// The answers on a connection, one after another.
pub fn answers(raw: &[u8]) -> Result<Vec<Answer>, String> {
    let mut rest = std::str::from_utf8(raw).map_err(|_| "an answer is not UTF-8".to_owned())?;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_once("\r\n\r\n").ok_or("an answer has no end of its head")?;
        let status = head.strip_prefix("HTTP/1.").and_then(|it| it.get(2..5)?.parse().ok()).ok_or("an answer has no status")?;
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let body = after.get(..length).ok_or("an answer is shorter than it says")?;
        rest = &after[length..];
        all.push(Answer { status, head, body: body.to_owned() });
    }
    Ok(all)
}

/// All that a head of ours may hold.
const FIELDS: [&str; 8] =
    ["content-type", "x-correlation-id", "connection", "content-length", "date", "allow", "www-authenticate", "retry-after"];

fn judge(case: &Case, answers: &[Answer]) -> Result<(), String> {
    for line in answers.iter().flat_map(|it| it.head.lines().skip(1)) {
        if !FIELDS.contains(&line.split(':').next().unwrap_or_default()) {
            return Err(format!("a header that is none of ours: {line:?}"));
        }
    }
    let shown = || answers.iter().map(|it| format!("{}\n{}", it.head, it.body)).collect::<Vec<_>>().join("\n---\n");
    let statuses: Vec<u16> = answers.iter().map(|it| it.status).collect();
    if statuses != case.answers {
        return Err(format!("answered {statuses:?}, not {:?}:\n{}", case.answers, shown()));
    }
    let last = answers.last().map_or("", |it| it.body.as_str());
    if let Some(fault) = &case.fault
        && !last.contains(&format!(":{fault}</faultcode>"))
    {
        return Err(format!("no {fault} fault:\n{}", shown()));
    }
    if case.fault.is_none() && last.contains("Fault>") {
        return Err(format!("an unexpected fault:\n{}", shown()));
    }
    let codes: Vec<&str> = last.split("<ErrCode>").skip(1).filter_map(|it| it.split('<').next()).collect();
    if codes != case.codes && !case.codes.is_empty() {
        return Err(format!("the codes {codes:?}, not {:?}:\n{}", case.codes, shown()));
    }
    if let Some(says) = case.says.as_ref().filter(|it| !last.contains(*it)) {
        return Err(format!("it does not say {says:?}:\n{}", shown()));
    }
    match &case.never {
        Some(never) if shown().to_ascii_lowercase().contains(&never.to_ascii_lowercase()) => {
            Err(format!("it shows {never:?}:\n{}", shown()))
        }
        _ => Ok(()),
    }
}
