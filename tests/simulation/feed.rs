//! What everybody outside can see: the feed, and what subscribers got of it. Checked after every step.

use crate::bank::INSTITUTIONS;
use crate::model::{Durable, Stands};
use crate::process::Process;
use crate::run::Run;
use crate::scene::{Scene, State};
use crate::subscribers::Listener;
use countersign::domain::event::Act;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::{AggregateId, EventId, InstitutionId};
use countersign::store::contract::Notes;
use futures_util::FutureExt;
use std::collections::{HashMap, HashSet};

/// Reads the feed as it grows, and remembers all of it.
#[derive(Default)]
pub struct Reader {
    seen: HashMap<&'static str, Vec<FeedEvent>>,
    ids: HashSet<EventId>,
    told: HashMap<AggregateId, usize>,
}

impl Reader {
    /// Takes in what is new; every event is the next one, and the one that the model knows of.
    pub fn read(&mut self, process: &Process, scene: &Scene) {
        for institution in INSTITUTIONS {
            let after = self.seen.get(institution).and_then(|it| it.last()).map_or(0, |it| it.seq);
            for event in page(process, institution, after) {
                let state = scene.state();
                let problem = self.next(&event, after, &state);
                drop(state);
                if let Some(problem) = problem {
                    scene.violated(problem);
                }
                *self.told.entry(event.aggregate).or_default() += 1;
                self.seen.entry(institution).or_default().push(event);
            }
        }
        let missing =
            scene.state().model.sessions.iter().find(|it| self.told.get(&it.id).copied().unwrap_or(0) != it.acts.len()).map(|it| it.id);
        if let Some(id) = missing {
            scene.violated(format!("the feed tells {:?} events of {id}, and another number happened", self.told.get(&id)));
        }
    }

    fn next(&mut self, event: &FeedEvent, after: u64, state: &State) -> Option<String> {
        let last = self.seen.get(event.institution.as_str()).and_then(|it| it.last()).map_or(after, |it| it.seq);
        let nth = self.told.get(&event.aggregate).copied().unwrap_or(0);
        let expected = match state.model.session(event.aggregate) {
            Some(session) => session.acts.get(nth).copied(),
            None => (state.model.notes.contains(&event.aggregate) && nth == 0).then_some(Act::RecipMsg),
        };
        match () {
            () if event.seq != last + 1 => Some(format!("the feed of {} goes from {last} to {}", event.institution, event.seq)),
            () if !self.ids.insert(event.id) => Some(format!("event {} is told twice", event.id)),
            () if expected != Some(event.act) => Some(format!(
                "the feed shows {:?} as event {nth} of {}, expected {expected:?}: it is not durable",
                event.act, event.aggregate
            )),
            () => None,
        }
    }

    /// After a crash: what was shown once is still there, as it was.
    pub fn restart(&self, process: &Process, scene: &Scene) {
        for (institution, seen) in &self.seen {
            let mut now = Vec::with_capacity(seen.len());
            while let Some(page) =
                Some(page(process, institution, now.last().map_or(0, |it: &FeedEvent| it.seq))).filter(|it| !it.is_empty())
            {
                now.extend(page);
            }
            if now.len() < seen.len() || now.iter().zip(seen).any(|(now, then)| (now.seq, now.id, now.act) != (then.seq, then.id, then.act))
            {
                scene.violated(format!("the feed of {institution} is not what it was"));
            }
        }
    }

    /// Whether a subscriber has nothing more to get.
    pub fn is_served(&self, listener: &Listener, institution: &str, scene: &Scene) -> bool {
        let name = format!("{:?}", listener.temper);
        let cursor = note(scene, &format!("cursor/{name}/{institution}")).unwrap_or(0);
        let held = scene.durable.notes(&format!("held/{name}/{institution}/")).now_or_never();
        let end = self.seen.get(institution).and_then(|it| it.last()).map_or(0, |it| it.seq);
        cursor == end && held.is_some_and(|it| it.is_ok_and(|it| it.is_empty()))
    }

    /// The end: all was told, sent and settled, each once.
    pub fn judge(&self, run: &Run) {
        self.restart(&run.process, &run.scene);
        let problem = unfinished(run).or_else(|| self.untold(run));
        if let Some(problem) = problem {
            run.scene.violated(problem);
        }
    }

    fn untold(&self, run: &Run) -> Option<String> {
        for listener in &run.listeners {
            for (institution, seen) in &self.seen {
                if !self.is_served(listener, institution, &run.scene) {
                    return Some(format!("{:?} never gets to the end of the feed of {institution}", listener.temper));
                }
                for event in seen.iter().filter(|it| listener.filter().takes(it.publisher.as_str(), &it.product, it.act)) {
                    let parked = format!("parked/{:?}/{institution}/{:020}", listener.temper, event.seq);
                    let parked = run.scene.durable.note(&parked).now_or_never().is_some_and(|it| it.is_ok_and(|it| it.is_some()));
                    match (listener.has(event.id), listener.refuses(event)) {
                        (false, false) => return Some(format!("{:?} never got event {} of {institution}", listener.temper, event.seq)),
                        (false, true) if !parked => {
                            return Some(format!("event {} of {institution} is neither taken nor parked", event.seq));
                        }
                        _ => {}
                    }
                }
            }
            if let Some(event) = listener.got.lock().iter().find(|it| !self.ids.contains(&it.id)) {
                return Some(format!("{:?} got event {}, which never happened", listener.temper, event.seq));
            }
        }
        None
    }
}

// No session open, no message waiting; one outcome for each; what carriers took is known.
fn unfinished(run: &Run) -> Option<String> {
    let state = run.scene.state();
    let durable = Durable { store: &*run.scene.durable, vault: &run.scene.vault };
    for it in &state.model.sessions {
        let outcomes = it.acts.iter().filter(|it| it.is_outcome()).count();
        let owes = it.ask.two_way || it.outcome.is_some_and(|it| it.0 != Act::Expired);
        let lost = it.letters.iter().find(|it| it.stands == Stands::Taken && !run.carrier.was_taken(it.id));
        let waits = it.letters.iter().any(|it| it.stands == Stands::Waits);
        let problem = match () {
            () if it.outcome.is_none() => Some("has no outcome".to_owned()),
            () if outcomes != usize::from(owes) => Some(format!("has {outcomes} outcome events")),
            () if waits => Some("has a message that still waits".to_owned()),
            () if lost.is_some() => Some("has a message that no carrier ever took".to_owned()),
            () => state.model.compare(it, &durable).err(),
        };
        if let Some(problem) = problem {
            return Some(format!("{} {problem}", it.id));
        }
    }
    None
}

fn note(scene: &Scene, name: &str) -> Option<u64> {
    let value = scene.durable.note(name).now_or_never()?.ok()??;
    std::str::from_utf8(&value).ok()?.parse().ok()
}

fn page(process: &Process, institution: &str, after: u64) -> Vec<FeedEvent> {
    let page =
        process.engine.after(&InstitutionId::from(institution), after, countersign::engine::Most::of(100), |_, _| true).now_or_never();
    page.expect("the driver's own look is never kept waiting").expect("the feed can be read").events
}
