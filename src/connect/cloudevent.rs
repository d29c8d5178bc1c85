//! Events as CloudEvents 1.0 in structured JSON.

use crate::domain::feed::FeedEvent;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Media type of one event.
pub const ONE: &str = "application/cloudevents+json";
/// Media type of several, as an array.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// As many as a number of a feed has digits at most.
const ZEROS: &str = "00000000000000000000";

/// An event as JSON. Attributes: `id` (stable over retries), `source`, `type` (`countersign.` and the `ENSActCode`), `subject` (the
/// challenge or message), `time`; extensions `sequence` (of the institution's feed, as 20 digits, so that text order is its order)
/// and `partitionkey` (equals subject: events of one are in order). `data`: number, publisher, institution, product, and the
/// contract's names with their values.
pub struct CloudEvent<'a> {
    /// What happened.
    pub event: &'a FeedEvent,
    /// `source`: who says so, a URI reference.
    pub source: &'a str,
}

impl Serialize for CloudEvent<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        // As text first: what is written piece by piece is looked at for escapes piece by piece.
        let (mut id, mut aggregate) = (Uuid::encode_buffer(), Uuid::encode_buffer());
        let id: &str = event.id.0.as_hyphenated().encode_lower(&mut id);
        let aggregate: &str = event.aggregate.0.as_hyphenated().encode_lower(&mut aggregate);
        let seq = event.seq.to_string();
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("source", self.source)?;
        map.serialize_entry("type", &["countersign.", event.act.code()].concat())?;
        map.serialize_entry("subject", aggregate)?;
        map.serialize_entry("time", &event.at.to_string())?;
        map.serialize_entry("datacontenttype", "application/json")?;
        map.serialize_entry("sequence", &[&ZEROS[seq.len().min(ZEROS.len())..], &seq].concat())?;
        map.serialize_entry("partitionkey", aggregate)?;
        map.serialize_entry("data", &Data(event))?;
        map.end()
    }
}

struct Data<'a>(&'a FeedEvent);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("number", &self.0.number)?;
        map.serialize_entry("publisher", self.0.publisher.as_str())?;
        map.serialize_entry("institution", self.0.institution.as_str())?;
        map.serialize_entry("product", &self.0.product)?;
        for (name, value) in &self.0.data {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Act;
    use crate::domain::id::{AggregateId, EventId};
    use crate::domain::time::Timestamp;

    #[test]
    fn an_event_is_written_whole() {
        let event = FeedEvent {
            seq: 42,
            id: EventId(Uuid::from_u128(1)),
            number: 90040,
            act: Act::Verified,
            at: Timestamp::from_millis(0),
            institution: "011001276".into(),
            product: "iPay".to_owned(),
            publisher: "ipay".into(),
            aggregate: AggregateId(Uuid::from_u128(2)),
            data: vec![("ENSActCode", "OOBVerified".to_owned()), ("ENSFeedback", "Say \"yes\".".to_owned())],
        };
        let json = serde_json::to_string(&CloudEvent { event: &event, source: "/countersign" }).unwrap();
        let expected = concat!(
            r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000001","source":"/countersign","#,
            r#""type":"countersign.OOBVerified","subject":"00000000-0000-0000-0000-000000000002","time":"1970-01-01T00:00:00.000Z","#,
            r#""datacontenttype":"application/json","sequence":"00000000000000000042","#,
            r#""partitionkey":"00000000-0000-0000-0000-000000000002","data":{"number":90040,"publisher":"ipay","institution":"011001276","#,
            r#""product":"iPay","ENSActCode":"OOBVerified","ENSFeedback":"Say \"yes\"."}}"#
        );
        assert_eq!(json, expected);
    }
}
