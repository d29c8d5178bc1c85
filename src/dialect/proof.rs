//! How a gateway proves that a request is its own. Comparisons are in constant time.

use super::field::Fields;
use super::network::Networks;
use super::raw::RawInbound;
use crate::domain::code::Secret;
use crate::domain::time::Timestamp;
use aws_lc_rs::{digest, hmac};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// How a gateway proves itself.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Proof {
    /// An HMAC in a header: over the raw body, or the query for a gateway that sends one; with a timestamp header, over
    /// `timestamp.body`.
    Hmac(Hmac),
    /// Twilio's `X-Twilio-Signature`: HMAC-SHA1 over the public URL and the sorted form fields.
    Twilio {
        /// The URL as the gateway calls it, without query unless it always has the same.
        public_url: String,
    },
    /// HTTP Basic; over TLS, or inside a trusted network.
    Basic {
        /// The user name.
        user: String,
    },
    /// Only the network it comes from: for gateways that can do no better.
    Networks,
}

/// An HMAC in a header.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    /// The header.
    pub header: String,
    /// What stands before the value, as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// The hash.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the value is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// The header with the time of signing, in Unix seconds.
    pub timestamp_header: Option<String>,
    /// How far that time may be from ours, in seconds.
    #[serde(default = "five_minutes")]
    pub tolerance_s: u32,
}

/// The hash of an HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-256
    #[default]
    Sha256,
    /// SHA-1, for older gateways.
    Sha1,
}

/// How an HMAC is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal.
    #[default]
    Hex,
    /// Base64, padded.
    Base64,
}

/// Why a request is not taken for the gateway's: 403 (401 for [`Denied::Missing`]); the text is for our log, not for the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// Not from its network.
    #[error("the sender is not in the gateway's networks")]
    Network,
    /// The proof is missing, unreadable or there twice.
    #[error("the proof is missing or unreadable")]
    Missing,
    /// The proof is wrong.
    #[error("the proof does not match")]
    Mismatch,
    /// The proof is too old, or from the future.
    #[error("the proof's time is too far from ours")]
    Stale,
}

impl Proof {
    /// Whether the proof can be given; an error says what is missing.
    pub fn check(&self, networks: &Networks, has_secret: bool) -> Result<(), &'static str> {
        match self {
            Self::Networks if networks.is_any() => Err("proof = \"networks\" needs networks"),
            Self::Networks => Ok(()),
            _ if !has_secret => Err("this proof needs secret_file"),
            Self::Basic { user } if user.is_empty() => Err("the Basic user name is empty"),
            Self::Twilio { public_url } if !public_url.starts_with("https://") && !public_url.starts_with("http://") => {
                Err("public_url must be the whole URL that the gateway calls")
            }
            _ => Ok(()),
        }
    }

    /// Whether the request is the gateway's; networks apart. `signed`: what an HMAC is over.
    pub fn verify(&self, request: &RawInbound<'_>, signed: &[u8], secrets: &[Secret], now: Timestamp) -> Result<(), Denied> {
        match self {
            Self::Networks => Ok(()),
            Self::Hmac(hmac) => hmac.verify(request, signed, secrets, now),
            Self::Twilio { public_url } => {
                let given = request.header("x-twilio-signature").and_then(|it| BASE64_STANDARD.decode(it).ok()).ok_or(Denied::Missing)?;
                let signed = twilio_text(public_url, request)?;
                any_matches(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secrets, &[&signed], &given)
            }
            Self::Basic { user } => {
                let given = request.header("authorization").and_then(|it| it.split_once(' ')).ok_or(Denied::Missing)?;
                let pair =
                    Some(given).filter(|it| it.0.eq_ignore_ascii_case("basic")).and_then(|it| BASE64_STANDARD.decode(it.1.trim()).ok());
                basic_matches(user, secrets, &pair.ok_or(Denied::Missing)?)
            }
        }
    }
}

