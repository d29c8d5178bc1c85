//! A challenge that was asked for directly, over REST or Kafka: one address, and a message that the caller says (contracts
//! `dialog-flow.md` and `otp-bus.md`).

use super::contact::{Address, Channel};
use super::message::{Compiled, Key, Kind, Language};
use std::sync::Arc;

/// Whom it goes to, and what the caller said along with it.
#[derive(Clone, PartialEq, Debug)]
pub struct Direct {
    /// How it travels.
    pub channel: Channel,
    /// Where to.
    pub address: Address,
    /// What it says.
    pub message: Message,
    /// The caller's language tag, as sent: in which language a bot speaks of it.
    pub locale: Option<String>,
    /// What a REST caller sent along to know it by.
    pub reference: Option<String>,
    /// `clientId` of the bus: whose code it is, beside the channel. Its failures are counted as a recipient's.
    pub client: Option<String>,
}

/// What a direct message is made of. Texts and values are sealed with the challenge, not here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A text with `<%$otp%>` in it: the caller's, or ours where the caller sent none.
    Text,
    /// A stored template, in the version that it was opened with.
    Template(TemplateRef),
}

/// Which template, in which version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// What it makes: messages of this channel.
    pub kind: Channel,
    /// Its language; `None`: the one that stands in for every language.
    pub language: Option<String>,
    /// Which of its versions.
    pub version: u32,
}

/// A template that was found for a request.
#[derive(Clone, Debug)]
pub struct Found {
    /// What the challenge keeps of it.
    pub which: TemplateRef,
    /// Ready to be rendered.
    pub template: Arc<Compiled>,
}

impl TemplateRef {
    /// This version of it.
    pub fn of(key: &Key, version: u32) -> Self {
        let kind = match key.kind {
            Kind::Sms => Channel::Sms,
            Kind::Mail => Channel::Mail,
            Kind::Push => Channel::Push,
        };
        Self { name: key.name.clone(), kind, language: key.language.as_ref().map(ToString::to_string), version }
    }

    /// What it is kept under.
    pub fn key(&self) -> Key {
        Key { name: self.name.clone(), kind: kind_of(self.kind), language: self.language.as_deref().and_then(Language::parse) }
    }
}

/// Which templates make messages of a channel.
pub const fn kind_of(channel: Channel) -> Kind {
    match channel {
        Channel::Sms => Kind::Sms,
        Channel::Mail => Kind::Mail,
        Channel::Push => Kind::Push,
    }
}
