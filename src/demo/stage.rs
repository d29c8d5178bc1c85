//! What the demonstration's pages ask for.

use crate::domain::challenge::Challenge;
use crate::domain::code::Secret;
use crate::domain::contact::{Address, Channel};
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, DeliveryId};
use crate::domain::time::Timestamp;
use crate::http::Watch;
use std::future::Future;
use std::pin::Pin;
use tokio_util::sync::CancellationToken;

/// A future that a `dyn Stage` can return. `None`: it can't be had now.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = Option<T>> + Send + 'a>>;

/// The rest of the process, as the pages see it. Boot implements it.
pub trait Stage: Send + Sync {
    /// What the sandbox holds, oldest first.
    fn messages(&self) -> Vec<Message>;

    /// The demo publisher's events after a cursor (`0`: all), oldest first, at most 500.
    fn events<'a>(&'a self, after: &'a str) -> Soon<'a, Page>;

    /// A challenge, live or from history.
    fn challenge(&self, id: AggregateId) -> Soon<'_, Challenge>;

    /// Wakes whenever something was committed.
    fn changes(&self) -> Watch;

    /// Pauses (or lets go on) the hand-over of messages.
    fn pause(&self, paused: bool);

    /// Whether the hand-over is paused.
    fn is_paused(&self) -> bool;

    /// Cancelled when the process is to end: streams end with it.
    fn shutdown(&self) -> CancellationToken;
}

/// A page of the feed.
#[derive(Clone, Debug)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<FeedEvent>,
    /// The cursor for what comes after.
    pub next: String,
}

/// A message as the sandbox took it.
#[derive(Clone, Debug)]
pub struct Message {
    /// `AlrtPkgSubId`
    pub id: DeliveryId,
    /// SMS or mail.
    pub channel: Channel,
    /// Where to.
    pub to: Address,
    /// The number or mailbox it comes from, where it names one.
    pub from: Option<String>,
    /// Mail only.
    pub subject: Option<Secret>,
    /// The SMS, or the mail's plain text.
    pub text: Option<Secret>,
    /// The mail's HTML.
    pub html: Option<Secret>,
    /// When it was handed over.
    pub sent_at: Timestamp,
}
