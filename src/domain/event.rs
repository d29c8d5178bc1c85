//! Publisher feedback (90040) and recipient-originated messages (90030), with the codes of decision 15.

use super::id::{DeliveryId, EventId};
use super::time::Timestamp;

/// What happened, as `ENSActCode` names it (decision 15). The first five are outcomes: exactly one a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Act {
    /// The right answer came in time.
    Verified,
    /// Attempts ran out, or the person said it wasn't them.
    Failed,
    /// No right answer came in time.
    Expired,
    /// A newer challenge took its place.
    Superseded,
    /// The publisher, or the recipient by STOP, ended it.
    Cancelled,
    /// A message is durably accepted for sending.
    MsgAccepted,
    /// A carrier took the message.
    MsgSent,
    /// A receipt says it arrived.
    MsgDelivered,
    /// It can't be delivered.
    MsgUndeliverable,
    /// It could not be handed over before its session ended.
    MsgExpired,
    /// The recipient opted out.
    OptedOut,
    /// The failure budget refused.
    Blocked,
    /// A recipient wrote to us.
    RecipMsg,
}

impl Act {
    /// Every act, outcomes first.
    pub const ALL: [Self; 13] = [
        Self::Verified,
        Self::Failed,
        Self::Expired,
        Self::Superseded,
        Self::Cancelled,
        Self::MsgAccepted,
        Self::MsgSent,
        Self::MsgDelivered,
        Self::MsgUndeliverable,
        Self::MsgExpired,
        Self::OptedOut,
        Self::Blocked,
        Self::RecipMsg,
    ];

    /// `ENSActCode`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Verified => "OOBVerified",
            Self::Failed => "OOBFailed",
            Self::Expired => "OOBExpired",
            Self::Superseded => "OOBSuperseded",
            Self::Cancelled => "OOBCancelled",
            Self::MsgAccepted => "MsgAccepted",
            Self::MsgSent => "MsgSent",
            Self::MsgDelivered => "MsgDelivered",
            Self::MsgUndeliverable => "MsgUndeliverable",
            Self::MsgExpired => "MsgExpired",
            Self::OptedOut => "OptedOut",
            Self::Blocked => "Blocked",
            Self::RecipMsg => "RecipMsg",
        }
    }

    /// The act of a code; `None` when it is not one of ours.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }

    /// Whether it ends a challenge.
    pub const fn is_outcome(self) -> bool {
        matches!(self, Self::Verified | Self::Failed | Self::Expired | Self::Superseded | Self::Cancelled)
    }

    /// The event's number: 90030 for what a recipient wrote, else 90040.
    pub const fn number(self) -> u32 {
        match self {
            Self::RecipMsg => 90030,
            _ => 90040,
        }
    }
}

/// One event, stored with the aggregate that it is about. Its sequence number is the store's (decision 10).
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Stable over retries and replays.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub act: Act,
    /// `ENSFeedback` (90040) or `RecipOrigMsgBody` (90030): one English sentence without a code or a whole address; for
    /// 90030 only the keyword that we read, never the message.
    pub feedback: String,
    /// `AlrtPkgSubId`, where it is about one delivery.
    pub delivery: Option<DeliveryId>,
}
