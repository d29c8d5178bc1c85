//! Events to a subscriber that is slow, down, picky or poisoned.

mod world;

use countersign::connect::contract::{Pushed, Sink, Soon};
use countersign::domain::feed::FeedEvent;
use countersign::engine::push::{self, Filter, Subscriber};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use world::{World, explicit};

/// What the subscriber says of a batch; by default it takes it.
type Mood = Box<dyn Fn(&[FeedEvent]) -> Pushed + Send + Sync>;

struct Listener {
    mood: Mutex<Mood>,
    taken: Mutex<Vec<FeedEvent>>,
    pushes: Mutex<usize>,
}

impl Listener {
    fn new(mood: impl Fn(&[FeedEvent]) -> Pushed + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(Box::new(mood)), taken: Mutex::default(), pushes: Mutex::default() })
    }

    fn change(&self, mood: impl Fn(&[FeedEvent]) -> Pushed + Send + Sync + 'static) {
        *self.mood.lock().unwrap() = Box::new(mood);
    }

    fn codes(&self) -> Vec<(String, &'static str)> {
        self.taken.lock().unwrap().iter().map(|it| (it.aggregate.to_string(), it.act.code())).collect()
    }
}

impl Sink for Listener {
    fn name(&self) -> &str {
        "core"
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        *self.pushes.lock().unwrap() += 1;
        let said = (self.mood.lock().unwrap())(events);
        if said == Pushed::Taken {
            self.taken.lock().unwrap().extend(events.iter().cloned());
        }
        Box::pin(std::future::ready(said))
    }
}

fn later(_: &[FeedEvent]) -> Pushed {
    Pushed::Later("down".into())
}

fn taken(_: &[FeedEvent]) -> Pushed {
    Pushed::Taken
}

/// Lets a subscriber work for a while of the runtime's own (paused) time.
async fn work(world: &World, listener: &Arc<Listener>, filter: Filter, span: Duration) {
    let stop = CancellationToken::new();
    let subscriber = Subscriber { sink: listener.clone(), filter, patience: Duration::from_secs(3 * 86_400) };
    let running = tokio::spawn(push::run(world.engine.clone(), subscriber, Arc::default(), stop.clone()));
    tokio::time::sleep(span).await;
    stop.cancel();
    running.await.unwrap();
}

async fn fail(world: &World, phone: &str) -> String {
    let (id, _) = world.opened(explicit(phone)).await;
    world.reply(phone, "NO", "").await;
    id
}

async fn parked(world: &World) -> usize {
    world.engine.notes().notes("parked/core/").await.unwrap().len()
}

const MINUTES: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn outcomes_come_once_in_order_and_a_restart_repeats_nothing() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let first = fail(&world, "+12025550101").await;
    let second = fail(&world, "+12025550102").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    let all = [(first, "OOBFailed"), (second, "OOBFailed")];
    assert_eq!(listener.codes(), all, "outcomes; delivery steps only when asked for");
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), all, "the cursor is durable");
}

#[tokio::test(start_paused = true)]
async fn a_new_subscriber_gets_what_happens_from_now_on() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let id = fail(&world, "+12025550102").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(id, "OOBFailed")]);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_was_down_gets_all_once_it_is_back() {
    let (world, listener) = (World::new().await, Listener::new(later));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let first = fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    let tries = *listener.pushes.lock().unwrap();
    assert!((3..60).contains(&tries), "it is tried again, with growing waits: {tries}");
    let second = fail(&world, "+12025550102").await;
    listener.change(taken);
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(first, "OOBFailed"), (second, "OOBFailed")]);
    assert_eq!(parked(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_a_poisoned_event() {
    let world = World::new().await;
    let listener = Listener::new(taken);
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let poison = fail(&world, "+12025550101").await;
    let fine = fail(&world, "+12025550102").await;
    let bad = poison.clone();
    let has = move |events: &[FeedEvent]| events.iter().any(|it| it.aggregate.to_string() == bad);
    let hit = has.clone();
    listener.change(move |events| if hit(events) { Pushed::Later("500".into()) } else { Pushed::Taken });
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(fine.clone(), "OOBFailed")], "the other one came through");
    assert_eq!(parked(&world).await, 0, "the poisoned one is held, not given up");
    // Held events wait by the engine's clock.
    world.advance(Duration::from_secs(3_600));
    listener.change(move |events| if has(events) { Pushed::Refused("400".into()) } else { Pushed::Taken });
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(parked(&world).await, 1, "refused for good: parked at once");
}

#[tokio::test(start_paused = true)]
async fn the_order_within_a_session_holds_behind_a_held_event() {
    let world = World::new().await;
    let listener = Listener::new(taken);
    let everything = Filter { acts: countersign::domain::event::Act::ALL.to_vec(), ..Filter::default() };
    work(&world, &listener, everything.clone(), Duration::from_secs(1)).await;
    let (id, otp) = world.opened(explicit("+12025550101")).await;
    let other = fail(&world, "+12025550102").await;
    let mine = id.clone();
    listener.change(move |events| {
        let poisoned = events.iter().any(|it| it.aggregate.to_string() == mine && it.act.code() == "MsgAccepted");
        if poisoned { Pushed::Later("500".into()) } else { Pushed::Taken }
    });
    work(&world, &listener, everything.clone(), MINUTES).await;
    world.deliver().await;
    world.reply("+12025550101", &otp, "SM1").await;
    work(&world, &listener, everything.clone(), MINUTES).await;
    assert!(listener.codes().iter().all(|(of, _)| *of == other), "what follows in the session waits");
    listener.change(taken);
    world.advance(Duration::from_secs(3_600));
    work(&world, &listener, everything, MINUTES).await;
    let order: Vec<_> = listener.codes().into_iter().filter(|(of, _)| *of == id).map(|(_, code)| code).collect();
    assert_eq!(order, ["MsgAccepted", "MsgSent", "OOBVerified"]);
}

#[tokio::test(start_paused = true)]
async fn patience_ends_by_parking() {
    let (world, listener) = (World::new().await, Listener::new(later));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(parked(&world).await, 0);
    world.advance(Duration::from_secs(3 * 86_400));
    let fresh = fail(&world, "+12025550102").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(parked(&world).await, 1, "three days are over for the first");
    listener.change(taken);
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(fresh, "OOBFailed")]);
}
