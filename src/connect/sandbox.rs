//! A virtual carrier: takes SMS and mail, sends nothing, and shows what it took. Also the test sink of `AlrtTestType`.

use super::contract::{Body, Connector, Message, Soon};
use super::setting::Now;
use crate::domain::code::Secret;
use crate::domain::contact::{Address, Channel};
use crate::domain::delivery::Outcome;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Settings of a sandbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its name in logs, metrics and timelines.
    pub name: String,
    /// Messages it keeps, 1 to 100,000; the oldest goes when a new one comes.
    pub keep: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: "sandbox".to_owned(), keep: 1_000 }
    }
}

/// A message that the sandbox took.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The delivery; also the provider's id that the sandbox reported.
    pub id: DeliveryId,
    /// SMS, mail or push.
    pub channel: Channel,
    /// Where to.
    pub to: Address,
    /// The sender, where the message named one.
    pub from: Option<String>,
    /// A mail's, or the title of a push message.
    pub subject: Option<Secret>,
    /// The SMS, the mail's plain text, or that of a push message.
    pub text: Option<Secret>,
    /// The mail's HTML.
    pub html: Option<Secret>,
    /// When it was taken.
    pub sent_at: Timestamp,
}

/// A virtual carrier. Clones share one ring.
#[derive(Clone)]
pub struct Sandbox {
    name: Arc<str>,
    keep: usize,
    now: Now,
    ring: Arc<Mutex<VecDeque<Arc<Kept>>>>,
    news: broadcast::Sender<Arc<Kept>>,
}

impl Sandbox {
    /// An empty sandbox that takes the time from `now`.
    pub fn new(settings: &Settings, now: Now) -> Self {
        let news = broadcast::Sender::new(256);
        Self { name: Arc::from(settings.name.as_str()), keep: settings.keep.clamp(1, 100_000), now, ring: Arc::default(), news }
    }

    /// What it holds, oldest first.
    pub fn messages(&self) -> Vec<Arc<Kept>> {
        self.ring.lock().iter().cloned().collect()
    }

    /// Each message from now on. A reader that falls behind by more than 256 is told so, and reads [`Self::messages`] again.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Kept>> {
        self.news.subscribe()
    }

    fn take(&self, message: &Message) {
        let kept = keep(message, (self.now)());
        let mut ring = self.ring.lock();
        if ring.iter().rev().any(|kept| kept.id == message.id) {
            return; // at-least-once: a repeated hand-over shows once
        }
        if ring.len() >= self.keep {
            ring.pop_front();
        }
        let kept = Arc::new(kept);
        ring.push_back(Arc::clone(&kept));
        // Sent under the lock, so that subscribers see the ring's order. Nobody listening is no error.
        let _ = self.news.send(kept);
    }
}

impl Connector for Sandbox {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            self.take(message);
            Outcome::Accepted { provider_id: Some(message.id.to_string()) }
        })
    }
}

fn keep(message: &Message, sent_at: Timestamp) -> Kept {
    let (channel, subject, text, html) = match &message.body {
        Body::Sms(text) => (Channel::Sms, None, Some(text.clone()), None),
        Body::Mail { subject, text, html } => (Channel::Mail, Some(subject.clone()), text.clone(), html.clone()),
        Body::Push(push) => (Channel::Push, Some(push.title.clone()), Some(push.text.clone()), None),
    };
    Kept { id: message.id, channel, to: message.to.clone(), from: message.from.clone(), subject, text, html, sent_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AggregateId;
    use uuid::Uuid;

    fn sms(id: u128) -> Message {
        Message {
            id: DeliveryId(Uuid::from_u128(id)),
            about: AggregateId(uuid::Uuid::nil()),
            to: Address::canonical("+12025550123"),
            from: None,
            body: Body::Sms(Secret::new(format!("code {id}"))),
        }
    }

    fn sandbox(keep: usize) -> Sandbox {
        Sandbox::new(&Settings { keep, ..Settings::default() }, Arc::new(|| Timestamp::from_millis(7)))
    }

    #[tokio::test]
    async fn the_ring_is_bounded_and_a_repeat_shows_once() {
        let sandbox = sandbox(3);
        for id in [1, 2, 2, 3, 4, 4] {
            let expected = Outcome::Accepted { provider_id: Some(sms(id).id.to_string()) };
            assert_eq!(sandbox.send(&sms(id)).await, expected);
        }
        let ids: Vec<_> = sandbox.messages().iter().map(|it| it.id.0.as_u128()).collect();
        assert_eq!(ids, [2, 3, 4]);
    }

    #[tokio::test]
    async fn subscribers_hear_each_message_once_and_whole() {
        let sandbox = sandbox(10);
        let mut news = sandbox.clone().subscribe();
        let mail = Message {
            from: Some("bank@bank.example".to_owned()),
            body: Body::Mail { subject: Secret::new("s"), text: Some(Secret::new("t")), html: Some(Secret::new("h")) },
            ..sms(9)
        };
        sandbox.send(&mail).await;
        sandbox.send(&mail).await;
        let kept = news.recv().await.unwrap();
        assert_eq!((kept.channel, kept.sent_at.millis(), kept.from.as_deref()), (Channel::Mail, 7, Some("bank@bank.example")));
        assert_eq!([&kept.subject, &kept.text, &kept.html].map(|it| it.as_ref().unwrap().expose().to_owned()), ["s", "t", "h"]);
        assert!(news.try_recv().is_err());
    }
}
