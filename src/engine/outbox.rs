//! lease → render → send → settle. At least once, with the delivery id as the carrier's idempotency key.

use super::routes::Routes;
use super::{Engine, render};
use crate::connect::contract::{AT_ONCE, Body, Message, TIMEOUT_MAX};
use crate::domain::aggregate::Aggregate;
use crate::domain::challenge::Challenge;
use crate::domain::code::Secret;
use crate::domain::decide::Request;
use crate::domain::delivery::{Delivery, Outcome, Purpose};
use crate::domain::material::Material;
use crate::domain::snapshot::{Lease, Query};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two looks that took all that was due: under load one look then takes many deliveries.
const PACE: Duration = Duration::from_millis(5);
/// How long to wait when nothing is due; a commit wakes earlier.
const IDLE: Duration = Duration::from_millis(250);

/// How long a worker has a delivery to itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Term {
    /// So long.
    pub lease: Duration,
    /// The longest that a hand-over takes: nothing is sent when less is left of the lease, or a slow carrier would get it twice.
    pub slowest: Duration,
}

/// For any connector there may be, and a minute to load and settle.
impl Default for Term {
    fn default() -> Self {
        Self { lease: TIMEOUT_MAX + Duration::from_secs(60), slowest: TIMEOUT_MAX }
    }
}

/// Works the outbox off.
pub struct Outbox {
    engine: Arc<Engine>,
    routes: Routes,
    term: Term,
    paused: AtomicBool,
    places: Arc<Semaphore>,
}

impl Outbox {
    /// An outbox over these routes.
    pub fn new(engine: Arc<Engine>, routes: Routes) -> Arc<Self> {
        Self::with_term(engine, routes, Term::default())
    }

