//! What a caller over REST or Kafka is told, as plain data: whoever answers it chooses the words and the status.

use super::code::{Sealed, Secret};
use super::event::Act;
use super::id::AggregateId;
use super::limit::Limit;
use super::summary::Summary;
use super::time::Timestamp;

/// What came of asking for a challenge.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is open, and its message is durably accepted for sending (decision 25).
    Opened {
        /// How it stands.
        summary: Box<Summary>,
        /// The code that we made; whether the caller may see it is its key's matter.
        code: Secret,
    },
    /// The request was seen before: nothing was sent (decision 1).
    Repeated {
        /// The first one's challenge.
        id: AggregateId,
        /// Where the code is, while the session lives (decision 2).
        material: Option<Sealed>,
    },
    /// The answer is no, and nothing was sent.
    Refused(Refusal),
}

/// Why a message is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The idempotency key was used with another request.
    KeyReused,
    /// The address opted out of this publisher's messages.
    OptedOut,
    /// A limit is reached.
    Limit(Limit),
}

/// What an answer came to that a publisher brought by a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checked {
    /// It was right, and the challenge has ended verified.
    Verified,
    /// It was wrong.
    Wrong {
        /// Attempts that are left, at least 1.
        left: u8,
    },
    /// The challenge's attempts are used up, by this answer or before, or the person said that it wasn't them.
    Failed,
    /// The time to answer has passed.
    Expired,
    /// It was verified before: a code counts once.
    Used,
    /// A newer challenge took its place.
    Superseded,
    /// The publisher or the recipient ended it.
    Cancelled,
    /// Not judged: too many failures of the address or the client.
    Blocked {
        /// Not before this moment; `None`: not before a person unlocks it.
        until: Option<Timestamp>,
    },
    /// There is no such challenge, or it is another's, or nothing is verified here.
    Unknown,
}

/// What came of asking for a message again.
#[derive(Clone, Debug)]
pub enum Resent {
    /// Another message is accepted for sending.
    Sent {
        /// How the challenge stands.
        summary: Box<Summary>,
        /// The new code, where one was made.
        code: Option<Secret>,
    },
    /// The same call was answered before, and nothing was sent now.
    Repeated,
    /// The last message went out a moment ago.
    TooSoon {
        /// Not before this moment.
        until: Timestamp,
    },
    /// The challenge has had all messages that it may have.
    TooMany,
    /// The answer is no for another reason.
    Refused(Refusal),
    /// It is over.
    Ended {
        /// How it ended; an outcome.
        outcome: Act,
    },
    /// There is no such challenge that was asked for over REST or Kafka, or it is another's.
    Unknown,
}

/// What came of ending a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// It has ended so: now, or before by the same wish.
    Done,
    /// It had ended otherwise.
    Ended {
        /// How; an outcome.
        outcome: Act,
    },
    /// There is no such challenge, or it is another's.
    Unknown,
}
