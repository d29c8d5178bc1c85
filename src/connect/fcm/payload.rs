//! What FCM is sent: a notification that shows by itself, data for the app, and how fast and how long on each platform.

use crate::connect::contract::{Message, Push};
use crate::domain::time::Timestamp;
use serde_json::{Map, Value, json};

/// Most bytes of a message's payload (FCM, error INVALID_ARGUMENT, "message too big").
const PAYLOAD_MAX: usize = 4_096;
/// The longest time to live: four weeks.
const TTL_MAX: u64 = 2_419_200;
/// The data that holds our delivery id.
const ID: &str = "countersign_delivery";

/// The request's body. An error is a refusal, and shows no content.
pub(super) fn write(message: &Message, push: &Push, now: Timestamp) -> Result<Vec<u8>, String> {
    let mut data: Map<String, Value> = Map::new();
    for (name, value) in &push.data {
        if is_reserved(name) {
            return Err(format!("FCM keeps the data name {name:?} for itself"));
        }
        data.insert(name.clone(), value.expose().into());
    }
    data.insert(ID.to_owned(), message.id.to_string().into());
    let size = push.title.expose().len() + push.text.expose().len() + Value::Object(data.clone()).to_string().len();
    if size > PAYLOAD_MAX {
        return Err(format!("the message has {size} bytes, FCM takes {PAYLOAD_MAX}"));
    }
    let ttl = push.ttl.as_secs().min(TTL_MAX);
    let ends = now.millis().div_euclid(1_000).saturating_add(ttl.cast_signed());
    let mut android = json!({ "priority": "HIGH", "ttl": format!("{ttl}s") });
    let mut apns = json!({ "apns-priority": "10", "apns-expiration": ends.to_string() });
    let mut web = json!({ "TTL": ttl.to_string(), "Urgency": "high" });
    if let Some(topic) = &push.topic {
        android["collapse_key"] = topic.as_str().into();
        apns["apns-collapse-id"] = topic.as_str().into();
        web["Topic"] = topic.as_str().into();
    }
    let message = json!({
        "token": message.to.expose(),
        "notification": { "title": push.title.expose(), "body": push.text.expose() },
        "data": data,
        "android": android,
        "apns": { "headers": apns },
        "webpush": { "headers": web },
    });
    Ok(json!({ "message": message }).to_string().into_bytes())
}

/// Names that FCM refuses (FCM, "Message", `data`).
fn is_reserved(name: &str) -> bool {
    name.is_empty() || matches!(name, "from" | "message_type" | "collapse_key") || name.starts_with("google") || name.starts_with("gcm")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::contract::Body;
    use crate::domain::code::Secret;
    use crate::domain::contact::Address;
    use crate::domain::id::{AggregateId, DeliveryId};
    use std::time::Duration;

    fn push(data: &[(&str, &str)], topic: Option<&str>) -> Push {
        Push {
            title: Secret::new("First Harbor"),
            text: Secret::new("Your code is 561126"),
            data: data.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
            ttl: Duration::from_millis(299_900),
            topic: topic.map(str::to_owned),
        }
    }

    fn written(push: &Push) -> Result<Value, String> {
        let message = Message {
            id: DeliveryId(uuid::Uuid::from_u128(7)),
            about: AggregateId(uuid::Uuid::nil()),
            to: Address::canonical("device-token"),
            from: None,
            body: Body::Push(push.clone()),
        };
        write(&message, push, Timestamp::from_millis(1_000_500)).map(|it| serde_json::from_slice(&it).unwrap())
    }

    #[test]
    fn each_platform_is_told_how_fast_and_how_long() {
        let id = "00000000-0000-0000-0000-000000000007";
        let expected = json!({"message": {
            "token": "device-token",
            "notification": {"title": "First Harbor", "body": "Your code is 561126"},
            "data": {"challenge": "c1", "countersign_delivery": id},
            "android": {"priority": "HIGH", "ttl": "299s", "collapse_key": "slot"},
            "apns": {"headers": {"apns-priority": "10", "apns-expiration": "1299", "apns-collapse-id": "slot"}},
            "webpush": {"headers": {"TTL": "299", "Urgency": "high", "Topic": "slot"}},
        }});
        assert_eq!(written(&push(&[("challenge", "c1")], Some("slot"))), Ok(expected));
        let plain = written(&Push { ttl: Duration::from_secs(u64::MAX), ..push(&[], None) }).unwrap();
        let expected = json!({"priority": "HIGH", "ttl": "2419200s"});
        assert_eq!((&plain["message"]["android"], &plain["message"]["data"]), (&expected, &json!({"countersign_delivery": id})));
    }

    #[test]
    fn what_fcm_would_refuse_is_not_sent() {
        let check = |name: &str, value: &str, expected: Option<&str>| {
            let refused = written(&push(&[(name, value)], None)).err();
            assert_eq!(refused.is_some(), expected.is_some(), "{name}: {refused:?}");
            assert!(refused.unwrap_or_default().contains(expected.unwrap_or_default()), "{name}");
        };
        check("challenge", "c1", None);
        for name in ["from", "message_type", "google.c.a", "gcm", ""] {
            check(name, "x", Some("for itself"));
        }
        check("big", &"x".repeat(4_000), Some("FCM takes 4096"));
    }
}
