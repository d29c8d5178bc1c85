//! What the server itself counts: its metrics endpoint, read before and after.

use super::client::Connection;
use anyhow::{Result, ensure};
use std::net::SocketAddr;

/// Counters of the server, or the difference of two readings.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counters {
    /// Challenges opened.
    pub opened: u64,
    /// Commits.
    pub commits: u64,
    /// Durable steps.
    pub syncs: u64,
    /// Seconds spent in them.
    pub sync_seconds: f64,
}

/// Reads the metrics of one server.
pub struct Scrape {
    connection: Connection,
    request: Vec<u8>,
}

impl Scrape {
    /// As the operator with this bearer token.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        Self { connection: Connection::new(address), request: request.into_bytes() }
    }

    /// Reads now.
    pub async fn read(&mut self) -> Result<Counters> {
        let answer = self.connection.exchange(&self.request).await?;
        ensure!(answer.status == 200, "the server's metrics can't be read: status {}; check the metrics token", answer.status);
        Ok(Counters::read(&String::from_utf8_lossy(answer.body)))
    }
}

impl Counters {
    fn read(text: &str) -> Self {
        let number = |name: &str| text.lines().find_map(|it| it.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap_or_default();
        Self {
            opened: number("countersign_requests_total{operation=\"oob_validate\",outcome=\"opened\"}") as u64,
            commits: number("countersign_commits_total") as u64,
            syncs: number("countersign_syncs_total") as u64,
            sync_seconds: number("countersign_sync_seconds_total"),
        }
    }

    /// What was added since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            opened: self.opened.saturating_sub(before.opened),
            commits: self.commits.saturating_sub(before.commits),
            syncs: self.syncs.saturating_sub(before.syncs),
            sync_seconds: self.sync_seconds - before.sync_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let text = "# TYPE countersign_commits counter\ncountersign_commits_total 64\ncountersign_commits_waiting 3\n\
                    countersign_syncs_total 2\ncountersign_sync_seconds_total 1.5\n\
                    countersign_requests_total{operation=\"oob_validate\",outcome=\"refused\"} 9\n\
                    countersign_requests_total{operation=\"oob_validate\",outcome=\"opened\"} 60\n";
        let read = Counters::read(text);
        assert_eq!(read, Counters { opened: 60, commits: 64, syncs: 2, sync_seconds: 1.5 });
        assert_eq!(read.since(Counters { opened: 59, commits: 4, syncs: 1, sync_seconds: 1.0 }).commits, 60);
    }
}
