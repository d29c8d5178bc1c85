//! What is read of a batch of events: one by one, and of our own messages alone.

use super::{BODY_MAX, EVENTS_MAX, Unread};
use crate::domain::id::{AggregateId, DeliveryId};
use crate::domain::receipt::{Receipt, Step};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// Longest id of a message.
const ID_MAX: usize = 256;

/// The receipts of a batch, in its order.
pub(super) fn read(body: &[u8]) -> Result<Vec<Receipt>, Unread> {
    if body.len() > BODY_MAX {
        return Err(Unread::TooLarge);
    }
    serde_json::from_slice::<Batch>(body).map(|it| it.0).map_err(|_| Unread::Malformed)
}

/// What is read of an event; all else is skipped.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, rename = "sg_message_id")]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "countersign_challenge")]
    challenge: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "countersign_delivery")]
    delivery: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// `None`: it says nothing of the message's arrival, or the message is not ours: others may use the account too.
    fn receipt(&self) -> Option<Receipt> {
        let (step, what) = match (&*self.event, self.kind.as_deref()) {
            ("delivered", _) => (Step::Delivered, "delivered"),
            ("deferred", _) => (Step::Delayed, "deferred"),
            ("dropped", _) => (Step::Undeliverable, "dropped"),
            // The recipient's server said no: of the address, or (blocked) of this one mail. SendGrid tries neither again.
            ("bounce", Some("blocked")) | ("blocked", _) => (Step::Undeliverable, "blocked"),
            ("bounce", _) => (Step::Undeliverable, "bounced"),
            _ => return None,
        };
        let challenge = AggregateId::parse(self.challenge.as_deref()?)?;
        let delivery = DeliveryId::parse(self.delivery.as_deref()?)?;
        let provider_id = self.message.as_deref().and_then(answered);
        let status: String = self.status.iter().flat_map(|it| it.chars()).filter(|it| it.is_ascii_digit() || *it == '.').take(12).collect();
        let cause = if status.is_empty() { what.to_owned() } else { format!("{what} {status}") };
        Some(Receipt { challenge, delivery, provider_id, step, cause })
    }
}

/// What the API answered in `X-Message-Id`: the part before the first dot.
fn answered(message: &str) -> Option<String> {
    let id = message.split('.').next().unwrap_or_default();
    (1..=ID_MAX).contains(&id.len()).then_some(id).filter(|it| it.bytes().all(|b| b.is_ascii_graphic())).map(str::to_owned)
}

/// The receipts of an array of events, read one by one: what is skipped takes no memory.
struct Batch(Vec<Receipt>);

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Events)
    }
}

struct Events;

