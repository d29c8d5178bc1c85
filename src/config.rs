//! Settings of the whole program: one TOML file, over it the environment. Unknown keys are refused.
//!
//! Each room owns the type of its section; this file only puts them together. `COUNTERSIGN__HTTP__LISTEN=0.0.0.0:8443` sets
//! `listen` of `[http]`: two underscores stand between the parts. Topics of Kafka have the variables of their contract, too. Secrets are never values, only names of files.

mod sections;

use crate::{bus, connect, dialect, http};
use config::{Environment, File, FileFormat};
pub use sections::{Admin, Engine, Keys, Log, Outbox, Registration, Store, Subscriber};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that an operator sets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The file that this was read from, for reading it again.
    #[serde(skip)]
    pub source: PathBuf,
    /// Where the program listens.
    pub http: http::Settings,
    /// Challenges that are asked for over REST.
    pub challenges: http::challenges::Settings,
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
    /// The way out for mail: a relay.
    pub smtp: Option<connect::smtp::Settings>,
    /// The way out for mail: SendGrid, instead of a relay.
    pub sendgrid: Option<connect::sendgrid::Settings>,
    /// The way out for push to devices.
    pub fcm: Option<connect::fcm::Settings>,
    /// The way out for push to browsers.
    pub webpush: Option<connect::webpush::Settings>,
    /// The OTP flows over Kafka; absent: none.
    pub kafka: Option<bus::Settings>,
    /// How messages are shared out between nodes.
    pub outbox: Outbox,
    /// Who gets events.
    pub subscriber: Vec<Subscriber>,
    /// Where operators' commands come in.
    pub admin: Admin,
    /// What is logged.
    pub log: Log,
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
const LISTS: [&str; 4] = ["registration.files", "http.trusted_proxies", "store.postgres.hosts", "kafka.brokers"];
/// Seconds that a lease must last beyond the longest time-out: its message is loaded before, and settled after.
const LEASE_BEYOND: u64 = 3;
/// Seconds that it lasts beyond unless `lease_secs` says otherwise.
const LEASE_SPARE: u64 = 30;

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
pub fn read(path: &Path, text: &str, mut environment: HashMap<String, String>) -> Result<Loaded, Unusable> {
    at_its_place(path, text)?;
    bus::topics_of(&mut environment);
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

impl Settings {
    /// The longest time-out of a way out for messages.
    pub fn slowest(&self) -> Duration {
        let sms = self.gateway.iter().map(|it| it.timeout_ms);
        let mail = self.smtp.iter().map(|it| it.timeout_ms).chain(self.sendgrid.iter().map(|it| it.timeout_ms));
        let push = self.fcm.iter().map(|it| it.timeout_ms).chain(self.webpush.iter().map(|it| it.timeout_ms));
        Duration::from_millis(sms.chain(mail).chain(push).max().unwrap_or(0))
    }

    /// How long a node has a message to itself.
    pub fn lease(&self) -> Duration {
        let unset = self.slowest().as_secs() + LEASE_SPARE;
        Duration::from_secs(self.outbox.lease_secs.unwrap_or(unset))
    }
}

impl Loaded {
    /// What holds, as TOML, with the defaults of the sections that this file owns; without secrets.
    pub fn printed(&self) -> String {
        let mut tree = self.tree.clone();
        let own = [
            ("challenges", toml::Value::try_from(self.settings.challenges)),
            ("store", toml::Value::try_from(&self.settings.store)),
            ("keys", toml::Value::try_from(&self.settings.keys)),
            ("registration", toml::Value::try_from(&self.settings.registration)),
            ("outbox", toml::Value::try_from(Outbox { lease_secs: Some(self.settings.lease().as_secs()) })),
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
    if settings.challenges.resends > 10 || settings.challenges.resend_gap_seconds > 3600 {
        return refuse("challenges.resends must be a number from 0 to 10, and challenges.resend_gap_seconds from 0 to 3600");
    }
    if settings.keys.root_file.starts_with(&settings.store.dir) {
        return refuse("keys.root_file must be outside store.dir: who has the data must not have the key");
    }
    check_engine(&settings.store).or_else(|why| refuse(&why))?;
    let least = settings.slowest().as_secs_f64().ceil() as u64 + LEASE_BEYOND;
    if !(least..=3600).contains(&settings.lease().as_secs()) {
        return refuse(&format!(
            "outbox.lease_secs must be a number from {least} to 3600: {LEASE_BEYOND} more than the longest timeout_ms of a gateway or \
             relay, or another node would send what is still being sent"
        ));
    }
    if settings.registration.files.is_empty() {
        return refuse("registration.files must name at least one file or directory");
    }
    if settings.smtp.is_some() && settings.sendgrid.is_some() {
        return refuse("mail has one way out: keep [smtp] or [sendgrid], and remove the other");
    }
    if let Some(Err(why)) = settings.kafka.as_ref().map(bus::Settings::check) {
        return refuse(&format!("kafka: {why}"));
    }
    for it in &settings.subscriber {
        if it.ees.is_some() == it.webhook.is_some() {
            return refuse("each [[subscriber]] has either [subscriber.ees] or [subscriber.webhook]");
        }
        if !(1..=720).contains(&it.retry_hours) {
            return refuse("retry_hours of a [[subscriber]] must be a number from 1 to 720");
        }
        if !(1..=32).contains(&it.at_once) {
            return refuse("at_once of a [[subscriber]] must be a number from 1 to 32");
        }
    }
    if let Some(name) = twice(ways_out(settings)) {
        return refuse(&format!("`{name}` names two ways out or subscribers; names are unique"));
    }
    if let Some(name) = twice(settings.inbound.iter().map(|it| it.name.as_str())) {
        return refuse(&format!("`{name}` names two [[inbound]]; names are unique"));
    }
    if let Err(why) = crate::telemetry::filter(&settings.log.level) {
        return refuse(&format!("log.level: {why}"));
    }
    Ok(())
}

/// The engine, and the section that only one of them has.
fn check_engine(store: &Store) -> Result<(), String> {
    match (store.engine, &store.postgres) {
        (Engine::Sled, None) => Ok(()),
        (Engine::Sled, Some(_)) => {
            Err("[store.postgres] is set, but store.engine is \"sled\": set engine = \"postgres\", or remove the section".to_owned())
        }
        (Engine::Postgres, None) => {
            Err("store.engine is \"postgres\": say in a section [store.postgres] where the database is (hosts, password_file)".to_owned())
        }
        (Engine::Postgres, Some(it)) => it.check().map(drop).map_err(|why| format!("store.postgres: {why}")),
    }
}

/// The names of everything that sends: one label of logs and metrics for each.
fn ways_out(settings: &Settings) -> impl Iterator<Item = &str> {
    let gateways = settings.gateway.iter().map(|it| it.name.as_str());
    let relays = settings.smtp.iter().map(|it| it.name.as_str()).chain(settings.sendgrid.iter().map(|it| it.name.as_str()));
    let push = settings.fcm.iter().map(|it| it.name.as_str()).chain(settings.webpush.iter().map(|it| it.name.as_str()));
    let ees = settings.subscriber.iter().filter_map(|it| it.ees.as_ref()).map(|it| it.name.as_str());
    let webhooks = settings.subscriber.iter().filter_map(|it| it.webhook.as_ref()).map(|it| it.name.as_str());
    gateways.chain(relays).chain(push).chain(ees).chain(webhooks)
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
