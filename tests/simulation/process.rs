//! One life of the process, and the tasks in it. All of them are polled by hand, one at a time, in an order that the dice say; to
//! crash is to drop them all wherever they are.

use crate::bank::{Policy, registry};
use crate::carrier::Carrier;
use crate::chaos::{Chaos, errand_of};
use crate::errand::Errand;
use crate::mutant::Plant;
use crate::scene::{NOBODY, Scene};
use crate::subscribers::Listener;
use crate::world::Seeded;
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::request::Origin;
use countersign::engine::outbox::Outbox;
use countersign::engine::push::{Lags, run};
use countersign::engine::routes::Routes;
use countersign::engine::tally::Tally;
use countersign::engine::{Engine, Parts, Trouble};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio_util::sync::CancellationToken;

pub struct Process {
    pub engine: Arc<Engine>,
    outbox: Arc<Outbox>,
    scene: Arc<Scene>,
    tasks: Vec<Task>,
}

struct Task {
    id: u64,
    awake: Arc<Awake>,
    work: Pin<Box<dyn Future<Output = Done>>>,
    stays: bool,
}

enum Done {
    Opened(Result<Answer, Trouble>),
    Judged(Result<Verdict, Trouble>),
    Unlocked(Result<bool, Trouble>),
    Nothing,
}

impl Process {
    pub fn start(scene: &Arc<Scene>, carrier: &Arc<Carrier>, policy: &Policy, chance: &Arc<Seeded>, plant: Plant) -> Self {
        let chaos = Arc::new(Chaos(scene.clone()));
        let parts = Parts {
            store: plant(chaos.clone()),
            notes: chaos,
            vault: scene.vault.clone(),
            clock: scene.clock.clone(),
            chance: chance.clone(),
            tally: Tally::alone(1, scene.vault.clone()),
        };
        let engine = Arc::new(Engine::new(parts));
        engine.register(registry(policy));
        let routes = Routes::only(carrier.clone());
        Self { outbox: Outbox::new(engine.clone(), routes), engine, scene: scene.clone(), tasks: Vec::new() }
    }

    /// Requests, replies and hand-overs under way.
    pub fn busy(&self) -> usize {
        self.tasks.iter().filter(|it| !it.stays).count()
    }

    pub fn begin(&mut self, id: u64, errand: Errand) {
        self.scene.tell(|| format!("begins #{id}: {}", errand.told()));
        self.scene.begin(id, errand.clone());
        let engine = self.engine.clone();
        let work: Pin<Box<dyn Future<Output = Done>>> = match errand {
            Errand::Open(ask) => Box::pin(async move {
                let origin = Origin::new(ask.publisher.clone(), ask.received_at);
                Done::Opened(engine.open(origin, Box::new(ask.request())).await)
            }),
            Errand::Reply(word) => {
                let scene = self.scene.clone();
                Box::pin(async move {
                    let now = scene.now();
                    errand_of(&scene, id, |it| {
                        if let Errand::Reply(word) = it {
                            word.begun_at = now;
                        }
                    });
                    Done::Judged(engine.reply(word.sms()).await)
                })
            }
            Errand::Unlock(key) => Box::pin(async move { Done::Unlocked(engine.unlock(key).await) }),
            Errand::Tick => Box::pin(async move {
                engine.end_due(16).await;
                Done::Nothing
            }),
            Errand::Hand { lease, .. } => {
                let outbox = self.outbox.clone();
                Box::pin(async move {
                    outbox.hand_over(lease).await;
                    Done::Nothing
                })
            }
            Errand::Push => unreachable!("subscribers are served by `serve`"),
        };
        self.tasks.push(Task { id, awake: Arc::default(), work, stays: false });
    }

    /// Serves a subscriber for as long as this process lives.
    pub fn serve(&mut self, id: u64, listener: &Arc<Listener>) {
        self.scene.begin(id, Errand::Push);
        let (engine, subscriber) = (self.engine.clone(), listener.subscriber());
        let work = Box::pin(async move {
            run(engine, subscriber, Arc::new(Lags::default()), CancellationToken::new()).await;
            Done::Nothing
        });
        self.tasks.push(Task { id, awake: Arc::default(), work, stays: true });
    }

    /// Polls one task that can go on; `None`: all wait for time to pass. Whether something may have happened: serving a subscriber
    /// changes nothing that others see.
    pub fn step(&mut self) -> Option<bool> {
        let ready: Vec<usize> = (0..self.tasks.len()).filter(|at| self.tasks[*at].awake.is()).collect();
        if ready.is_empty() {
            return None;
        }
        let at = *self.scene.dice.lock().pick(&ready);
        let counts = !self.tasks[at].stays;
        self.poll(at);
        Some(counts)
    }

    /// Whether anything but a subscriber's service has been under way for `millis` or longer.
    pub fn has_older(&self, millis: i64) -> bool {
        let (state, now) = (self.scene.state(), self.scene.now());
        state.under_way.values().any(|it| !matches!(it.errand, Errand::Push) && now.millis() - it.since.millis() >= millis)
    }

    fn poll(&mut self, at: usize) {
        let task = &mut self.tasks[at];
        task.awake.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.awake.clone());
        self.scene.give_turn(task.id);
        let polled = task.work.as_mut().poll(&mut Context::from_waker(&waker));
        self.scene.give_turn(NOBODY);
        if let Poll::Ready(done) = polled {
            let id = self.tasks.remove(at).id;
            self.finish(id, done);
        }
    }

    fn finish(&self, id: u64, done: Done) {
        let scene = &self.scene;
        match done {
            Done::Opened(Ok(answer)) => {
                scene.tell(|| format!("#{id} is answered {answer:?}"));
                scene.is_answered(id, Some(&|says| says.is(&answer)));
            }
            Done::Judged(Ok(verdict)) => {
                scene.tell(|| format!("#{id} is answered {verdict:?}"));
                scene.is_answered(id, Some(&|says| says.is(&Answer::Replied(verdict))));
            }
            Done::Unlocked(Ok(done)) => scene.is_answered(id, Some(&|says| *says == crate::model::Says::Unlocks(done))),
            Done::Opened(Err(_)) | Done::Judged(Err(_)) | Done::Unlocked(Err(_)) => scene.is_answered(id, None),
            Done::Nothing => drop(scene.state().under_way.remove(&id)),
        }
    }
}

/// Set when the task can go on.
struct Awake(AtomicBool);

impl Default for Awake {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Awake {
    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
