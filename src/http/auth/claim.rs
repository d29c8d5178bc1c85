//! What a caller claims, what it came with, and why it may be turned away.

use crate::domain::code::Secret;
use crate::domain::time::Timestamp;
use std::net::IpAddr;

/// What a caller claims.
#[derive(Clone, Debug)]
pub struct Claim {
    /// User name.
    pub user: String,
    /// How it is proved.
    pub proof: Proof,
    /// Nonce and time of a UsernameToken that has both.
    pub once: Option<Once>,
    /// `wsu:Timestamp` beside the token: `Created`, `Expires`.
    pub window: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

/// How a claim is proved.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The secret itself (PasswordText, Basic).
    Password(Secret),
    /// `SHA1(nonce ‖ created ‖ secret)`, decoded from Base64 (PasswordDigest).
    Digest(Vec<u8>),
}

/// What a claim came with.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// Where from.
    pub peer: IpAddr,
    /// When.
    pub now: Timestamp,
    /// The request's body: what a nonce is bound to.
    pub body: &'a [u8],
    /// The request carries an idempotency key of its own (decision 1): repeated, it gets the first answer.
    pub keyed: bool,
}

impl<'a> Arrival<'a> {
    /// An arrival with this body, without an idempotency key.
    pub fn new(peer: IpAddr, now: Timestamp, body: &'a [u8]) -> Self {
        Self { peer: peer.to_canonical(), now, body, keyed: false }
    }

    /// The same, `keyed` or not.
    pub fn keyed(self, keyed: bool) -> Self {
        Self { keyed, ..self }
    }
}

/// Why a caller is not let in. Outside, all but `Busy` look the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// The secret, the digest or the user is wrong.
    Wrong,
    /// Too many failures lately; it was not looked at.
    Blocked,
    /// The token or timestamp is too old, or from the future; or a digest from before our start.
    Stale,
    /// The nonce was used: with another request, or with the same one that has no idempotency key.
    Replayed,
    /// Right, but from a network that the publisher does not come from.
    Network,
    /// Over capacity.
    Busy,
}

impl Denied {
    /// For logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Blocked => "blocked",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::Network => "network",
            Self::Busy => "busy",
        }
    }
}

/// What makes a token usable once.
#[derive(Clone, Debug)]
pub struct Once {
    /// The nonce, decoded.
    pub nonce: Vec<u8>,
    /// `Created` as sent: it goes into the password digest.
    pub created_text: String,
    /// `Created` as a point in time; `None` when it can't be read.
    pub created: Option<Timestamp>,
}
