//! The pure heart: what a challenge is, and what follows from each request.
//!
//! Nothing here knows a socket, a runtime, a database, a clock or a random generator: time, ids and codes arrive as
//! arguments ([`draw::Draw`]), keys as a capability ([`keyring::Keyring`]), so that every decision can be replayed.

pub mod activity;
pub mod aggregate;
pub mod answer;
pub mod assurance;
pub mod budget;
pub mod challenge;
pub mod code;
pub mod contact;
pub mod credential;
pub mod decide;
pub mod delivery;
pub mod direct;
pub mod draw;
pub mod event;
pub mod fault;
pub mod feed;
pub mod fold;
pub mod id;
pub mod inbound;
pub mod keyring;
pub mod keyword;
pub mod limit;
pub mod lint;
pub mod material;
pub mod message;
pub mod publisher;
pub mod quota;
pub mod receipt;
pub mod recipient;
pub mod reply;
pub mod request;
pub mod scope;
pub mod segment;
pub mod slot;
pub mod smart;
pub mod snapshot;
pub mod summary;
pub mod template;
pub mod text;
pub mod time;
pub mod told;
pub mod verdict;
pub mod verifier;
