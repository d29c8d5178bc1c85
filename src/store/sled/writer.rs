//! The one thread that writes: it groups everything that waits into one durable step, shows it, and acknowledges it.

use super::log::Durable;
use super::pace::{PATIENCE, PAUSE, Pace};
use super::shared::Shared;
use super::table::guarded;
use crate::store::contract::StoreError;
use crate::store::past::Past;
use crate::store::prepare::Commit;
use crate::store::stage::{Fit, Sealed, Share, Step};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::Instant;
use tokio::sync::oneshot;

/// Bytes in one step at most, unless one commit alone has more: beyond that latency grows.
const MOST_BYTES: usize = 256 * 1024;

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
    pub(super) ack: oneshot::Sender<Done>,
}

/// What became of a commit. What it leaves behind comes along, to be dropped by whoever waited: all wait for the one that writes.
pub(super) struct Done {
    pub(super) outcome: Result<(), StoreError>,
    _commit: Commit,
    _gone: Share,
}

/// The writer's own state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) past: Arc<dyn Past>,
    pub(super) log: Box<dyn Durable>,
    pub(super) inbox: Receiver<Message>,
    pub(super) pace: Pace,
}

/// A step and those who wait for it.
struct Group {
    sealed: Sealed,
    jobs: Vec<Job>,
    carried: Option<Job>,
    closing: bool,
}

impl Writer {
    /// Runs until it is told to close, or nobody can ask any more. What stops it otherwise, error or panic, ends all.
    pub(super) fn run(mut self) {
        match guarded(|| self.steps().map_or_else(|failure| Ok(Some(failure)), |()| Ok(None))) {
            Ok(None) => {}
            Ok(Some((why, carried))) => self.fail(&why, carried),
            Err(panicked) => self.fail(&panicked.to_string(), None),
        }
    }

    // Its failure comes with the commit that was to be the next step's first.
    fn steps(&mut self) -> Result<(), (String, Option<Job>)> {
        let mut carried = None;
        let mut closing = false;
        loop {
            let first = match carried.take() {
                Some(job) => job,
                None if closing => return Ok(()),
                None => match self.inbox.recv() {
                    Ok(Message::Commit(job)) => job,
                    Ok(Message::Close) | Err(_) => return Ok(()),
                },
            };
            self.wait();
            let group = self.gather(first);
            carried = group.carried;
            closing |= group.closing;
            if let Err(error) = self.write(group.sealed, group.jobs) {
                return Err((error.to_string(), carried));
            }
        }
    }

    // For those who are about to come, without holding anything.
    fn wait(&mut self) {
        let begun = Instant::now();
        let here = || (self.shared.waiting.load(Relaxed) as usize).min(self.shared.settings.max_group);
        while here() < self.pace.wanted() && begun.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
        let count = here();
        self.pace.got(count);
    }

