//! Countersign: a challenge goes out by SMS or e-mail, the countersign comes back, and exactly one verdict follows.
//!
//! (map to come)
pub mod admin;
pub mod boot;
pub mod cli;
pub mod config;
pub mod connect;
pub mod demo;
pub mod dialect;
pub mod domain;
pub mod engine;
pub mod http;
pub mod registration;
pub mod soap;
pub mod store;
pub mod telemetry;
pub mod vault;
