//! The SOAP codec: bytes to what a caller asks, and answers, faults and events back to bytes. Pure: no clock, no
//! randomness, no sockets.
//!
//! In: `decode` (bytes to text) → `token`, `tag` (text to `piece`s), `xml` (strict, bounded reader) → `envelope` (version, header
//! blocks, dispatch) → `security`, `request` (through `record`: elements in any order, markers, nil) → [`Call`], or [`Malformed`].
//! Out: `writer` (escaping) → `message` (envelope) → `answer`, `fault`, `ees`. `wsdl` serves the contract itself.
//!
//! Contract: `OOBValidate` and `Ping` of schema 2024.1.03, SOAP 1.1 and 1.2, answered in kind.

mod answer;
mod call;
mod decode;
mod ees;
mod element;
mod envelope;
mod fault;
mod header;
#[cfg(test)]
mod hostile;
mod malformed;
mod media;
mod message;
mod names;
mod piece;
mod record;
mod request;
mod scope;
mod security;
mod tag;
mod text;
mod token;
mod writer;
mod wsdl;
pub mod xml;

pub use answer::{Opened, pong};
pub use call::{Call, Operation};
pub use decode::MAX_BYTES;
pub use ees::{EES_ACTION, EesAnswer, EesPush};
pub use envelope::read;
pub use fault::{Fault, write as write_fault};
pub use malformed::{Malformed, Position, Problem};
pub use names::{Ns, Root, Version};
pub use security::{Password, Security, UsernameToken, Validity};
pub use writer::Stamp;
pub use wsdl::{IMS_PATH, serve as serve_contract};