    fn gather(&self, first: Job) -> Group {
        let published = self.shared.published.read();
        let mut step = Step::new(&published, &*self.past, &self.shared.vault);
        let (mut jobs, mut bytes, mut carried, mut closing) = (Vec::with_capacity(self.shared.settings.max_group.min(64)), 0, None, false);
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
                Fit::Fenced => self.answer(job, Err(StoreError::Fenced)),
                Fit::Unread => self.answer(job, Err(StoreError::Failed("history can't be read".into()))),
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

    fn write(&mut self, sealed: Sealed, jobs: Vec<Job>) -> Result<(), ::sled::Error> {
        if jobs.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        // A panic too: those who wait are here, and must hear of it.
        if let Err(error) = guarded(|| self.log.append(sealed.sequence, &sealed.puts)) {
            self.shared.ready.store(false, Relaxed);
            jobs.into_iter().for_each(|job| self.answer(job, Err(StoreError::Failed(error.to_string()))));
            return Err(error);
        }
        self.shared.sync_micros.fetch_add(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.shared.syncs.fetch_add(1, Relaxed);
        self.shared.commits.fetch_add(jobs.len() as u64, Relaxed);
        let mut gone = sealed.publish(&mut self.shared.published.write());
        let count = jobs.len();
        for (nth, job) in jobs.into_iter().enumerate() {
            self.give_back(job, Ok(()), gone.share(count - nth));
        }
        guarded(|| self.log.shown())
    }

    // Nothing may be acknowledged after this: whether the last step is durable is unknown (decision 7).
    fn fail(&self, why: &str, carried: Option<Job>) {
        let failed = || Err(StoreError::Failed(why.to_owned()));
        self.shared.ready.store(false, Relaxed);
        carried.into_iter().for_each(|job| self.answer(job, failed()));
        self.shared.stop(why);
        while let Ok(Message::Commit(job)) = self.inbox.recv() {
            self.answer(job, failed());
        }
    }

    fn answer(&self, job: Job, outcome: Result<(), StoreError>) {
        self.give_back(job, outcome, Share::default());
    }

    fn give_back(&self, job: Job, outcome: Result<(), StoreError>, gone: Share) {
        self.shared.waiting.fetch_sub(1, Relaxed);
        // Whoever asked may have gone; what was written stays written.
        let _ = job.ack.send(Done { outcome, _commit: job.commit, _gone: gone });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key::kind;
    use crate::store::past::Nothing;
    use crate::store::published::Published;
    use crate::store::sled::journal::Put;
    use crate::store::sled::settings::Settings;
    use crate::vault::Vault;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{SyncSender, channel, sync_channel};
    use tokio::sync::oneshot::Receiver as Ack;

    struct Desk {
        shared: Arc<Shared>,
        sender: SyncSender<Message>,
        ends: Arc<AtomicUsize>,
        thread: std::thread::JoinHandle<()>,
    }

    /// A log that does this for each step.
    struct Told<F>(F);

    impl<F: FnMut() -> Result<(), ::sled::Error> + Send> Durable for Told<F> {
        fn append(&mut self, _: u64, _: &[Put]) -> Result<(), ::sled::Error> {
            self.0()
        }
    }

    fn start(log: Box<dyn Durable>) -> Desk {
        let ends = Arc::new(AtomicUsize::new(0));
        let counted = ends.clone();
        let mut settings = Settings::new("unused");
        settings.fatal = Arc::new(move |_| {
            counted.fetch_add(1, Relaxed);
        });
        let shared = Arc::new(Shared::new(settings, Arc::new(Vault::from_root(&[3; 32])), Published::default()));
        let (sender, inbox) = sync_channel(9);
        let writer = Writer { shared: shared.clone(), past: Arc::new(Nothing), log, inbox, pace: Pace::new() };
        Desk { shared, sender, ends, thread: std::thread::spawn(move || writer.run()) }
    }

    fn note(desk: &Desk, name: &str) -> Ack<Done> {
        let (ack, done) = oneshot::channel();
        let commit = Commit::notes(&desk.shared.vault, vec![(name.into(), Some(vec![1]))]).unwrap();
        desk.shared.waiting.fetch_add(1, Relaxed);
        desk.sender.send(Message::Commit(Job { commit, ack })).unwrap();
        done
    }

    fn notes(desk: &Desk) -> usize {
        desk.shared.published.read().rows.keys().filter(|key| key.kind() == kind::NOTE).count()
    }

    #[test]
    fn a_step_that_fails_or_panics_fails_everyone_shows_nothing_and_calls_for_the_end_once() {
        let logs: [Box<dyn Durable>; 2] = [
            Box::new(Told(|| Err(::sled::Error::Unsupported("no disk".into())))),
            Box::new(Told(|| panic!("tried to serialize Uninitialized"))),
        ];
        for log in logs {
            let desk = start(log);
            for name in ["first", "later"] {
                assert!(matches!(note(&desk, name).blocking_recv().unwrap().outcome, Err(StoreError::Failed(_))));
                assert!(!desk.shared.ready.load(Relaxed));
            }
            assert_eq!((notes(&desk), desk.shared.published.read().sequence), (0, 0));
            desk.shared.stop("once is enough");
            desk.sender.send(Message::Close).unwrap();
            desk.thread.join().unwrap();
            assert_eq!((desk.ends.load(Relaxed), desk.shared.waiting.load(Relaxed)), (1, 0));
        }
    }

    #[test]
    fn nothing_is_shown_or_acknowledged_before_it_is_durable_and_what_waited_shares_a_step() {
        let ((entered, enter), (release, released)) = (channel(), channel());
        let desk = start(Box::new(Told(move || {
            entered.send(()).unwrap();
            released.recv().unwrap();
            Ok(())
        })));
        let mut first = note(&desk, "first");
        enter.recv().unwrap();
        let rest: Vec<_> = (0..5).map(|n| note(&desk, &format!("{n}"))).collect();
        assert!(first.try_recv().is_err());
        assert_eq!(notes(&desk), 0);
        release.send(()).unwrap();
        first.blocking_recv().unwrap().outcome.unwrap();
        assert_eq!(notes(&desk), 1);
        release.send(()).unwrap();
        rest.into_iter().for_each(|it| it.blocking_recv().unwrap().outcome.unwrap());
        assert_eq!((notes(&desk), desk.shared.syncs.load(Relaxed), desk.shared.commits.load(Relaxed)), (6, 2, 6));
        desk.sender.send(Message::Close).unwrap();
        desk.thread.join().unwrap();
    }
}
