//! Several nodes of one bank over one database: an installation that they share, a gateway that takes their messages, and each
//! node's own directory and socket.

use super::bank::{Bank, Server};
use super::peer::{Got, Peer};
use countersign::store::postgres::Settings;

/// Seconds that a node has a message to itself here.
pub const LEASE: u64 = 5;

const SETTINGS: &str = r#"
[http]
listen = '127.0.0.1:0'
[outbox]
lease_secs = 5
[[gateway]]
name = "kannel"
url = "{gateway}"
method = "GET"
query = [["to", "{to}"], ["text", "{text}"], ["coding", "{coding}"], ["account", "{id}"]]
timeout_ms = 1500
allow_plain = true
[gateway.answer]
success = { status = [202], contains = ["0: Accepted", "3: Queued"] }
[[inbound]]
name = "kannel"
preset = "kannel"
proof = "networks"
networks = ["127.0.0.0/8", "::1/128"]
"#;

/// The installation and the gateway.
pub struct Nodes {
    pub bank: Bank,
    pub gateway: Peer,
}

impl Nodes {
    /// Over this database; nothing runs yet.
    pub async fn over(database: &Settings) -> Self {
        let nodes = Self::alone().await;
        nodes.bank.keep_in(database);
        nodes
    }

    /// On sled: for one node.
    pub async fn alone() -> Self {
        let gateway = Peer::start(&[], (202, "0: Accepted for delivery")).await;
        let bank = Bank::new(&SETTINGS.replace("{gateway}", &gateway.url("/cgi-bin/sendsms")));
        bank.edit("countersign.toml", "level = 'trace'", "level = 'info'");
        Self { bank, gateway }
    }

    /// Starts one, or starts it again.
    pub fn start(&self, name: &str) -> Server {
        self.bank.start_under(&self.bank.node(name))
    }

    /// What an operator's command to a node comes to.
    pub fn operate(&self, name: &str, arguments: &[&str]) -> super::bank::Said {
        self.bank.run_under(&self.bank.node(name), arguments)
    }

    /// The messages that the gateway took with this text in them.
    pub fn messages(&self, text: &str) -> Vec<Got> {
        self.gateway.taken().into_iter().filter(|it| it.field("text").contains(text)).collect()
    }

    /// Waits for such a message.
    pub async fn message(&self, text: &str) -> Got {
        super::until("a message", async || self.messages(text).into_iter().next()).await
    }
}

/// A reply through the gateway; its status.
pub async fn reply(server: &Server, phone: &str, text: &str, id: &str) -> u16 {
    let from = format!("+1{phone}");
    let query = [("from", from.as_str()), ("to", "28849"), ("text", text), ("id", id), ("charset", "UTF-8")];
    server.get("/inbound/sms/kannel", &query).await.status
}
