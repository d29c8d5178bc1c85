//! The other end of a connection, or of a trusted proxy's.

use std::net::SocketAddr;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address; behind a trusted proxy that of the client, with port 0.
    pub addr: SocketAddr,
    /// What it sends comes over TLS, to us or to a trusted proxy.
    pub tls: bool,
}

impl Peer {
    /// Whether it may be sent, and send, secrets: over TLS, on loopback, or where the operator says that somebody else does
    /// the TLS (decision 29).
    pub(super) fn may_tell_secrets(self, allow_plaintext: bool) -> bool {
        self.tls || allow_plaintext || self.addr.ip().to_canonical().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_over_tls_or_from_loopback() {
        let check = |addr: &str, tls: bool, allow: bool, expected: bool| {
            let peer = Peer { addr: addr.parse().unwrap(), tls };
            assert_eq!(peer.may_tell_secrets(allow), expected, "{addr} {tls} {allow}");
        };
        check("127.0.0.1:1", false, false, true);
        check("[::1]:1", false, false, true);
        check("[::ffff:127.0.0.1]:1", false, false, true);
        check("192.0.2.1:1", false, false, false);
        check("[2001:db8::1]:1", false, false, false);
        check("192.0.2.1:1", true, false, true);
        check("192.0.2.1:1", false, true, true);
    }
}
