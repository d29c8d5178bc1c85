//! The HTTP side: SOAP, challenges over REST, replies from gateways, the feed, message templates, health and metrics.
//!
//! In reading order: [`settings`] (what an operator sets), [`Parts`] (what boot hands in), [`Server`] (binds and serves),
//! `listener` (connections; `places`: how many, `activity`: which are idle), `app` (dispatch: what is asked most before the router), `ims` (SOAP), `inbound` (replies), `receipts`, `feed`,
//! [`challenges`] (REST; asked of the engine by [`Calls`]), `templates`, `openapi` (the description; `refusals`: what requests have in common),
//! `status` (health, metrics), `state` (what they share), [`auth`] (who calls), [`Service`] (what is asked of the engine).

mod activity;
mod app;
pub mod auth;
mod body;
mod calls;
pub mod challenges;
mod feed;
mod gateways;
mod ims;
mod inbound;
mod listener;
mod metrics;
mod openapi;
mod parts;
mod peer;
mod places;
mod problem;
mod proxies;
mod receipts;
mod refusals;
mod server;
mod service;
pub mod settings;
mod state;
mod status;
mod templates;
mod tls;
mod trail;

pub use auth::{Credentials, Operators};
pub use calls::Calls;
pub use gateways::{Gateway, Gateways};
pub use metrics::{Lag, Metrics};
pub use parts::{Extra, Parts};
pub use peer::Peer;
pub use proxies::Proxies;
pub use server::{HttpError, Server};
pub use service::{Ask, Pulse, Served, Service, Watch};
pub use settings::Settings;
pub use tls::{Tls, TlsError};
pub use trail::{Action, Step, Trail};
