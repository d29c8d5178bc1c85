//! The load itself: closed loop (each connection asks again as soon as it is answered) or open loop (requests come when they
//! come, as callers do, whether or not the server keeps up).
//!
//! In the open loop a latency counts from the moment when the request was due, so a server that stalls can't hide it by
//! keeping the generator from asking ("coordinated omission").

use super::client::Connection;
use super::process;
use super::record::{Percentiles, Recorder};
use super::scrape::{Counters, Scrape};
use super::workload::{Workload, failure};
use anyhow::Result;
use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

/// How to load.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server's nodes: connections go to each in turn.
    pub addresses: Vec<SocketAddr>,
    /// Connections at once.
    pub connections: usize,
    /// Requests a second; `None`: closed loop.
    pub rate: Option<f64>,
    /// Time before anything is measured.
    pub warm_up: Duration,
    /// Time that is measured.
    pub duration: Duration,
    /// The server's processes, where they are known.
    pub pids: Vec<u32>,
    /// The database's first process, where it is known.
    pub database: Option<u32>,
}

/// What came out.
pub struct Measured {
    /// Time that was measured.
    pub window: Duration,
    /// Counts and latencies.
    pub record: Recorder,
    /// Processor time of the server within the window.
    pub cpu: Option<Duration>,
    /// The same of this process.
    pub own_cpu: Duration,
    /// The same of the database.
    pub database_cpu: Option<Duration>,
    /// What the server counted within the window.
    pub counted: Option<Counters>,
    /// What the server counted in all, from before the first request to after the last.
    pub counted_all: Option<Counters>,
    /// Memory of the server: at the end of the window, and at most so far, in bytes.
    pub memory: Option<(u64, u64)>,
    /// Connections opened.
    pub opened: u64,
}

/// One unit of work on one connection.
pub trait Unit {
    /// Does one, due at `due` (`None`: now), and records it.
    fn once(&self, connection: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) -> impl Future<Output = ()>;

    /// Whether no work is left; then the run ends early.
    fn is_exhausted(&self) -> bool {
        false
    }
}

/// Asks for a challenge, and waits for the answer.
pub struct Accept(pub Rc<Workload>, pub RefCell<Vec<Vec<u8>>>);

impl Accept {
    /// Over this workload.
    pub fn new(work: Rc<Workload>) -> Self {
        Self(work, RefCell::default())
    }
}

impl Unit for Accept {
    async fn once(&self, connection: &mut Connection, due: Option<Instant>, record: &RefCell<Recorder>) {
        let mut request = self.1.borrow_mut().pop().unwrap_or_default();
        self.0.next(&mut request);
        let from = due.unwrap_or_else(Instant::now);
        let failed = failure(&connection.exchange(&request).await);
        let to = Instant::now();
        match failed {
            None => record.borrow_mut().done(from, to),
            Some(kind) => {
                record.borrow_mut().failed(kind);
                // A server that refuses at once is not to be flooded.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self.1.borrow_mut().push(request);
    }
}

/// Loads a server with units of work, and measures.
pub async fn run<U: Unit + 'static>(load: &Load, unit: Rc<U>, scrape: Option<&mut Scrape>) -> Result<Measured> {
    LocalSet::new().run_until(measured(load, unit, scrape)).await
}

async fn measured<U: Unit + 'static>(load: &Load, unit: Rc<U>, mut scrape: Option<&mut Scrape>) -> Result<Measured> {
    let record = Rc::new(RefCell::new(Recorder::new(load.duration)));
    let (stop, opened) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let first = counters(&mut scrape).await?;
    let pace = load.rate.map(Pace::start);
    let workers: Vec<_> = (0..load.connections)
        .map(|index| {
            let (unit, record, stop, opened, pace) = (unit.clone(), record.clone(), stop.clone(), opened.clone(), pace.clone());
            let mut connection = Connection::new(load.addresses[index % load.addresses.len()]);
            tokio::task::spawn_local(async move {
                while let Some(due) = turn(pace.as_ref(), &stop).await {
                    unit.once(&mut connection, due, &record).await;
                }
                opened.set(opened.get() + connection.opened);
            })
        })
        .collect();
    tokio::time::sleep(load.warm_up).await;
    let before = counters(&mut scrape).await?;
    let (began, spent, own) = (Instant::now(), cpu(&load.pids)?, process::cpu(std::process::id())?);
    let database = load.database.map(process::cpu_of_all).transpose()?;
    record.borrow_mut().open(began);
    watch(load.duration, &record, || unit.is_exhausted()).await;
    pace.iter().for_each(|it| it.waiting(&mut record.borrow_mut()));
    record.borrow_mut().close();
    let (window, spent) = (began.elapsed(), cpu(&load.pids)?.zip(spent).map(|it| it.0.saturating_sub(it.1)));
    let database_now = load.database.map(process::cpu_of_all).transpose()?;
    let database_cpu = database_now.zip(database).map(|it| it.0.saturating_sub(it.1));
    let own_cpu = process::cpu(std::process::id())?.saturating_sub(own);
    let after = counters(&mut scrape).await?;
    let memory = memory(&load.pids)?;
    stop.set(true);
    pace.iter().for_each(Pace::end);
    for it in workers {
        it.await?;
    }
    let last = counters(&mut scrape).await?;
    let since = |now: Option<Counters>, then: Option<Counters>| now.zip(then).map(|it| it.0.since(it.1));
    let record = record.replace(Recorder::new(load.duration));
    let (counted, counted_all) = (since(after, before), since(last, first));
    Ok(Measured { window, record, cpu: spent, own_cpu, database_cpu, counted, counted_all, memory, opened: opened.get() })
}

