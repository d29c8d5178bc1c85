//! What a newer challenge takes the place of an older one in (decision 16).

use super::contact::{Address, Channel};
use super::direct::Direct;
use super::id::{InstitutionId, PublisherId};

/// The place that only one open challenge holds (decision 16).
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Slot {
    /// Whose.
    pub publisher: PublisherId,
    /// Where.
    pub institution: InstitutionId,
    /// For what.
    pub subject: SlotSubject,
}

/// What a [`Slot`] is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum SlotSubject {
    /// (recipient, alert)
    Native {
        /// `ConsmRecipId`
        recipient: String,
        /// `AlrtName`
        alert: String,
    },
    /// (phone, product)
    Explicit {
        /// The number.
        phone: Address,
        /// `ConsumerProd`
        product: String,
    },
    /// (address, channel, product): asked for over REST.
    Direct {
        /// The address.
        address: Address,
        /// How it is reached.
        channel: Channel,
        /// `ConsumerProd`
        product: String,
    },
    /// (clientId, channel): asked for over the bus (contract `otp-bus.md`).
    Client {
        /// `clientId`
        client: String,
        /// `channel`
        channel: Channel,
    },
}

impl SlotSubject {
    /// What a direct challenge is for: its client's, where it has one.
    pub fn of(direct: &Direct, product: &str) -> Self {
        match &direct.client {
            Some(client) => Self::Client { client: client.clone(), channel: direct.channel },
            None => Self::Direct { address: direct.address.clone(), channel: direct.channel, product: product.to_owned() },
        }
    }
}
