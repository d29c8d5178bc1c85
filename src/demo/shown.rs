//! Messages, sessions and events as JSON, for the page and for scripts.

use super::stage::Message;
use crate::domain::challenge::{Challenge, Mode, State as Life};
use crate::domain::code::Secret;
use crate::domain::contact::Channel;
use crate::domain::feed::FeedEvent;
use serde::Serialize;
use std::collections::BTreeMap;

/// A message as JSON.
#[derive(Serialize)]
pub(super) struct Shown {
    id: String,
    channel: &'static str,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    sent_at: String,
}

impl From<&Message> for Shown {
    fn from(it: &Message) -> Self {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|it| it.expose().to_owned());
        let channel = match it.channel {
            Channel::Sms => "sms",
            Channel::Mail => "mail",
            Channel::Push => "push",
        };
        Self {
            id: it.id.to_string(),
            channel,
            to: it.to.expose().to_owned(),
            from: it.from.clone(),
            subject: text(&it.subject),
            body: text(&it.text).unwrap_or_default(),
            html: text(&it.html),
            sent_at: it.sent_at.to_string(),
        }
    }
}

/// The state of the outbox.
#[derive(Serialize)]
pub(super) struct Outbox {
    pub(super) paused: bool,
}

/// The life of a session, without its secrets.
#[derive(Serialize)]
pub(super) struct Session {
    id: String,
    state: &'static str,
    two_way: bool,
    alert: Option<String>,
    opened_at: String,
    expires_at: String,
    attempts: u8,
    allowed: u8,
}

impl From<&Challenge> for Session {
    fn from(it: &Challenge) -> Self {
        let state = match it.state {
            Life::Open => "open",
            Life::Ended { outcome, .. } => outcome.code(),
        };
        Self {
            id: it.id.to_string(),
            state,
            two_way: it.mode == Mode::TwoWay,
            alert: it.level.alert().map(str::to_owned),
            opened_at: it.opened_at.to_string(),
            expires_at: it.expires_at.to_string(),
            attempts: it.attempts,
            allowed: it.attempts_allowed,
        }
    }
}

/// An event with the session it is about.
#[derive(Serialize)]
pub(super) struct ShownEvent<'a> {
    seq: u64,
    id: String,
    number: u32,
    time: String,
    session: String,
    act: &'static str,
    data: BTreeMap<&'static str, &'a str>,
}

impl<'a> From<&'a FeedEvent> for ShownEvent<'a> {
    fn from(it: &'a FeedEvent) -> Self {
        Self {
            seq: it.seq,
            id: it.id.to_string(),
            number: it.number,
            time: it.at.to_string(),
            session: it.aggregate.to_string(),
            act: it.act.code(),
            data: it.data.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        }
    }
}
