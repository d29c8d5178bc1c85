//! Settings of the whole program: one TOML file, over it the environment. Unknown keys are refused.
//!
//! Each room owns the type of its section; this file only puts them together. `COUNTERSIGN__HTTP__LISTEN=0.0.0.0:8443` sets
//! `listen` of `[http]`: two underscores stand between the parts. Secrets are never values, only names of files.

use crate::{connect, dialect, http};
use config::{Environment, File, FileFormat};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything that an operator sets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The file that this was read from, for reading it again.
    #[serde(skip)]
    pub source: PathBuf,
    /// Where the program listens.
    pub http: http::Settings,
    /// Where data are.
    pub store: Store,
    /// Where the root key is.
    pub keys: Keys,
    /// What is registered.
    pub registration: Registration,
    /// Ways out for SMS, the preferred first.
    pub gateway: Vec<connect::gateway::Settings>,
    /// How replies come in from those that send them. A name is part of the path: `/inbound/sms/{name}`.
    pub inbound: Vec<dialect::Settings>,
    /// The way out for mail.
    pub smtp: Option<connect::smtp::Settings>,
    /// Who gets events.
    pub subscriber: Vec<Subscriber>,
    /// Where operators' commands come in.
    pub admin: Admin,
    /// What is logged.
    pub log: Log,
}

/// `[[subscriber]]`: who gets a publisher's events pushed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// Whose events.
    pub publisher: String,
    /// Also delivery steps, not only outcomes (decision 14).
    #[serde(default)]
    pub deliveries: bool,
    /// Hours that a push is tried again before the event is parked: 1 to 720.
    #[serde(default = "three_days")]
    pub retry_hours: u32,
    /// As SOAP (`[subscriber.ees]`).
    pub ees: Option<connect::ees::Settings>,
    /// As JSON (`[subscriber.webhook]`).
    pub webhook: Option<connect::webhook::Settings>,
}

fn three_days() -> u32 {
    72
}

/// `[store]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Directory of the data: challenges, history, `audit.jsonl`.
    pub dir: PathBuf,
    /// Days that finished challenges are kept: 1 to 3650.
    pub retention_days: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self { dir: "/var/lib/countersign".into(), retention_days: 90 }
    }
}

/// `[keys]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The root key that `countersign keys init` made: mode 0600, outside the data directory (decision 3).
    pub root_file: PathBuf,
}

impl Default for Keys {
    fn default() -> Self {
        Self { root_file: "/etc/countersign/root.key".into() }
    }
}

/// `[registration]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Registration files; a directory stands for its `*.toml`.
    pub files: Vec<PathBuf>,
}

impl Default for Registration {
    fn default() -> Self {
        Self { files: vec!["/etc/countersign/registration".into()] }
    }
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The Unix socket for operators' commands; made with mode 0600.
    pub socket: PathBuf,
}

