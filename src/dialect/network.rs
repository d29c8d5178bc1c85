//! Networks that a gateway may come from.

use ipnet::IpNet;
use std::net::IpAddr;

/// The networks that a gateway may come from; empty: any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads networks (`10.0.0.0/8`) and addresses.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let one = |text: &String| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse().ok().or_else(address).ok_or_else(|| format!("{text:?} is no network: write it as 10.0.0.0/8"))
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `peer` is in one of them. An IPv4 address in IPv6 form counts as IPv4.
    pub fn allow(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.is_any() || self.0.iter().any(|it| it.contains(&peer))
    }

    /// Whether every peer is allowed.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_kept_to() {
        let networks = Networks::parse(&["10.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap();
        let check = |peer: &str, expected: bool| assert_eq!(networks.allow(peer.parse().unwrap()), expected, "{peer}");
        check("10.1.2.3", true);
        check("::ffff:10.1.2.3", true);
        check("::1", true);
        check("11.0.0.1", false);
        check("::2", false);
        assert!(Networks::default().allow([1, 1, 1, 1].into()));
    }
}
