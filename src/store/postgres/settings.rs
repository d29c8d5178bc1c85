//! How the store on PostgreSQL is set: where the database is, as whom we come, and how long we wait for it.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The port where PostgreSQL listens unless told otherwise.
const PORT: u16 = 5432;
/// Most hosts of one database.
const MOST_HOSTS: usize = 16;

/// Settings of the store on PostgreSQL.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the database is: `host`, `host:port` or `[address]:port`, 1 to 16, port 5432 unless said. Of several, the first that
    /// takes writes is used, so that a promoted standby is found.
    pub hosts: Vec<String>,
    /// The database's name. It is Countersign's alone.
    pub database: String,
    /// The role that owns it; needs to be no superuser.
    pub user: String,
    /// The file that holds the role's password; only its owner may read it. Absent: a client certificate, or a server that asks
    /// for nothing.
    pub password_file: Option<PathBuf>,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Allows `tls = "off"` to hosts beyond loopback: for a network that protects all traffic by itself.
    pub allow_plaintext: bool,
    /// A PEM file of the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM), for a server that asks for one; with `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key (PEM); only its owner may read it.
    pub key_file: Option<PathBuf>,
    /// Most connections of this node: 1 to 200. Few serve many requests; those of all nodes must stay below the server's
    /// `max_connections`.
    pub pool: usize,
    /// Seconds for connecting to one host, from the name to the first answer: 1 to 60.
    pub connect_timeout_secs: u64,
    /// Seconds after which the server ends a statement, or a transaction that says nothing more: 1 to 300.
    pub statement_timeout_secs: u64,
    /// Milliseconds that a request waits for a free connection before it is turned away as over capacity: 1 to 60,000.
    pub wait_timeout_millis: u64,
    /// Applies pending steps of the schema when the server starts. Otherwise it refuses to start with pending steps, and
    /// `countersign migrate --apply` applies them.
    pub migrate: bool,
}

/// How the connection to the database is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// By TLS, with a certificate for the host's name from an authority that we trust.
    #[default]
    Verify,
    /// Not at all: for loopback, or with `allow_plaintext`.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: vec!["localhost".to_owned()],
            database: "countersign".to_owned(),
            user: "countersign".to_owned(),
            password_file: None,
            tls: TlsMode::Verify,
            allow_plaintext: false,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            pool: 16,
            connect_timeout_secs: 5,
            statement_timeout_secs: 10,
            wait_timeout_millis: 1000,
            migrate: false,
        }
    }
}

/// Why the settings can't be used. The text says what to do, and never shows a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// A host and its port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Settings {
    /// Checks what can be known without a database or a file; the places to connect to.
    pub fn check(&self) -> Result<Vec<Place>, Unusable> {
        let places = self.hosts.iter().map(|it| place(it)).collect::<Result<Vec<_>, _>>()?;
        if places.is_empty() || places.len() > MOST_HOSTS {
            return Err(Unusable(format!("hosts must name 1 to {MOST_HOSTS} hosts of one database")));
        }
        for (name, value) in [("database", &self.database), ("user", &self.user)] {
            if value.is_empty() || value.contains('\0') {
                return Err(Unusable(format!("{name} must be a name")));
            }
        }
        within("pool", self.pool as u64, 1..=200)?;
        within("connect_timeout_secs", self.connect_timeout_secs, 1..=60)?;
        within("statement_timeout_secs", self.statement_timeout_secs, 1..=300)?;
        within("wait_timeout_millis", self.wait_timeout_millis, 1..=60_000)?;
        self.check_tls(&places)?;
        Ok(places)
    }

    fn check_tls(&self, places: &[Place]) -> Result<(), Unusable> {
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err(Unusable("certificate_file and key_file go together".to_owned()));
        }
        if self.tls == TlsMode::Verify {
            return Ok(());
        }
        if self.ca_file.is_some() || self.certificate_file.is_some() {
            return Err(Unusable("ca_file, certificate_file and key_file are for tls = \"verify\"".to_owned()));
        }
        match places.iter().find(|it| !it.is_loopback()) {
            Some(far) if !self.allow_plaintext => Err(Unusable(format!(
                "tls = \"off\" to {}, which is not this machine: use tls = \"verify\", or set allow_plaintext = true where the network \
                 protects all traffic by itself",
                far.host
            ))),
            _ => Ok(()),
        }
    }

    /// Time for connecting to one host.
    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_secs)
    }
}

