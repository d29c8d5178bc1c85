//! Events as CloudEvents 1.0 in structured JSON.

use crate::domain::feed::FeedEvent;
use uuid::Uuid;

/// Media type of one event.
pub const ONE: &str = "application/cloudevents+json";
/// Media type of several, as an array.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// As many as a number of a feed has digits at most.
const ZEROS: &str = "00000000000000000000";
/// Bytes that most events need.
const USUAL: usize = 1_024;

/// Several events as a JSON array.
pub fn batch(events: &[FeedEvent], source: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(events.len().saturating_mul(USUAL));
    out.push(b'[');
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put(&mut out, event, source);
    }
    out.push(b']');
    out
}

/// An event as JSON. Attributes: `id` (stable over retries), `source` (who says so, a URI reference), `type` (`countersign.` and the
/// `ENSActCode`), `subject` (the challenge or message), `time`; extensions `sequence` (of the institution's feed, as 20 digits, so
/// that text order is its order) and `partitionkey` (equals subject: events of one are in order). `data`: number, publisher,
/// institution, product, and the contract's names with their values.
pub fn one(event: &FeedEvent, source: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    put(&mut out, event, source);
    out
}

// Not by a serialiser: an event has some forty texts, most of them names, and hardly one with anything to escape. To look for that
// byte by byte was a tenth of what a verification costs.
fn put(out: &mut Vec<u8>, event: &FeedEvent, source: &str) {
    let (mut id, mut aggregate) = (Uuid::encode_buffer(), Uuid::encode_buffer());
    let aggregate: &str = event.aggregate.0.as_hyphenated().encode_lower(&mut aggregate);
    let seq = event.seq.to_string();
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    plain(out, "id", &[event.id.0.as_hyphenated().encode_lower(&mut id)]);
    text(out, "source", source);
    plain(out, "type", &["countersign.", event.act.code()]);
    plain(out, "subject", &[aggregate]);
    plain(out, "time", &[&event.at.to_string()]);
    out.extend_from_slice(br#","datacontenttype":"application/json""#);
    plain(out, "sequence", &[&ZEROS[seq.len().min(ZEROS.len())..], &seq]);
    plain(out, "partitionkey", &[aggregate]);
    out.extend_from_slice(br#","data":{"number":"#);
    out.extend_from_slice(event.number.to_string().as_bytes());
    text(out, "publisher", event.publisher.as_str());
    text(out, "institution", event.institution.as_str());
    text(out, "product", &event.product);
    for (name, value) in &event.data {
        text(out, name, value);
    }
    out.extend_from_slice(b"}}");
}

// A member that is not the first: its name, one of ours, and its text.
fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    // All of it at once, as a processor can: RFC 8259, 7 names what must be escaped.
    let look = |odd: u8, it: u8| odd | u8::from(it < b' ') | u8::from(it == b'"') | u8::from(it == b'\\');
    if value.bytes().fold(0, look) == 0 {
        return plain(out, name, &[value]);
    }
    let quoted = serde_json::Value::from(value).to_string();
    plain(out, name, &[&quoted[1..quoted.len() - 1]]);
}

// The same with parts that need no escape.
fn plain(out: &mut Vec<u8>, name: &str, parts: &[&str]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    parts.iter().for_each(|it| out.extend_from_slice(it.as_bytes()));
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Act;
    use crate::domain::id::{AggregateId, EventId};
    use crate::domain::time::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};

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
        let json = String::from_utf8(one(&event, "/countersign")).unwrap();
        let expected = concat!(
            r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000001","source":"/countersign","#,
            r#""type":"countersign.OOBVerified","subject":"00000000-0000-0000-0000-000000000002","time":"1970-01-01T00:00:00.000Z","#,
            r#""datacontenttype":"application/json","sequence":"00000000000000000042","#,
            r#""partitionkey":"00000000-0000-0000-0000-000000000002","data":{"number":90040,"publisher":"ipay","institution":"011001276","#,
            r#""product":"iPay","ENSActCode":"OOBVerified","ENSFeedback":"Say \"yes\"."}}"#
        );
        assert_eq!(json, expected);
    }

    // Control characters too, which a pattern for texts leaves out.
    fn anything() -> impl Strategy<Value = String> {
        let odd = prop_oneof![any::<char>(), (0..0x80_u8).prop_map(char::from)];
        prop::collection::vec(odd, 0..40).prop_map(|it| it.into_iter().collect())
    }

    proptest! {
        #[test]
        fn whatever_is_in_it_it_is_json(texts in prop::array::uniform4(anything()), seq: u64, count in 0..4_usize) {
            let [product, publisher, value, source] = &texts;
            let event = FeedEvent {
                seq,
                id: EventId(Uuid::nil()),
                number: 90030,
                act: Act::RecipMsg,
                at: Timestamp::default(),
                institution: "011001276".into(),
                product: product.clone(),
                publisher: publisher.as_str().into(),
                aggregate: AggregateId(Uuid::nil()),
                data: vec![("RecipOrigMsgBody", value.clone())],
            };
            let read: Value = serde_json::from_slice(&one(&event, source)).unwrap();
            let data = json!({"number": 90030, "publisher": publisher, "institution": "011001276", "product": product, "RecipOrigMsgBody": value});
            prop_assert_eq!((&read["data"], &read["source"]), (&data, &json!(source)));
            prop_assert_eq!(read["sequence"].as_str().map(|it| (it.len(), it.parse())), Some((20, Ok(seq))));
            let several: Vec<Value> = serde_json::from_slice(&batch(&vec![event; count], source)).unwrap();
            prop_assert_eq!(several, vec![read; count]);
        }
    }
}
