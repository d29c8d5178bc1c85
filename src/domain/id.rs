//! Identifiers. A type of its own for each, so that one can't be handed in for another.

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
