//! `/sandbox/stream`: messages, events and sessions as they happen, by server-sent events. A reader that connects (again) gets
//! all there is first; it tells repeats by their ids.

use super::floor::Floor;
use super::shown::{Outbox, Session, Shown, ShownEvent};
use crate::domain::challenge::State as Life;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{AggregateId, DeliveryId};
use crate::http::Watch;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Sessions that are looked at again for each reader: the newest.
const WATCHED: usize = 50;
/// A look around even when nothing was committed: what was handed over shows at once.
const PACE: Duration = Duration::from_millis(500);

/// `GET /sandbox/stream`
pub(super) async fn stream(State(floor): State<Floor>) -> Response {
    let Some(place) = floor.seat() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open.").into_response();
    };
    let reader = Reader::new(floor, place);
    let events = unfold(reader, |mut reader| async move { reader.next().await.map(|event| (Ok::<_, Infallible>(event), reader)) });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

struct Reader {
    floor: Floor,
    changes: Watch,
    nudges: watch::Receiver<()>,
    cursor: String,
    seen: HashSet<DeliveryId>,
    // What was last shown of each session, oldest first.
    sessions: Vec<(AggregateId, Shot)>,
    paused: Option<bool>,
    waiting: VecDeque<Event>,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Shot {
    json: String,
    over: bool,
}

impl Reader {
    fn new(floor: Floor, place: OwnedSemaphorePermit) -> Self {
        Self {
            changes: floor.stage.changes(),
            nudges: floor.nudges(),
            floor,
            cursor: "0".into(),
            seen: HashSet::new(),
            sessions: Vec::new(),
            paused: None,
            waiting: VecDeque::new(),
            begun: false,
            _place: place,
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let shutdown = self.floor.stage.shutdown();
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if std::mem::replace(&mut self.begun, true) {
                tokio::select! {
                    () = shutdown.cancelled() => return None,
                    () = self.changes.changed() => {}
                    _ = self.nudges.changed() => {}
                    () = tokio::time::sleep(PACE) => {}
                }
            }
            self.look().await;
        }
    }

    // Sessions before their events, so that a page knows what an event belongs to.
    async fn look(&mut self) {
        let paused = self.floor.stage.is_paused();
        if self.paused.replace(paused) != Some(paused) {
            self.tell("outbox", &Outbox { paused });
        }
        let events = self.new_events().await;
        for event in &events {
            if !self.sessions.iter().any(|(id, _)| *id == event.aggregate) {
                self.sessions.push((event.aggregate, Shot::default()));
            }
        }
        self.look_at_sessions().await;
        for event in &events {
            self.tell("event", &ShownEvent::from(event));
        }
        self.look_at_messages();
    }

    async fn new_events(&mut self) -> Vec<FeedEvent> {
        let page = self.floor.stage.events(&self.cursor).await;
        page.map_or_else(Vec::new, |page| {
            self.cursor = page.next;
            page.events
        })
    }

    async fn look_at_sessions(&mut self) {
        let surplus = self.sessions.len().saturating_sub(WATCHED);
        self.sessions.drain(..surplus);
        for (id, last) in self.sessions.iter_mut().filter(|(_, last)| !last.over) {
            let Some(challenge) = self.floor.stage.challenge(*id).await else { continue };
            let json = serde_json::to_string(&Session::from(&challenge)).unwrap_or_default();
            if last.json != json {
                self.waiting.push_back(Event::default().event("session").data(&json));
                *last = Shot { json, over: challenge.state != Life::Open };
            }
        }
    }

    fn look_at_messages(&mut self) {
        let messages = self.floor.stage.messages();
        for message in messages.iter().filter(|it| !self.seen.contains(&it.id)) {
            self.waiting.push_back(event("message", &Shown::from(message)));
        }
        self.seen = messages.iter().map(|it| it.id).collect();
    }

    fn tell(&mut self, name: &str, what: &impl Serialize) {
        self.waiting.push_back(event(name, what));
    }
}

fn event(name: &str, what: &impl Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(what).unwrap_or_default())
}
