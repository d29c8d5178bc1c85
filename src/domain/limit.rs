//! Limits that a request may meet: why, and when to come again (decisions 6 and 22).

use super::time::Timestamp;

/// A limit that refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Too many failed answers of an address or a recipient.
    Failures {
        /// Not before this moment; `None`: not before a person unlocks it.
        until: Option<Timestamp>,
    },
    /// Too many messages to this address.
    Messages {
        /// Not before this moment.
        until: Timestamp,
    },
    /// Too many open sessions on this address.
    Open {
        /// When the first of them ends by itself.
        until: Timestamp,
    },
    /// The publisher asks for too many challenges a second.
    Rate,
    /// Too many messages that this caller's address (IPv6: its /64) asked for.
    Network {
        /// Not before this moment.
        until: Timestamp,
    },
    /// Too many messages that this API key asked for.
    Key {
        /// Not before this moment.
        until: Timestamp,
    },
    /// Too many messages to numbers that begin like this one.
    Prefix {
        /// Not before this moment.
        until: Timestamp,
    },
    /// Too many messages to this calling code.
    Country {
        /// Not before this moment.
        until: Timestamp,
    },
    /// The money for this UTC day is spent.
    Money {
        /// When the next day begins.
        until: Timestamp,
    },
    /// The publisher's challenges for this UTC day are used up.
    Day {
        /// When the next day begins.
        until: Timestamp,
    },
}

impl Limit {
    /// When it is worth to ask again: `None`, not before a person acts.
    pub fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Failures { until } => until,
            Self::Messages { until } | Self::Open { until } | Self::Day { until } | Self::Money { until } => Some(until),
            Self::Network { until } | Self::Key { until } | Self::Prefix { until } | Self::Country { until } => Some(until),
            Self::Rate => Some(now.plus(std::time::Duration::from_secs(1))),
        }
    }
}
