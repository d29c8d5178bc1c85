//! What a decision tells whoever asked.

use super::code::{Sealed, Secret};
use super::fault::Violation;
use super::id::AggregateId;
use super::told::{Checked, Closed, Created, Resent};

pub use super::verdict::Verdict;

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
    /// A challenge was asked for over REST or Kafka.
    Created(Created),
    /// An answer that a publisher brought was judged.
    Checked(Checked),
    /// A message was asked for again.
    Resent(Resent),
    /// A publisher ended its challenge.
    Closed(Closed),
    /// Nothing to tell.
    Done,
}
