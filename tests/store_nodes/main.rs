//! Many at once: on sled, and on PostgreSQL with two nodes that share a database. One of many wins, nothing is lost, nothing is
//! seen before what comes earlier; and when the database goes silent or away, everybody hears so in time.

#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../sample/mod.rs"]
mod sample;

mod away;
mod counts;
mod duties;
mod feed;
mod handing;
mod keys;
mod limits;
mod over;
mod quotas;
mod races;
mod templates;

use countersign::domain::challenge::Challenge;
use countersign::domain::snapshot::{Query, View, Write};
use countersign::store::contract::{Notes, Store};
use countersign::store::postgres::{Options, PostgresStore, Settings};
use sample::{Time, boxed, open, vault};
use std::sync::Arc;
use std::time::Duration;

trait Engine: Store + Notes {}
impl<T: Store + Notes> Engine for T {}

/// Nodes over one store; on sled there is one, twice.
struct Nodes {
    all: Vec<Arc<dyn Engine>>,
    _dir: Option<tempfile::TempDir>,
}

impl Nodes {
    fn sled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &Time::at(0));
        Self { all: vec![store.clone(), store], _dir: Some(dir) }
    }

    async fn postgres() -> Self {
        let settings = fresh();
        let mut all: Vec<Arc<dyn Engine>> = Vec::new();
        for number in 1..=2 {
            all.push(node(&settings, options(&Time::at(0)), number).await);
        }
        Self { all, _dir: None }
    }

    fn node(&self, turn: usize) -> Arc<dyn Engine> {
        self.all[turn % self.all.len()].clone()
    }
}

/// Settings for a database of its own.
fn fresh() -> Settings {
    let cluster = postgres::shared();
    Settings { migrate: true, pool: 8, wait_timeout_millis: 60_000, ..cluster.settings(&cluster.database()) }
}

/// Options that suit a machine that is busy otherwise.
fn options(time: &Time) -> Options {
    let clock = time.clone();
    let patience = Duration::from_secs(60);
    let clock = Arc::new(move || clock.now());
    Options {
        clock,
        database_time: false,
        look_every: Duration::ZERO,
        commit_timeout: patience,
        read_timeout: patience,
        ..Options::default()
    }
}

async fn node(settings: &Settings, options: Options, number: i64) -> Arc<PostgresStore> {
    PostgresStore::open(settings, options, vault(), number).await.expect("the store opens")
}

fn put(it: &Challenge) -> Vec<Write> {
    vec![Write::Aggregate(boxed(it))]
}

async fn load(store: &dyn Engine, query: Query) -> View {
    store.load(&query).await.expect("it is read")
}
