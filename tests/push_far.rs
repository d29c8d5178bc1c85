//! Events to a subscriber that is far away: each push takes its time, so institutions go at once, and long pages in lanes.

mod listener;
mod world;

use countersign::connect::contract::{Pushed, Sink, Soon};
use countersign::domain::event::Act;
use countersign::domain::feed::FeedEvent;
use countersign::engine::push::{self, Filter, Lags, Subscriber};
use listener::{MINUTES, PATIENCE, fail_at, fail_many, parked};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use world::{World, explicit};

const JOURNEY: Duration = Duration::from_secs(1);

/// Takes its time for a push. What it says of one it says at its end.
#[derive(Default)]
struct Far {
    journey: Duration,
    /// Says "later" to what holds these sessions, beside whatever.
    bad: Mutex<Vec<String>>,
    /// Refuses what holds these.
    unwanted: Mutex<Vec<String>>,
    /// Says "later" to the pushes with these numbers.
    hiccups: Mutex<Vec<usize>>,
    taken: Mutex<Vec<FeedEvent>>,
    /// Pushes under way, and the most there were.
    now: Mutex<(usize, usize)>,
    pushes: Mutex<usize>,
}

impl Sink for Far {
    fn name(&self) -> &str {
        "core"
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            let number = {
                let mut pushes = self.pushes.lock().unwrap();
                *pushes += 1;
                *pushes
            };
            {
                let mut now = self.now.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
            }
            tokio::time::sleep(self.journey).await;
            self.now.lock().unwrap().0 -= 1;
            let has = |of: &Mutex<Vec<String>>| events.iter().any(|it| of.lock().unwrap().contains(&it.aggregate.to_string()));
            if self.hiccups.lock().unwrap().contains(&number) || has(&self.bad) {
                return Pushed::Later("500".to_owned());
            }
            if has(&self.unwanted) {
                return Pushed::Refused("400".to_owned());
            }
            self.taken.lock().unwrap().extend(events.iter().cloned());
            Pushed::Taken
        })
    }
}

impl Far {
    fn at(journey: Duration) -> Arc<Self> {
        Arc::new(Self { journey, ..Self::default() })
    }

