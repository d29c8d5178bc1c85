//! Events as subscribers see them: numbered, named as the contract names them, and complete by themselves (`events.md`).

use super::aggregate::Aggregate;
use super::challenge::{Challenge, Level};
use super::event::{Act, Event};
use super::id::{AggregateId, EventId, InstitutionId, PublisherId};
use super::publisher::Publisher;
use super::time::Timestamp;

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
    pub institution: InstitutionId,
    /// `ConsumerProd`
    pub product: String,
    /// The publisher it concerns; subscribers see only their own.
    pub publisher: PublisherId,
    /// The challenge or message; events of one are pushed in order.
    pub aggregate: AggregateId,
    /// `EventDataInfo` pairs, in the contract's order; empty values are left out.
    pub data: Vec<(&'static str, String)>,
}

impl FeedEvent {
    /// The `index`th event of an aggregate as number `seq` of its feed; `None` when there is no such event. `publisher`
    /// says how acts are named and whether `RecipCon` is shown whole.
    pub fn of(aggregate: &Aggregate, index: usize, seq: u64, publisher: Option<&Publisher>) -> Option<Self> {
        let event = aggregate.events().get(index)?;
        let data = match aggregate {
            Aggregate::Challenge(challenge) => feedback_data(challenge, event, publisher),
            Aggregate::Inbound(inbound) => vec![
                ("AlrtEventTimeDt", event.at.to_string()),
                ("ENSActCode", act_name(event.act, publisher)),
                ("RecipOrigMsgBody", event.feedback.clone()),
                ("ConsumerProd", inbound.product.clone()),
                ("InstRtId", inbound.institution.to_string()),
            ],
        };
        Some(Self {
            seq,
            id: event.id,
            number: event.act.number(),
            act: event.act,
            at: event.at,
            institution: aggregate.institution().clone(),
            product: aggregate.product().to_owned(),
            publisher: aggregate.publisher().clone(),
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
        Level::Direct(direct) => (None, None, direct.client.clone(), None, None),
        Level::Explicit { .. } => Default::default(),
    };
    let pairs = [
        ("AlrtEventTimeDt", Some(event.at.to_string())),
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
    let mut told = Vec::with_capacity(pairs.len());
    told.extend(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))));
    told
}

fn act_name(act: Act, publisher: Option<&Publisher>) -> String {
    publisher.and_then(|it| it.act_names.get(&act)).cloned().unwrap_or_else(|| act.code().to_owned())
}
