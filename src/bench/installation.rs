//! A whole installation for one run: settings, registration, keys and data in a directory of its own, removed at the end.

use super::envelope::{MOST_RECIPIENTS, PHONES_EACH, recipient};
use super::phones;
use crate::boot;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The publisher's user name.
pub const USER: &str = "bench";
/// The alerts of the published use cases.
const LIBRARY: &str = include_str!("../../fixtures/registration/demo/library.toml");
/// The server's settings; `{home}`, `{web}`, `{relay_host}` and `{relay_port}` are filled in.
const SETTINGS: &str = include_str!("mix/countersign.toml");
/// Recipients in one file: far below what a registration file may hold.
const RECIPIENTS_A_FILE: u32 = 20_000;

/// Everything but the limits is as a bank would have it: a subscriber, history, a gateway and a relay. The limits on phones and
/// publishers are raised, for one publisher sends what otherwise many do.
const PUBLISHER: &str = r#"[publisher]
id = "bench"
display_name = "First Harbor Bank"
products = ["Online"]
consumer_names = ["Online"]
zone = "America/Chicago"

[defaults]
valid_consm_name = "Online"
valid_consm_prod = "Online"

[[institution]]
id = "011001276"
versions = ["1.0"]

[[credential]]
user = "bench"
password_file = "bench.password"

[limits]
per_phone_ten_minutes = 1000
per_phone_day = 10000
per_second = 100000
per_day = 1000000000
"#;

/// Where the stand-ins for a carrier, a relay and a subscriber listen.
pub struct Peers {
    /// SMS gateway and subscriber.
    pub web: SocketAddr,
    /// Mail relay.
    pub relay: SocketAddr,
}

/// The secrets of one run.
pub struct Secrets {
    /// The publisher's password.
    pub password: String,
    /// Reads the metrics.
    pub metrics: String,
    /// Signs replies.
    pub carrier: String,
}

/// The directory. Removed when dropped.
pub struct Installation {
    folder: PathBuf,
    /// Its secrets.
    pub secrets: Secrets,
}

impl Installation {
    /// Makes one below `place`, with keys, settings and registration; with PostgreSQL instead of sled, and with `more` settings.
    pub fn new(place: &Path, peers: &Peers, (postgres, more): (bool, &str)) -> Result<Self> {
        let folder = std::path::absolute(place)?.join(format!("countersign-bench-{}", &secret()[..12]));
        let complain = || format!("{}: the server's directory can't be made; name another by --store", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(complain)?;
        let secrets = Secrets { password: secret(), metrics: secret(), carrier: secret() };
        let made = Self { folder, secrets };
        fs::create_dir(made.path("registration"))?;
        made.write("registration/publisher.toml", PUBLISHER)?;
        made.write("registration/library.toml", &LIBRARY.replace("publisher = \"demo\"", "publisher = \"bench\""))?;
        made.write("registration/bench.password", &made.secrets.password)?;
        made.write("metrics.token", &made.secrets.metrics)?;
        made.write("carrier.secret", &made.secrets.carrier)?;
        made.write("webhook.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
        let mut settings = made.settings(peers);
        if postgres {
            settings = settings.replace("[store]\n", "[store]\nengine = \"postgres\"\n");
        }
        settings.push_str(more);
        made.write("countersign.toml", &settings)?;
        boot::init_keys(&made.path("root.key"))?;
        Ok(made)
    }

    /// A file or directory in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes files with `count` recipients, each for one `load`.
    pub fn recipients(&self, count: u32) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for first in (0..count.min(MOST_RECIPIENTS)).step_by(RECIPIENTS_A_FILE as usize) {
            let mut text = "[recipients]\npublisher = \"bench\"\ninstitution = \"011001276\"\n".to_owned();
            (first..count.min(first + RECIPIENTS_A_FILE)).for_each(|it| describe(it, &mut text));
            let name = format!("recipients-{first}.toml");
            self.write(&name, &text)?;
            files.push(self.path(&name));
        }
        Ok(files)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut it| it.write_all(text.as_bytes())).with_context(|| format!("{}", path.display()))
    }

    fn settings(&self, peers: &Peers) -> String {
        let filled = SETTINGS.replace("{home}", &self.folder.display().to_string()).replace("{web}", &peers.web.to_string());
        filled.replace("{relay_host}", &peers.relay.ip().to_string()).replace("{relay_port}", &peers.relay.port().to_string())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("countersign: {}: can't be removed ({error}); remove it yourself", self.folder.display());
        }
    }
}

/// Settings that lead to a database, from a file with the table `[store.postgres]`.
pub fn on_postgres(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut table: toml::Table = text.parse().with_context(|| file.display().to_string())?;
    let postgres = table.remove("store").and_then(|it| it.get("postgres").cloned());
    let Some(toml::Value::Table(mut postgres)) = postgres else { bail!("{}: has no table [store.postgres]", file.display()) };
    postgres.insert("migrate".to_owned(), true.into());
    let store = toml::Table::from_iter([("postgres".to_owned(), postgres.into())]);
    Ok(format!("\n{}", toml::Table::from_iter([("store".to_owned(), store.into())])))
}

/// Each has four phones of its own and a mailbox, and is subscribed to the four published alerts.
fn describe(index: u32, text: &mut String) {
    let id = recipient(index);
    let phone = |it: u32| phones::number(index * PHONES_EACH + it);
    // Writing into a String can't fail.
    let _ = write!(
        text,
        "[[recipient]]\nid=\"{id}\"\ncontact=[{{id=\"E-mail address\",mail=\"{id}@bench.example\"}},{{id=\"Mobile number\",sms=\"{}\"}},\
         {{id=\"Home phone\",sms=\"{}\"}},{{id=\"Work phone\",sms=\"{}\"}},{{id=\"Mobile\",sms=\"{}\"}}]\n\
         subscription=[{{alert=\"Unrecognized User Alert\",contacts=[\"E-mail address\"]}},{{alert=\"Unknown User OOB Alert\",\
         contacts=[\"Mobile number\",\"E-mail address\"]}},{{alert=\"Omni-Channel OOB Challenge\",contacts=[\"Home phone\",\"Work phone\"]}},\
         {{alert=\"ECS Admin Login OOB Alert\",contacts=[\"Mobile\"]}}]\n",
        phone(0),
        phone(1),
        phone(2),
        phone(3)
    );
}

/// 192 bits, in base64 without signs that a URL or a file name could mind.
fn secret() -> String {
    hex::encode(rand::random::<[u8; 24]>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration;

    // A relay's settings want a runtime.
    #[tokio::test]
    async fn an_installation_is_whole_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 4000));
        let made = Installation::new(place.path(), &Peers { web: address, relay: address }, (false, "")).unwrap();
        let settings = crate::config::load(&made.path("countersign.toml"), Default::default()).unwrap().settings;
        let mut files = settings.registration.files.clone();
        files.extend(made.recipients(3).unwrap());
        let registered = registration::read(&registration::files::gather(&files).unwrap()).unwrap();
        boot::check(&settings, &registered).unwrap();
        let only_notes = registered.warnings.iter().all(|it| it.message.starts_with("note"));
        assert!(registered.recipients.len() == 3 && only_notes, "{:?}", registered.warnings);
        let phones: Vec<_> = registered.recipients.iter().flat_map(|it| &it.contacts).map(|it| it.address.expose()).collect();
        assert_eq!(phones.iter().collect::<std::collections::HashSet<_>>().len(), 15);
        drop(made);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
