//! Items as lines of JSON: what `docs/export.md` describes. What is sealed in a store is sealed here, under the same keys: clear
//! are ids, times, names of publishers and institutions, and numbers. Sealed values have the oldest form: any version reads them.

use super::item::Item;
use crate::domain::aggregate::Aggregate;
use crate::domain::budget::Budget;
use crate::domain::id::AggregateId;
use crate::domain::time::Timestamp;
use crate::store::form::Form;
use crate::store::key::{Key, Keys, kind};
use crate::store::prepare::{decode_note, encode_note};
use crate::store::{row, rows};
use crate::vault::{ROOM, STANDING, SealedRow, Vault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form's number.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The first: what this file is.
    Header { version: u32, store: String, time: String, root_key: String },
    /// A day's data key, wrapped by the root key.
    DataKey { day: u32, wrapped: String },
    /// A challenge.
    Session {
        id: String,
        publisher: String,
        institution: String,
        opened_at: String,
        open: bool,
        events: Vec<u64>,
        key_day: u32,
        sealed: String,
    },
    /// A message that belongs to none.
    Message { id: String, publisher: String, institution: String, at: String, events: Vec<u64>, key_day: u32, sealed: String },
    /// A failure budget.
    Budget { key: String, recent: Vec<String>, consecutive: u32 },
    /// An opt-out.
    OptOut {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        address: String,
        publisher: String,
    },
    /// A recipient.
    Recipient { key: String, publisher: String, institution: String, sealed: String },
    /// A cursor or a parked event.
    Note { name: String, sealed: String },
    /// An institution's feed.
    Feed { institution: String, last: u64 },
    /// A publisher's challenges of a day.
    Opened { publisher: String, day: u32, count: u64 },
    /// The last: how many lines of each type came before, and SHA-256 of all their bytes.
    End { counts: BTreeMap<String, u64>, sha256: String },
}

/// A line that says what can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not say what such a line says, or can't be opened with this root key")]
pub(super) struct Wrong;

impl Line {
    /// The line of an item. `vault` knows the item's data key, and is used by nobody else.
    pub(super) fn of(item: &Item, vault: &Vault) -> Result<Self, Wrong> {
        Ok(match item {
            Item::DataKey { day, wrapped } => Self::DataKey { day: *day, wrapped: STANDARD.encode(wrapped) },
            Item::Aggregate { value, seqs, sealed } => aggregate(value, seqs.clone(), *sealed, vault)?,
            Item::Budget { key, budget } => {
                let recent = budget.recent.iter().map(ToString::to_string).collect();
                Self::Budget { key: hex::encode(key), recent, consecutive: budget.consecutive }
            }
            Item::OptOut { address, publisher, key } => {
                Self::OptOut { key: key.map(hex::encode), address: hex::encode(address), publisher: publisher.to_string() }
            }
            Item::Recipient(it) => {
                let key = Keys(vault).recipient(&it.key);
                let sealed = row::seal_in_place(vault, &key, rows::encode_recipient(it, Form::OLDEST, ROOM), true);
                let (publisher, institution) = (it.key.publisher.to_string(), it.key.institution.to_string());
                Self::Recipient { key: hex::encode(key.rest()), publisher, institution, sealed: text(&sealed) }
            }
            Item::Note { name, value } => {
                let sealed = row::seal_in_place(vault, &Keys(vault).note(name), encode_note(name, value), true);
                Self::Note { name: name.clone(), sealed: text(&sealed) }
            }
            Item::Feed { institution, last } => Self::Feed { institution: institution.to_string(), last: *last },
            Item::Opened { publisher, day, count } => Self::Opened { publisher: publisher.to_string(), day: *day, count: *count },
        })
    }

