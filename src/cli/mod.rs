//! The command line: what an operator types, and which part of the program does it.

mod arguments;
mod key;
mod operate;

use crate::admin::documents;
use crate::{bench, boot, config};
use anyhow::{Context, Result};
use arguments::{Arguments, Verb};
use clap::Parser;
use std::path::Path;
use std::process::ExitCode;

/// Runs what the command line says. 0: done; 1: not, and the standard error output says why; 2: the line makes no sense.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.verb) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("countersign: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<String> {
    match verb {
        Verb::Serve { config } => {
            runtime()?.block_on(boot::serve(load(&config.path)?.settings))?;
            Ok(String::new())
        }
        Verb::Demo { listen, data } => {
            runtime()?.block_on(boot::demo(listen, data))?;
            Ok(String::new())
        }
        Verb::CheckConfig { config } => check(&config.path),
        Verb::Keys { verb: arguments::Keys::Init { out } } => {
            boot::init_keys(&out)?;
            Ok(format!("{} holds the new root key. Keep a copy where the data are not; without it they can't be read.", out.display()))
        }
        Verb::Restore { from, into } => runtime()?.block_on(boot::restore(&from, &into)),
        Verb::Import { config, from, restart } => runtime()?.block_on(boot::import(load(&config.path)?.settings, &from, restart)),
        Verb::Migrate { config, apply } => runtime()?.block_on(boot::migrate(load(&config.path)?.settings, apply)),
        Verb::Bench(options) => {
            bench::run(&options)?;
            Ok(String::new())
        }
        Verb::Operate(verb) => operate::run(verb),
    }
}

/// The settings that the file and the environment give.
fn load(path: &Path) -> Result<config::Loaded> {
    Ok(config::load(path, variables())?)
}

/// The environment, without what is not text: such a variable is no setting.
fn variables() -> std::collections::HashMap<String, String> {
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| Some((key.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

/// Checks settings and registration files as `serve` would; tells what holds.
fn check(path: &Path) -> Result<String> {
    let loaded = load(path)?;
    let (_, registered) = documents::gather(&loaded.settings.registration.files).map_err(anyhow::Error::msg)?;
    boot::check(&loaded.settings, &registered)?;
    let comment = documents::summary(&registered).replace('\n', "\n# ");
    Ok(format!("{}\n# {comment}", loaded.printed()))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().max_blocking_threads(16).enable_all().build().context("the runtime can't start")
}

/// Prints a text; a reader that has gone away (as `| head` does) is no error.
fn print(text: &str) {
    use std::io::Write;
    if !text.is_empty() {
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    }
}
