//! What every handler can reach, and who may be let in.

use super::auth::{Arrival, Claim, Credentials, Denied, Operators, basic};
use super::gateways::Gateways;
use super::metrics::{Metrics, Operation};
use super::parts::Parts;
use super::peer::Peer;
use super::problem::Problem;
use super::proxies::Proxies;
use super::service::Service;
use super::settings::{Limits, Settings};
use super::trail::Trail;
use crate::domain::id::PublisherId;
use crate::engine::templates::Templates;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// What a handler can reach.
pub(super) struct State {
    pub(super) service: Arc<dyn Service>,
    pub(super) templates: Arc<Templates>,
    pub(super) trail: Arc<dyn Trail>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) operators: Operators,
    pub(super) gateways: Gateways,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    pub(super) public_url: Option<String>,
    pub(super) allow_plaintext: bool,
    pub(super) proxies: Proxies,
    pub(super) shutdown: CancellationToken,
}

/// The correlation id of a request, and its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlation {
    pub(super) id: Uuid,
    text: [u8; Hyphenated::LENGTH],
}

impl Correlation {
    /// A random one. It need be unlike all others, not secret: the thread's own generator makes it, without a call of the
    /// system.
    pub(super) fn new() -> Self {
        let (id, mut text) = (uuid::Builder::from_random_bytes(rand::random()).into_uuid(), [0; Hyphenated::LENGTH]);
        id.hyphenated().encode_lower(&mut text);
        Self { id, text }
    }

    /// As answers and logs show it.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("a UUID is written in ASCII")
    }
}

/// What an answer is counted as; beyond the router it is in the response's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted(pub(super) Operation, pub(super) &'static str);

/// An answer, and what it is counted as.
pub(super) struct Answered {
    pub(super) response: Response,
    pub(super) counted: Counted,
}

impl State {
    pub(super) fn new(settings: &Settings, parts: Parts) -> Self {
        parts.credentials.begin(parts.service.now());
        Self {
            service: parts.service,
            templates: parts.templates,
            trail: parts.trail,
            credentials: parts.credentials,
            operators: parts.operators,
            gateways: parts.gateways,
            metrics: parts.metrics,
            limits: settings.limits.clone(),
            public_url: settings.public_url.clone(),
            allow_plaintext: settings.allow_plaintext,
            proxies: settings.trusted_proxies.clone(),
            shutdown: parts.shutdown,
        }
    }

    /// The publisher that a Basic request proves.
    pub(super) async fn publisher(&self, headers: &HeaderMap, peer: Peer) -> Result<PublisherId, Problem> {
        let Some(claim) = basic(headers) else {
            self.metrics.denied("missing");
            return Err(Problem::unauthenticated());
        };
        if !self.takes_credentials(peer) {
            self.metrics.denied("plaintext");
            return Err(Problem::new(StatusCode::FORBIDDEN, "This address takes credentials over TLS only."));
        }
        self.check(&claim, &Arrival::new(peer.addr.ip(), self.service.now(), b"")).await.map_err(|denied| match denied {
            Denied::Busy => Problem::busy(Duration::from_secs(1)),
            _ => Problem::unauthenticated(),
        })
    }

    /// Checks a claim; a denial is counted and logged here, once.
    pub(super) async fn check(&self, claim: &Claim, arrival: &Arrival<'_>) -> Result<PublisherId, Denied> {
        let judged = self.credentials.check(claim, arrival).await;
        if let Err(denied) = &judged {
            self.metrics.denied(denied.reason());
            tracing::warn!(peer = %arrival.peer, reason = denied.reason(), "not let in");
        }
        judged
    }

    /// Whether `proves` tells that this is one who is no publisher. Wrong secrets count against the address, like publishers';
    /// where there were too many, it is not asked. A denial is counted as `reason`.
    pub(super) fn lets_in(&self, reason: &'static str, (peer, shows_secret): (Peer, bool), proves: impl FnOnce() -> bool) -> bool {
        let ip = peer.addr.ip();
        if shows_secret && self.credentials.is_blocked(ip) {
            self.metrics.denied(Denied::Blocked.reason());
            return false;
        }
        let proved = proves();
        if !proved {
            self.metrics.denied(reason);
            if shows_secret {
                self.credentials.count_failure(ip);
            }
        }
        proved
    }

    /// Whether a secret may be taken from this peer (decision 29).
    pub(super) fn takes_credentials(&self, peer: Peer) -> bool {
        peer.may_tell_secrets(self.allow_plaintext)
    }
}