    /// The item of a line; `None` of the first and the last. The clear part must be what the sealed one says.
    pub(super) fn item(&self, vault: &Vault) -> Result<Option<Item>, Wrong> {
        Ok(Some(match self {
            Self::Header { .. } | Self::End { .. } => return Ok(None),
            Self::DataKey { day, wrapped } => Item::DataKey { day: *day, wrapped: bytes(wrapped)? },
            Self::Session { id, events, key_day, sealed, .. } | Self::Message { id, events, key_day, sealed, .. } => {
                let key = Key::aggregate(AggregateId::parse(id).ok_or(Wrong)?);
                let plain = vault.open_row(*key_day, &key.0, &bytes(sealed)?).map_err(|_| Wrong)?;
                let value = Box::new(rows::decode_aggregate(&plain, Form::NEWEST).map_err(|_| Wrong)?);
                if value.id() != key.id()
                    || clear(&value, events.clone(), *key_day, sealed.clone()) != *self
                    || value.events().len() != events.len()
                {
                    return Err(Wrong);
                }
                Item::Aggregate { value, seqs: events.clone(), sealed: *key_day }
            }
            Self::Budget { key, recent, consecutive } => {
                let recent = recent.iter().map(|it| time(it)).collect::<Result<_, _>>()?;
                Item::Budget { key: route(key)?, budget: Budget { recent, consecutive: *consecutive } }
            }
            Self::OptOut { key, address, publisher } => {
                let key = key.as_deref().map(route).transpose()?;
                Item::OptOut { address: route(address)?, publisher: publisher.as_str().into(), key }
            }
            Self::Recipient { key, publisher, institution, sealed } => {
                let key = Key::new(kind::RECIPIENT, route(key)?);
                let plain = vault.open_row(STANDING, &key.0, &bytes(sealed)?).map_err(|_| Wrong)?;
                let it = rows::decode_recipient(&plain, Form::NEWEST).map_err(|_| Wrong)?;
                if it.key.publisher.as_str() != publisher
                    || it.key.institution.as_str() != institution
                    || Keys(vault).recipient(&it.key) != key
                {
                    return Err(Wrong);
                }
                Item::Recipient(Box::new(it))
            }
            Self::Note { name, sealed } => {
                let plain = vault.open_row(STANDING, &Keys(vault).note(name).0, &bytes(sealed)?).map_err(|_| Wrong)?;
                let (_, value) = decode_note(&plain).map_err(|_| Wrong)?;
                Item::Note { name: name.clone(), value: value.to_vec() }
            }
            Self::Feed { institution, last } => Item::Feed { institution: institution.as_str().into(), last: *last },
            Self::Opened { publisher, day, count } => Item::Opened { publisher: publisher.as_str().into(), day: *day, count: *count },
        }))
    }

    /// Its type, as it is written.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Header { .. } => "header",
            Self::DataKey { .. } => "data_key",
            Self::Session { .. } => "session",
            Self::Message { .. } => "message",
            Self::Budget { .. } => "budget",
            Self::OptOut { .. } => "opt_out",
            Self::Recipient { .. } => "recipient",
            Self::Note { .. } => "note",
            Self::Feed { .. } => "feed",
            Self::Opened { .. } => "opened",
            Self::End { .. } => "end",
        }
    }
}

fn aggregate(value: &Aggregate, seqs: Vec<u64>, day: u32, vault: &Vault) -> Result<Line, Wrong> {
    // Under its own day's key: so it is erased with that.
    if day != STANDING && !vault.set_day(day) {
        return Err(Wrong);
    }
    let sealed = row::seal_in_place(vault, &Key::aggregate(value.id()), rows::encode_aggregate(value, Form::OLDEST, ROOM), day == STANDING);
    Ok(clear(value, seqs, sealed.day, text(&sealed)))
}

fn clear(value: &Aggregate, events: Vec<u64>, key_day: u32, sealed: String) -> Line {
    let (id, publisher, institution) = (value.id().to_string(), value.publisher().to_string(), value.institution().to_string());
    match value {
        Aggregate::Challenge(it) => {
            let (opened_at, open) = (it.opened_at.to_string(), it.timer().is_some());
            Line::Session { id, publisher, institution, opened_at, open, events, key_day, sealed }
        }
        Aggregate::Inbound(it) => Line::Message { id, publisher, institution, at: it.at.to_string(), events, key_day, sealed },
    }
}

fn text(sealed: &SealedRow) -> String {
    STANDARD.encode(&sealed.bytes)
}

fn bytes(text: &str) -> Result<Vec<u8>, Wrong> {
    STANDARD.decode(text).map_err(|_| Wrong)
}

fn route(text: &str) -> Result<[u8; 16], Wrong> {
    hex::decode(text).ok().and_then(|it| it.try_into().ok()).ok_or(Wrong)
}

fn time(text: &str) -> Result<Timestamp, Wrong> {
    chrono::DateTime::parse_from_rfc3339(text).map(|it| it.to_utc().into()).map_err(|_| Wrong)
}
