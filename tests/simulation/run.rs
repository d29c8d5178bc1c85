//! One run: a seed, some dozens of steps with all their faults, and then a quiet end at which nothing may be left over.

use crate::bank::{INSTITUTIONS, Policy, recipients};
use crate::carrier::Carrier;
use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::errand::Errand;
use crate::feed::Reader;
use crate::model::Model;
use crate::mutant::Plant;
use crate::process::Process;
use crate::scene::Scene;
use crate::subscribers::{Listener, TEMPERS};
use crate::world::{Hands, START, Seeded};
use countersign::store::contract::Store;
use countersign::vault::Vault;
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a worker has a message to itself; the engine's own.
const LEASE: Duration = Duration::from_secs(180);

/// A run that broke a promise.
pub struct Broken {
    pub why: String,
    pub trace: Vec<String>,
}

pub struct Run {
    pub scene: Arc<Scene>,
    pub carrier: Arc<Carrier>,
    pub listeners: Vec<Arc<Listener>>,
    pub process: Process,
    pub reader: Reader,
    crowd: Crowd,
    policy: Policy,
    chance: Arc<Seeded>,
    plant: Plant,
    last: u64,
}

/// Runs a seed; `Err` when a promise was broken.
pub fn run(seed: u64, plant: Plant, traced: bool) -> Result<Vec<String>, Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let mut kept: Option<Arc<Scene>> = None;
    let whole = async {
        let mut run = Run::new(seed, plant, traced).await;
        kept = Some(run.scene.clone());
        run.live().await;
        run.end().await;
    };
    let panicked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(tokio::task::unconstrained(whole)))).err();
    let scene = kept.expect("a run begins");
    let mut state = scene.state();
    let trace = state.trace.take().unwrap_or_default();
    let said = panicked.map(|it| it.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".to_owned()));
    match state.violation.take().or(said) {
        Some(why) => Err(Broken { why, trace }),
        None => Ok(trace),
    }
}

fn vault() -> Arc<Vault> {
    static VAULT: OnceLock<Arc<Vault>> = OnceLock::new();
    let made = VAULT.get_or_init(|| {
        let vault = Vault::from_root(&[7; 32]);
        let day = u32::try_from(START / 86_400_000).unwrap();
        vault.learn_day(day, &vault.new_day(day)).unwrap();
        assert!(vault.set_day(day));
        Arc::new(vault)
    });
    made.clone()
}

impl Run {
    pub async fn new(seed: u64, plant: Plant, traced: bool) -> Self {
        let mut dice = Dice::of(seed);
        let policy = Policy::of(&mut dice);
        let scene = Scene::new(Arc::new(Hands::at(START)), vault(), dice, Model::new(policy), traced);
        scene.tell(|| format!("seed {seed}: {policy:?}"));
        scene.durable.commit(recipients(), Vec::new()).await.expect("recipients are stored");
        let carrier = Carrier::new(scene.clone());
        let listeners = TEMPERS.iter().map(|temper| Listener::new(*temper, scene.clone())).collect();
        let chance = Arc::new(Seeded::from(seed.wrapping_mul(1_000_003)));
        let process = Process::start(&scene, &carrier, &policy, &chance, plant);
        let mut run =
            Self { scene, carrier, listeners, process, reader: Reader::default(), crowd: Crowd::default(), policy, chance, plant, last: 0 };
        // A subscriber gets what happens from its first start on: all of them are there before anything happens.
        run.scene.calm.store(true, Ordering::Relaxed);
        run.serve();
        run.settle();
        run.scene.calm.store(false, Ordering::Relaxed);
        run
    }

    async fn live(&mut self) {
        let steps = self.scene.dice.lock().between(40, 110);
        for _ in 0..steps {
            self.one_thing().await;
            let polls = self.scene.dice.lock().weighed(&[10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 5, 5, 5, 5, 5, 5, 40]);
            for _ in 0..polls {
                if self.process.step() == Some(true) {
                    self.check();
                }
            }
            // Nobody's patience is endless, and a broken process is soon gone.
            if self.process.busy() > 8 {
                self.settle();
            }
            if self.scene.broken.load(Ordering::Relaxed) && self.scene.dice.lock().percent(50) {
                self.crash();
            }
            self.check();
            if self.is_over() {
                return;
            }
        }
    }