impl<'de> Visitor<'de> for Events {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<Batch, A::Error> {
        let mut receipts = Vec::new();
        for _ in 0..EVENTS_MAX {
            match events.next_element::<Event<'de>>()? {
                Some(event) => receipts.extend(event.receipt()),
                None => return Ok(Batch(receipts)),
            }
        }
        match events.next_element::<IgnoredAny>()? {
            Some(_) => Err(serde::de::Error::custom("too many events")),
            None => Ok(Batch(receipts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CHALLENGE, DELIVERY};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_are_told_as_what_became_of_the_message() {
        let id = "00000000-0000-0000-0000-000000000007";
        let check = |event: &str, expected: Option<(Step, &str)>| {
            let body = format!(
                "[{{\"countersign_delivery\":\"{id}\",\"countersign_challenge\":\"{id}\",\"sg_message_id\":\"m1.recvd-x.0\",{event}}}]"
            );
            let receipt = |(step, cause): (Step, &str)| Receipt {
                challenge: AggregateId::parse(id).unwrap(),
                delivery: DeliveryId::parse(id).unwrap(),
                provider_id: Some("m1".to_owned()),
                step,
                cause: cause.to_owned(),
            };
            assert_eq!(read(body.as_bytes()), Ok(expected.map(receipt).into_iter().collect()), "{event}");
        };
        check(r#""event":"delivered","response":"250 OK""#, Some((Step::Delivered, "delivered")));
        check(r#""event":"deferred","response":"400 try again later","attempt":"5""#, Some((Step::Delayed, "deferred")));
        check(r#""event":"dropped","reason":"Bounced Address","status":"5.0.0""#, Some((Step::Undeliverable, "dropped 5.0.0")));
        let bounce = r#""event":"bounce","reason":"550 5.1.1 <ann@home.example> unknown","status":"5.1.1 <ann","type":"bounce""#;
        check(bounce, Some((Step::Undeliverable, "bounced 5.1.1")));
        check(r#""event":"bounce","status":"5.2.2","type":"blocked""#, Some((Step::Undeliverable, "blocked 5.2.2")));
        check(r#""event":"bounce""#, Some((Step::Undeliverable, "bounced")));
        for event in ["processed", "open", "click", "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe", "new"] {
            check(&format!(r#""event":"{event}","category":["a","b"],"asm_group_id":10"#), None);
        }
    }

    #[test]
    fn a_batch_is_read_in_order_and_of_our_messages_alone() {
        let check = |body: &str, expected: Result<&[(Step, Option<&str>)], Unread>| {
            let read = read(body.as_bytes()).map(|it| it.into_iter().map(|it| (it.step, it.provider_id)).collect::<Vec<_>>());
            let expected = expected.map(|it| it.iter().map(|it| (it.0, it.1.map(str::to_owned))).collect());
            assert_eq!(read, expected, "{body}");
        };
        let id =
            r#""countersign_challenge":"00000000000000000000000000000007","countersign_delivery":"00000000-0000-0000-0000-000000000008""#;
        let ours = |rest: &str| format!("{{{id},{rest}}}");
        check("[]", Ok(&[]));
        check(super::super::tests::BODY, Ok(&[]));
        let batch =
            [r#""event":"deferred","sg_message_id":"a.1""#, r#""event":"open""#, r#""event":"bounce","sg_message_id":null"#].map(ours);
        check(&format!("[{}]", batch.join(",\n")), Ok(&[(Step::Delayed, Some("a")), (Step::Undeliverable, None)]));
        check(r#"[{"event":"delivered","countersign_challenge":"mine","countersign_delivery":"mine"}]"#, Ok(&[]));
        check(r#"[{"event":"delivered","countersign_delivery":"00000000-0000-0000-0000-000000000008"}]"#, Ok(&[]));
        let strange =
            [".x", "", "a b", "\\u0000", &"x".repeat(257)].map(|it| ours(&format!(r#""event":"delivered","sg_message_id":"{it}""#)));
        check(&format!("[{}]", strange.join(",")), Ok(&[(Step::Delivered, None); 5]));
        for broken in ["", "{}", "[1]", r#"[{"event":1}]"#, r#"[{}]"#, r#"[{"event":"delivered"}"#, r#"[{"event":"delivered"}] x"#] {
            check(broken, Err(Unread::Malformed));
        }
        let many = |count: usize| format!("[{}]", vec![r#"{"event":"open"}"#; count].join(","));
        check(&many(EVENTS_MAX), Ok(&[]));
        check(&many(EVENTS_MAX + 1), Err(Unread::Malformed));
        check(&" ".repeat(BODY_MAX + 1), Err(Unread::TooLarge));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered(body in any::<Vec<u8>>(), text in "\\PC{0,80}") {
            let _ = read(&body);
            let id = "00000000-0000-0000-0000-000000000007";
            let event = serde_json::json!([{"event": "bounce", "sg_message_id": text, "status": text, CHALLENGE: id, DELIVERY: id}]);
            for receipt in read(event.to_string().as_bytes()).unwrap() {
                prop_assert!(receipt.cause.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b" .".contains(&it)));
            }
        }
    }
}
