//! Events that a subscriber would not take: what the operator sees of them, and their second chance.

use super::super::{Engine, Trouble};
use super::known::Held;
use super::ledger::{Given, held_name, replayed_name};
use crate::domain::id::InstitutionId;
use crate::domain::time::Timestamp;

/// Parked events that one answer lists at most.
const LISTED: usize = 1_000;
/// Events put back in one durable step: a commit is bounded.
const STEP: usize = 100;

/// A parked event. Its session's timeline shows what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Whose feed it is in.
    pub institution: InstitutionId,
    /// Its number in that feed.
    pub seq: u64,
    /// When it was given up.
    pub at: Timestamp,
    /// What the subscriber said of it; at most 200 characters.
    pub reason: String,
    /// The challenge or message it is about.
    pub aggregate: String,
}

/// The parked events of a subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedList {
    /// How many there are.
    pub total: usize,
    /// The first 1,000, by institution and number.
    pub first: Vec<Parked>,
}

impl Engine {
    /// What is parked for a subscriber; empty for one that is not known. At most 10,000 events are kept for each of its
    /// institutions, then the oldest go (the log says so); they can still be read from the feed.
    pub async fn parked(&self, subscriber: &str) -> Result<ParkedList, Trouble> {
        let all = self.all_parked(subscriber).await?;
        Ok(ParkedList { total: all.len(), first: all.into_iter().take(LISTED).collect() })
    }

    /// Has the parked events of a subscriber tried anew, each by itself, with all the patience of a new one: how many. It begins within
    /// seconds, and they come after later events of their session that were taken meanwhile.
    pub async fn replay(&self, subscriber: &str) -> Result<usize, Trouble> {
        let all = self.all_parked(subscriber).await?;
        let next = self.now().millis();
        for step in all.chunks(STEP) {
            let notes = step.iter().flat_map(|it| {
                let held = Held { next, tries: 0, aggregate: it.aggregate.clone(), failing: None };
                // Held before it is parked no longer: what can't be written stays as it is.
                serde_json::to_vec(&held).into_iter().flat_map(|held| {
                    let parked = format!("parked/{subscriber}/{}/{:020}", it.institution, it.seq);
                    [(held_name(subscriber, &it.institution, it.seq), Some(held)), (parked, None)]
                })
            });
            // Whoever pushes knows what it holds, on whichever node: it reads that again when this changes.
            let mark = (replayed_name(subscriber), Some(self.number().to_string().into_bytes()));
            self.notes().set_notes(notes.chain([mark]).collect()).await?;
        }
        Ok(all.len())
    }

    async fn all_parked(&self, subscriber: &str) -> Result<Vec<Parked>, Trouble> {
        let prefix = format!("parked/{subscriber}/");
        let notes = self.notes().notes(&prefix).await?;
        let read = |(name, value): (String, Vec<u8>)| {
            let (institution, seq) = name.strip_prefix(&prefix)?.split_once('/')?;
            let Given { at, reason, aggregate } = serde_json::from_slice(&value).ok()?;
            let at = Timestamp::from_millis(at);
            Some(Parked { institution: InstitutionId::from(institution), seq: seq.parse().ok()?, at, reason, aggregate })
        };
        Ok(notes.into_iter().filter_map(read).collect())
    }
}