    /// The same, with leases that last this long.
    pub fn with_term(engine: Arc<Engine>, routes: Routes, term: Term) -> Arc<Self> {
        Arc::new(Self { engine, routes, term, paused: AtomicBool::new(false), places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Stops or lets hand-overs; requests are accepted meanwhile, and their messages wait.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    /// Whether hand-overs are stopped.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    /// Hands over what is due, until told to stop; then waits for what is under way.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let mut changes = self.engine.changes();
        while !stop.is_cancelled() {
            let free = self.places.available_permits();
            let leases = if self.is_paused() || free == 0 { Vec::new() } else { self.lease(free).await };
            let (none, full) = (leases.is_empty(), leases.len() == free);
            for lease in leases {
                let Ok(place) = self.places.clone().acquire_owned().await else { return };
                let this = self.clone();
                tasks.spawn(async move {
                    this.hand_over(lease).await;
                    drop(place);
                });
            }
            if none {
                tokio::select! {
                    () = stop.cancelled() => break,
                    // What waits for a place goes out as soon as there is one.
                    _ = self.places.acquire(), if free == 0 => {}
                    () = changes.changed(), if free > 0 && !self.is_paused() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            } else if !full {
                tokio::time::sleep(PACE).await;
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn lease(&self, max: usize) -> Vec<Lease> {
        let leased = self.engine.store().lease(self.engine.now(), self.term.lease, max).await;
        leased.unwrap_or_else(|error| {
            tracing::error!(%error, "due deliveries can't be leased");
            Vec::new()
        })
    }

    /// Hands one delivery over and settles it.
    pub async fn hand_over(&self, lease: Lease) {
        let query = Query::One(lease.aggregate);
        let view = match self.engine.store().load(&Query::Leased(lease.aggregate)).await {
            Ok(view) => view,
            Err(error) => return tracing::error!(%error, "a leased delivery can't be read"),
        };
        if self.engine.now() >= lease.until.minus(self.term.slowest) {
            // This process was away for long: whoever has it next sends it.
            return tracing::warn!(challenge = %lease.aggregate, "a lease was over before its message could be sent");
        }
        let Some(aggregate) = view.one.as_ref().map(|it| &it.value) else { return };
        let Some(delivery) = aggregate.deliveries().iter().find(|it| it.id == lease.delivery && it.status.due().is_some()) else { return };
        if too_late(aggregate, delivery, self.engine.now()) {
            let tick = self.engine.carry_on(view, &query, &Request::Tick(lease.aggregate), |_| {}).await;
            return tick.map(drop).unwrap_or_else(|error| tracing::warn!(%error, "a session could not be ended now"));
        }
        let (connector, outcome) = self.send(aggregate, delivery).await;
        tell(&lease, connector, &outcome);
        let settled = Request::Settled { lease, outcome };
        // A reply may be quicker than this; who came first is done first. Without a wait it counts on what was read before it was sent:
        // if that changed all the same, it is a conflict, and then it is read again.
        let done = match self.engine.turns.now_or_later(&delivery.address).await {
            Ok(_turn) => self.engine.carry_on(view, &query, &settled, |_| {}).await,
            Err(_turn) => self.engine.carry_out(&query, &settled, |_| {}).await,
        };
        if let Err(error) = done {
            tracing::error!(challenge = %lease.aggregate, %error, "a hand-over could not be settled; it may be sent again");
        }
    }

    async fn send(&self, aggregate: &Aggregate, delivery: &Delivery) -> (&str, Outcome) {
        let test = aggregate.challenge().is_some_and(|it| it.test);
        let Some(connector) = self.routes.connector(delivery, test) else {
            return ("none", Outcome::Refused { reason: "no route is configured for this channel".to_owned() });
        };
        let body = match aggregate {
            Aggregate::Challenge(challenge) => self.body(challenge, delivery).await,
            Aggregate::Inbound(_) => answer(delivery).map_err(refused),
        };
        match body {
            Err(outcome) => {
                tracing::error!(challenge = %aggregate.id(), ?outcome, "a message can't be rendered");
                (connector.name(), outcome)
            }
            Ok(body) => {
                let (to, from) = (delivery.address.clone(), delivery.sender.clone());
                let message = Message { id: delivery.id, about: aggregate.id(), to, from, body };
                (connector.name(), connector.send(&message).await)
            }
        }
    }

    // `Err`: there is none, and what that means for the hand-over.
    async fn body(&self, challenge: &Challenge, delivery: &Delivery) -> Result<Body, Outcome> {
        let material = match &challenge.material {
            Some(sealed) => {
                self.engine.open_material(challenge.id, sealed).ok_or_else(|| refused("its sealed material can't be opened".to_owned()))?
            }
            None => Material::default(),
        };
        let template = self.engine.template_of(challenge).await;
        let template = template.map_err(|_| Outcome::Later { reason: "its template can't be read now".to_owned(), after: None })?;
        let registry = self.engine.registry();
        let from = render::Sources { registry: &registry, template: template.as_deref() };
        render::body(challenge, delivery, &material, from, self.engine.now()).map_err(refused)
    }
}

fn refused(reason: String) -> Outcome {
    Outcome::Refused { reason }
}

fn answer(delivery: &Delivery) -> Result<Body, String> {
    match &delivery.purpose {
        Purpose::Answer(text) => Ok(Body::Sms(Secret::new(text.as_str()))),
        Purpose::Challenge => Err("a message without a challenge has no body".to_owned()),
    }
}

// A challenge's message is of no use once its session is over.
fn too_late(aggregate: &Aggregate, delivery: &Delivery, now: crate::domain::time::Timestamp) -> bool {
    delivery.purpose == Purpose::Challenge && aggregate.challenge().is_some_and(|it| !it.is_open_at(now))
}

// What went as it should is told by metrics and by the challenge's own timeline.
fn tell(lease: &Lease, connector: &str, outcome: &Outcome) {
    let Lease { aggregate: challenge, delivery, .. } = lease;
    match outcome {
        Outcome::Accepted { .. } => tracing::debug!(%challenge, %delivery, connector, outcome = "accepted", "handed over"),
        Outcome::Refused { reason } => tracing::info!(%challenge, %delivery, connector, outcome = "refused", reason, "handed over"),
        Outcome::Later { reason, .. } => tracing::info!(%challenge, %delivery, connector, outcome = "later", reason, "handed over"),
    }
}
