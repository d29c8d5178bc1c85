//! Proxies that are believed when they say whom they speak for, and whether that one came over TLS.

use super::peer::Peer;
use axum::http::HeaderMap;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// Entries of `X-Forwarded-For` that are looked at, from the right.
const MAX_HOPS: usize = 16;
/// Bytes of all `X-Forwarded-For` headers together, and of all `X-Forwarded-Proto`.
const MAX_BYTES: usize = 1024;

/// Networks of trusted proxies, as `10.0.0.0/8` or single addresses; empty: nobody is believed. A network of all addresses
/// is refused: it would let every client choose its own address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Proxies(Vec<IpNet>);

impl TryFrom<Vec<String>> for Proxies {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let one = |text: &String| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network = text.parse().ok().or_else(address);
            match network {
                Some(it) if it.prefix_len() == 0 => Err(format!("{text:?} is everybody: name the networks of your proxies only")),
                Some(it) => Ok(it),
                None => Err(format!("{text:?} is no network: write it as 10.0.0.0/8")),
            }
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }
}

impl Proxies {
    /// Who is behind `peer`: itself, or where it is a trusted proxy, whom it speaks for. Headers of others are not looked at.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if !self.trust(peer.addr.ip()) {
            return peer;
        }
        // The port is the client's at the proxy, which nobody told.
        let addr = self.forwarded_for(headers).map_or(peer.addr, |ip| SocketAddr::new(ip, 0));
        Peer { addr, tls: forwarded_over_tls(headers).unwrap_or(peer.tls) }
    }

    pub(super) fn trust(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|it| it.contains(&ip))
    }

    // Each proxy adds on the right whom it saw. What stands left of the first one that is not ours may be invented. Where all
    // are ours, the left-most is a client inside.
    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = None;
        for (hop, entry) in list(headers, "x-forwarded-for")?.into_iter().rev().enumerate() {
            let ip = address(entry).filter(|_| hop < MAX_HOPS)?;
            client = Some(ip);
            if !self.trust(ip) {
                break;
            }
        }
        client
    }
}

// TLS counts only when every hop says so. `None`: nobody said anything.
fn forwarded_over_tls(headers: &HeaderMap) -> Option<bool> {
    if !headers.contains_key("x-forwarded-proto") {
        return None;
    }
    let said = list(headers, "x-forwarded-proto").unwrap_or_default();
    Some(!said.is_empty() && said.iter().all(|it| it.eq_ignore_ascii_case("https")))
}

// The entries of a header that may stand several times (RFC 9110, 5.3); `None` when it is too long or no text.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> Option<Vec<&'a str>> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for value in headers.get_all(name) {
        bytes += value.len();
        if bytes > MAX_BYTES {
            return None;
        }
        entries.extend(value.to_str().ok()?.split(',').map(str::trim));
    }
    Some(entries)
}

// An address, with or without a port, as proxies write it: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse().ok().map(|it: SocketAddr| it.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> Result<Proxies, String> {
        Proxies::try_from(texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    fn seen(from: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let peer = Peer { addr: SocketAddr::new(from.parse().unwrap(), 5), tls: false };
        let client = proxies(&["10.0.0.0/8", "fd00::1"]).unwrap().client(peer, &map);
        (client.addr.ip().to_string(), client.tls)
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        let check = |from: &str, forwarded: &[&str], expected: &str| {
            let headers: Vec<_> = forwarded.iter().map(|it| ("x-forwarded-for", *it)).collect();
            assert_eq!(seen(from, &headers).0, expected, "{from} {forwarded:?}");
        };
        check("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["203.0.113.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7");
        check("10.0.0.1", &["203.0.113.1", "192.0.2.7,10.0.0.2"], "192.0.2.7");
        check("10.0.0.1", &["garbage, 192.0.2.7"], "192.0.2.7");
        check("::ffff:10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7");
        check("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7");
        check("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7");
        check("10.0.0.1", &["192.0.2.7:1234"], "192.0.2.7");
        check("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9");
        // Malformed, or too long: the proxy's own address.
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7, garbage, 10.0.0.2"], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7,"], "10.0.0.1");
        check("10.0.0.1", &[&format!("192.0.2.7{}", ", 10.0.0.2".repeat(15))], "192.0.2.7");
        check("10.0.0.1", &[&format!("192.0.2.7{}", ", 10.0.0.2".repeat(16))], "10.0.0.1");
        check("10.0.0.1", &[&format!("{}, 192.0.2.7", "x".repeat(1024))], "10.0.0.1");
        // Nobody else is believed.
        check("192.0.2.1", &["203.0.113.1"], "192.0.2.1");
        check("fd00::2", &["203.0.113.1"], "fd00::2");
    }

    #[test]
    fn only_a_proxy_can_say_that_it_was_tls() {
        let check = |from: &str, said: &[&str], expected: bool| {
            let headers: Vec<_> = said.iter().map(|it| ("x-forwarded-proto", *it)).collect();
            assert_eq!(seen(from, &headers).1, expected, "{from} {said:?}");
        };
        check("10.0.0.1", &["https"], true);
        check("10.0.0.1", &["HTTPS"], true);
        check("10.0.0.1", &["https, https"], true);
        check("10.0.0.1", &["https, http"], false);
        check("10.0.0.1", &["http", "https"], false);
        check("10.0.0.1", &["http"], false);
        check("10.0.0.1", &[""], false);
        check("10.0.0.1", &[], false);
        check("192.0.2.1", &["https"], false);
    }

    #[test]
    fn networks_are_read_and_everybody_is_refused() {
        let check = |text: &str, expected: bool| assert_eq!(proxies(&[text]).is_ok(), expected, "{text}");
        check("10.0.0.0/8", true);
        check("10.0.0.1", true);
        check("fd00::/8", true);
        check("0.0.0.0/0", false);
        check("::/0", false);
        check("proxy.example", false);
        assert!(!Proxies::default().trust([127, 0, 0, 1].into()));
    }
}
