//! The ways out: carriers, relays, and the subscribers of events. Each is a small implementation of [`contract`].
//!
//! Connectors: [`sandbox`] (a virtual carrier), [`gateway`] (HTTP SMS gateways), [`smtp`] (mail relays), [`sendgrid`] (mail by
//! SendGrid's API), [`fcm`] and [`webpush`] (push). Sinks: [`webhook`] (CloudEvents, signed by Standard Webhooks) and [`ees`] (SOAP
//! push). [`guarded`] puts a circuit breaker before a carrier or relay.

pub mod breaker;
pub mod client;
pub mod cloudevent;
pub mod contract;
pub mod ees;
pub mod fcm;
pub mod gateway;
pub mod guard;
pub mod guarded;
pub mod jwt;
pub mod sandbox;
pub mod sendgrid;
pub mod setting;
pub mod signature;
pub mod smtp;
pub mod webhook;
pub mod webpush;
