//! What a way out promises.

use crate::domain::code::Secret;
use crate::domain::contact::Address;
use crate::domain::delivery::Outcome;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, DeliveryId};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future that a `dyn` connector or sink can return.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A rendered message on its way to a carrier.
#[derive(Clone, Debug)]
pub struct Message {
    /// The provider's idempotency key, and what its receipt refers to.
    pub id: DeliveryId,
    /// The challenge, or message of a recipient, that it belongs to: goes along where a receipt can give it back.
    pub about: AggregateId,
    /// Where to.
    pub to: Address,
    /// The publisher's own number or mailbox; `None`: the connector's default.
    pub from: Option<String>,
    /// What it says.
    pub body: Body,
}

/// What a message says, for its channel.
#[derive(Clone, Debug)]
pub enum Body {
    /// SMS.
    Sms(Secret),
    /// Mail: at least one of text and HTML.
    Mail {
        /// One line.
        subject: Secret,
        /// Plain text.
        text: Option<Secret>,
        /// HTML.
        html: Option<Secret>,
    },
    /// Push to a device or browser.
    Push(Push),
}

/// What a push message says.
#[derive(Clone, Debug)]
pub struct Push {
    /// One line.
    pub title: Secret,
    /// What is shown below it.
    pub text: Secret,
    /// What the app gets beside, by name.
    pub data: Vec<(String, Secret)>,
    /// How long it is of use: what is left of the challenge. A device that wakes up later does not get it.
    pub ttl: Duration,
    /// A newer message of the same topic takes this one's place while it waits: at most 32 characters of URL-safe base64.
    pub topic: Option<String>,
}

/// The longest time-out that a setting may ask for. Whoever leases a delivery leases it for longer, so that no carrier is given a message
/// twice while it is still thinking.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Hand-overs under way at once, to all carriers and relays together.
pub const AT_ONCE: usize = 256;

/// Hands messages to a carrier or relay. Bounded in time by itself: an answer comes within its own time-out, at most [`TIMEOUT_MAX`].
pub trait Connector: Send + Sync {
    /// The operator's name for it, in logs, metrics and timelines.
    fn name(&self) -> &str;

    /// Hands one message over.
    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome>;
}

/// What a subscriber said of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// It has all of them.
    Taken,
    /// It won't take this batch, ever: bisect, and park what is alone.
    Refused(String),
    /// Not now.
    Later(String),
}

/// Pushes events to one subscriber.
pub trait Sink: Send + Sync {
    /// The operator's name for it.
    fn name(&self) -> &str;

    /// Events that one request of it takes; more are so many requests, one after the other.
    fn in_one(&self) -> usize {
        50
    }

    /// Pushes a batch, oldest first.
    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed>;
}
