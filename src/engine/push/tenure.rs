//! Who pushes to a subscriber: one process at a time, each for its tenure.

use super::super::{Engine, Trouble};
use crate::store::contract::Duty;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the duty to push to a subscriber lasts when its process is gone: then another takes it.
const SPAN: Duration = Duration::from_secs(30);
/// After so long it is asked for again.
pub(super) const RENEW: Duration = Duration::from_secs(8);

/// The number of a tenure of this process. When another process pushed in between it has another number: what was known is no longer
/// true, and what an earlier tenure began may not be written.
pub(super) type Number = u64;

/// Whether this process has the duty to push to a subscriber.
pub(super) struct Tenure {
    engine: Arc<Engine>,
    duty: String,
    state: Mutex<State>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    number: Number,
    // And since when this process is sure of it.
    held: Option<(Duty, Instant)>,
}

impl Tenure {
    pub fn new(engine: Arc<Engine>, subscriber: &str) -> Self {
        Self { engine, duty: format!("push/{subscriber}"), state: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The tenure, when this process is the one that pushes; takes the duty when nobody has it.
    pub async fn on_duty(&self) -> Result<Option<Number>, Trouble> {
        if let Some(number) = self.sure() {
            return Ok(Some(number));
        }
        // One asks for all that want to know.
        let _asking = self.asking.lock().await;
        if let Some(number) = self.sure() {
            return Ok(Some(number));
        }
        let asked = Instant::now();
        let duty = self.engine.notes().duty(&self.duty, SPAN).await?;
        let mut state = self.state.lock();
        let is_same = state.held.as_ref().zip(duty.as_ref()).is_some_and(|(before, now)| before.0 == *now);
        if !is_same {
            state.number += 1;
        }
        state.held = duty.map(|it| (it, asked));
        Ok(state.held.is_some().then_some(state.number))
    }

    /// Keeps the duty up, for as long as this is waited for: beside what may take longer than it lasts.
    pub async fn keep_up(&self) {
        loop {
            sleep(RENEW).await;
            // Lost, it is noticed when something is to be written.
            let _ = self.on_duty().await;
        }
    }

    /// Others may push at once.
    pub async fn off_duty(&self) {
        if self.state.lock().held.take().is_some() {
            let _ = self.engine.notes().duty(&self.duty, Duration::ZERO).await;
        }
    }

    /// What to write with in this tenure; `None`: it is over.
    pub fn duty(&self, number: Number) -> Option<Duty> {
        let state = self.state.lock();
        state.held.as_ref().filter(|_| state.number == number).map(|it| it.0.clone())
    }

    /// Another process pushes now.
    pub fn lost(&self, number: Number) {
        let mut state = self.state.lock();
        if state.number == number {
            state.held = None;
        }
    }

    fn sure(&self) -> Option<Number> {
        let state = self.state.lock();
        state.held.as_ref().is_some_and(|it| it.1.elapsed() < RENEW).then_some(state.number)
    }
}
