//! The ways out: carriers, relays, and the subscribers of events. Each is a small implementation of [`contract`].

pub mod contract;
