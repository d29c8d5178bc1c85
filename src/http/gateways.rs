//! The gateways that bring replies, as configured.

use crate::dialect::{Dialect, Settings};
use crate::domain::code::Secret;
use std::collections::HashMap;
use std::path::Path;

/// One gateway and the secrets that prove it: the current one, and while rotating the one before.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// How it speaks.
    pub dialect: Dialect,
    /// What it proves itself with; empty where its network is the proof.
    pub secrets: Vec<Secret>,
}

/// All gateways, by name.
#[derive(Clone, Debug, Default)]
pub struct Gateways(HashMap<String, Gateway>);

impl Gateways {
    /// From gateways that are ready. Two of one name: an error.
    pub fn new(list: Vec<Gateway>) -> Result<Self, String> {
        let mut by_name = HashMap::with_capacity(list.len());
        for gateway in list {
            let name = gateway.dialect.name().to_owned();
            if by_name.insert(name.clone(), gateway).is_some() {
                return Err(format!("inbound gateway {name}: the name is used twice; give each its own"));
            }
        }
        Ok(Self(by_name))
    }

    /// From settings; reads the secrets' files. An error names the gateway or file, and says what to do.
    pub fn load(settings: Vec<Settings>) -> Result<Self, String> {
        let load = |it: Settings| {
            let files = [it.secret_file.as_deref(), it.previous_secret_file.as_deref()];
            let secrets = files.into_iter().flatten().map(secret).collect::<Result<_, _>>()?;
            Ok(Gateway { dialect: Dialect::new(it)?, secrets })
        };
        Self::new(settings.into_iter().map(load).collect::<Result<_, String>>()?)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Gateway> {
        self.0.get(name)
    }
}

fn secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}; create it or correct the setting", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: is empty; write the secret into it", path.display())),
        text => Ok(Secret::new(text)),
    }
}
