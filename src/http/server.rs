//! What boot calls: bind, then serve until the shutdown.

use super::app::App;
use super::listener::{Shared, listen, run};
use super::parts::Parts;
use super::places::Places;
use super::settings::Settings;
use super::tls::{Tls, TlsError};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Why we can't serve. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address can't be had.
    #[error("can't listen on {address}: {cause}; choose another address in http.listen, or stop what holds it")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Bound, not yet serving.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// Takes the address and reads the certificates.
    pub async fn bind(settings: &Settings, parts: Parts) -> Result<Self, HttpError> {
        let tls = settings.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let bound = listen(settings.listen).and_then(|it| Ok((it.local_addr()?, it)));
        let (address, listener) = bound.map_err(|cause| HttpError::Bind { address: settings.listen, cause })?;
        if tls.is_none() && !address.ip().is_loopback() {
            let taken = if settings.allow_plaintext { "taken" } else { "refused" };
            tracing::warn!(%address, "listening without TLS beyond loopback: credentials are {taken}");
        }
        let shutdown = parts.shutdown.clone();
        let app = App::new(settings, parts);
        let places = Places::new(settings.limits.max_connections_per_address, settings.trusted_proxies.clone());
        let shared = Shared { app, tls, limits: settings.limits.clone(), places, shutdown };
        Ok(Self { listener, address, shared: Arc::new(shared) })
    }

    /// Where we listen: the real port, where the settings said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The handle that reloads certificates; `None` without TLS.
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.shared.tls.clone()
    }

    /// Serves until the shutdown; returns when the last request has ended or the drain's deadline has passed.
    pub async fn serve(self) {
        tracing::info!(address = %self.address, tls = self.shared.tls.is_some(), "listening");
        run(self.listener, self.shared).await;
        tracing::info!("listener drained");
    }
}
