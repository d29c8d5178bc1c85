//! `GET /v1/events`: a publisher's feed by cursor, with an optional wait for what comes next.

use super::peer::Peer;
use super::problem::Problem;
use super::refusals::Refusals;
use super::service::Ask;
use super::state::State;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::scope::Scope;
use crate::engine::changes::Watch;
use crate::engine::{Page, Trouble};
use axum::extract::{Query, State as Reach};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use utoipa::{IntoParams, ToSchema};

/// Events in one answer, at most.
const MAX_LIMIT: usize = 1000;
/// Seconds that an answer may wait for an event, at most.
const MAX_WAIT: u64 = 30;
/// Between two reads of one waiting reader.
const PACE: Duration = Duration::from_millis(20);

/// What may be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The cursor: `next` of the page before; `0`: from the start.
    #[serde(default = "start")]
    #[param(default = "0")]
    after: String,
    /// Events on the page, at most.
    #[serde(default = "hundred")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
    /// Seconds to wait for an event when there is none yet.
    #[serde(default)]
    #[param(maximum = 30, default = 0)]
    wait: u64,
    /// Of this institution only.
    institution: Option<String>,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
pub(super) struct Shown {
    /// The events, oldest first.
    #[schema(value_type = Vec<Told>)]
    events: Vec<ShownEvent>,
    /// The cursor of the page that follows.
    next: String,
}

struct ShownEvent(FeedEvent);

/// An event as it is told.
#[derive(ToSchema)]
#[schema(as = FeedEvent)]
#[allow(dead_code, reason = "the document's form of what `ShownEvent` writes")]
struct Told {
    /// Its number in its institution's feed.
    seq: u64,
    /// Its id, the same whenever it is told.
    #[schema(format = "uuid")]
    id: String,
    /// 90040, or 90030 for what a recipient wrote.
    number: u32,
    /// When it happened (ISO 8601, UTC).
    #[schema(format = DateTime)]
    time: String,
    /// What the contract's event says, by its names.
    data: BTreeMap<String, String>,
}

/// Tells a publisher's events after a cursor, and waits for the next if asked to.
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "readEvents", params(Wanted),
    responses((status = 200, description = "A page of events.", body = Shown), Refusals))]
pub(super) async fn events(
    Reach(state): Reach<Arc<State>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let publisher = state.caller_for(Scope::Events, (&headers, peer)).await?.publisher;
    let Query(wanted) = query.map_err(|cause| Problem::new(StatusCode::BAD_REQUEST, cause.body_text()))?;
    check(&wanted)?;
    let page = next_page(&state, &publisher, &wanted).await.map_err(problem)?;
    Ok(Json(Shown { events: page.events.into_iter().map(ShownEvent).collect(), next: page.next }))
}

fn check(wanted: &Wanted) -> Result<(), Problem> {
    if !(1..=MAX_LIMIT).contains(&wanted.limit) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("limit must be 1 to {MAX_LIMIT}")));
    }
    if wanted.wait > MAX_WAIT {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("wait must be 0 to {MAX_WAIT} seconds")));
    }
    Ok(())
}

// Watches before it asks, so that an event between the two wakes it. Goes on from where it has read to: what it passed over
// (events of others) is not read again.
async fn next_page(state: &State, publisher: &PublisherId, wanted: &Wanted) -> Result<Page, Trouble> {
    let institution = wanted.institution.as_deref().map(InstitutionId::from);
    let deadline = Instant::now() + Duration::from_secs(wanted.wait);
    let mut changes = state.service.changes();
    let mut after = wanted.after.clone();
    loop {
        changes.mark_unchanged();
        let ask = Ask { publisher, institution: institution.as_ref(), after: &after, max: wanted.limit };
        let page = state.service.events(ask).await?;
        if !page.events.is_empty() || wanted.wait == 0 {
            return Ok(page);
        }
        let is_at_end = page.next == after;
        after.clone_from(&page.next);
        if !more(state, is_at_end.then_some(&mut changes), deadline).await {
            return Ok(page);
        }
    }
}

// Whether to read on: after a pause, so that one reader takes little of the machine however many commits there are, and at
// the end of the feed (`changes` is given) only when something was committed.
async fn more(state: &State, changes: Option<&mut Watch>, deadline: Instant) -> bool {
    let woken = async {
        if let Some(changes) = changes {
            changes.changed().await;
        }
        sleep(PACE).await;
    };
    tokio::select! {
        () = state.shutdown.cancelled() => false,
        woken = timeout_at(deadline, woken) => woken.is_ok(),
    }
}

fn problem(trouble: Trouble) -> Problem {
    match trouble {
        Trouble::Busy { retry_after } => Problem::busy(retry_after),
        Trouble::Cursor => Problem::new(StatusCode::BAD_REQUEST, "after is not a cursor of ours: send 0, or next of an earlier answer"),
        Trouble::Failed => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Our own trouble; x-correlation-id tells our logs which."),
    }
}

fn start() -> String {
    "0".into()
}

fn hundred() -> usize {
    100
}

// The feed's form: `seq`, `id`, `number`, `time`, and `data` with the contract's names in the contract's order.
impl Serialize for ShownEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("seq", &self.0.seq)?;
        map.serialize_entry("id", &self.0.id.to_string())?;
        map.serialize_entry("number", &self.0.number)?;
        map.serialize_entry("time", &self.0.at.to_string())?;
        map.serialize_entry("data", &Pairs(&self.0.data))?;
        map.end()
    }
}

struct Pairs<'a>(&'a [(&'static str, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
