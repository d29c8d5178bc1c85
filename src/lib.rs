//! Countersign: a challenge goes out by SMS or e-mail, the countersign comes back, and exactly one verdict follows.
//!
//! This page is the map. The library is a house of rooms; each room is a module with a page of its own.
//!
//! # The one shape
//!
//! Whatever changes anything has one of two shapes.
//!
//! - **load → decide → commit.** The engine loads a snapshot, [`domain::decide`] says purely what follows from it, and the store
//!   commits all of that in one durable step, or none. If what was relied on has changed meanwhile, it is decided anew. Nobody
//!   sees, and nobody is answered, what is not durable yet. A request, a reply, and the end of a session's time go this way.
//! - **lease → send → settle.** What goes out was committed before as waiting. A worker leases it, hands it over, and settles the
//!   outcome, which is again load → decide → commit. A crash between send and settle sends again: at least once, under the same id.
//!
//! # The rooms, in reading order
//!
//! | room | what it is |
//! |---|---|
//! | [`domain`] | the pure heart: what a challenge is, how a reply is read, and what follows from each request |
//! | [`soap`] | bytes to what a caller asks, and answers, faults and events back to bytes |
//! | [`dialect`] | how SMS gateways bring a reply, and SendGrid its receipts; how they prove themselves, and want to be answered |
//! | [`registration`] | publishers, alerts and recipients, from files that people write |
//! | [`vault`] | all keys, and the only place that uses them |
//! | [`store`] | everything durable, behind one contract; on sled, on PostgreSQL, and in memory for tests |
//! | [`connect`] | the ways out: SMS gateways, mail relays, SendGrid, push services, subscribers of events |
//! | [`engine`] | the loop: decisions, the outbox, timers, the push of events, message templates |
//! | [`bus`] | the OTP flows over Kafka: records to requests, answers back, and a consumer that loses and repeats nothing |
//! | [`http`] | the listener: SOAP, challenges over REST and their description, replies and receipts from gateways, the feed, message templates, health, metrics |
//! | [`admin`] | operators' commands over a Unix socket, and their audit log |
//! | [`demo`] | the virtual handset and what it needs; none of it exists outside `countersign demo` |
//! | [`bench`](mod@bench) | the load generator: what this machine can do, measured from outside |
//! | [`telemetry`] | logs, without a code, an address or a secret |
//! | [`config`] | one settings file, and the environment over it |
//! | [`boot`] | the wiring: which parts make a server, and in which order they start and stop |
//! | [`cli`] | what an operator types |
//!
//! # Who may name whom
//!
//! The test `tests/house.rs` holds this table, file by file.
//!
//! | room | may name |
//! |---|---|
//! | `domain`, `telemetry` | nobody |
//! | `vault`, `soap`, `dialect`, `registration` | `domain` |
//! | `store` | `domain`, `vault` |
//! | `connect` | `domain`, `soap`, `dialect`, `vault` |
//! | `engine` | `domain`, `store`, `connect`, `vault` |
//! | `bus` | `domain`, `connect` (its settings' secrets), `engine`, `vault` |
//! | `http` | `domain`, `soap`, `dialect`, `engine`, `vault`, `telemetry` |
//! | `admin` | `domain`, `registration`, `engine`, `store` |
//! | `demo` | `domain`, `registration`, `http` |
//! | `bench` | `boot`, `config`, `domain`, `registration`, `soap`, `vault` |
//! | `config` | the settings of `bus`, `connect`, `dialect`, `http`, `store`, `admin`, `registration`; `telemetry` |
//! | `cli` | `bench`, `boot`, `config`, `domain`, `admin`, `registration`, `store`, `vault`, `telemetry` |
//! | `boot` | everybody |
//!
//! `domain`, `soap` and `dialect` are pure: no runtime, no socket, no file, no clock, no randomness. Time and chance are
//! arguments ([`domain::draw`]), so every decision can be replayed.
//!
//! # Where to begin
//!
//! Read [`domain::challenge`], then [`domain::decide`]: after these two the rest is detail. Then follow one request: `http::ims`
//! takes it, [`engine::Engine::open`] carries it out, [`engine::outbox`] sends the message, `http::inbound` takes the reply, and
//! [`engine::push`] tells the publisher. `tests/main_job.rs` walks the same way against a real process.
//!
//! # A taste
//!
//! The two ends of a challenge, as the pure heart has them: the text that a person gets, and what is read from the answer.
//!
//! ```
//! use countersign::domain::challenge::Shape;
//! use countersign::domain::code::Secret;
//! use countersign::domain::reply::{Candidate, read};
//! use countersign::domain::smart::Zone;
//! use countersign::domain::template::{Target, Template, Values};
//! use countersign::domain::time::Timestamp;
//!
//! let alert = Template::compile("<%who|Hello%>, your code is <%$otp%>, good for <%seconds:SmartDuration%>.", Target::Sms)?;
//! assert_eq!(alert.needs(), ["seconds"]);
//!
//! let code = Secret::new("561126");
//! let text = alert.render(&Values {
//!     otp: Some(&code),
//!     otpa: None,
//!     parameters: &[("seconds".to_owned(), Secret::new("5400"))],
//!     now: Timestamp::default(),
//!     zone: Zone::Offset(-360),
//! });
//! assert_eq!(text.unwrap().expose(), "Hello, your code is 561126, good for 1 hour 30 minutes.");
//!
//! // The reader sees no stored code; it takes at most one candidate out of what a person typed.
//! let six = Shape::Digits(6);
//! assert_eq!(read("Code: 561 126. Thanks!").candidate(six), Candidate::One(code));
//! assert_eq!(read("561126 or 661126?").candidate(six), Candidate::Ambiguous);
//! assert!(read("That was not me!\n> your code is 561126").denied());
//! # Ok::<(), countersign::domain::template::TemplateError>(())
//! ```

// Documentation is built with private items: whoever reads it reads the house from inside.
#![allow(rustdoc::private_intra_doc_links)]

pub mod dialect;
pub mod domain;
pub mod soap;
pub mod store;
pub mod vault;

// Fuzz targets reach none of these, and they take most of the time of a build.
#[cfg(not(fuzzing))]
pub mod admin;
#[cfg(not(fuzzing))]
pub mod bench;
#[cfg(not(fuzzing))]
pub mod boot;
#[cfg(not(fuzzing))]
pub mod bus;
#[cfg(not(fuzzing))]
pub mod cli;
#[cfg(not(fuzzing))]
pub mod config;
#[cfg(not(fuzzing))]
pub mod connect;
#[cfg(not(fuzzing))]
pub mod demo;
#[cfg(not(fuzzing))]
pub mod engine;
#[cfg(not(fuzzing))]
pub mod http;
#[cfg(not(fuzzing))]
pub mod registration;
#[cfg(not(fuzzing))]
pub mod telemetry;
