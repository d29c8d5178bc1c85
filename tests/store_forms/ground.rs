//! A database, nodes of two versions on it, and an eye that sees in which form each value is.

use crate::life::life;
use crate::postgres;
use crate::sample::{Time, vault};
use countersign::store::contract::StoreError;
use countersign::store::form::Form;
use countersign::store::postgres::{Options, PostgresStore, Settings};
use countersign::vault::{STANDING, Vault};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long anything may take; it bounds a failure, it times nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// A database of its own.
pub struct Ground {
    pub settings: Settings,
    /// Knows the data keys as soon as a node has started.
    keys: Arc<Vault>,
    nodes: AtomicI64,
}

impl Ground {
    pub fn new() -> Self {
        let cluster = postgres::shared();
        let settings = Settings { migrate: true, pool: 4, wait_timeout_millis: 60_000, ..cluster.settings(&cluster.database()) };
        Self { settings, keys: vault(), nodes: AtomicI64::new(1) }
    }

    /// Options of a node that reads forms up to `form`. A node that is alive always counts: a busy machine changes nothing.
    pub fn options(&self, form: Form) -> Options {
        let time = Time::at(0);
        let patience = Duration::from_secs(60);
        Options {
            clock: Arc::new(move || time.now()),
            database_time: false,
            look_every: Duration::ZERO,
            commit_timeout: patience,
            read_timeout: patience,
            form,
            node_counts: Duration::from_secs(3600),
            ..Options::default()
        }
    }

    pub async fn start(&self, settings: &Settings, options: Options) -> Result<Arc<PostgresStore>, StoreError> {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        PostgresStore::open(settings, options, self.keys.clone(), number).await
    }

    /// A node of the version before.
    pub async fn old(&self) -> Arc<PostgresStore> {
        self.start(&self.settings, self.options(Form::One)).await.expect("it starts")
    }

    /// One of this version.
    pub async fn new_node(&self) -> Arc<PostgresStore> {
        self.start(&self.settings, self.options(Form::Two)).await.expect("it starts")
    }

    pub fn sql(&self, text: &str) -> String {
        postgres::shared().sql(&self.settings.database, text)
    }

    /// The form that is in use.
    pub fn in_use(&self) -> u8 {
        self.sql("SELECT version FROM record WHERE get_byte(key, 0) = 86").parse().expect("a node was started")
    }

    /// Until this form is in use.
    pub async fn until_in_use(&self, form: u8) {
        let started = Instant::now();
        while self.in_use() != form {
            assert!(started.elapsed() < PATIENCE, "form {form} does not get into use");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// In which forms the challenges are.
    pub fn challenges(&self) -> BTreeMap<u128, u8> {
        let rows = self.sql("SELECT '41' || encode(id, 'hex'), data_day, encode(value, 'hex') FROM aggregate");
        let number = |key: &[u8]| u128::from_be_bytes(key[1..].try_into().unwrap());
        self.values(&rows).into_iter().map(|(key, plain)| (number(&key), plain[0])).collect()
    }

    /// In which forms everything else is that has one: addresses, slots, keys, budgets, recipients.
    pub fn records(&self) -> BTreeSet<u8> {
        let text = "SELECT encode(key, 'hex'), data_day, encode(value, 'hex') FROM record WHERE chr(get_byte(key, 0)) IN ('a', 's', 'r', 'p', 'B', 'R')";
        self.values(&self.sql(text)).into_iter().map(|it| it.1[0]).collect()
    }

    /// Bytes of challenges' rows, and of their values; and of the values of all else that has a form.
    pub fn bytes(&self) -> [usize; 3] {
        let said = self.sql(
            "SELECT sum(pg_column_size(a.*)), sum(octet_length(value)), (SELECT sum(octet_length(value)) FROM record \
             WHERE chr(get_byte(key, 0)) IN ('a', 's', 'r', 'p')) FROM aggregate a",
        );
        let numbers: Vec<usize> = said.split('|').map(|it| it.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }

    fn values(&self, rows: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let value = |line: &str| {
            let [key, day, value] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let (key, day) = (hex::decode(key).unwrap(), day.parse::<i64>().unwrap());
            let day = u32::try_from(day).unwrap_or(STANDING);
            let plain = self.keys.open_row(day, &key, &hex::decode(value).unwrap()).expect("its key is known");
            (key, plain.to_vec())
        };
        rows.lines().map(value).collect()
    }
}

/// The nodes that a load balancer knows. Clones are the same.
#[derive(Clone, Default)]
pub struct Balancer(Arc<Mutex<(Vec<Arc<PostgresStore>>, u128)>>);

impl Balancer {
    pub fn over(nodes: impl IntoIterator<Item = Arc<PostgresStore>>) -> Self {
        Self(Arc::new(Mutex::new((nodes.into_iter().collect(), 0))))
    }

    /// Lives, one after the other, at whatever nodes there are, until [`Balancer::end`]; each has a number from `from` on. The number of
    /// the first that was not begun, or what went wrong.
    pub fn load(&self, from: u128) -> JoinHandle<Result<u128, String>> {
        let it = self.clone();
        tokio::spawn(async move {
            for n in from.. {
                let nodes = it.nodes();
                if nodes.is_empty() {
                    return Ok(n);
                }
                life(n, &nodes.iter().map(|it| &**it).collect::<Vec<_>>()).await?;
                it.0.lock().unwrap().1 += 1;
            }
            unreachable!("there are enough numbers")
        })
    }

    /// Until so many more lives were lived.
    pub async fn lived(&self, more: u128) {
        let count = || self.0.lock().unwrap().1;
        let (before, started) = (count(), Instant::now());
        while count() < before + more {
            assert!(started.elapsed() < PATIENCE, "the load stands still");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends a node as the program does: nothing new comes to it, what it has is done, then it is closed.
    pub async fn end_node(&self, node: Arc<PostgresStore>) {
        self.0.lock().unwrap().0.retain(|it| !Arc::ptr_eq(it, &node));
        while Arc::strong_count(&node) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        node.close();
        node.closed().await;
    }

    pub fn add(&self, node: Arc<PostgresStore>) {
        self.0.lock().unwrap().0.push(node);
    }

    /// No more lives.
    pub fn end(&self) {
        self.0.lock().unwrap().0.clear();
    }

    fn nodes(&self) -> Vec<Arc<PostgresStore>> {
        self.0.lock().unwrap().0.clone()
    }
}
