//! Where a subscriber's URL may lead (server-side request forgery, OWASP API7:2023): not into our own network.
//!
//! A name is judged by the answers that are then connected to, so there is no gap between the check and the connection.
//! The HTTP client doesn't resolve a literal address; that is judged by [`Reach::check`].

use hyper_util::client::legacy::connect::dns::Name;
use ipnet::IpNet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use tower::Service;
use url::{Host, Url};

/// What a URL may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// `http` is allowed, not only `https`.
    pub plain: bool,
    /// Private, loopback and link-local addresses are allowed.
    pub private: bool,
    /// A literal address is allowed, not only a name.
    pub literal: bool,
}

/// Why a URL is not used. Says nothing of the URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsafe {
    /// Not https.
    #[error("the URL must be https; set allow_plain = true to use http")]
    Scheme,
    /// User or password in the URL.
    #[error("the URL must not carry a user name or password")]
    Credentials,
    /// A well-known port of another service.
    #[error("the URL's port must be 443, 80 or above 1023")]
    Port,
    /// No host.
    #[error("the URL must have a host")]
    Host,
    /// A literal address.
    #[error("the URL must name a domain, not an address")]
    Literal,
    /// An address of a private network.
    #[error("the URL leads to a private address; set allow_private = true if that is meant")]
    Private,
}

impl Reach {
    /// Judges a URL before it is used.
    pub fn check(self, url: &Url) -> Result<(), Unsafe> {
        match url.scheme() {
            "https" => {}
            "http" if self.plain => {}
            _ => return Err(Unsafe::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unsafe::Credentials);
        }
        if !self.private && !matches!(url.port(), None | Some(80 | 443 | 1024..)) {
            return Err(Unsafe::Port);
        }
        let address = match url.host().ok_or(Unsafe::Host)? {
            Host::Domain(name) => return self.check_name(name),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        match address {
            _ if !self.private && !is_public(address) => Err(Unsafe::Private),
            _ if !self.literal => Err(Unsafe::Literal),
            _ => Ok(()),
        }
    }

    fn check_name(self, name: &str) -> Result<(), Unsafe> {
        let name = name.trim_end_matches('.');
        let local = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
        if local && !self.private { Err(Unsafe::Private) } else { Ok(()) }
    }
}

/// Resolves names: to any address, or to public ones only.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// An answer outside the public internet is no answer.
    pub public_only: bool,
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { public_only } = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let usable: Vec<_> = found.filter(|it| !public_only || is_public(it.ip())).collect();
            if public_only && usable.is_empty() {
                return Err(io::Error::other(Unsafe::Private));
            }
            Ok(usable.into_iter())
        })
    }
}

/// Whether an address is on the public internet: none of the special-purpose blocks of RFC 6890 and its registries, in whatever
/// IPv6 form an IPv4 address is wrapped.
pub fn is_public(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(six) => embedded(six).unwrap_or(address),
        four => four,
    };
    !SPECIAL.iter().any(|net| net.contains(&address))
}

/// The IPv4 address in a mapped, compatible, translated (RFC 6052) or 6to4 IPv6 address.
fn embedded(six: Ipv6Addr) -> Option<IpAddr> {
    let [a, b, c, d, e, f, g, h] = six.segments();
    let join = |high: u16, low: u16| IpAddr::from(((u32::from(high) << 16) | u32::from(low)).to_be_bytes());
    match (a, b) {
        (0, 0) if [c, d, e] == [0; 3] && (f == 0 || f == 0xffff) => Some(join(g, h)),
        (0, 0) if [c, d, e, f] == [0, 0, 0xffff, 0] => Some(join(g, h)),
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => Some(join(g, h)),
        (0x2002, _) => Some(join(b, c)),
        _ => None,
    }
}

/// Blocks that are not public. All of IPv6 outside 2000::/3 is among them.
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let blocks = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 \
        192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 \
        ::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 3fff::/20";
    blocks.split_whitespace().map(|it| it.parse().expect("the blocks are well-formed")).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        let check = |public: bool, addresses: &str| {
            for address in addresses.split_whitespace() {
                assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
            }
        };
        check(true, "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.32.0.1 192.167.1.1 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8");
        check(false, "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1");
        check(false, "224.0.0.1 255.255.255.255 203.0.113.9 :: ::1 fe80::1 fc00::1 fd12::1 ff02::1 2001:db8::1 fec0::1");
        check(
            false,
            "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 64:ff9b:1::1 ::ffff:0:10.0.0.1",
        );
    }

    #[test]
    fn a_url_is_judged_before_use() {
        let open = Reach { plain: true, private: true, literal: true };
        let check = |reach: Reach, url: &str, expected: Result<(), Unsafe>| {
            assert_eq!(reach.check(&Url::parse(url).unwrap()), expected, "{url}");
        };
        let literal = Reach { literal: true, ..Reach::default() };
        check(Reach::default(), "https://bank.example/hook", Ok(()));
        check(Reach::default(), "http://bank.example/hook", Err(Unsafe::Scheme));
        check(Reach::default(), "https://u:p@bank.example/", Err(Unsafe::Credentials));
        check(Reach::default(), "https://bank.example:8443/", Ok(()));
        check(Reach::default(), "https://bank.example:25/", Err(Unsafe::Port));
        check(Reach { private: true, ..Reach::default() }, "https://bank.example:25/", Ok(()));
        check(Reach::default(), "https://localhost/", Err(Unsafe::Private));
        check(Reach::default(), "https://a.LOCALHOST./", Err(Unsafe::Private));
        check(Reach::default(), "https://127.0.0.1/", Err(Unsafe::Private));
        check(literal, "https://0x7f.1/", Err(Unsafe::Private));
        check(literal, "https://2130706433/", Err(Unsafe::Private));
        check(literal, "https://[::ffff:10.0.0.1]/", Err(Unsafe::Private));
        check(literal, "https://8.8.8.8/", Ok(()));
        check(Reach::default(), "https://8.8.8.8/", Err(Unsafe::Literal));
        check(open, "http://127.0.0.1:8080/", Ok(()));
        check(open, "ftp://127.0.0.1/", Err(Unsafe::Scheme));
    }

    #[tokio::test]
    async fn answers_of_the_resolver_are_filtered() {
        let answer = async |public_only| Names { public_only }.call("localhost".parse().unwrap()).await;
        assert!(answer(true).await.err().is_some_and(|error| error.to_string().contains("private")));
        assert!(answer(false).await.is_ok_and(|mut found| found.all(|it| it.ip().is_loopback())));
    }
}
