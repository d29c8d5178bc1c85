//! Smart formats: values as a person reads them, in the recipient's place (contract `oobvalidate.md`, template tags).

/// Where times are local to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    /// An IANA zone.
    Named(chrono_tz::Tz),
    /// A fixed offset from a subscription, as minutes east of UTC.
    Offset(i32),
}
