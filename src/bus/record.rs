//! A record as it came from the bus.

use crate::domain::code::Wiped;
use crate::domain::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Most bytes of a value, of a key, and of all headers together.
pub const PART_MAX: usize = 64 * 1024;
/// Most headers.
pub const HEADERS_MAX: usize = 100;

/// The two flows of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Flow {
    /// A code is made and sent.
    Generate,
    /// What was typed is judged.
    Validate,
}

impl Flow {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Validate => "validate",
        }
    }
}

/// A header: its name, and its value where it has one.
pub type Header = (String, Option<Vec<u8>>);

/// A record. Its value may hold a code or an address, so `Debug` shows only where it stood.
pub struct Record {
    /// Which flow's topic it came on.
    pub flow: Flow,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// When it was produced, by the producer's or the broker's clock, in milliseconds since 1970.
    pub produced_at: Option<i64>,
    /// What keeps records of a process in order.
    pub key: Option<Vec<u8>>,
    /// In their order.
    pub headers: Vec<Header>,
    /// Empty where it has none.
    pub value: Wiped,
    /// When it reached us.
    pub received_at: Timestamp,
}

impl Record {
    /// The last header of this name that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|it| it.0 == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Whether each of its parts is within its limit.
    pub fn fits(&self) -> bool {
        self.value.len() <= PART_MAX && self.key.as_ref().is_none_or(|it| it.len() <= PART_MAX) && self.headers_fit()
    }

    /// Whether its headers are within their limit.
    pub fn headers_fit(&self) -> bool {
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
        self.headers.len() <= HEADERS_MAX && bytes <= PART_MAX
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}
