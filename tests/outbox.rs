//! Hand-overs to a carrier that thinks for as long as a time-out allows, and to a quick one that many wait for.

mod world;

use countersign::connect::contract::{Connector, Message, Soon, TIMEOUT_MAX};
use countersign::domain::answer::Verdict;
use countersign::domain::delivery::Outcome;
use countersign::engine::outbox::Outbox;
use countersign::engine::routes::Routes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use world::{World, explicit};

/// Answers when a minute of the runtime's own (paused) time is over.
#[derive(Default)]
struct Slow(AtomicU32);

impl Connector for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn send<'a>(&'a self, _: &'a Message) -> Soon<'a, Outcome> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Outcome::Accepted { provider_id: None }
        })
    }
}

/// Answers after a millisecond of the same time, and counts.
#[derive(Default)]
struct Quick(AtomicU32);

impl Connector for Quick {
    fn name(&self) -> &str {
        "quick"
    }

    fn send<'a>(&'a self, _: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0.fetch_add(1, Ordering::SeqCst);
            Outcome::Accepted { provider_id: None }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_place_goes_out_as_soon_as_there_is_one() {
    let (world, quick, stop) = (World::new().await, Arc::new(Quick::default()), CancellationToken::new());
    for n in 0..300 {
        if n % 50 == 0 {
            // No more than a publisher may ask for in a second.
            world.advance(Duration::from_secs(1));
        }
        world.opened(explicit(&format!("+1202555{:04}", 100 + n))).await;
    }
    let routes = Routes::sms(quick.clone());
    let begun = tokio::time::Instant::now();
    let running = tokio::spawn(Outbox::new(world.engine.clone(), routes).run(stop.clone()));
    while quick.0.load(Ordering::SeqCst) < 300 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Five rounds of 64 at once; a pause of its own between two of them would be a quarter of a second.
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_carrier_gets_a_message_once() {
    let (world, slow, stop) = (World::new().await, Arc::new(Slow::default()), CancellationToken::new());
    let routes = Routes::sms(slow.clone());
    let running = tokio::spawn(Outbox::new(world.engine.clone(), routes).run(stop.clone()));
    world.opened(explicit("+12025550101")).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(slow.0.load(Ordering::SeqCst), 1);
    // It is on its way, and the engine's clock moves as far as a time-out may.
    world.advance(TIMEOUT_MAX);
    tokio::time::sleep(Duration::from_secs(60)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(slow.0.load(Ordering::SeqCst), 1);
}

/// The hand-over is settled on what was read before it was sent: a reply meanwhile must stay, and so must the carrier's word.
#[tokio::test(start_paused = true)]
async fn a_reply_before_the_carriers_word_stays() {
    let (world, slow, stop) = (World::new().await, Arc::new(Slow::default()), CancellationToken::new());
    let routes = Routes::sms(slow.clone());
    let running = tokio::spawn(Outbox::new(world.engine.clone(), routes).run(stop.clone()));
    let (id, code) = world.opened(explicit("+12025550101")).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(slow.0.load(Ordering::SeqCst), 1);
    assert_eq!(world.reply("+12025550101", &code, "m1").await, Verdict::Verified);
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "OOBVerified"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "OOBVerified", "MsgSent"]);
}
