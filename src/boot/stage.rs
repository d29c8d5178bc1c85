//! What the demonstration's pages see of the house.

use crate::connect::sandbox::{Kept, Sandbox};
use crate::demo::{Message, Page, Soon, Stage};
use crate::domain::aggregate::Aggregate;
use crate::domain::challenge::Challenge;
use crate::domain::id::{AggregateId, PublisherId};
use crate::engine::Engine;
use crate::engine::changes::Watch;
use crate::engine::outbox::Outbox;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Events on one page of the demonstration.
const PAGE: usize = 500;

/// The house, as the pages see it.
pub struct Backstage {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The outbox.
    pub outbox: Arc<Outbox>,
    /// The virtual carrier.
    pub sandbox: Sandbox,
    /// Whose events.
    pub publisher: PublisherId,
    /// Cancelled when the process is to end.
    pub stop: CancellationToken,
}

impl Stage for Backstage {
    fn messages(&self) -> Vec<Message> {
        self.sandbox.messages().iter().map(|it| message(it)).collect()
    }

    fn events<'a>(&'a self, after: &'a str) -> Soon<'a, Page> {
        Box::pin(async move {
            let page = self.engine.events(&self.publisher, None, after, PAGE).await.ok()?;
            Some(Page { events: page.events, next: page.next })
        })
    }

    fn challenge(&self, id: AggregateId) -> Soon<'_, Challenge> {
        Box::pin(async move {
            match self.engine.store().find(id).await.ok()??.value {
                Aggregate::Challenge(challenge) => Some(*challenge),
                Aggregate::Inbound(_) => None,
            }
        })
    }

    fn changes(&self) -> Watch {
        self.engine.changes()
    }

    fn pause(&self, paused: bool) {
        self.outbox.pause(paused);
    }

    fn is_paused(&self) -> bool {
        self.outbox.is_paused()
    }

    fn shutdown(&self) -> CancellationToken {
        self.stop.clone()
    }
}

fn message(it: &Kept) -> Message {
    Message {
        id: it.id,
        channel: it.channel,
        to: it.to.clone(),
        from: it.from.clone(),
        subject: it.subject.clone(),
        text: it.text.clone(),
        html: it.html.clone(),
        sent_at: it.sent_at,
    }
}
