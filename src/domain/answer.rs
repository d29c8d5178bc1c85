//! What a decision tells whoever asked.

use super::code::{Sealed, Secret};
use super::fault::Violation;
use super::id::AggregateId;

/// The answer to a [`super::decide::Request`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// A challenge was opened.
    Opened {
        /// `AlrtPkgId`
        id: AggregateId,
        /// `OTP`: only what we generated.
        otp: Option<Secret>,
    },
    /// The request was seen before: the first answer again, nothing sent (decision 1).
    Repeated {
        /// The first `AlrtPkgId`.
        id: AggregateId,
        /// Where the code is, while the session lives (decision 2).
        material: Option<Sealed>,
    },
    /// The answer is no.
    Refused(Vec<Violation>),
    /// A reply was judged.
    Replied(Verdict),
    /// Nothing to tell.
    Done,
}

/// What a reply from a handset came to. Kept with it, so that a duplicate is answered alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was right.
    Verified,
    /// It was wrong; so many attempts are left.
    Wrong {
        /// Attempts left in the newest session it was tried against.
        left: u8,
    },
    /// It was wrong, and the last attempt.
    Failed,
    /// The person says it wasn't them.
    Denied,
    /// It named the code of a session that is over.
    Expired,
    /// It named a code that a newer one replaced.
    Superseded,
    /// It held no answer that could be read; no attempt was counted.
    Unread,
    /// It was STOP.
    Stopped,
    /// It was HELP.
    Helped,
    /// It was START.
    Started,
    /// There was no session to try it against.
    NoSession,
    /// The failure budget blocks this number.
    Blocked,
}
