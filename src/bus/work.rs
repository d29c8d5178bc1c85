//! Records in work: each is judged and answered, one after the other of a key, until it is done or no longer ours.

use super::desk::{Desk, Part, Ticket};
use super::judge::{Judge, Judged};
use super::metrics::Metrics;
use super::producer::{Outgoing, Producer, Reason, Unsent};
use super::record::{Flow, Record};
use super::settings::Topics;
use futures_util::FutureExt;
use parking_lot::{Condvar, Mutex};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The longest pause before something is tried again.
const LONGEST: Duration = Duration::from_secs(5);

/// What all records in work share.
pub(super) struct Work {
    pub(super) desk: Mutex<Desk>,
    pub(super) judge: Judge,
    pub(super) producer: Producer,
    pub(super) metrics: Metrics,
    pub(super) topics: Topics,
    pub(super) dead_letters: String,
    /// Nothing new is begun.
    pub(super) stop: CancellationToken,
    /// What was begun is given up.
    pub(super) abort: CancellationToken,
    pub(super) ended: Condvar,
}

impl Work {
    /// Takes a record: works on it at once, or once those of its key that came before are done.
    pub(super) fn take(self: &Arc<Self>, record: Record, runtime: &tokio::runtime::Handle) {
        let begun = self.desk.lock().take(record);
        if let Some(first) = begun {
            runtime.spawn(self.clone().run(first));
        }
    }

    /// Waits until no record of these partitions is worked on, but not beyond `deadline`. Blocks.
    pub(super) fn settle(&self, parts: &[Part], deadline: Instant) {
        let mut desk = self.desk.lock();
        desk.drop_waiting(parts);
        while desk.running(parts) > 0 && !self.ended.wait_until(&mut desk, deadline).timed_out() {}
    }

    async fn run(self: Arc<Self>, first: (Ticket, Record)) {
        let mut next = Some(first);
        while let Some((ticket, record)) = next {
            let done = self.work(ticket, &record).await;
            next = self.desk.lock().finish(ticket, done);
            self.ended.notify_all();
        }
    }

    // Whether its answer is durable.
    async fn work(&self, ticket: Ticket, record: &Record) -> bool {
        let (mut troubles, mut pause) = (0, Duration::from_millis(20));
        loop {
            if !self.desk.lock().is_ours(ticket) {
                return false;
            }
            let judged = match AssertUnwindSafe(self.judge.judge(record, troubles)).catch_unwind().await {
                Ok(judged) => judged,
                Err(_) => {
                    tracing::error!(?record, "judging a record failed by a fault of ours; it is answered as such");
                    Judge::failed(record)
                }
            };
            match judged {
                Judged::Answer { body, outcome } => return self.answer(ticket, record, (&body, outcome)).await,
                Judged::Dead(why) => return self.bury(ticket, record, &why).await,
                Judged::Later { after, trouble } => {
                    troubles += u32::from(trouble);
                    self.metrics.error("engine");
                    if !self.wait(after.max(pause).min(LONGEST)).await {
                        return false;
                    }
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }

    async fn answer(&self, ticket: Ticket, record: &Record, (body, outcome): (&[u8], &'static str)) -> bool {
        let topics = match record.flow {
            Flow::Generate => &self.topics.generate,
            Flow::Validate => &self.topics.validate,
        };
        let Some((_, out)) = topics else { return false };
        match self.send(ticket, &Outgoing::answer(out, record, body)).await {
            Some(Ok(())) => {
                self.metrics.answered(record.flow, outcome);
                true
            }
            Some(Err(why)) => self.bury(ticket, record, &why).await,
            None => false,
        }
    }

    async fn bury(&self, ticket: Ticket, record: &Record, why: &str) -> bool {
        let reason = Reason::new(record, why);
        match self.send(ticket, &Outgoing::dead(&self.dead_letters, record, &reason)).await {
            Some(sent) => {
                // A record that nobody takes must not stop those behind it.
                let lost = sent.err();
                tracing::warn!(?record, why, lost, "a record is a dead letter");
                self.metrics.dead(record.flow);
                true
            }
            None => false,
        }
    }

    // Until it is durable; `Some(Err)`: it never will be; `None`: it was given up.
    async fn send(&self, ticket: Ticket, it: &Outgoing<'_>) -> Option<Result<(), String>> {
        let mut pause = Duration::from_millis(100);
        loop {
            let sent = tokio::select! {
                biased;
                () = self.abort.cancelled() => return None,
                sent = self.producer.send(it) => sent,
            };
            match sent {
                Ok(()) => return Some(Ok(())),
                Err(Unsent::Never(why)) => return Some(Err(why)),
                Err(Unsent::Later) => {}
            }
            if !self.wait(pause).await || !self.desk.lock().is_ours(ticket) {
                return None;
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    // `false`: there is no time for another try.
    async fn wait(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}
