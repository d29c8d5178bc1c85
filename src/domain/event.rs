//! Publisher feedback (90040) and recipient-originated messages (90030), with the codes of decision 15.

use super::aggregate::Aggregate;
use super::challenge::{Challenge, Level};
use super::id::{DeliveryId, EventId};
use super::publisher::Publisher;
use super::time::Timestamp;
use chrono::SecondsFormat;

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

/// An event as subscribers see it: numbered, and complete by itself.
#[derive(Clone, PartialEq, Debug)]
pub struct FeedEvent {
    /// Position in the feed of its institution; starts at 1, grows, may have gaps.
    pub seq: u64,
    /// The event's stable id.
    pub id: EventId,
    /// 90030 or 90040.
    pub number: u32,
    /// What happened.
    pub act: Act,
    /// When.
    pub at: Timestamp,
    /// `InstRtId`
    pub institution: String,
    /// `ConsumerProd`
    pub product: String,
    /// The publisher it concerns; subscribers see only their own.
    pub publisher: String,
    /// The challenge or message; events of one are pushed in order.
    pub aggregate: super::id::AggregateId,
    /// `EventDataInfo` pairs, in the contract's order; empty values are left out.
    pub data: Vec<(&'static str, String)>,
}

impl FeedEvent {
    /// The `index`th event of an aggregate as number `seq` of its feed; `None` when there is no such event. `publisher`
    /// says how acts are named and whether `RecipCon` is shown whole.
    pub fn of(aggregate: &Aggregate, index: usize, seq: u64, publisher: Option<&Publisher>) -> Option<Self> {
        let event = aggregate.events().get(index)?;
        let (product, data) = match aggregate {
            Aggregate::Challenge(challenge) => (&challenge.product, feedback_data(challenge, event, publisher)),
            Aggregate::Inbound(inbound) => (
                &inbound.product,
                vec![
                    ("AlrtEventTimeDt", time(event.at)),
                    ("ENSActCode", act_name(event.act, publisher)),
                    ("RecipOrigMsgBody", event.feedback.clone()),
                    ("ConsumerProd", inbound.product.clone()),
                    ("InstRtId", inbound.institution.to_string()),
                ],
            ),
        };
        Some(Self {
            seq,
            id: event.id,
            number: event.act.number(),
            act: event.act,
            at: event.at,
            institution: aggregate.institution().to_string(),
            product: product.clone(),
            publisher: aggregate.publisher().to_string(),
            aggregate: aggregate.id(),
            data,
        })
    }
}

// The names and their order: contract `events.md`, 90040. What has no value is left out.
fn feedback_data(challenge: &Challenge, event: &Event, publisher: Option<&Publisher>) -> Vec<(&'static str, String)> {
    let delivery = event.delivery.and_then(|id| challenge.deliveries.iter().find(|it| it.id == id));
    let contact = delivery.map(|it| match publisher.is_some_and(|publisher| publisher.whole_contact) {
        true => it.address.expose().to_owned(),
        false => it.address.masked(),
    });
    let (alert, uid, recipient, name, account) = match &challenge.level {
        Level::Native { alert, recipient, recipient_uid, name, account, .. } => {
            (Some(alert.clone()), Some(recipient_uid.clone()), Some(recipient.clone()), name.clone(), account.clone())
        }
        Level::Explicit { .. } => Default::default(),
    };
    let pairs = [
        ("AlrtEventTimeDt", Some(time(event.at))),
        ("ENSActCode", Some(act_name(event.act, publisher))),
        ("ENSFeedback", Some(event.feedback.clone())),
        ("ConsumerProd", Some(challenge.product.clone())),
        ("AlrtPkgId", Some(challenge.id.to_string())),
        ("AlrtPkgSubId", event.delivery.map(|it| it.to_string())),
        ("InstRtId", Some(challenge.institution.to_string())),
        ("AlrtName", alert),
        ("AlrtRecipId", uid),
        ("ConsmRecipId", recipient.clone()),
        ("ConsmRecipName", name),
        ("ConsmRecipAcctId", account),
        ("ConsmRecipStatType", recipient.map(|_| "Act".to_owned())),
        ("RecipCon", contact),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn act_name(act: Act, publisher: Option<&Publisher>) -> String {
    publisher.and_then(|it| it.act_names.get(&act)).cloned().unwrap_or_else(|| act.code().to_owned())
}

fn time(at: Timestamp) -> String {
    at.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
}
