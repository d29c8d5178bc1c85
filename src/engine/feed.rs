//! Events by cursor. Order is per institution; a cursor says how far a reader is in each (decision 10).

use super::{Engine, Trouble};
use crate::domain::aggregate::Aggregate;
use crate::domain::event::Event;
use crate::domain::feed::FeedEvent;
use crate::domain::id::{InstitutionId, PublisherId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

/// Bytes a cursor may have.
const CURSOR_MAX: usize = 8_192;
/// Events of other publishers that one page may skip at the most.
const SKIP_MAX: usize = 10_000;

/// A page of the feed.
#[derive(Debug, Clone)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<FeedEvent>,
    /// The cursor that asks for what comes after (opaque; `0` is the start).
    pub next: String,
}

/// Events of one institution's feed that a reader wants, and how far it has read.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Oldest first.
    pub events: Vec<FeedEvent>,
    /// The last number that was looked at; `None`: there is nothing after where it began.
    pub last: Option<u64>,
    /// How many were looked at.
    pub seen: usize,
    /// Whether there may be more after them.
    pub more: bool,
}

/// How much of a feed is read at once.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Events that are looked at.
    pub seen: usize,
    /// Of these, events that are wanted.
    pub wanted: usize,
}

impl Most {
    /// So many, whichever they are.
    pub const fn of(count: usize) -> Self {
        Self { seen: count, wanted: count }
    }
}

/// How far a reader is, by institution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cursor(BTreeMap<InstitutionId, u64>);

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let bytes = (text.len() <= CURSOR_MAX).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
        let plain = String::from_utf8(bytes).ok()?;
        let entry = |it: &str| it.split_once('=').and_then(|(name, seq)| Some((InstitutionId::from(name), seq.parse().ok()?)));
        plain.strip_prefix("1;")?.split_terminator(';').map(entry).collect::<Option<_>>().map(Self)
    }

    fn write(&self) -> String {
        let entries = self.0.iter().map(|(name, seq)| format!("{name}={seq};"));
        URL_SAFE_NO_PAD.encode(format!("1;{}", entries.collect::<String>()))
    }
}

impl Engine {
    /// Events of a publisher after a cursor, at most `max`; of one institution, or of all that it serves.
    pub async fn events(&self, publisher: &PublisherId, only: Option<&InstitutionId>, after: &str, max: usize) -> Result<Page, Trouble> {
        let mut cursor = Cursor::read(after).ok_or(Trouble::Cursor)?;
        let registry = self.registry();
        let served: Vec<InstitutionId> = match registry.publishers.get(publisher) {
            Some(it) => it.institutions.keys().filter(|it| only.is_none_or(|only| only == *it)).cloned().collect(),
            None => Vec::new(),
        };
        let mut events = Vec::new();
        for institution in served {
            let seen = cursor.0.entry(institution.clone()).or_default();
            let mut skipped = 0;
            while events.len() < max && skipped < SKIP_MAX {
                let most = Most::of(max - events.len());
                let batch = self.after(&institution, *seen, most, |it, _| it.publisher() == publisher).await?;
                let Some(last) = batch.last else { break };
                *seen = last;
                skipped += batch.seen - batch.events.len();
                events.extend(batch.events);
                // Reading a batch keeps a worker busy: others come first.
                tokio::task::yield_now().await;
            }
        }
        cursor.0.retain(|_, seq| *seq > 0);
        let next = if cursor.0.is_empty() { "0".to_owned() } else { cursor.write() };
        Ok(Page { events, next })
    }

    /// Looks at the events of an institution after `seq`, oldest first, until there are as many as `most` says, and makes those that
    /// `wants` wants.
    pub async fn after(
        &self,
        institution: &InstitutionId,
        seq: u64,
        most: Most,
        wants: impl Fn(&Aggregate, &Event) -> bool,
    ) -> Result<Batch, Trouble> {
        let registry = self.registry();
        let mut batch = Batch { events: Vec::new(), last: None, seen: 0, more: true };
        while batch.more && batch.seen < most.seen && batch.events.len() < most.wanted {
            if batch.seen > 0 {
                tokio::task::yield_now().await;
            }
            // No more than may be wanted: what is read and left is opened again.
            let count = most.wanted.min(most.seen - batch.seen);
            let found = self.parts.store.feed(institution, batch.last.unwrap_or(seq), count).await?;
            batch.more = found.len() == count;
            for (seq, aggregate, index) in &found {
                if batch.events.len() == most.wanted {
                    batch.more = true;
                    break;
                }
                (batch.last, batch.seen) = (Some(*seq), batch.seen + 1);
                if aggregate.events().get(*index).is_some_and(|it| wants(aggregate, it)) {
                    let publisher = registry.publishers.get(aggregate.publisher()).map(AsRef::as_ref);
                    batch.events.extend(FeedEvent::of(aggregate, *index, *seq, publisher));
                }
            }
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_what_they_wrote_and_nothing_else() {
        let cursor = Cursor([("011001276".into(), 7), ("X-1".into(), u64::MAX)].into());
        assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
        assert_eq!(Cursor::read("0"), Some(Cursor::default()));
        for text in ["", "1", "abc!", "MTs9", "x".repeat(9_000).as_str(), "Mjs"] {
            assert_eq!(Cursor::read(text).filter(|it| !it.0.contains_key(&InstitutionId::from(""))), None, "{text}");
        }
    }
}
