//! The gateways that bring replies, and the ways out that bring receipts, as configured.

use crate::dialect::sendgrid::EventWebhook;
use crate::dialect::{Dialect, Settings};
use crate::domain::code::Secret;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Batches of receipts of one way out that are read at once; more are told to come again.
const BATCHES: usize = 4;

/// One gateway and the secrets that prove it: the current one, and while rotating the one before.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// How it speaks.
    pub dialect: Dialect,
    /// What it proves itself with; empty where its network is the proof.
    pub secrets: Vec<Secret>,
}

/// A way out that reports later what became of its messages.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) name: String,
    pub(super) webhook: EventWebhook,
    pub(super) places: Arc<Semaphore>,
}

/// All of them, by name.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    replies: HashMap<String, Gateway>,
    receipts: HashMap<String, Reporter>,
}

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
        Ok(Self { replies: by_name, receipts: HashMap::new() })
    }

    /// Adds the webhook of a way out of this name.
    pub fn reporting(mut self, name: &str, webhook: EventWebhook) -> Self {
        let reporter = Reporter { name: name.to_owned(), webhook, places: Arc::new(Semaphore::new(BATCHES)) };
        self.receipts.insert(name.to_owned(), reporter);
        self
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
        self.replies.get(name)
    }

    pub(super) fn reporter(&self, name: &str) -> Option<&Reporter> {
        self.receipts.get(name)
    }
}

fn secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}; create it or correct the setting", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: is empty; write the secret into it", path.display())),
        text => Ok(Secret::new(text)),
    }
}
