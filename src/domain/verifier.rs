//! How an answer is judged: by what is kept of the right one, never by the value itself (decisions 2, 18).

use super::code::{CodeKind, CodeShape, HashKind, Secret, Tag};

/// How an answer is judged, without the value itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Verifier {
    /// What an answer looks like: what the reply reader looks for.
    pub shape: Shape,
    /// What it must equal.
    pub check: Check,
}

/// What an answer looks like. Says nothing of the value (decision 18).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// So many digits: our OTP, or a publisher's numeric value.
    Digits(u8),
    /// Five letters and digits: our OTPA.
    Otpa,
    /// So many letters and digits, not five: a code of ours whose length the caller chose.
    Alphanumeric(u8),
    /// Anything: a publisher's static or hashed value.
    Free,
    /// Our OTP, then a publisher's value, nothing between.
    OtpThen,
    /// Our OTPA, then a publisher's value, nothing between.
    OtpaThen,
}

/// What an answer must equal.
#[derive(Clone, PartialEq, Debug)]
pub enum Check {
    /// MAC of the whole answer. `fold`: compared in upper case (OTPA and plain values; decision 18).
    Value {
        /// MAC(pepper, id ‖ value)
        tag: Tag,
        /// Whether letters' case is ignored.
        fold: bool,
    },
    /// Codes of ours that all count: one was sent after the other in one session, at most [`CODES_A_SESSION`].
    Any {
        /// MAC(pepper, id ‖ code) of each, oldest first.
        tags: Vec<Tag>,
        /// Whether letters' case is ignored.
        fold: bool,
    },
    /// The publisher's own hash of `value ‖ salt`, kept as a MAC of the digest; before it, possibly our code.
    Hashed {
        /// Our code's kind and MAC, when the value follows one.
        prefix: Option<(CodeKind, Tag)>,
        /// MAC(pepper, id ‖ digest)
        tag: Tag,
        /// The publisher's hash.
        kind: HashKind,
        /// The publisher's salt.
        salt: Secret,
    },
}

/// Codes that may count at once in one session.
pub const CODES_A_SESSION: usize = 4;

impl From<CodeShape> for Shape {
    fn from(shape: CodeShape) -> Self {
        match shape {
            CodeShape::Digits(len) => Self::Digits(len),
            CodeShape::Alphanumeric(5) => Self::Otpa,
            CodeShape::Alphanumeric(len) => Self::Alphanumeric(len),
        }
    }
}

impl Verifier {
    /// Whether the answer is a code that we made, whole: nothing of the publisher's in it.
    pub fn is_ours(&self) -> bool {
        matches!(self.shape, Shape::Otpa | Shape::Alphanumeric(_))
            || matches!(self.check, Check::Value { fold: false, .. } | Check::Any { fold: false, .. })
    }

    /// What our code looks like; `None` where the answer is another's value, or more than our code.
    pub fn code_shape(&self) -> Option<CodeShape> {
        match self.shape {
            Shape::Digits(len) if self.is_ours() => Some(CodeShape::Digits(len)),
            Shape::Otpa => Some(CodeShape::Alphanumeric(5)),
            Shape::Alphanumeric(len) => Some(CodeShape::Alphanumeric(len)),
            _ => None,
        }
    }
}
