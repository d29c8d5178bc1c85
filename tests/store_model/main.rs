//! Every engine against the model, the store in memory: random steps are taken on both, and whatever can be seen must be the same.
//!
//! A difference shrinks to few steps, and is told with the seed: `MODEL_SEED=… cargo test --test store_model` draws the same again.
//! What may differ is said in [`lockstep::Subject`] and [`leases`]: PostgreSQL tells a timer to nobody else for half a minute, and
//! history makes an address's version rise when a challenge comes back from there.

#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../sample/mod.rs"]
mod sample;
#[allow(dead_code, reason = "what counts is for the suite")]
#[path = "../store_contract/wrappers.rs"]
mod wrappers;

mod draft;
mod leases;
mod lockstep;
mod named;
mod pairs;
mod planted;
mod steps;
mod town;
mod views;

use countersign::store::form::Form;
use countersign::store::memory::MemoryStore;
use countersign::store::postgres::{Options, PostgresStore, Settings};
use lockstep::{Engine, SPAN, Subject};
use planted::{Fault, Planted};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use sample::{Time, open, vault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use steps::Case;
use tokio::runtime::{Builder, Runtime};

/// An engine that cases are run on.
pub struct Bench {
    runtime: Runtime,
    subject: Box<dyn Fn(&Runtime) -> Subject>,
}

impl Bench {
    fn new(subject: impl Fn(&Runtime) -> Subject + 'static) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, subject: Box::new(subject) }
    }

    fn sled() -> Self {
        Self::new(|_| {
            let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
            let nodes: Vec<Box<dyn Engine>> = vec![Box::new(sound(open(dir.path(), &time), dir))];
            Subject { nodes, time, hides: None, revives: false }
        })
    }

    fn moved() -> Self {
        Self::new(|_| {
            let (dir, time) = (tempfile::tempdir().unwrap(), Time::at(0));
            let nodes: Vec<Box<dyn Engine>> = vec![Box::new(sound(Arc::new(wrappers::Kept(open(dir.path(), &time))), dir))];
            Subject { nodes, time, hides: None, revives: true }
        })
    }

    /// So many nodes on one database, which all its cases share, one after the other: they lease what is anybody's.
    fn postgres(nodes: usize, fault: Fault) -> Self {
        let cluster = postgres::shared();
        let mut settings = cluster.settings(&cluster.database());
        (settings.migrate, settings.pool, settings.wait_timeout_millis) = (true, 4, 60_000);
        Self::new(move |runtime| {
            let time = Time::at(0);
            let planted = |it: Arc<PostgresStore>| Planted::new(it.clone(), fault, move || it.close());
            let nodes = (0..nodes).map(|_| Box::new(planted(runtime.block_on(node(&settings, &time)))) as Box<dyn Engine>).collect();
            Subject { nodes, time, hides: Some(Duration::from_secs(30)), revives: false }
        })
    }

    /// Two nodes, of which the first is an older version's, on a database of its own for each case.
    fn versions() -> Self {
        let cluster = postgres::shared();
        Self::new(move |runtime| {
            let mut settings = cluster.settings(&cluster.database());
            (settings.migrate, settings.pool, settings.wait_timeout_millis) = (true, 4, 60_000);
            let time = Time::at(0);
            let planted = |it: Arc<PostgresStore>| Planted::new(it.clone(), Fault::None, move || it.close());
            let start = |form| Box::new(planted(runtime.block_on(node_of(form, &settings, &time)))) as Box<dyn Engine>;
            let nodes = [Form::OLDEST, Form::NEWEST].map(start).into();
            Subject { nodes, time, hides: Some(Duration::from_secs(30)), revives: false }
        })
    }

    /// One case, on a store where it has never been before.
    pub fn run(&self, case: &Case) -> Result<(), String> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let subject = (self.subject)(&self.runtime);
        self.runtime.block_on(lockstep::run(&MemoryStore::new(vault()), &subject, number, case))
    }

    /// Draws so many cases; the first that differs is shrunk by at most `shrink` tries.
    pub fn draw(&self, seed: u64, cases: u32, shrink: u32) -> Result<(), TestError<Case>> {
        let config = Config { cases, max_shrink_iters: shrink, max_shrink_time: 60_000, failure_persistence: None, ..Config::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        runner.run(&steps::case(), |case| self.run(&case).map_err(TestCaseError::fail))
    }

    /// What `MODEL_SEED` and `MODEL_CASES` say counts first.
    fn holds(&self, seed: u64, cases: u32) {
        let chosen = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
        let seed = chosen("MODEL_SEED").unwrap_or(seed);
        let cases = chosen("MODEL_CASES").map_or(cases, |it| it as u32);
        match self.draw(seed, cases, 400) {
            Err(TestError::Fail(why, case)) => panic!("MODEL_SEED={seed}: {why}\nthe smallest case found: {case:?}"),
            other => other.expect("cases can be drawn"),
        }
    }
}

fn sound(store: Arc<impl Engine + 'static>, dir: tempfile::TempDir) -> Planted {
    Planted::new(store, Fault::None, move || drop(dir))
}

async fn node(settings: &Settings, time: &Time) -> Arc<PostgresStore> {
    node_of(Form::NEWEST, settings, time).await
}

// None has the number of another.
async fn node_of(form: Form, settings: &Settings, time: &Time) -> Arc<PostgresStore> {
    static NODES: AtomicU32 = AtomicU32::new(1);
    let clock = time.clone();
    let options = Options {
        clock: Arc::new(move || clock.now()),
        look_every: Duration::ZERO,
        lease: SPAN,
        read_timeout: Duration::from_secs(60),
        commit_timeout: Duration::from_secs(60),
        database_time: false,
        form,
        ..Options::default()
    };
    let number = NODES.fetch_add(1, Ordering::Relaxed).into();
    PostgresStore::open(settings, options, vault(), number).await.expect("the store opens")
}

#[test]
fn sled_does_what_the_model_does() {
    Bench::sled().holds(4, 12);
}

#[test]
fn sled_does_what_the_model_does_when_all_that_is_over_leaves() {
    Bench::moved().holds(4, 8);
}

#[test]
fn postgres_does_what_the_model_does() {
    Bench::postgres(1, Fault::None).holds(4, 6);
}

#[test]
fn two_nodes_that_take_turns_do_what_the_model_does() {
    Bench::postgres(2, Fault::None).holds(4, 6);
}

#[test]
fn two_nodes_of_two_versions_do_what_the_model_does() {
    Bench::versions().holds(4, 3);
}

#[test]
#[ignore = "slow tier: store-model"]
fn every_engine_does_what_the_model_does() {
    // One that found something. `MODEL_SEED=$(date +%s)` looks where nobody looked yet.
    let seed = 1_795_354_657;
    Bench::sled().holds(seed, 300);
    Bench::moved().holds(seed, 100);
    Bench::postgres(1, Fault::None).holds(seed, 150);
    Bench::postgres(2, Fault::None).holds(seed, 150);
    Bench::versions().holds(seed, 60);
}
