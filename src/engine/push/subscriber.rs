//! Who gets which events.

use crate::connect::contract::Sink;
use crate::domain::event::Act;
use crate::domain::id::{InstitutionId, PublisherId};
use std::sync::Arc;
use std::time::Duration;

/// Which events a subscriber gets. Empty lists filter nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of which publisher; `None`: all.
    pub publisher: Option<PublisherId>,
    /// Of which institutions.
    pub institutions: Vec<InstitutionId>,
    /// `ConsumerProd` values.
    pub products: Vec<String>,
    /// Event numbers.
    pub numbers: Vec<u32>,
    /// Acts; empty: outcomes only, and recipients' messages. Delivery steps are pushed only when asked for (decision 14).
    pub acts: Vec<Act>,
}

impl Filter {
    /// Whether the subscriber gets an event of this publisher and product.
    pub fn takes(&self, publisher: &str, product: &str, act: Act) -> bool {
        let acts = if self.acts.is_empty() { act.is_outcome() || act == Act::RecipMsg } else { self.acts.contains(&act) };
        acts && self.publisher.as_ref().is_none_or(|it| it.as_str() == publisher)
            && (self.products.is_empty() || self.products.iter().any(|it| it == product))
            && (self.numbers.is_empty() || self.numbers.contains(&act.number()))
    }
}

/// A subscriber: where its events go, which, and for how long they are tried.
pub struct Subscriber {
    /// Where to. Bare, without a circuit breaker before it: the pusher waits longer after each failure by itself, and has to hear
    /// what the subscriber says of each event.
    pub sink: Arc<dyn Sink>,
    /// Which.
    pub filter: Filter,
    /// Pushes to it under way at once; with one, what happens at an institution is pushed in the order in which it happened.
    pub at_once: usize,
    /// For how long an event is tried without success before it is parked; counted from its first failed push, and only while we run.
    pub patience: Duration,
}
