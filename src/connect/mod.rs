//! The ways out: carriers, relays, and the subscribers of events. Each is a small implementation of [`contract`].
//!
//! Connectors: [`sandbox`] (a virtual carrier), [`gateway`] (HTTP SMS gateways), [`smtp`] (mail relays). Sinks: [`webhook`]
//! (CloudEvents, signed by Standard Webhooks) and [`ees`] (SOAP push). [`guarded`] puts a circuit breaker before a carrier or relay.

pub mod breaker;
pub mod client;
pub mod cloudevent;
pub mod contract;
pub mod ees;
pub mod gateway;
pub mod guard;
pub mod guarded;
pub mod sandbox;
pub mod setting;
pub mod signature;
pub mod smtp;
pub mod webhook;
