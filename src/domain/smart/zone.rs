//! Where times are local to.

use chrono::{DateTime, FixedOffset, Offset, TimeZone, Utc};
use chrono_tz::OffsetName;

/// Where times are local to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    /// An IANA zone: the publisher's, or a tag's `tz` option. Times shown in it carry its abbreviation, since the recipient may
    /// be elsewhere.
    Named(chrono_tz::Tz),
    /// A fixed offset from a subscription (`RecipSubUTCOffset`), as minutes east of UTC. It is the recipient's own place, so
    /// times shown in it carry no abbreviation.
    Offset(i32),
}

impl Zone {
    /// `at` on the clock of this place, and the abbreviation to show with it. An offset beyond a day counts as UTC.
    pub fn local(self, at: DateTime<Utc>) -> (DateTime<FixedOffset>, Option<String>) {
        match self {
            Self::Named(tz) => {
                let offset = tz.offset_from_utc_datetime(&at.naive_utc());
                (at.with_timezone(&offset.fix()), Some(name(offset.abbreviation(), offset.fix())))
            }
            Self::Offset(minutes) => {
                let east = minutes.checked_mul(60).and_then(FixedOffset::east_opt).unwrap_or(Utc.fix());
                (at.with_timezone(&east), None)
            }
        }
    }
}

// Many zones have no letters of their own in the IANA data ("-03"): they are shown as an offset from UTC.
fn name(abbreviation: Option<&str>, offset: FixedOffset) -> String {
    match abbreviation {
        Some(letters) if letters.bytes().all(|b| b.is_ascii_alphabetic()) => letters.to_owned(),
        _ => {
            let minutes = offset.local_minus_utc() / 60;
            let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
            let sign = if minutes < 0 { '-' } else { '+' };
            if rest == 0 { format!("UTC{sign}{hours}") } else { format!("UTC{sign}{hours}:{rest:02}") }
        }
    }
}
