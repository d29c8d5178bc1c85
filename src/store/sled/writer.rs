//! The one thread that writes: it groups everything that waits into one durable step, shows it, and acknowledges it.

use super::Shared;
use super::log::Log;
use crate::store::contract::StoreError;
use crate::store::prepare::Commit;
use crate::store::stage::{Fit, Sealed, Step};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::Instant;
use tokio::sync::oneshot;

/// Bytes in one batch at most, unless one commit alone has more: beyond that sled's memory grows and latency with it.
const MOST_BYTES: usize = 128 * 1024;

/// What the writer is asked for.
pub(super) enum Message {
    /// To write.
    Commit(Job),
    /// To end, after what came before.
    Close,
}

/// A commit, and who waits for it.
pub(super) struct Job {
    pub(super) commit: Commit,
    pub(super) ack: oneshot::Sender<Result<(), StoreError>>,
}

/// The writer's own state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Log,
    pub(super) inbox: Receiver<Message>,
}

/// A step and those who wait for it.
struct Group {
    sealed: Sealed,
    jobs: Vec<Job>,
    carried: Option<Job>,
    closing: bool,
}

impl Writer {
    /// Runs until it is told to close, or nobody can ask any more.
    pub(super) fn run(self) {
        let mut carried = None;
        let mut closing = false;
        loop {
            let first = match carried.take() {
                Some(job) => job,
                None if closing => return,
                None => match self.inbox.recv() {
                    Ok(Message::Commit(job)) => job,
                    Ok(Message::Close) | Err(_) => return,
                },
            };
            let group = self.gather(first);
            carried = group.carried;
            closing |= group.closing;
            if let Err(error) = self.write(group.sealed, group.jobs) {
                return self.fail(&error.to_string(), carried);
            }
        }
    }

    fn gather(&self, first: Job) -> Group {
        let published = self.shared.published.read();
        let mut step = Step::new(&published, &self.shared.vault);
        let (mut jobs, mut bytes, mut carried, mut closing) = (Vec::new(), 0, None, false);
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let size = job.commit.bytes();
            if !jobs.is_empty() && bytes + size > MOST_BYTES {
                carried = Some(job);
                break;
            }
            match step.add(&job.commit) {
                Fit::In => {
                    bytes += size;
                    jobs.push(job);
                }
                Fit::Conflict => self.answer(job, Err(StoreError::Conflict)),
                Fit::Next => {
                    carried = Some(job);
                    break;
                }
            }
            if jobs.len() < self.shared.settings.max_group {
                match self.inbox.try_recv() {
                    Ok(Message::Commit(job)) => next = Some(job),
                    Ok(Message::Close) => closing = true,
                    Err(_) => {}
                }
            }
        }
        Group { sealed: step.seal(), jobs, carried, closing }
    }

    fn write(&self, sealed: Sealed, jobs: Vec<Job>) -> Result<(), ::sled::Error> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut batch = ::sled::Batch::default();
        for (key, value) in &sealed.puts {
            match value {
                Some(value) => batch.insert(&key.0, value.as_slice()),
                None => batch.remove(&key.0),
            }
        }
        let begun = Instant::now();
        if let Err(error) = self.log.append(batch) {
            jobs.into_iter().for_each(|job| self.answer(job, Err(StoreError::Failed(error.to_string()))));
            return Err(error);
        }
        self.shared.sync_micros.fetch_add(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.shared.syncs.fetch_add(1, Relaxed);
        self.shared.commits.fetch_add(jobs.len() as u64, Relaxed);
        sealed.publish(&mut self.shared.published.write());
        jobs.into_iter().for_each(|job| self.answer(job, Ok(())));
        Ok(())
    }

    // Nothing may be acknowledged after this: whether the last step is durable is unknown (decision 7).
    fn fail(&self, why: &str, carried: Option<Job>) {
        self.shared.ready.store(false, Relaxed);
        let failed = || Err(StoreError::Failed(why.to_owned()));
        carried.into_iter().for_each(|job| self.answer(job, failed()));
        (self.shared.settings.fatal)(why);
        while let Ok(Message::Commit(job)) = self.inbox.recv() {
            self.answer(job, failed());
        }
    }

    fn answer(&self, job: Job, outcome: Result<(), StoreError>) {
        self.shared.waiting.fetch_sub(1, Relaxed);
        // Whoever asked may have gone; what was written stays written.
        let _ = job.ack.send(outcome);
    }
}
