//! Identifiers. A type of its own for each, so that one can't be handed in for another.

use super::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the hyphenated or plain form; `None` when it is no UUID.
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid_id! {
    /// One aggregate in the store: a challenge or a recipient-originated message. For a challenge it is the `AlrtPkgId`
    /// that the publisher gets (contract `oobvalidate.md`, response).
    AggregateId
}
uuid_id! {
    /// One message to one contact: the `AlrtPkgSubId`, and the idempotency key that a carrier gets.
    DeliveryId
}
uuid_id! {
    /// An event, stable over every retry and replay: `EventUniqueId` of EES, `id` of the JSON feed.
    EventId
}
text_id! {
    /// A publisher as the operator named it in its registration file.
    PublisherId
}
text_id! {
    /// A financial institution: its routing number, `InstRtId`.
    InstitutionId
}

// Milliseconds of a UTC day.
const DAY: i64 = 24 * 3600 * 1000;

impl AggregateId {
    /// A new id: a UUID of version 8 (RFC 9562, 5.8) that begins with its institution's shard and the UTC day of `at`, each 16
    /// bits, and keeps 90 bits of `random`. Whoever has the id knows in which part of a divided store its record is.
    pub fn placed(institution: &InstitutionId, at: Timestamp, random: Uuid) -> Self {
        let mut bytes = random.into_bytes();
        let day = u16::try_from(at.millis().div_euclid(DAY)).unwrap_or(0);
        bytes[..2].copy_from_slice(&institution.shard().to_be_bytes());
        bytes[2..4].copy_from_slice(&day.to_be_bytes());
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The shard: the same for all of an institution's ids. One that was not made by [`AggregateId::placed`] has some shard, too.
    pub fn shard(self) -> u16 {
        let [high, low, ..] = *self.0.as_bytes();
        u16::from_be_bytes([high, low])
    }

    /// The UTC day in which it was opened or came, in days since 1970-01-01; 0 when the id doesn't tell.
    pub fn day(self) -> u16 {
        let [_, _, high, low, ..] = *self.0.as_bytes();
        if self.0.get_version_num() == 8 { u16::from_be_bytes([high, low]) } else { 0 }
    }
}

impl InstitutionId {
    /// Which of 65,536 parts of a divided store has what belongs to it: 32-bit FNV-1a of its name, folded. Never changes.
    pub fn shard(&self) -> u16 {
        let hash = self.0.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        (hash >> 16) as u16 ^ hash as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_place_and_keeps_the_rest_of_what_was_drawn() {
        let drawn = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
        let (bank, at) = (InstitutionId::from("011001276"), Timestamp::from_millis(20_779 * DAY + 5));
        let id = AggregateId::placed(&bank, at, drawn);
        assert_eq!((id.shard(), id.day()), (bank.shard(), 20_779));
        assert_eq!(&id.0.as_bytes()[8..], &drawn.as_bytes()[8..]);
        assert_eq!(id.0.get_version_num(), 8);
        assert_eq!(AggregateId(drawn).day(), 0, "another form of UUID tells no day");
        assert_eq!((AggregateId::placed(&bank, Timestamp::from_millis(-1), drawn)).day(), 0);
    }

    // Stores hold by it: another number would be another place.
    #[test]
    fn an_institutions_shard_is_for_good() {
        for (name, shard) in [("", 0x1cd9), ("011001276", 0xd4c3), ("021000021", 0x2361)] {
            assert_eq!(InstitutionId::from(name).shard(), shard, "{name}");
        }
    }
}