impl Hmac {
    fn verify(&self, request: &RawInbound<'_>, signed: &[u8], secrets: &[Secret], now: Timestamp) -> Result<(), Denied> {
        let text = request.header(&self.header).and_then(|it| it.strip_prefix(self.prefix.as_str())).ok_or(Denied::Missing)?;
        let given = match self.encoding {
            Encoding::Hex => hex::decode(text).ok(),
            Encoding::Base64 => BASE64_STANDARD.decode(text).ok(),
        };
        let given = given.ok_or(Denied::Missing)?;
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        };
        let Some(name) = &self.timestamp_header else {
            return any_matches(algorithm, secrets, &[signed], &given);
        };
        let stamp = request.header(name).ok_or(Denied::Missing)?;
        any_matches(algorithm, secrets, &[stamp.as_bytes(), b".", signed], &given)?;
        let seconds: i64 = stamp.parse().map_err(|_| Denied::Missing)?;
        let apart = seconds.saturating_mul(1_000).abs_diff(now.millis());
        if apart <= u64::from(self.tolerance_s) * 1_000 { Ok(()) } else { Err(Denied::Stale) }
    }
}

fn any_matches(algorithm: hmac::Algorithm, secrets: &[Secret], parts: &[&[u8]], given: &[u8]) -> Result<(), Denied> {
    let matches = |secret: &Secret| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret.expose().as_bytes()));
        parts.iter().for_each(|part| context.update(part));
        bool::from(context.sign().as_ref().ct_eq(given))
    };
    // An empty secret proves nothing, whoever configured it.
    let found = secrets.iter().filter(|it| !it.is_empty()).fold(false, |found, secret| found | matches(secret));
    if found { Ok(()) } else { Err(Denied::Mismatch) }
}

/// Compares digests, so that not even the length shows.
fn basic_matches(user: &str, secrets: &[Secret], given: &[u8]) -> Result<(), Denied> {
    let given = digest::digest(&digest::SHA256, given);
    let matches = |secret: &Secret| {
        let expected = zeroize::Zeroizing::new(format!("{user}:{}", secret.expose()));
        bool::from(digest::digest(&digest::SHA256, expected.as_bytes()).as_ref().ct_eq(given.as_ref()))
    };
    let found = secrets.iter().filter(|it| !it.is_empty()).fold(false, |found, secret| found | matches(secret));
    if found { Ok(()) } else { Err(Denied::Mismatch) }
}

/// The public URL with its query, then each form field's name and value, sorted (Twilio, "Security", validating signatures).
fn twilio_text(public_url: &str, request: &RawInbound<'_>) -> Result<Vec<u8>, Denied> {
    let mut text = Vec::with_capacity(public_url.len() + request.target.len() + request.body.len());
    text.extend_from_slice(public_url.as_bytes());
    if !public_url.contains('?') && !request.query().is_empty() {
        text.push(b'?');
        text.extend_from_slice(request.query().as_bytes());
    }
    if request.media_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let Ok(Fields::Pairs(mut pairs)) = Fields::pairs(request.body) else {
            return Err(Denied::Missing);
        };
        pairs.sort();
        pairs.dedup();
        pairs.iter().for_each(|(name, value)| {
            text.extend_from_slice(name);
            text.extend_from_slice(value);
        });
    } else if !request.body.is_empty() {
        // The signature would not cover such a body.
        return Err(Denied::Missing);
    }
    Ok(text)
}

