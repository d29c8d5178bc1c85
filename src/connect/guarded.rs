//! Puts a circuit breaker before a connector. A sink has none: who pushes to it waits longer after each failure by itself, and
//! must be able to try each event alone, however many before it failed.

use super::breaker::{Breaker, Settings, State};
use super::contract::{Connector, Message, Soon};
use super::setting::Now;
use crate::domain::contact::Address;
use crate::domain::delivery::Outcome;
use parking_lot::Mutex;
use std::sync::Arc;

const OPEN: &str = "the circuit is open after repeated failures";

/// A connector behind a breaker. Clones share the breaker, so that one may stay with the metrics. "Later" counts as a failure, but not
/// when the peer asked for a pause (throttling is not trouble); a refusal is an answer, thus a success. Messages to as many distinct
/// addresses have to fail in a row: one number that the carrier stumbles over closes the way for nobody else.
#[derive(Clone)]
pub struct Guarded {
    inner: Arc<dyn Connector>,
    breaker: Arc<Mutex<Breaker<Address>>>,
    now: Now,
}

impl Guarded {
    /// Guards `inner`.
    pub fn new(inner: Arc<dyn Connector>, settings: Settings, now: Now) -> Self {
        Self { inner, breaker: Arc::new(Mutex::new(Breaker::new(settings))), now }
    }

    /// What the breaker does now, for metrics.
    pub fn state(&self) -> State {
        self.breaker.lock().state()
    }

    fn record(&self, to: &Address, outcome: &Outcome) {
        let mut breaker = self.breaker.lock();
        match outcome {
            Outcome::Later { after: None, .. } => breaker.failed(to.clone(), (self.now)()),
            _ => breaker.succeeded(),
        }
    }
}

impl Connector for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let admitted = self.breaker.lock().admit((self.now)());
            if let Err(wait) = admitted {
                return Outcome::Later { reason: OPEN.to_owned(), after: Some(wait) };
            }
            let outcome = self.inner.send(message).await;
            self.record(&message.to, &outcome);
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::contract::Body;
    use crate::domain::code::Secret;
    use crate::domain::contact::Address;
    use crate::domain::id::{AggregateId, DeliveryId};
    use crate::domain::time::Timestamp;
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
    use std::time::Duration;

    struct Scripted {
        outcome: Mutex<Outcome>,
        calls: AtomicU32,
    }

    impl Connector for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        fn send<'a>(&'a self, _: &'a Message) -> Soon<'a, Outcome> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { self.outcome.lock().clone() })
        }
    }

    fn later(after: Option<Duration>) -> Outcome {
        Outcome::Later { reason: "down".to_owned(), after }
    }

    fn peer() -> (Arc<Scripted>, Arc<AtomicI64>, Now) {
        let clock = Arc::new(AtomicI64::new(0));
        let reader = Arc::clone(&clock);
        let now: Now = Arc::new(move || Timestamp::from_millis(reader.load(Ordering::Relaxed)));
        (Arc::new(Scripted { outcome: Mutex::new(later(None)), calls: AtomicU32::new(0) }), clock, now)
    }

    #[tokio::test]
    async fn a_broken_connector_is_left_alone_and_tried_again() {
        let (peer, clock, now) = peer();
        let message = |to: &str| Message {
            id: DeliveryId(uuid::Uuid::nil()),
            about: AggregateId(uuid::Uuid::nil()),
            to: Address::canonical(to),
            from: None,
            body: Body::Sms(Secret::new("x")),
        };
        let (message, other) = (message("+12025550123"), message("+12025550124"));
        let guarded = Guarded::new(peer.clone(), Settings { failures: 2, wait_ms: 50, wait_max_ms: 50 }, now);
        for _ in 0..5 {
            guarded.send(&message).await;
        }
        assert_eq!((peer.calls.load(Ordering::Relaxed), guarded.state()), (5, State::Closed), "one number alone is no outage");
        for _ in 0..5 {
            guarded.send(&other).await;
        }
        assert_eq!((peer.calls.load(Ordering::Relaxed), guarded.state()), (6, State::Open));
        assert_eq!(guarded.send(&message).await, Outcome::Later { reason: OPEN.to_owned(), after: Some(Duration::from_millis(50)) });
        clock.store(50, Ordering::Relaxed);
        *peer.outcome.lock() = Outcome::Refused { reason: "bad number".to_owned() };
        guarded.send(&message).await;
        assert_eq!((peer.calls.load(Ordering::Relaxed), guarded.state()), (7, State::Closed));
        *peer.outcome.lock() = later(Some(Duration::from_secs(1)));
        for message in [&message, &other, &message, &other] {
            guarded.send(message).await;
        }
        assert_eq!(guarded.state(), State::Closed, "throttling does not open it");
    }
}