async fn counters(scrape: &mut Option<&mut Scrape>) -> Result<Option<Counters>> {
    match scrape {
        Some(scrape) => scrape.read().await.map(Some),
        None => Ok(None),
    }
}

// Of all nodes together; `None`: none of them is known.
fn cpu(pids: &[u32]) -> Result<Option<Duration>> {
    let each: Vec<Duration> = pids.iter().map(|it| process::cpu(*it)).collect::<Result<_>>()?;
    Ok((!each.is_empty()).then(|| each.iter().sum()))
}

fn memory(pids: &[u32]) -> Result<Option<(u64, u64)>> {
    let each: Vec<(u64, u64)> = pids.iter().map(|it| process::memory(*it)).collect::<Result<_>>()?;
    Ok((!each.is_empty()).then(|| each.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))))
}

/// Waits until the time, or the work, is over; shows on a terminal how it goes.
async fn watch(duration: Duration, record: &RefCell<Recorder>, is_over: impl Fn() -> bool) {
    let (began, shown) = (Instant::now(), std::io::stderr().is_terminal());
    let (mut seen, mut second) = (0, 0);
    while let Some(left) = duration.checked_sub(began.elapsed()).filter(|it| !it.is_zero() && !is_over()) {
        tokio::time::sleep(left.min(Duration::from_millis(50))).await;
        if shown && began.elapsed().as_secs() > second {
            let record = record.borrow();
            let (p50, p99) = (Percentiles::of(&record.times).p50_us, Percentiles::of(&record.times).p99_us);
            second = began.elapsed().as_secs();
            let (now, failed) = (record.ok - seen, record.failed);
            eprint!("\r{second:>4} s  {now:>7} a second  p50 {p50} µs  p99 {p99} µs  {failed} failed ");
            seen = record.ok;
        }
    }
    if shown {
        eprint!("\r{:80}\r", "");
    }
}

/// When the next request of an open loop is due.
#[derive(Clone)]
struct Pace {
    began: Instant,
    rate: f64,
    taken: Rc<Cell<u64>>,
    due: Arc<Semaphore>,
}

impl Pace {
    // A thread of its own, because a runtime's timers are a millisecond coarse.
    fn start(rate: f64) -> Self {
        let due = Arc::new(Semaphore::new(0));
        let (began, given) = (Instant::now(), due.clone());
        std::thread::spawn(move || {
            let mut count = 0_u64;
            while !given.is_closed() {
                let next = Duration::from_secs_f64(count as f64 / rate);
                match next.checked_sub(began.elapsed()) {
                    Some(left) => std::thread::sleep(left.min(Duration::from_millis(50))),
                    None => {
                        given.add_permits(1);
                        count += 1;
                    }
                }
            }
        });
        Self { began, rate, taken: Rc::default(), due }
    }

    /// What is due and not sent yet waits too, though it will not be sent: left out, it would be omitted in the server's favour.
    fn waiting(&self, record: &mut Recorder) {
        let (now, sent) = (Instant::now(), self.taken.get());
        (sent..sent + self.due.available_permits() as u64).for_each(|it| record.waits(self.at(it), now));
    }

    fn at(&self, count: u64) -> Instant {
        self.began + Duration::from_secs_f64(count as f64 / self.rate)
    }

    fn end(&self) {
        self.due.close();
    }
}

/// When the next unit of work is due: `Some(None)` at once; `None`: no more.
async fn turn(pace: Option<&Pace>, stop: &Cell<bool>) -> Option<Option<Instant>> {
    let Some(pace) = pace else { return (!stop.get()).then_some(None) };
    pace.due.acquire().await.ok()?.forget();
    let count = pace.taken.replace(pace.taken.get() + 1);
    Some(Some(pace.at(count)))
}