    async fn one_thing(&mut self) {
        let now = self.scene.now();
        let which = self.scene.dice.lock().weighed(&[22, 25, 6, 14, 6, 14, 7, 2, 2, 2]);
        let errand = match which {
            0 => Some(Errand::Open(self.crowd.ask(&mut self.scene.dice.lock(), now))),
            1 => {
                let arrived = self.carrier.arrived();
                let state = self.scene.state();
                Some(Errand::Reply(self.crowd.word(&mut self.scene.dice.lock(), &state.model, &arrived, now)))
            }
            2 => self.crowd.again(&mut self.scene.dice.lock(), now).map(Errand::Reply),
            3 => return self.work(),
            4 => Some(Errand::Tick),
            5 => {
                let millis = self.scene.dice.lock().between(1, 5_000);
                return self.pass(Duration::from_millis(millis)).await;
            }
            6 => {
                let seconds = self.scene.dice.lock().between(10, 700);
                return self.pass(Duration::from_secs(seconds)).await;
            }
            7 => return self.crash(),
            8 => Some(Errand::Unlock(Crowd::unlock(&mut self.scene.dice.lock(), &self.scene.state().model))),
            _ => {
                let hours = self.scene.dice.lock().between(1, 14);
                return self.pass(Duration::from_secs(hours * 3_600)).await;
            }
        };
        if let Some(errand) = errand {
            self.begin(errand);
        }
    }

    fn begin(&mut self, errand: Errand) {
        self.last += 1;
        self.process.begin(self.last, errand);
    }

    fn serve(&mut self) {
        for listener in &self.listeners {
            self.last += 1;
            self.process.serve(self.last, listener);
        }
    }

    // Workers take what is due.
    fn work(&mut self) {
        let most = self.scene.dice.lock().between(1, 6);
        let leased = self.process.engine.store().lease(self.scene.now(), LEASE, usize::try_from(most).unwrap());
        for lease in leased.now_or_never().expect("a store in memory answers at once").expect("it can be leased") {
            self.begin(Errand::hand(lease));
        }
    }

    /// Time passes, for everybody alike. Nobody stalls for more than a minute or two: a carrier answers within a worker's lease, and
    /// a request that takes longer has long been given up.
    pub async fn pass(&mut self, span: Duration) {
        let mut left = span;
        while !left.is_zero() {
            let most = if self.process.busy() > 0 { 15 } else { 1_800 };
            let step = left.min(Duration::from_secs(most));
            self.scene.clock.advance(step);
            tokio::time::advance(step).await;
            left -= step;
            if self.process.has_older(75_000) {
                self.settle();
            }
        }
        self.scene.tell(|| format!("{span:?} later"));
    }

    // All that can go on does, until everybody waits for time.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            match self.process.step() {
                None => return,
                Some(true) => self.check(),
                Some(false) => {}
            }
        }
        self.scene.violated("somebody is never done");
    }

    /// Everything that is not durable is gone; so are the leases.
    pub fn crash(&mut self) {
        self.scene.tell(|| "CRASH".to_owned());
        self.process = Process::start(&self.scene, &self.carrier, &self.policy, &self.chance, self.plant);
        self.scene.state().under_way.clear();
        self.scene.broken.store(false, Ordering::Relaxed);
        let void = self.scene.now().plus(LEASE * 2);
        self.scene.durable.lease(void, LEASE, 0).now_or_never();
        self.serve();
        self.reader.restart(&self.process, &self.scene);
    }

    fn check(&mut self) {
        self.reader.read(&self.process, &self.scene);
    }

    fn is_over(&self) -> bool {
        self.scene.state().violation.is_some()
    }

    // Faults end, time passes, and everything comes to its end.
    async fn end(&mut self) {
        if self.is_over() {
            return;
        }
        self.scene.calm.store(true, Ordering::Relaxed);
        self.scene.tell(|| "calm".to_owned());
        if self.scene.broken.load(Ordering::Relaxed) {
            self.crash();
        }
        for round in 0..400 {
            self.settle();
            self.work();
            self.begin(Errand::Tick);
            self.settle();
            self.check();
            if self.is_over() || (round >= 4 && self.is_quiet()) {
                break;
            }
            self.pass(Duration::from_secs(if round < 20 { 60 } else { 301 })).await;
        }
        let reader = std::mem::take(&mut self.reader);
        reader.judge(self);
    }

    fn is_quiet(&self) -> bool {
        let durable = self.scene.durable.status();
        let ends = INSTITUTIONS.iter().all(|it| self.listeners.iter().all(|listener| self.reader.is_served(listener, it, &self.scene)));
        durable.open == 0 && durable.outbox == 0 && ends && self.process.busy() == 0
    }
}
