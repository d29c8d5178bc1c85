//! What boot hands in.

use super::auth::{Credentials, Operators};
use super::calls::Calls;
use super::gateways::Gateways;
use super::metrics::Metrics;
use super::service::Service;
use super::trail::Trail;
use crate::domain::request::Pace;
use crate::engine::keys::Keys;
use crate::engine::templates::Templates;
use axum::Router;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What boot hands in.
pub struct Parts {
    /// The engine.
    pub service: Arc<dyn Service>,
    /// The engine, for the REST interface.
    pub calls: Arc<dyn Calls>,
    /// How often a challenge's message may be sent again.
    pub pace: Pace,
    /// Message templates.
    pub templates: Arc<Templates>,
    /// API keys.
    pub keys: Arc<Keys>,
    /// Where changes are recorded.
    pub trail: Arc<dyn Trail>,
    /// Publishers' credentials; boot keeps its own handle for reloads.
    pub credentials: Arc<Credentials>,
    /// Who may read the metrics.
    pub operators: Operators,
    /// Gateways that bring replies, by name.
    pub gateways: Gateways,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// What is added around the routes; `None` outside demo mode.
    pub extra: Option<Extra>,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

/// Adds routes and layers to ours.
pub type Extra = Box<dyn FnOnce(Router) -> Router + Send>;