    /// The sessions of what was taken, sorted.
    fn sessions(&self) -> Vec<String> {
        let mut all: Vec<String> = self.taken.lock().unwrap().iter().map(|it| it.aggregate.to_string()).collect();
        all.sort_unstable();
        all
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    fn most(&self) -> usize {
        self.now.lock().unwrap().1
    }
}

/// Lets it work while something else happens.
async fn work(world: &World, far: &Arc<Far>, (at_once, filter): (usize, Filter), meanwhile: impl Future<Output = ()>) {
    let stop = CancellationToken::new();
    let subscriber = Subscriber { sink: far.clone(), filter, at_once, patience: PATIENCE };
    let running = tokio::spawn(push::run(world.engine.clone(), subscriber, Arc::<Lags>::default(), stop.clone()));
    meanwhile.await;
    stop.cancel();
    running.await.unwrap();
}

/// Makes the subscriber known, so that it gets what happens from then on.
async fn greet(world: &World, far: &Arc<Far>) {
    work(world, far, (1, Filter::default()), tokio::time::sleep(Duration::from_secs(1))).await;
}

/// Waits until it has so many events: after how long.
async fn until(far: &Far, count: usize) -> Duration {
    let begun = Instant::now();
    while far.count() < count {
        assert!(begun.elapsed() < MINUTES, "{} of {count} were taken", far.count());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

async fn many_institutions(count: usize) -> (World, Vec<String>) {
    let names: Vec<String> = (0..count).map(|it| format!("9{it:08}")).collect();
    let world = World::with(|publisher| {
        let versions = publisher.institutions.values().next().unwrap().clone();
        publisher.institutions.extend(names.iter().map(|it| (it.as_str().into(), versions.clone())));
    });
    (world.await, names)
}

/// As [`fail_many`], at a pace at which a publisher may ask.
async fn fail_very_many(world: &World, count: u32) -> Vec<String> {
    let mut all = Vec::new();
    for first in (0..count).step_by(50) {
        all.extend(fail_many(world, 1_000 + first, 50).await);
        world.advance(Duration::from_secs(1));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn institutions_do_not_wait_for_each_other() {
    let check = async |at_once: usize, seconds: std::ops::RangeInclusive<u64>| {
        let (world, names) = many_institutions(24).await;
        let far = Far::at(JOURNEY);
        greet(&world, &far).await;
        for (number, name) in names.iter().enumerate() {
            fail_at(&world, &format!("+1202555{:04}", 101 + number), Some(name)).await;
        }
        let meanwhile = async {
            let took = until(&far, 24).await;
            assert!(seconds.contains(&took.as_secs()), "{at_once} at once: {took:?}");
        };
        work(&world, &far, (at_once, Filter::default()), meanwhile).await;
        assert_eq!((far.most(), far.count(), *far.pushes.lock().unwrap()), (at_once.min(16), 24, 24));
    };
    check(1, 24..=24).await;
    check(8, 3..=3).await;
    check(32, 2..=2).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_page_goes_out_in_lanes_and_sessions_keep_their_order() {
    let check = async |at_once: usize, pushes: std::ops::RangeInclusive<usize>, seconds: std::ops::RangeInclusive<u64>| {
        let (world, far) = (World::new().await, Far::at(JOURNEY));
        greet(&world, &far).await;
        fail_very_many(&world, 450).await;
        let everything = Filter { acts: Act::ALL.to_vec(), ..Filter::default() };
        let all = world.events().await;
        let meanwhile = async {
            let took = until(&far, all.len()).await;
            assert!(seconds.contains(&took.as_secs()), "{at_once} at once: {took:?} for {} events", all.len());
        };
        work(&world, &far, (at_once, everything), meanwhile).await;
        let sessions = |events: &[FeedEvent]| {
            let mut of: HashMap<_, Vec<u64>> = HashMap::new();
            events.iter().for_each(|it| of.entry(it.aggregate).or_default().push(it.seq));
            of
        };
        let taken = far.taken.lock().unwrap().clone();
        assert_eq!(taken.len(), all.len(), "each once");
        assert_eq!(sessions(&taken), sessions(&all), "in order within each");
        if at_once == 1 {
            assert_eq!(taken, all, "one at once: in order");
        }
        let count = *far.pushes.lock().unwrap();
        assert!(pushes.contains(&count) && far.most() <= at_once, "{at_once} at once: {count} pushes, {} at once", far.most());
    };
    check(1, 18..=18, 18..=18).await;
    check(8, 18..=18, 5..=5).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_beside_a_failure_is_not_pushed_again() {
    // The numbers of the pushes that fail, and how many events are pushed twice for it.
    let check = async |hiccups: &[usize], twice: usize| {
        let (world, far) = (World::new().await, Far::at(JOURNEY));
        greet(&world, &far).await;
        let mut all = fail_very_many(&world, 400).await;
        *far.hiccups.lock().unwrap() = hiccups.to_vec();
        work(&world, &far, (8, Filter::default()), tokio::time::sleep(MINUTES)).await;
        let mut taken = far.sessions();
        assert_eq!(taken.len(), all.len() + twice, "{hiccups:?}");
        taken.dedup();
        all.sort_unstable();
        assert_eq!(taken, all, "{hiccups:?}");
    };
    for number in 1..=8 {
        check(&[number], 0).await;
    }
    // In the first of two lanes, and of four, and again: then the first 50 of the page go whole, of which every other one was taken before, or
    // three of four.
    check(&[2, 4], 25).await;
    check(&[4, 8], 37).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_in_a_lane_is_parked_alone() {
    let (world, far) = (World::new().await, Far::at(JOURNEY));
    greet(&world, &far).await;
    let mut all = fail_very_many(&world, 400).await;
    let refused: Vec<String> = [3, 60, 61, 300, 399].map(|it| all[it].clone()).to_vec();
    *far.unwanted.lock().unwrap() = refused.clone();
    work(&world, &far, (8, Filter::default()), tokio::time::sleep(MINUTES)).await;
    all.retain(|it| !refused.contains(it));
    all.sort_unstable();
    assert_eq!(far.sessions(), all, "all others once");
    assert_eq!(parked(&world).await, refused.len());
}

#[tokio::test(start_paused = true)]
async fn many_institutions_with_little_are_soon_through() {
    let (world, names) = many_institutions(100).await;
    let far = Far::at(Duration::from_millis(1));
    greet(&world, &far).await;
    for (number, name) in names.iter().enumerate() {
        fail_at(&world, &format!("+1202555{:04}", 101 + number), Some(name)).await;
        world.advance(Duration::from_millis(100));
    }
    // Nothing is committed meanwhile.
    let meanwhile = async {
        let took = until(&far, 100).await;
        assert!(took < Duration::from_millis(250), "{took:?}");
    };
    work(&world, &far, (8, Filter::default()), meanwhile).await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_during_a_push_is_not_forgotten() {
    let (world, far) = (World::new().await, Far::at(Duration::from_millis(4)));
    greet(&world, &far).await;
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        for number in 0..20 {
            // While the push of the first is under way; then nothing more is committed.
            fail_at(&world, &format!("+1202555{:04}", 1_000 + 2 * number), None).await;
            tokio::time::sleep(Duration::from_micros(200 * number)).await;
            fail_at(&world, &format!("+1202555{:04}", 1_001 + 2 * number), None).await;
            let took = until(&far, 2 * (number as usize + 1)).await;
            assert!(took < Duration::from_millis(100), "{number}: {took:?}");
            tokio::time::sleep(Duration::from_secs(2)).await;
            world.advance(Duration::from_secs(2));
        }
    };
    work(&world, &far, (8, Filter::default()), meanwhile).await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_after_a_full_page_is_pushed_at_once() {
    let (world, far) = (World::new().await, Far::at(Duration::from_millis(1)));
    greet(&world, &far).await;
    // As many as a page has: there may be more of them, and there is not.
    fail_very_many(&world, 50).await;
    let meanwhile = async {
        until(&far, 50).await;
        fail_at(&world, "+12025550101", None).await;
        let took = until(&far, 51).await;
        assert!(took < Duration::from_millis(100), "{took:?}");
    };
    work(&world, &far, (8, Filter::default()), meanwhile).await;
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_what_is_under_way_and_begins_nothing() {
    let (world, names) = many_institutions(16).await;
    let far = Far::at(JOURNEY);
    greet(&world, &far).await;
    for (number, name) in names.iter().enumerate() {
        fail_at(&world, &format!("+1202555{:04}", 101 + number), Some(name)).await;
    }
    let begun = Instant::now();
    work(&world, &far, (2, Filter::default()), tokio::time::sleep(JOURNEY / 2)).await;
    assert_eq!((begun.elapsed().as_secs(), *far.pushes.lock().unwrap(), far.count()), (1, 2, 2));
    let failing = world.engine.notes().notes("failing/").await.unwrap();
    assert_eq!(failing, [], "none failed");
    let meanwhile = async {
        until(&far, 16).await;
    };
    work(&world, &far, (2, Filter::default()), meanwhile).await;
    assert_eq!(*far.pushes.lock().unwrap(), 16, "the others' turn comes with the next start, and nobody's twice");
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_lane_holds_up_nobody() {
    let (world, far) = (World::new().await, Far::at(JOURNEY));
    greet(&world, &far).await;
    let all = fail_very_many(&world, 400).await;
    let poison: Vec<String> = [60, 61, 62, 63, 300].map(|it| all[it].clone()).to_vec();
    *far.bad.lock().unwrap() = poison.clone();
    work(&world, &far, (8, Filter::default()), tokio::time::sleep(MINUTES)).await;
    let got = |id: &String| far.taken.lock().unwrap().iter().any(|it| it.aggregate.to_string() == *id);
    assert!(all.iter().all(|it| got(it) != poison.contains(it)), "all but the poisoned ones");
    assert_eq!(parked(&world).await, 0, "they are held, not given up");
    far.bad.lock().unwrap().clear();
    world.advance(Duration::from_secs(3_600));
    work(&world, &far, (8, Filter::default()), tokio::time::sleep(MINUTES)).await;
    assert!(all.iter().all(got));
}

#[tokio::test(start_paused = true)]
async fn parked_events_are_put_back_while_it_works() {
    let (world, far) = (World::new().await, Far::at(JOURNEY));
    greet(&world, &far).await;
    let (_, otp) = world.opened(explicit("+12025550101")).await;
    world.reply("+12025550101", &otp, "SM1").await;
    let meanwhile = async {
        until(&far, 1).await;
        let (institution, end) = world.engine.ends().await.unwrap()[0].clone();
        let given = br#"{"at":1,"reason":"no","aggregate":"x"}"#.to_vec();
        let name = format!("parked/core/{institution}/{end:020}");
        world.engine.notes().set_notes(vec![(name, Some(given))]).await.unwrap();
        // It has looked for what is held long before.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(far.count(), 1);
        assert_eq!(world.engine.replay("core").await, Ok(1));
        assert!(until(&far, 2).await <= Duration::from_secs(7), "it is told, and looks again");
    };
    work(&world, &far, (8, Filter::default()), meanwhile).await;
}
