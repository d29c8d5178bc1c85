//! Why a message can't be read: always the sender's fault, told with its place and never with its content.

use super::names::Version;
use std::fmt;

/// A place in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Bytes before it, counted in the message as UTF-8 without a byte order mark.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The place `offset` bytes into `text`.
    pub fn of(text: &str, offset: usize) -> Self {
        let offset = text.floor_char_boundary(offset);
        let before = &text[..offset];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { offset, line, column }
    }
}

/// What is wrong with a message; decides the fault's code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// Not readable, or not what the contract allows: `Client` (1.2: `Sender`).
    Client(String),
    /// A header block that must be understood and isn't: its namespace and local name.
    MustUnderstand {
        /// Namespace of the block.
        namespace: String,
        /// Local name of the block.
        name: String,
    },
    /// The root is no envelope of SOAP 1.1 or 1.2.
    VersionMismatch,
}

/// A message that can't be read. `version` and `stamped` say how to answer it in kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// SOAP version of the envelope, or, before that was known, of the content type.
    pub version: Version,
    /// The message carried a `wsu:Timestamp` (as far as it was read): the fault carries one too.
    pub stamped: bool,
    /// Where; `None` when it is about the message as a whole.
    pub position: Option<Position>,
    /// What is wrong.
    pub problem: Problem,
}

/// What reading a part of a message gives. The refusal is boxed: every token has one of these, and nearly none is refused.
pub type Read<T> = Result<T, Box<Malformed>>;

impl Malformed {
    /// A problem of the message as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { version: Version::V11, stamped: false, position: None, problem: Problem::Client(message.into()) }
    }

    /// A problem at a place.
    pub fn at(position: Position, message: impl Into<String>) -> Self {
        Self { position: Some(position), ..Self::whole(message) }
    }

    /// The same, of another kind.
    pub fn because(self, problem: Problem) -> Self {
        Self { problem, ..self }
    }

    /// The same, to be answered in `version`.
    pub fn in_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The same, to be answered with a timestamp when `stamped`.
    pub fn stamped(self, stamped: bool) -> Self {
        Self { stamped, ..self }
    }
}

/// The place and the sentence, as a fault shows them.
impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { offset, line, column }) = self.position {
            write!(f, "Line {line}, column {column} (byte {offset}): ")?;
        }
        match &self.problem {
            Problem::Client(message) => f.write_str(message),
            Problem::MustUnderstand { name, .. } => write!(f, "The header block {name} must be understood, and is not."),
            Problem::VersionMismatch => f.write_str("The root element is no envelope of SOAP 1.1 or SOAP 1.2."),
        }
    }
}

impl std::error::Error for Malformed {}
