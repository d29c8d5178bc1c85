//! The newcomer's path: a virtual handset on loopback, and what it needs (decision 29: none of it exists outside demo mode).
//!
//! [`Stage`] is what the pages ask for; boot implements it over the engine, the store and the sandbox. [`add`] puts the routes
//! around the server's own. [`registration`] is what the demonstration registers.

mod floor;
mod guard;
mod pages;
pub mod registration;
mod sandbox;
mod shown;
mod stage;
mod stream;

pub use guard::{NotLoopback, check_listen};
pub use stage::{Message, Page, Soon, Stage};

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use std::sync::Arc;

/// Adds the demonstration's routes to `router`, and refuses on all of them what does not come from this machine's own names.
pub fn add(router: Router, stage: Arc<dyn Stage>) -> Router {
    let own = Router::new()
        .route("/", get(|| async { Redirect::to("/handset") }))
        .route("/handset", get(pages::handset))
        .route("/handset.css", get(pages::style))
        .route("/handset.js", get(pages::script))
        .route("/favicon.ico", get(pages::icon))
        .route("/sandbox/messages", get(sandbox::messages))
        .route("/sandbox/messages/{id}/html", get(sandbox::html))
        .route("/sandbox/stream", get(stream::stream))
        .route("/sandbox/outbox", get(sandbox::outbox))
        .route("/sandbox/outbox/pause", post(sandbox::pause))
        .route("/sandbox/outbox/resume", post(sandbox::resume))
        .with_state(floor::Floor::new(stage));
    router.merge(own).layer(axum::middleware::from_fn(guard::guard))
}
