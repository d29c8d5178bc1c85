//! Publishers and their libraries, as registered: who may ask, for whom, and with which alerts.

use super::budget::BudgetRule;
use super::contact::{Address, Channel};
use super::event::Act;
use super::id::{InstitutionId, PublisherId};
use super::quota::Quotas;
use super::smart::Zone;
use super::template::Template;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A publisher's registration: everything but its credentials, which never come this far.
#[derive(Clone, Debug, PartialEq)]
pub struct Publisher {
    /// The operator's name for it.
    pub id: PublisherId,
    /// Out-of-band validation is enabled (3155 when not).
    pub oob: bool,
    /// Institutions served (2505 for any other), each with its deployed library versions, newest first (3126 when empty).
    pub institutions: BTreeMap<InstitutionId, Vec<String>>,
    /// `ConsumerProd` values it may use; the first is its default.
    pub products: Vec<String>,
    /// `ValidConsmName` values it may use (2505 for any other).
    pub consumer_names: Vec<String>,
    /// What an absent header field becomes.
    pub defaults: Defaults,
    /// Header fields that must have a value or a default.
    pub require: Vec<Required>,
    /// How long a session may live.
    pub lifetime: Lifetime,
    /// Wrong answers at which a session fails (1 to 10).
    pub attempts: u8,
    /// A newer challenge for the same supersedes the older (behaviour 7).
    pub supersede: bool,
    /// Where its times are local to, when a subscription doesn't say.
    pub zone: Zone,
    /// Countries (ISO 3166 alpha-2) it may send to beyond ten-digit numbers; empty: only those.
    pub countries: Vec<String>,
    /// The number its SMS come from; `None`: the gateway's own.
    pub sms_sender: Option<Address>,
    /// The mailbox its mail comes from; `None`: the relay's own.
    pub mail_sender: Option<String>,
    /// The name people know it by, in our own texts.
    pub display_name: String,
    /// What HELP answers: programme and contact.
    pub help_text: Option<String>,
    /// Replies are answered by an SMS (right, wrong with attempts left, expired).
    pub answer_replies: bool,
    /// Answers sent back per session at most (auto-responders loop).
    pub answers_per_session: u8,
    /// `RecipCon` in events is whole, not masked.
    pub whole_contact: bool,
    /// Names for `ENSActCode` other than ours (decision 15).
    pub act_names: BTreeMap<Act, String>,
    /// Limits (decision 22).
    pub limits: Limits,
    /// Quotas: limits that are off unless they are set.
    pub quotas: Quotas,
    /// The failure budget's rule.
    pub budget: BudgetRule,
}

/// Values for header fields that a request leaves out. `BusCorrelId` never has one (decision 1).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Defaults {
    /// ConsumerProd
    pub consumer_prod: Option<String>,
    /// InstRtId
    pub inst_rt_id: Option<String>,
    /// ValidConsmName
    pub valid_consm_name: Option<String>,
    /// ValidConsmProd
    pub valid_consm_prod: Option<String>,
}

/// Header fields a registration can demand, with the fault for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Required {
    /// 2003
    ConsumerProd,
    /// 2016
    InstRtId,
    /// 2401
    ValidConsmName,
    /// 2700
    BusCorrelId,
}

/// `OOBExpSec`: range and default, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetime {
    /// Smallest allowed.
    pub min: u32,
    /// Largest allowed.
    pub max: u32,
    /// Where the request says nothing.
    pub default: u32,
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { min: 15, max: 3600, default: 600 }
    }
}

/// Limits on what a publisher may cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Messages to one phone in ten minutes.
    pub per_phone_ten_minutes: u32,
    /// Messages to one phone in 24 hours.
    pub per_phone_day: u32,
    /// Open sessions of one phone.
    pub open_per_phone: u32,
    /// Challenges a second.
    pub per_second: u32,
    /// Challenges in a UTC day.
    pub per_day: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_phone_ten_minutes: 5, per_phone_day: 20, open_per_phone: 5, per_second: 200, per_day: 1_000_000 }
    }
}

/// A deployed alert: bodies for each channel, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `AlrtName`
    pub name: String,
    /// `PubVer` of the library that it belongs to.
    pub version: String,
    /// SMS body.
    pub sms: Option<Template>,
    /// Mail subject.
    pub subject: Option<Template>,
    /// Mail text body.
    pub text: Option<Template>,
    /// Mail HTML body.
    pub html: Option<Template>,
}

impl Alert {
    /// The templates that a message on `channel` is made of; empty when the alert has no body for it.
    pub fn bodies(&self, channel: Channel) -> Vec<&Template> {
        match channel {
            Channel::Sms => self.sms.iter().collect(),
            Channel::Mail if self.text.is_none() && self.html.is_none() => Vec::new(),
            // ENS has no such contact.
            Channel::Push => Vec::new(),
            Channel::Mail => [&self.subject, &self.text, &self.html].into_iter().flatten().collect(),
        }
    }
}

/// Everything registered, swapped as a whole on reload.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// By id.
    pub publishers: HashMap<PublisherId, Arc<Publisher>>,
    /// Libraries: (publisher, version) → alert name → alert.
    pub libraries: HashMap<(PublisherId, String), HashMap<String, Arc<Alert>>>,
}

impl Registry {
    /// The alert `name` in `version` of the publisher's library.
    pub fn alert(&self, publisher: &PublisherId, version: &str, name: &str) -> Option<&Arc<Alert>> {
        self.alerts(publisher, version)?.get(name)
    }

    /// The alerts in `version` of the publisher's library, by name.
    pub fn alerts(&self, publisher: &PublisherId, version: &str) -> Option<&HashMap<String, Arc<Alert>>> {
        self.libraries.get(&(publisher.clone(), version.to_owned()))
    }

    /// The publisher whose number `to` is; the only one, when there is one; `None` when it can't be told.
    pub fn owner_of(&self, to: Option<&Address>) -> Option<&Arc<Publisher>> {
        let owns = |it: &&Arc<Publisher>| to.is_some() && it.sms_sender.as_ref() == to;
        let mut owners = self.publishers.values().filter(owns);
        match (owners.next(), owners.next()) {
            (Some(owner), None) => Some(owner),
            (None, _) if self.publishers.len() == 1 => self.publishers.values().next(),
            _ => None,
        }
    }
}
