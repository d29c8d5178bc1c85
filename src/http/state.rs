//! What every handler can reach, and who may be let in.

use super::auth::{Arrival, Caller, Claim, Credentials, Denied, Operators, Shown, shown};
use super::calls::Calls;
use super::gateways::Gateways;
use super::metrics::{Metrics, Operation};
use super::parts::Parts;
use super::peer::Peer;
use super::problem::Problem;
use super::proxies::Proxies;
use super::service::Service;
use super::settings::{Limits, Settings};
use super::trail::Trail;
use crate::domain::code::Secret;
use crate::domain::id::PublisherId;
use crate::domain::request::Pace;
use crate::domain::scope::Scope;
use crate::engine::keys::{self, Grant, Keys};
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
    pub(super) calls: Arc<dyn Calls>,
    pub(super) pace: Pace,
    pub(super) templates: Arc<Templates>,
    pub(super) keys: Arc<Keys>,
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
            calls: parts.calls,
            pace: parts.pace,
            templates: parts.templates,
            keys: parts.keys,
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

    /// The caller of a REST request, by an API key or by its publisher's own credentials.
    pub(super) async fn caller(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller, Problem> {
        let Some(shown) = shown(headers) else {
            self.metrics.denied("missing");
            return Err(Problem::unauthenticated());
        };
        if !self.takes_credentials(peer) {
            self.metrics.denied("plaintext");
            return Err(Problem::new(StatusCode::FORBIDDEN, "This address takes credentials over TLS only."));
        }
        let proved = match shown {
            Shown::Key(key) => self.key_holder(&key, peer).await,
            Shown::Claim(claim) => {
                let arrival = Arrival::new(peer.addr.ip(), self.service.now(), b"");
                self.check(&claim, &arrival).await.map(Caller::publisher)
            }
        };
        proved.map_err(|denied| match denied {
            Denied::Busy => Problem::busy(Duration::from_secs(1)),
            _ => Problem::unauthenticated(),
        })
    }

    /// The same, who must be let do this.
    pub(super) async fn caller_for(&self, scope: Scope, (headers, peer): (&HeaderMap, Peer)) -> Result<Caller, Problem> {
        let caller = self.caller(headers, peer).await?;
        if caller.may(scope) { Ok(caller) } else { Err(Problem::scope_missing(scope)) }
    }

    // Who has the key. Wrong ones count against the address alone: nobody can lock somebody else's key, and it can't be guessed.
    async fn key_holder(&self, key: &Secret, peer: Peer) -> Result<Caller, Denied> {
        let ip = peer.addr.ip();
        let judged = if self.credentials.is_blocked(ip) {
            Err(Denied::Blocked)
        } else {
            self.keys.check(key.expose(), ip).await.map_err(|denied| match denied {
                keys::Denied::Wrong => Denied::Wrong,
                keys::Denied::Network => Denied::Network,
                keys::Denied::Trouble(_) => Denied::Busy,
            })
        };
        if let Err(denied) = &judged {
            if matches!(denied, Denied::Wrong | Denied::Network) {
                self.credentials.count_failure(ip);
            }
            self.metrics.denied(denied.reason());
            tracing::warn!(peer = %ip, reason = denied.reason(), "not let in");
        }
        judged.map(|Grant { id, publisher, scopes }| Caller { publisher, scopes, key: Some(id) })
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
