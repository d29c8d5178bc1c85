//! Subscribers: one that is well, one that is slow and drops acknowledgements, one that is often down, and one that won't take some
//! events, ever.

use crate::bank::{INSTITUTIONS, PUBLISHERS};
use crate::pause::Pause;
use crate::scene::Scene;
use countersign::connect::contract::{Pushed, Sink, Soon};
use countersign::domain::event::Act;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::{AggregateId, EventId};
use countersign::engine::push::{Filter, Subscriber};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How each of them is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temper {
    Well,
    Slow,
    Failing,
    /// Won't take what recipients wrote, nor one event in eight.
    Refusing,
}

pub const TEMPERS: [Temper; 4] = [Temper::Well, Temper::Slow, Temper::Failing, Temper::Refusing];

/// The world outside: what it was told outlives our crashes.
pub struct Listener {
    pub temper: Temper,
    name: String,
    scene: Arc<Scene>,
    /// Every event it ever got, in the order it first got each.
    pub got: Mutex<Vec<FeedEvent>>,
    known: Mutex<HashSet<EventId>>,
}

impl Listener {
    pub fn new(temper: Temper, scene: Arc<Scene>) -> Arc<Self> {
        Arc::new(Self { temper, name: format!("{temper:?}"), scene, got: Mutex::default(), known: Mutex::default() })
    }

    pub fn filter(&self) -> Filter {
        let acts = if self.temper == Temper::Slow { Act::ALL.to_vec() } else { Vec::new() };
        let publisher = (self.temper == Temper::Refusing).then(|| PUBLISHERS[0].into());
        Filter { publisher, institutions: INSTITUTIONS.iter().map(|it| (*it).into()).collect(), acts, ..Filter::default() }
    }

    pub fn subscriber(self: &Arc<Self>) -> Subscriber {
        Subscriber { sink: Arc::new(Line(self.clone())), filter: self.filter(), at_once: 8, patience: Duration::from_secs(6 * 3_600) }
    }

    /// What it won't take.
    pub fn refuses(&self, event: &FeedEvent) -> bool {
        self.temper == Temper::Refusing && (event.act == Act::RecipMsg || event.id.0.as_u128().is_multiple_of(8))
    }

    pub fn has(&self, id: EventId) -> bool {
        self.known.lock().contains(&id)
    }

    // Within a session nothing new comes before what is older, but for what it refused.
    fn take(&self, events: &[FeedEvent]) {
        for event in events.iter().filter(|it| self.known.lock().insert(it.id)) {
            let last = self.got.lock().iter().rev().find(|it| it.aggregate == event.aggregate).map(|it| it.seq);
            if last.is_some_and(|last| last > event.seq) {
                self.scene.violated(format!("{} gets event {} of {} after {last:?}", self.name, event.seq, event.aggregate));
            }
            self.got.lock().push(event.clone());
        }
    }

    async fn answer(&self, events: &[FeedEvent]) -> Pushed {
        if events.iter().any(|it| self.refuses(it)) {
            return Pushed::Refused("not this".to_owned());
        }
        let (down, forgets, yields) = {
            let mut dice = self.scene.dice.lock();
            (dice.percent(60), dice.percent(15), dice.below(4))
        };
        if self.scene.is_calm() {
            self.take(events);
            return Pushed::Taken;
        }
        match self.temper {
            Temper::Failing if down => return Pushed::Later("down".to_owned()),
            Temper::Slow => {
                for _ in 0..yields {
                    Pause::default().await;
                }
                self.take(events);
                if forgets {
                    return Pushed::Later("timed out".to_owned());
                }
            }
            _ => self.take(events),
        }
        Pushed::Taken
    }
}

// What the engine holds of a listener.
struct Line(Arc<Listener>);

impl Sink for Line {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn push<'a>(&'a self, events: &'a [FeedEvent]) -> Soon<'a, Pushed> {
        Box::pin(async move {
            let sessions: HashSet<AggregateId> = events.iter().map(|it| it.aggregate).collect();
            let said = self.0.answer(events).await;
            self.0.scene.tell(|| format!("{} is pushed {} events of {} sessions: {said:?}", self.0.name, events.len(), sessions.len()));
            said
        })
    }
}
