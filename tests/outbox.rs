//! Hand-overs to a carrier that thinks for as long as a time-out allows.

mod world;

use countersign::connect::contract::{Connector, Message, Soon, TIMEOUT_MAX};
use countersign::domain::delivery::Outcome;
use countersign::engine::outbox::{Outbox, Routes};
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

#[tokio::test(start_paused = true)]
async fn a_slow_carrier_gets_a_message_once() {
    let (world, slow, stop) = (World::new().await, Arc::new(Slow::default()), CancellationToken::new());
    let routes = Routes { sms: Some(slow.clone()), mail: None, test: slow.clone() };
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
