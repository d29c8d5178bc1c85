//! Registered recipients, their contacts and subscriptions (contract `ens-operations.md`, shared records).

use super::contact::{Address, Channel};
use super::id::{InstitutionId, PublisherId};

/// Which recipient: a publisher's id for a person at an institution.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct RecipientKey {
    /// Whose id it is.
    pub publisher: PublisherId,
    /// Where.
    pub institution: InstitutionId,
    /// `ConsmRecipId`
    pub id: String,
}

/// A person who gets alerts.
#[derive(Clone, PartialEq, Debug)]
pub struct Recipient {
    /// Which.
    pub key: RecipientKey,
    /// `AlrtRecipId`: our own id, given at registration.
    pub uid: String,
    /// `ConsmRecipStatType` is Act.
    pub active: bool,
    /// `ConsmRecipName`, as one line.
    pub name: Option<String>,
    /// Contacts; ids are unique within a recipient.
    pub contacts: Vec<Contact>,
    /// Subscriptions, one an alert and account.
    pub subscriptions: Vec<Subscription>,
}

/// A contact point (`RecipConInfoRec`).
#[derive(Clone, PartialEq, Debug)]
pub struct Contact {
    /// `RecipConId`
    pub id: String,
    /// From `RecipConType`.
    pub channel: Channel,
    /// `RecipCon`
    pub address: Address,
    /// `RecipConOptInType` is not None.
    pub opted_in: bool,
}

/// What a recipient subscribed to (`AlrtInfoRec` of a `AlrtRecipSubInfoRec`).
#[derive(Clone, PartialEq, Debug)]
pub struct Subscription {
    /// `ConsmRecipAcctId`; `None` serves any account.
    pub account: Option<String>,
    /// `AlrtName`
    pub alert: String,
    /// `RecipSubStatType` and `AlrtActType` are Act.
    pub active: bool,
    /// `RecipSubUTCOffset`, as minutes east of UTC.
    pub utc_offset_minutes: Option<i32>,
    /// `RecipConId` of the contacts that get it.
    pub contacts: Vec<String>,
}

impl Recipient {
    /// The subscription to `alert`: that of the account, else one that serves any.
    pub fn subscription(&self, alert: &str, account: Option<&str>) -> Option<&Subscription> {
        let of_alert = || self.subscriptions.iter().filter(|it| it.alert == alert);
        of_alert()
            .find(|it| it.account.is_some() && it.account.as_deref() == account)
            .or_else(|| of_alert().find(|it| it.account.is_none()))
    }

    /// The contact with this id.
    pub fn contact(&self, id: &str) -> Option<&Contact> {
        self.contacts.iter().find(|it| it.id == id)
    }
}