fn five_minutes() -> u32 {
    300
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn check(proof: &Proof, (target, headers, body): (&str, &[(&str, &str)], &str), expected: Result<(), Denied>) {
        let request = RawInbound { method: "POST", target, headers, body: body.as_bytes(), peer: [127, 0, 0, 1].into() };
        let secrets = [Secret::new(""), Secret::new("old"), Secret::new("12345")];
        assert_eq!(proof.verify(&request, body.as_bytes(), &secrets, NOW), expected, "{target} {headers:?} {body}");
    }

    /// The example of Twilio's documentation.
    #[test]
    fn twilio_signs_url_and_fields() {
        let proof = Proof::Twilio { public_url: "https://mycompany.com/myapp.php".to_owned() };
        let body = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
        let signed = ("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        check(&proof, ("/myapp.php?foo=1&bar=2", &[signed, FORM], body), Ok(()));
        check(&proof, ("/myapp.php?foo=1&bar=3", &[signed, FORM], body), Err(Denied::Mismatch));
        check(&proof, ("/myapp.php?foo=1&bar=2", &[signed, FORM], &body.replace("1234&", "1235&")), Err(Denied::Mismatch));
        check(&proof, ("/myapp.php?foo=1&bar=2", &[signed, ("content-type", "text/plain")], body), Err(Denied::Missing));
        check(&proof, ("/myapp.php?foo=1&bar=2", &[FORM], body), Err(Denied::Missing));
        check(&proof, ("/myapp.php?foo=1&bar=2", &[signed, signed, FORM], body), Err(Denied::Missing));
    }

    /// HMAC vectors made with another implementation: key `12345`, text `hello` or `1000.hello`.
    #[test]
    fn an_hmac_is_over_the_raw_body() {
        let sha256 = "315bb93c4e989862ba09cb62e05d73a5f376cb36f0d786edab0c320d059fde75";
        let proof: Hmac = toml::from_str("header = 'X-Signature'\nprefix = 'sha256='").unwrap();
        let proof = Proof::Hmac(proof);
        check(&proof, ("/", &[("x-signature", &format!("sha256={sha256}"))], "hello"), Ok(()));
        check(&proof, ("/", &[("x-signature", &format!("sha256={sha256}"))], "hello "), Err(Denied::Mismatch));
        check(&proof, ("/", &[("x-signature", sha256)], "hello"), Err(Denied::Missing));
        check(&proof, ("/", &[("x-signature", "sha256=")], "hello"), Err(Denied::Mismatch));
        check(&proof, ("/", &[("x-signature", &format!("sha256={}", &sha256[..32]))], "hello"), Err(Denied::Mismatch));
        let proof = Proof::Hmac(toml::from_str("header = 's'\nalgorithm = 'sha1'\nencoding = 'base64'").unwrap());
        check(&proof, ("/", &[("s", "XGqdsMzLkuNu0DI/0Jt/k23prOA=")], "hello"), Ok(()));
        check(&proof, ("/", &[("s", "***")], "hello"), Err(Denied::Missing));
    }

    #[test]
    fn a_signed_time_is_kept_to() {
        let stamped = |tolerance: u32| {
            Proof::Hmac(toml::from_str(&format!("header = 's'\ntimestamp_header = 't'\ntolerance_s = {tolerance}")).unwrap())
        };
        let signed = ("s", "2d42a2a6e03f03defcd55a879ca14073290417adf96dd2a27c6633297b3f14a5");
        check(&stamped(1), ("/", &[signed, ("t", "1000")], "hello"), Ok(()));
        check(&stamped(1), ("/", &[signed, ("t", "1001")], "hello"), Err(Denied::Mismatch));
        check(&stamped(1), ("/", &[signed], "hello"), Err(Denied::Missing));
        let old = ("s", "da8c6509f5852fbbbc8fea0b55a9fd560f1e98950022093dfedeaaf468c7d424");
        check(&stamped(300), ("/", &[old, ("t", "699")], "hello"), Err(Denied::Stale));
        check(&stamped(301), ("/", &[old, ("t", "699")], "hello"), Ok(()));
    }

    #[test]
    fn basic_needs_user_and_password() {
        let proof = Proof::Basic { user: "gw".to_owned() };
        let basic = |pair: &str| format!("basic {}", BASE64_STANDARD.encode(pair));
        check(&proof, ("/", &[("Authorization", &basic("gw:12345"))], ""), Ok(()));
        check(&proof, ("/", &[("Authorization", &basic("gw:old"))], ""), Ok(()));
        check(&proof, ("/", &[("Authorization", &basic("gw:"))], ""), Err(Denied::Mismatch));
        check(&proof, ("/", &[("Authorization", &basic("eve:12345"))], ""), Err(Denied::Mismatch));
        check(&proof, ("/", &[("Authorization", "Bearer x")], ""), Err(Denied::Missing));
        check(&proof, ("/", &[], ""), Err(Denied::Missing));
    }

    proptest! {
        #[test]
        fn nobody_gets_in_by_chance(target in ".{0,40}", value in ".{0,40}", body in any::<Vec<u8>>()) {
            let headers = [FORM, ("authorization", value.as_str()), ("x-twilio-signature", &value), ("s", &value), ("t", &value)];
            let request = RawInbound { method: "POST", target: &target, headers: &headers, body: &body, peer: [127, 0, 0, 1].into() };
            let stamped = toml::from_str("header = 's'\ntimestamp_header = 't'").unwrap();
            let twilio = Proof::Twilio { public_url: "https://b.example/in".to_owned() };
            for proof in [Proof::Hmac(stamped), twilio, Proof::Basic { user: "gw".to_owned() }] {
                prop_assert!(proof.verify(&request, &body, &[Secret::new("12345")], NOW).is_err());
                prop_assert!(proof.verify(&request, &body, &[], NOW).is_err());
            }
        }
    }
}
