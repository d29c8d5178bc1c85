//! Commands that the running server carries out.

use super::arguments::{Challenge, Events, Operate, Outbox, Who as WhoArguments};
use super::{key, load, runtime};
use crate::admin::client;
use crate::admin::command::{Command, Who};
use crate::admin::documents;
use crate::config::{self, Engine};
use crate::store::postgres::Settings;
use crate::store::transfer::copy::Plan;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn run(verb: Operate) -> Result<String> {
    let (config, command) = match verb {
        Operate::Load { config, apply, files } => return load_files(&config.path, apply, files),
        Operate::Key { verb } => return key::run(verb, |config, command| ask(&load(config)?.settings.admin.socket, command)),
        Operate::Challenge { verb: Challenge::Show { config, id } } => (config, Command::Challenge { id }),
        Operate::Unlock { config, institution, who } => (config, Command::Unlock { institution, who: whose(who)? }),
        Operate::Backup { config, to } => (config, Command::Backup { to: std::path::absolute(&to).context("--to")? }),
        Operate::Copy { config, settings, window, history, restart, .. } => {
            let plan = Plan { window: Duration::from_secs(window), history, restart };
            (config, Command::Copy { to: Box::new(database(&settings)?), plan })
        }
        Operate::Export { config, to } => (config, Command::Export { to: std::path::absolute(&to).context("--to")? }),
        Operate::Reload { config } => (config, Command::Reload),
        Operate::Status { config } => (config, Command::Status),
        Operate::Events { verb: Events::Parked { config, subscriber } } => (config, Command::Events { subscriber, replay: false }),
        Operate::Events { verb: Events::Replay { config, subscriber } } => (config, Command::Events { subscriber, replay: true }),
        Operate::Outbox { verb: Outbox::Pause { config } } => (config, Command::Outbox { paused: true }),
        Operate::Outbox { verb: Outbox::Resume { config } } => (config, Command::Outbox { paused: false }),
    };
    ask(&load(&config.path)?.settings.admin.socket, &command)
}

fn load_files(config: &Path, apply: bool, files: Vec<PathBuf>) -> Result<String> {
    let settings = load(config)?.settings;
    let paths = if files.is_empty() { settings.registration.files } else { files };
    let (files, _) = documents::gather(&paths).map_err(anyhow::Error::msg)?;
    ask(&settings.admin.socket, &Command::Load { files, apply })
}

// Only what the file says counts: the environment here is that of the store that is left.
fn database(file: &Path) -> Result<Settings> {
    let store = config::load(file, HashMap::new())?.settings.store;
    match store.postgres.filter(|_| store.engine == Engine::Postgres) {
        Some(database) => Ok(database),
        None => bail!("{}: store.engine is not \"postgres\": give the settings file to start with after the move", file.display()),
    }
}

fn ask(socket: &Path, command: &Command) -> Result<String> {
    runtime()?.block_on(client::ask(socket, command)).map_err(anyhow::Error::msg)
}

fn whose(who: WhoArguments) -> Result<Who> {
    Ok(match who {
        WhoArguments { phone: Some(phone), .. } => Who::Phone(phone),
        WhoArguments { mail: Some(mail), .. } => Who::Mail(mail),
        WhoArguments { recipient: Some(text), .. } => match text.split_once('/') {
            Some((publisher, id)) if !publisher.is_empty() && !id.is_empty() => {
                Who::Recipient { publisher: publisher.to_owned(), id: id.to_owned() }
            }
            _ => bail!("--recipient takes PUBLISHER/ID, like demo/MERCHANT89785"),
        },
        _ => bail!("name a phone, a mail address or a recipient"),
    })
}