impl Place {
    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
    }
}

fn place(text: &str) -> Result<Place, Unusable> {
    let parts = match text.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']').map(|(host, rest)| (host, rest.strip_prefix(':').unwrap_or(if rest.is_empty() { "" } else { "?" })))
        }
        None => Some(text.split_once(':').unwrap_or((text, ""))),
    };
    let read = parts.and_then(|(host, port)| {
        let port = if port.is_empty() { Some(PORT) } else { port.parse().ok().filter(|it| *it > 0) };
        let is_name = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let good = if text.starts_with('[') { host.parse::<std::net::Ipv6Addr>().is_ok() } else { is_name(host) };
        port.filter(|_| good).map(|port| Place { host: host.to_owned(), port })
    });
    read.ok_or_else(|| Unusable(format!("{text:?} is no host: write `db1.example:5432`, `10.0.0.7:5432` or `[fd00::7]:5432`")))
}

fn within(name: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), Unusable> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(Unusable(format!("{name} must be a number from {} to {}", range.start(), range.end()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_and_a_port() {
        let check = |text: &str, expected: Option<(&str, u16)>| {
            let found = place(text).ok();
            assert_eq!(found.as_ref().map(|it| (it.host.as_str(), it.port)), expected, "{text}");
        };
        check("db1", Some(("db1", 5432)));
        check("db1.bank.example:6432", Some(("db1.bank.example", 6432)));
        check("10.0.0.7:1", Some(("10.0.0.7", 1)));
        check("[fd00::7]", Some(("fd00::7", 5432)));
        check("[fd00::7]:6432", Some(("fd00::7", 6432)));
        for wrong in ["", ":5432", "db1:0", "db1:x", "db1:65536", "fd00::7", "[fd00::7", "[db1]:5432", "[fd00::7]x", "a b", "/run/pg"] {
            check(wrong, None);
        }
        check("postgresql://u:p@h", None);
    }

    #[test]
    fn settings_are_taken_or_refused_with_what_to_do() {
        let check = |toml: &str, expected: &str| {
            let said = match toml::from_str::<Settings>(toml) {
                Ok(settings) => settings.check().map_or_else(|error| error.to_string(), |_| String::new()),
                Err(error) => error.message().to_owned(),
            };
            assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{toml}: {said}");
        };
        check("", "");
        check("hosts = ['db1:5432', 'db2']\npool = 200\nca_file = 'ca.pem'\ncertificate_file = 'c'\nkey_file = 'k'", "");
        check("hosts = []", "1 to 16 hosts");
        check("host = 'db1'", "unknown field");
        check("password = 'x'", "unknown field");
        check("hosts = ['/run/postgresql']", "is no host");
        check("database = ''", "database must be a name");
        check("pool = 0", "pool must be a number from 1 to 200");
        check("pool = 201", "pool must be");
        check("connect_timeout_secs = 0", "connect_timeout_secs must be");
        check("statement_timeout_secs = 301", "statement_timeout_secs must be a number from 1 to 300");
        check("wait_timeout_millis = 0", "wait_timeout_millis must be");
        check("tls = 'prefer'", "unknown variant");
        check("tls = 'off'", "");
        check("tls = 'off'\nhosts = ['127.0.0.1', '[::1]:5433', 'localhost:1']", "");
        check("tls = 'off'\nhosts = ['localhost', 'db1']", "to db1, which is not this machine");
        check("tls = 'off'\nhosts = ['localhost.example']", "allow_plaintext");
        check("tls = 'off'\nhosts = ['db1']\nallow_plaintext = true", "");
        check("tls = 'off'\nca_file = 'ca.pem'", "are for tls = \"verify\"");
        check("certificate_file = 'c'", "go together");
    }
}
