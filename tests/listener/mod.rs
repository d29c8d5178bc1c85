//! A subscriber of events that says what a test wants it to say, and remembers what it was asked.

#![allow(dead_code, reason = "each test file uses a part of this")]

use crate::world::{World, explicit};
use countersign::connect::contract::{Pushed, Sink, Soon};
use countersign::domain::feed::FeedEvent;
use countersign::engine::push::{self, Filter, Lags, Subscriber};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the subscriber says of a batch; by default it takes it.
pub type Mood = Box<dyn Fn(&[FeedEvent]) -> Pushed + Send + Sync>;

pub struct Listener {
    pub mood: Mutex<Mood>,
    pub taken: Mutex<Vec<FeedEvent>>,
    pub pushes: Mutex<usize>,
    /// Sessions of single events that were pushed, in order.
    pub singles: Mutex<Vec<String>>,
}

impl Listener {
    pub fn new(mood: impl Fn(&[FeedEvent]) -> Pushed + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(Box::new(mood)), taken: Mutex::default(), pushes: Mutex::default(), singles: Mutex::default() })
    }

    pub fn change(&self, mood: impl Fn(&[FeedEvent]) -> Pushed + Send + Sync + 'static) {
        *self.mood.lock().unwrap() = Box::new(mood);
    }

    pub fn codes(&self) -> Vec<(String, &'static str)> {
        self.taken.lock().unwrap().iter().map(|it| (it.aggregate.to_string(), it.act.code())).collect()
    }
}

impl Sink for Listener {
    fn name(&self) -> &str {
        "core"
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        *self.pushes.lock().unwrap() += 1;
        if let [event] = events {
            self.singles.lock().unwrap().push(event.aggregate.to_string());
        }
        let said = (self.mood.lock().unwrap())(events);
        if said == Pushed::Taken {
            self.taken.lock().unwrap().extend(events.iter().cloned());
        }
        Box::pin(std::future::ready(said))
    }
}

pub fn later(_: &[FeedEvent]) -> Pushed {
    Pushed::Later("down".into())
}

pub fn taken(_: &[FeedEvent]) -> Pushed {
    Pushed::Taken
}

/// Lets a subscriber work for a while of the runtime's own (paused) time.
pub async fn work(world: &World, listener: &Arc<Listener>, filter: Filter, span: Duration) {
    work_with(world, listener, filter, tokio::time::sleep(span)).await;
}

/// Lets it work while something else happens; how far behind it is at the end.
pub async fn work_with(world: &World, listener: &Arc<Listener>, filter: Filter, meanwhile: impl Future<Output = ()>) -> Vec<(String, u64)> {
    let (stop, lags) = (CancellationToken::new(), Arc::<Lags>::default());
    let subscriber = Subscriber { sink: listener.clone(), filter, at_once: 8, patience: PATIENCE };
    let running = tokio::spawn(push::run(world.engine.clone(), subscriber, lags.clone(), stop.clone()));
    meanwhile.await;
    stop.cancel();
    running.await.unwrap();
    lags.since(&world.engine.status().feed.into_iter().collect())
}

/// Hours of the engine's clock in which it is tried again and again.
pub async fn suffer(world: &World, listener: &Arc<Listener>, hours: u32) {
    for _ in 0..hours {
        world.advance(Duration::from_secs(3_600));
        work(world, listener, Filter::default(), MINUTES).await;
    }
}

pub async fn fail(world: &World, phone: &str) -> String {
    fail_at(world, phone, None).await
}

pub async fn fail_at(world: &World, phone: &str, institution: Option<&str>) -> String {
    let mut request = explicit(phone);
    request.header.as_mut().unwrap().inst_rt_id = institution.map(str::to_owned);
    let (id, _) = world.opened(request).await;
    world.reply(phone, "NO", "").await;
    id
}

/// Several that fail, each with a phone of its own.
pub async fn fail_many(world: &World, first: u32, count: u32) -> Vec<String> {
    let mut ids = Vec::new();
    for number in first..first + count {
        ids.push(fail(world, &format!("+1202555{number:04}")).await);
    }
    ids
}

/// Says "later" to whatever holds one of these.
pub fn poisoned(bad: &[String]) -> impl Fn(&[FeedEvent]) -> Pushed + Send + Sync + 'static {
    let bad = bad.to_vec();
    move |events| if events.iter().any(|it| bad.contains(&it.aggregate.to_string())) { later(events) } else { Pushed::Taken }
}

pub async fn parked(world: &World) -> usize {
    world.engine.notes().notes("parked/core/").await.unwrap().len()
}

pub const MINUTES: Duration = Duration::from_secs(600);
pub const PATIENCE: Duration = Duration::from_secs(3 * 86_400);
