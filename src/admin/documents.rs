//! Registration files at the operator's end: read and checked before a server is troubled with them.

use super::Files;
use crate::registration::{Problem, Registered, files, read};
use std::path::PathBuf;

/// Registration files as they were read, and what they register. The error holds one line a problem.
pub fn gather(paths: &[PathBuf]) -> Result<(Files, Registered), String> {
    let files = files::gather(paths).map_err(told)?;
    let registered = read(&files).map_err(told)?;
    Ok((files, registered))
}

/// What files register, in short: how much of each kind, and what is doubtful.
pub fn summary(registered: &Registered) -> String {
    let alerts: usize = registered.registry.libraries.values().map(std::collections::HashMap::len).sum();
    let (publishers, recipients) = (registered.registry.publishers.len(), registered.recipients.len());
    let mut text = format!("Registered: {publishers} publishers, {alerts} alerts, {recipients} recipients.");
    for warning in &registered.warnings {
        text.push_str(&format!("\n{warning}"));
    }
    text
}

fn told(problems: Vec<Problem>) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    format!("{} to correct in registration files:\n{}", lines.len(), lines.join("\n"))
}