impl Default for Admin {
    fn default() -> Self {
        Self { socket: "/run/countersign/admin.sock".into() }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; also by target: `info,countersign::engine=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}

/// Settings, and how they came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What holds.
    pub settings: Settings,
    tree: toml::Table,
}

/// Why settings can't be had; says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// Largest configuration file, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Prefix of environment variables that are settings.
const PREFIX: &str = "COUNTERSIGN";
/// Settings that are lists: in the environment their parts stand between commas.
const LISTS: [&str; 2] = ["registration.files", "http.trusted_proxies"];

/// Reads the file at `path`, then what `environment` sets over it.
pub fn load(path: &Path, environment: HashMap<String, String>) -> Result<Loaded, Unusable> {
    let unreadable = |error: std::io::Error| Unusable(format!("{}: can't be read: {error}", path.display()));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(Unusable(format!("{}: larger than {LARGEST} bytes", path.display())));
    }
    read(path, &fs::read_to_string(path).map_err(unreadable)?, environment)
}

/// As [`load`], from the text of the file. `path` is for messages.
pub fn read(path: &Path, text: &str, environment: HashMap<String, String>) -> Result<Loaded, Unusable> {
    at_its_place(path, text)?;
    let refused = |error: config::ConfigError| Unusable(format!("{}: {error}", path.display()));
    let mut variables = Environment::with_prefix(PREFIX)
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .list_separator(",")
        .source(Some(environment));
    for key in LISTS {
        variables = variables.with_list_parse_key(key);
    }
    let merged =
        config::Config::builder().add_source(File::from_str(text, FileFormat::Toml)).add_source(variables).build().map_err(refused)?;
    let tree = merged.clone().try_deserialize().map_err(refused)?;
    let mut settings: Settings = merged.try_deserialize().map_err(refused)?;
    settings.source = path.to_owned();
    check(&settings)?;
    Ok(Loaded { settings, tree })
}

impl Loaded {
    /// What holds, as TOML, with the defaults of the sections that this file owns; without secrets.
    pub fn printed(&self) -> String {
        let mut tree = self.tree.clone();
        let own = [
            ("store", toml::Value::try_from(&self.settings.store)),
            ("keys", toml::Value::try_from(&self.settings.keys)),
            ("registration", toml::Value::try_from(&self.settings.registration)),
            ("admin", toml::Value::try_from(&self.settings.admin)),
            ("log", toml::Value::try_from(&self.settings.log)),
        ];
        for (name, section) in own {
            tree.extend(section.ok().map(|it| (name.to_owned(), it)));
        }
        tree.iter_mut().for_each(|(key, value)| hide(key, value, false));
        toml::to_string_pretty(&tree).unwrap_or_default()
    }
}

/// Refuses unknown keys and wrong types in the file alone, because there the place is known. What is missing may still come
/// from the environment, so that is left to the merged reading.
fn at_its_place(path: &Path, text: &str) -> Result<(), Unusable> {
    match toml::from_str::<Settings>(text) {
        Err(error) if !error.message().starts_with("missing field") => {
            let before = &text[..error.span().map_or(0, |it| it.start).min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Err(Unusable(format!("{}:{line}:{column}: {}", path.display(), error.message().replace('\n', "; "))))
        }
        _ => Ok(()),
    }
}

/// What no single section can say of itself.
fn check(settings: &Settings) -> Result<(), Unusable> {
    let refuse = |message: &str| Err(Unusable(format!("{}: {message}", settings.source.display())));
    if !(1..=3650).contains(&settings.store.retention_days) {
        return refuse("store.retention_days must be a number from 1 to 3650");
    }
    if settings.keys.root_file.starts_with(&settings.store.dir) {
        return refuse("keys.root_file must be outside store.dir: who has the data must not have the key");
    }
    if settings.registration.files.is_empty() {
        return refuse("registration.files must name at least one file or directory");
    }
    for it in &settings.subscriber {
        if it.ees.is_some() == it.webhook.is_some() {
            return refuse("each [[subscriber]] has either [subscriber.ees] or [subscriber.webhook]");
        }
        if !(1..=720).contains(&it.retry_hours) {
            return refuse("retry_hours of a [[subscriber]] must be a number from 1 to 720");
        }
    }
    if let Some(name) = twice(ways_out(settings)) {
        return refuse(&format!("`{name}` names two gateways, relays or subscribers; names are unique"));
    }
    if let Some(name) = twice(settings.inbound.iter().map(|it| it.name.as_str())) {
        return refuse(&format!("`{name}` names two [[inbound]]; names are unique"));
    }
    if let Err(why) = crate::telemetry::filter(&settings.log.level) {
        return refuse(&format!("log.level: {why}"));
    }
    Ok(())
}

/// The names of everything that sends: one label of logs and metrics for each.
fn ways_out(settings: &Settings) -> impl Iterator<Item = &str> {
    let gateways = settings.gateway.iter().map(|it| it.name.as_str());
    let relays = settings.smtp.iter().map(|it| it.name.as_str());
    let ees = settings.subscriber.iter().filter_map(|it| it.ees.as_ref()).map(|it| it.name.as_str());
    let webhooks = settings.subscriber.iter().filter_map(|it| it.webhook.as_ref()).map(|it| it.name.as_str());
    gateways.chain(relays).chain(ees).chain(webhooks)
}

fn twice<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.find(|it| !seen.insert(*it))
}

/// Replaces what may be a secret that somebody wrote in spite of all: texts under names that sound like one (also as the
/// first of a pair), and headers.
fn hide(key: &str, value: &mut toml::Value, inside: bool) {
    let inside = (inside || sounds_secret(key)) && !key.ends_with("_file");
    match value {
        toml::Value::Table(table) => table.iter_mut().for_each(|(key, value)| hide(key, value, inside)),
        toml::Value::Array(items) => match &mut items[..] {
            [toml::Value::String(name), second] if key.is_empty() => hide(&name.clone(), second, inside),
            items => items.iter_mut().for_each(|it| hide("", it, inside)),
        },
        toml::Value::String(text) if inside && !text.starts_with('{') => "[hidden]".clone_into(text),
        _ => {}
    }
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "pass", "pwd", "token", "auth", "key", "headers"].iter().any(|it| name.contains(it))
}
