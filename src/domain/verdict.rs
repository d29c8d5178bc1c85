//! What became of an answer: of a reply, or of one that a publisher brought by a call.

/// What an answer came to. Kept with the challenge, so that a duplicate is answered alike.
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
