//! The HTTP side: SOAP, replies from gateways, the feed, health and metrics.
//!
//! In reading order: [`settings`] (what an operator sets), [`Server`] (binds and serves), `listener` (connections), `app`
//! (dispatch, with the SOAP path before the router), `ims` (SOAP), `inbound` (replies), `feed`, `status` (health, metrics),
//! [`auth`] (who calls), [`Service`] (what is asked of the engine).

mod app;
pub mod auth;
mod body;
mod feed;
mod ims;
mod inbound;
mod listener;
mod metrics;
mod problem;
mod server;
mod service;
pub mod settings;
mod status;
mod tls;

pub use auth::{Credentials, Operators};
pub use inbound::{Gateway, Gateways};
pub use listener::Peer;
pub use metrics::{Lag, Metrics};
pub use server::{Extra, HttpError, Parts, Server};
pub use service::{Ask, Pulse, Served, Service};
pub use settings::Settings;
pub use tls::{Tls, TlsError};

/// What a 401 asks for. The realm names the product, not the host.
const BASIC_CHALLENGE: &str = "Basic realm=\"Countersign\", charset=\"UTF-8\"";
