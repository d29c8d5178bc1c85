//! Commands and answers as they travel.

use super::keys::Keys;
use super::{Files, Operations, Outcome};
use crate::domain::budget::BudgetKey;
use crate::domain::contact::{self, Address};
use crate::domain::id::AggregateId;
use crate::store::postgres::Settings;
use crate::store::transfer::copy::Plan;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;

/// An operator's command.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Compare registration files with what is registered, and apply them if wished.
    Load {
        /// Path and text of each.
        files: Files,
        /// Not only compare.
        apply: bool,
    },
    /// Read files again.
    Reload,
    /// Show a challenge.
    Challenge {
        /// `AlrtPkgId`
        id: String,
    },
    /// Empty a failure budget.
    Unlock {
        /// `InstRtId`
        institution: String,
        /// Whose.
        who: Who,
    },
    /// Copy the store.
    Backup {
        /// A directory.
        to: PathBuf,
    },
    /// Move the store to PostgreSQL.
    Copy {
        /// The database.
        to: Box<Settings>,
        /// How.
        plan: Plan,
    },
    /// Write the store as lines of JSON.
    Export {
        /// A file.
        to: PathBuf,
    },
    /// How it is.
    Status,
    /// List a subscriber's parked events, or push them again.
    Events {
        /// Its name.
        subscriber: String,
        /// Push them again.
        replay: bool,
    },
    /// Make, list or end API keys.
    Key {
        /// What is to be done.
        wish: Keys,
    },
    /// Hold messages back, or let them go.
    Outbox {
        /// Hold them back.
        paused: bool,
    },
}

/// Whose failure budget.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Who {
    /// A phone number.
    Phone(String),
    /// An e-mail address.
    Mail(String),
    /// A registered recipient.
    Recipient {
        /// Of this publisher.
        publisher: String,
        /// `ConsmRecipId`
        id: String,
    },
}

/// The answer to a command.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It was done; a text for the operator.
    Done(String),
    /// It was not; why, and what to do.
    Failed(String),
}

impl Command {
    /// Carries it out.
    pub async fn run(self, operations: &dyn Operations) -> Outcome {
        match self {
            Self::Load { files, apply } => operations.load(files, apply).await,
            Self::Reload => operations.reload().await,
            Self::Challenge { id } => match AggregateId::parse(&id) {
                Some(id) => operations.challenge(id).await,
                None => Err("that is no AlrtPkgId; it is a UUID".to_owned()),
            },
            Self::Unlock { institution, who } => operations.unlock(budget(&institution, &who)?).await,
            Self::Backup { to } if to.is_absolute() => operations.backup(&to).await,
            Self::Backup { .. } => Err("name the backup's directory by its absolute path".to_owned()),
            Self::Copy { to, plan } => operations.copy(*to, plan).await,
            Self::Export { to } if to.is_absolute() => operations.export(&to).await,
            Self::Export { .. } => Err("name the file by its absolute path".to_owned()),
            Self::Status => operations.status().await,
            Self::Events { subscriber, replay } => operations.parked(subscriber, replay).await,
            Self::Key { wish } => operations.keys(wish).await,
            Self::Outbox { paused } => operations.pause_outbox(paused).await,
        }
    }

    /// Its name in the audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Load { apply: false, .. } => "load plan",
            Self::Load { apply: true, .. } => "load apply",
            Self::Reload => "reload",
            Self::Challenge { .. } => "challenge show",
            Self::Unlock { .. } => "unlock",
            Self::Backup { .. } => "backup",
            Self::Copy { .. } => "copy",
            Self::Export { .. } => "export",
            Self::Status => "status",
            Self::Events { replay: false, .. } => "events parked",
            Self::Events { replay: true, .. } => "events replay",
            Self::Key { wish } => wish.name(),
            Self::Outbox { paused: true } => "outbox pause",
            Self::Outbox { paused: false } => "outbox resume",
        }
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        match self {
            Self::Load { apply: false, .. } | Self::Challenge { .. } | Self::Events { replay: false, .. } | Self::Status => false,
            Self::Key { wish } => wish.changes(),
            _ => true,
        }
    }

    /// Its arguments for the audit log: no text of files, no whole address.
    pub fn arguments(&self) -> Value {
        match self {
            Self::Load { files, .. } => json!({ "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>() }),
            Self::Challenge { id } => json!({ "id": id }),
            Self::Unlock { institution, who } => json!({ "institution": institution, "who": masked(who) }),
            Self::Backup { to } | Self::Export { to } => json!({ "to": to }),
            Self::Copy { to, plan } => json!({ "hosts": to.hosts, "database": to.database, "plan": plan }),
            Self::Events { subscriber, .. } => json!({ "subscriber": subscriber }),
            Self::Key { wish } => wish.arguments(),
            Self::Reload | Self::Status | Self::Outbox { .. } => json!({}),
        }
    }
}

/// Shows the command as the audit log does.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.arguments())
    }
}

fn masked(who: &Who) -> String {
    match who {
        Who::Phone(text) | Who::Mail(text) => Address::canonical(text).masked(),
        Who::Recipient { publisher, id } => format!("{publisher}/{id}"),
    }
}

fn budget(institution: &str, who: &Who) -> Result<BudgetKey, String> {
    let institution = institution.into();
    Ok(match who {
        Who::Phone(text) => BudgetKey::Address(institution, phone(text)?),
        Who::Mail(text) => {
            let address = contact::mail(text).map_err(|_| "that is no e-mail address".to_owned())?;
            BudgetKey::Address(institution, address)
        }
        Who::Recipient { publisher, id } => BudgetKey::Recipient(institution, publisher.as_str().into(), id.clone()),
    })
}

/// Ten digits of the North American plan, or E.164 of any country: publishers may send there, so it may have a budget.
fn phone(text: &str) -> Result<Address, String> {
    if let Ok(address) = contact::phone(text, &[]) {
        return Ok(address);
    }
    let digits: String = text.strip_prefix('+').unwrap_or_default().chars().filter(|it| !" -.()".contains(*it)).collect();
    match (7..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit()) {
        true => Ok(Address::canonical(&format!("+{digits}"))),
        false => Err("that is no phone number; write ten digits, or + with country and number".to_owned()),
    }
}
