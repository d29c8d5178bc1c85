//! What an operator sets for the HTTP side: where it listens, what it trusts, and every limit with its unit.

use super::proxies::Proxies;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The `[http]` section. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to listen: address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How publishers reach us (`https://host[:port]`), for the address in the WSDL; absent: as the request's `Host` says.
    pub public_url: Option<String>,
    /// Takes Basic and UsernameToken over plain HTTP from beyond loopback (decision 29). Behind a proxy that does TLS, name
    /// it in `trusted_proxies` instead.
    pub allow_plaintext: bool,
    /// Networks (`10.0.0.0/8`) or addresses of proxies before us; default none. From these, and only these, the client is the
    /// right-most address of `X-Forwarded-For` that is no trusted proxy (malformed, or more than 16 entries or 1 KiB: the
    /// proxy's own address), for the limits on failures, publishers' networks, gateways' networks and logs; and
    /// `X-Forwarded-Proto` tells whether the client came over TLS: `https` counts as TLS, anything else does not, and
    /// without it the connection to us counts. The proxy must set both headers itself, and not pass on a client's
    /// `X-Forwarded-Proto`.
    pub trusted_proxies: Proxies,
    /// TLS; absent: plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Limits of connections, requests and bodies.
    pub limits: Limits,
    /// How credentials are checked.
    pub auth: AuthSettings,
    /// User name of the operator for `/metrics` and `/api/template`, by Basic; needs `operator_password_file`.
    pub operator_user: Option<String>,
    /// File with the operator's password; white space around it is ignored.
    pub operator_password_file: Option<PathBuf>,
    /// File with a bearer token for `/metrics`; white space around it is ignored.
    pub metrics_token_file: Option<PathBuf>,
}

/// Where certificates and keys are. All files are PEM, and read again on a reload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The server's certificate, then its intermediates.
    pub certificate_file: PathBuf,
    /// The private key of the certificate.
    pub key_file: PathBuf,
    /// Certificates of the authorities that clients must have theirs from; absent: clients need none.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// Limits on what a peer may make us hold or wait for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections held at once; more wait in the kernel's queue. Each takes a file handle: the limit of open files is raised
    /// for them while starting.
    pub max_connections: usize,
    /// Connections that one address (IPv6: its /64) holds at once; more are closed unread. Trusted proxies are not counted.
    pub max_connections_per_address: usize,
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,
    /// Header fields of a request.
    pub max_headers: usize,
    /// HTTP/2 requests at once on one connection.
    pub max_streams: u32,
    /// Milliseconds for a TLS handshake.
    pub handshake_timeout_ms: u64,
    /// Milliseconds to read a request's head; on HTTP/1.1 also the wait for the next request.
    pub header_timeout_ms: u64,
    /// Milliseconds that a connection may stay without a request in progress.
    pub idle_timeout_ms: u64,
    /// Milliseconds to read a request's body.
    pub body_timeout_ms: u64,
    /// Milliseconds to answer a request that opens a challenge or brings a reply.
    pub request_timeout_ms: u64,
    /// Milliseconds that requests in progress get to end after a shutdown began.
    pub drain_timeout_ms: u64,
}

/// How credentials are checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// argon2 runs at once; each takes about 20 MiB and 30 ms of a core.
    pub argon2_at_once: usize,
    /// Milliseconds that a request waits for its argon2 run before it is turned away as over capacity.
    pub argon2_wait_ms: u64,
    /// Seconds that a proven password is remembered (as a MAC).
    pub remember_seconds: u64,
    /// Seconds that `Created` of a token or timestamp may lie in the past or the future.
    pub freshness_seconds: u64,
    /// Nonces remembered against replay.
    pub nonces: u64,
    /// Failures of one user from one address within the window, from which on it is denied unseen.
    pub failures_per_pair: u32,
    /// Failures of one address (IPv6: its /64) within the window.
    pub failures_per_address: u32,
    /// Failures of one user from any address within the window; addresses that it proved itself from lately are spared.
    pub failures_per_user: u32,
    /// Seconds of that window.
    pub failure_window_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            allow_plaintext: false,
            trusted_proxies: Proxies::default(),
            tls: None,
            limits: Limits::default(),
            auth: AuthSettings::default(),
            operator_user: None,
            operator_password_file: None,
            metrics_token_file: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 2048,
            max_body_bytes: 256 * 1024,
            max_header_bytes: 16 * 1024,
            max_headers: 64,
            max_streams: 128,
            handshake_timeout_ms: 10_000,
            header_timeout_ms: 30_000,
            idle_timeout_ms: 60_000,
            body_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            drain_timeout_ms: 10_000,
        }
    }
}

impl Limits {
    pub(super) fn handshake(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    pub(super) fn header(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(super) fn body(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(super) fn request(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            argon2_at_once: 2,
            argon2_wait_ms: 2_000,
            remember_seconds: 900,
            freshness_seconds: 300,
            nonces: 500_000,
            failures_per_pair: 10,
            failures_per_address: 50,
            failures_per_user: 100,
            failure_window_seconds: 300,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_the_rest_has_defaults() {
        let read = |text: &str| toml::from_str::<Settings>(text).map(|it| it.limits.max_body_bytes).ok();
        let check = |text: &str, expected: Option<usize>| assert_eq!(read(text), expected, "{text}");
        check("", Some(262_144));
        check("listen = '0.0.0.0:1'\n[limits]\nmax_body_bytes = 9", Some(9));
        check("lisen = '0.0.0.0:1'", None);
        check("[limits]\nmax_body = 9", None);
        check("trusted_proxies = ['10.0.0.0/8', '::1']", Some(262_144));
        check("trusted_proxies = ['0.0.0.0/0']", None);
        check("[tls]\ncertificate_file = 'a'\nkey_file = 'b'\nx = 1", None);
    }
}
