//! A challenge as its publisher may see it over REST: no code, no text, no whole address. The same while it lives and long after.

use super::challenge::{Challenge, Level, State};
use super::contact::Channel;
use super::delivery::Purpose;
use super::event::Act;
use super::id::{AggregateId, DeliveryId, InstitutionId};
use super::time::Timestamp;

/// How a challenge stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// Its id.
    pub id: AggregateId,
    /// `InstRtId`
    pub institution: InstitutionId,
    /// `ConsumerProd`
    pub product: String,
    /// Whether it is open, or how it ended. One whose time is up is expired, whether it was ended yet or not.
    pub state: State,
    /// Where its first message went.
    pub channel: Option<Channel>,
    /// The address of that, masked.
    pub to: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// From this moment on no answer counts.
    pub expires_at: Timestamp,
    /// Answers that may still be wrong; 0 once it has ended.
    pub attempts_left: u8,
    /// Wrong answers at which it fails.
    pub attempts_allowed: u8,
    /// Messages that were accepted for sending.
    pub messages: u32,
    /// An answer by SMS reaches it, too.
    pub replies: bool,
    /// The caller's language tag.
    pub locale: Option<String>,
    /// What the caller knows it by.
    pub reference: Option<String>,
    /// `clientId` of the bus.
    pub client: Option<String>,
}

impl Summary {
    /// That of a challenge at `now`.
    pub fn of(it: &Challenge, now: Timestamp) -> Self {
        let mut messages = it.deliveries.iter().filter(|it| it.purpose == Purpose::Challenge);
        let count = u32::try_from(messages.clone().count()).unwrap_or(u32::MAX);
        let first = messages.next();
        let state = match it.state {
            State::Open if now >= it.expires_at => State::Ended { outcome: Act::Expired, at: it.expires_at },
            state => state,
        };
        let left = if state == State::Open { it.attempts_allowed.saturating_sub(it.attempts) } else { 0 };
        let (locale, reference, client) = match &it.level {
            Level::Direct(direct) => (direct.locale.clone(), direct.reference.clone(), direct.client.clone()),
            Level::Native { .. } | Level::Explicit { .. } => (None, it.tracking_id.clone(), None),
        };
        Self {
            id: it.id,
            institution: it.institution.clone(),
            product: it.product.clone(),
            state,
            channel: first.map(|it| it.channel),
            to: first.map(|it| it.address.masked()),
            opened_at: it.opened_at,
            expires_at: it.expires_at,
            attempts_left: left,
            attempts_allowed: it.attempts_allowed,
            messages: count,
            replies: it.awaits_reply(),
            locale,
            reference,
            client,
        }
    }
}

/// One thing that happened to a challenge.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub act: Act,
    /// One English sentence, without a code or a whole address.
    pub says: String,
    /// Which message it is about, where it is about one.
    pub message: Option<DeliveryId>,
}

/// What happened to a challenge, oldest first.
pub fn timeline(it: &Challenge) -> Vec<Step> {
    it.events.iter().map(|it| Step { at: it.at, act: it.act, says: it.feedback.clone(), message: it.delivery }).collect()
}
