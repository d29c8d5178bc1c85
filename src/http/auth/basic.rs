//! The `Authorization` header: Basic (RFC 7617) and Bearer (RFC 6750).

use super::claim::{Claim, Proof};
use crate::domain::code::Secret;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What a REST request shows of its caller.
pub enum Shown {
    /// An API key.
    Key(Secret),
    /// A publisher's name and secret.
    Claim(Claim),
}

/// What the request shows; `None` when there is nothing, or it can't be read.
pub fn shown(headers: &HeaderMap) -> Option<Shown> {
    let (scheme, rest) = credentials(headers)?;
    if scheme.eq_ignore_ascii_case(BEARER) {
        return Some(Shown::Key(Secret::new(rest)));
    }
    scheme.eq_ignore_ascii_case(BASIC).then(|| claim(rest))?.map(Shown::Claim)
}

/// The Basic credentials of a request; `None` when there are none, or they can't be read.
pub fn basic(headers: &HeaderMap) -> Option<Claim> {
    claim(credentials(headers).filter(|it| it.0.eq_ignore_ascii_case(BASIC))?.1)
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<Secret> {
    credentials(headers).filter(|it| it.0.eq_ignore_ascii_case(BEARER)).map(|it| Secret::new(it.1))
}

const BASIC: &str = "basic";
const BEARER: &str = "bearer";

fn claim(encoded: &str) -> Option<Claim> {
    let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (user, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Claim { user: user.to_owned(), proof: Proof::Password(Secret::new(secret)), once: None, window: None })
}

// The scheme, and what follows it.
fn credentials(headers: &HeaderMap) -> Option<(&str, &str)> {
    // Two of them: a proxy before us may have looked at the other one (RFC 9110, 5.3: it is no list).
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    Some((scheme, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_read_as_the_rfc_says() {
        let check = |value: &str, expected: Option<(&str, &str)>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            let read = basic(&headers).map(|it| match it.proof {
                Proof::Password(secret) => (it.user, secret.expose().to_owned()),
                Proof::Digest(_) => unreachable!(),
            });
            assert_eq!(read, expected.map(|(u, s)| (u.to_owned(), s.to_owned())), "{value}");
        };
        check("Basic ZGVtbzpkZW1v", Some(("demo", "demo")));
        check("basic  ZGVtbzpkZW1v ", Some(("demo", "demo")));
        check("Basic ZGVtbzpkOmU=", Some(("demo", "d:e")));
        check("Basic ZGVtbw==", None);
        check("Basic !", None);
        check("Bearer ZGVtbzpkZW1v", None);
        check("", None);
        let mut twice = HeaderMap::new();
        for value in ["Basic ZGVtbzpkZW1v", "Basic ZGVtbzpkOmU="] {
            twice.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        assert!(basic(&twice).is_none());
    }
}
