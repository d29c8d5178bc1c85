//! What tells a record from every other, so that one that comes again gets its first answer (decision 25).

use super::record::Record;
use crate::domain::code::Wiped;
use crate::domain::keyring::Keyring;

/// The header that names a record, whoever sends it again and wherever it stands then.
pub const MESSAGE_ID: &str = "messageId";

/// The idempotency key of a record: `P:` and a MAC, over its message id where it has one, else over its place in `cluster`, when it was
/// produced, and its value. A topic that was made anew under its old name counts its places from 0 again: there time and value tell.
pub fn of(keyring: &dyn Keyring, cluster: &str, record: &Record) -> String {
    let mut parts = Wiped(Vec::with_capacity(record.value.len() + record.topic.len() + cluster.len() + 128));
    match record.header(MESSAGE_ID).filter(|it| !it.is_empty()) {
        Some(id) => [b"message id", record.flow.name().as_bytes(), id.as_bytes()].iter().for_each(|it| add(&mut parts, it)),
        None => {
            let place = [record.partition.into(), record.offset, record.produced_at.unwrap_or(-1)];
            [b"record", cluster.as_bytes(), record.topic.as_bytes()].iter().for_each(|it| add(&mut parts, it));
            place.iter().for_each(|it| add(&mut parts, &it.to_be_bytes()));
            add(&mut parts, &record.value);
        }
    }
    format!("P:{}", hex::encode(keyring.payload_tag(&parts).0))
}

// Behind its length, so that no two lists of parts are alike.
fn add(to: &mut Wiped, part: &[u8]) {
    to.extend_from_slice(&(part.len() as u64).to_be_bytes());
    to.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::record::Flow;
    use crate::domain::time::Timestamp;
    use crate::vault::Vault;

    fn record() -> Record {
        Record {
            flow: Flow::Generate,
            topic: "in".into(),
            partition: 1,
            offset: 7,
            produced_at: Some(1_000),
            key: None,
            headers: Vec::new(),
            value: Wiped(b"{}".to_vec()),
            received_at: Timestamp::default(),
        }
    }

    #[test]
    fn a_record_is_known_again_and_taken_for_no_other() {
        let vault = Vault::from_root(&[7; 32]);
        let check = |change: fn(&mut Record), known: bool| {
            let mut other = record();
            change(&mut other);
            assert_eq!(of(&vault, "c", &record()) == of(&vault, "c", &other), known, "{other:?}");
        };
        check(|_| {}, true);
        check(|it| it.received_at = Timestamp::from_millis(9), true);
        check(|it| it.headers.push(("other".into(), None)), true);
        check(|it| it.offset = 8, false);
        check(|it| it.partition = 2, false);
        check(|it| it.topic = "in2".into(), false);
        check(|it| it.produced_at = None, false);
        check(|it| it.value = Wiped(b"{} ".to_vec()), false);
        check(|it| it.headers.push((MESSAGE_ID.into(), Some(b"m".to_vec()))), false);
        assert_ne!(of(&vault, "c", &record()), of(&vault, "d", &record()));
        assert_eq!(of(&vault, "c", &record()).len(), 34);
    }

    #[test]
    fn a_message_id_is_enough_and_each_flow_has_its_own() {
        let vault = Vault::from_root(&[7; 32]);
        let named = |flow, offset| {
            let headers = vec![(MESSAGE_ID.into(), Some(b"m-1".to_vec()))];
            of(&vault, "c", &Record { flow, offset, headers, ..record() })
        };
        assert_eq!(named(Flow::Generate, 1), named(Flow::Generate, 2));
        assert_ne!(named(Flow::Generate, 1), named(Flow::Validate, 1));
    }
}
