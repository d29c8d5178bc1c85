//! `countersign key`: what becomes of a new key's text.

use super::arguments::Key;
use crate::admin::command::Command;
use crate::admin::keys::{Keys, new_id};
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Carries it out through `ask`; gives back what belongs on the standard output.
pub(super) fn run(verb: Key, ask: impl FnOnce(&Path, &Command) -> Result<String>) -> Result<String> {
    let (config, wish, out) = match verb {
        Key::Create { config, publisher, scopes, label, expires, allow, out } => {
            let wish = Keys::Create { id: new_id(), publisher, scopes, label, allow, life: expires.as_secs() };
            (config, wish, Some(out))
        }
        Key::Rotate { config, id, overlap, expires, out } => {
            (config, Keys::Rotate { id, new: new_id(), life: expires.as_secs(), overlap: overlap.as_secs() }, Some(out))
        }
        Key::List { config, publisher } => (config, Keys::List { publisher }, None),
        Key::Revoke { config, id } => (config, Keys::Revoke { id }, None),
    };
    let command = Command::Key { wish };
    let Some(out) = out else { return ask(&config.path, &command) };
    // Before anything is made: a key that can't be written down is of no use.
    let file = out.as_deref().map(create).transpose()?;
    let told = ask(&config.path, &command).inspect_err(|_| {
        if let Some(path) = &out {
            let _ = std::fs::remove_file(path);
        }
    })?;
    let (text, rest) = told.split_once('\n').context("the server told no key; use the same version of countersign")?;
    eprintln!("{}", rest.trim_end());
    let Some((mut file, path)) = file.zip(out) else { return Ok(text.to_owned()) };
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    written.with_context(|| format!("{}: the key was made, but can't be written; revoke it", path.display()))?;
    Ok(String::new())
}

fn create(path: &Path) -> Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.with_context(|| format!("{}; name a file that does not exist", path.display()))
}
