//! Who sends a push message: a token signed by our key (VAPID, RFC 8292).

use crate::connect::jwt::compact;
use crate::connect::setting::{Unusable, load_secret};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::path::Path;
use url::Url;

/// How long a token holds, in seconds: half of what is allowed (RFC 8292, section 2).
const HOLDS: i64 = 12 * 3_600;

/// Our key, and whom to turn to.
pub struct Vapid {
    key: EcdsaKeyPair,
    public: String,
    contact: String,
}

impl Vapid {
    /// Reads the private key; an error says what to do.
    pub fn load(path: &Path, contact: &str) -> Result<Self, Unusable> {
        if !["mailto:", "https://"].iter().any(|it| contact.strip_prefix(it).is_some_and(|rest| !rest.is_empty())) {
            return Err(Unusable::new("contact must be mailto: and an address, or an https URL"));
        }
        let key = key(load_secret(path)?.expose()).ok_or_else(|| {
            Unusable(format!("{} must hold a private key over P-256: PEM, or the base64url of its 32 bytes", path.display()))
        })?;
        let public = BASE64.encode(key.public_key().as_ref());
        Ok(Self { key, public, contact: contact.to_owned() })
    }

    /// The public key, an uncompressed point, as base64url.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// The value of `Authorization` for a request to this endpoint at this second of Unix time.
    pub fn authorization(&self, endpoint: &Url, seconds: i64) -> Option<String> {
        let claims = json!({ "aud": endpoint.origin().ascii_serialization(), "exp": seconds + HOLDS, "sub": self.contact });
        let sign = |input: &[u8]| self.key.sign(&SystemRandom::new(), input).ok().map(|it| it.as_ref().to_vec());
        let token = compact(&json!({ "typ": "JWT", "alg": "ES256" }), &claims, sign)?;
        Some(format!("vapid t={token}, k={}", self.public))
    }
}

fn key(text: &str) -> Option<EcdsaKeyPair> {
    if text.contains("-----BEGIN") {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
        return EcdsaKeyPair::from_private_key_der(&ES256, der.secret_der()).ok();
    }
    let raw = zeroize::Zeroizing::new(BASE64.decode(text.trim().trim_end_matches('=')).ok()?);
    let public = PrivateKey::from_private_key(&ECDH_P256, &raw).ok()?.compute_public_key().ok()?;
    EcdsaKeyPair::from_private_key_and_public_key(&ES256, &raw, public.as_ref()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use base64::prelude::BASE64_STANDARD;
    use serde_json::Value;

    /// The key of RFC 8291's application server; any will do.
    const PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    const PUBLIC: &str = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

    fn load(content: &str, contact: &str) -> Result<Vapid, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Vapid::load(file.path(), contact).map_err(|error| error.0)
    }

    #[test]
    fn a_token_says_to_whom_for_how_long_and_from_whom() {
        let vapid = load(PRIVATE, "mailto:ops@bank.example").unwrap();
        assert_eq!(vapid.public_key(), PUBLIC);
        let endpoint = Url::parse("https://push.example:8443/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV?x=1").unwrap();
        let value = vapid.authorization(&endpoint, 1_000).unwrap();
        let (token, key) = value.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, BASE64.decode(key).unwrap());
        assert!(public.verify(input.as_bytes(), &BASE64.decode(signature).unwrap()).is_ok());
        let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).unwrap()).unwrap();
        let (header, claims) = input.split_once('.').unwrap();
        assert_eq!(read(header), json!({"typ": "JWT", "alg": "ES256"}));
        assert_eq!(read(claims), json!({"aud": "https://push.example:8443", "exp": 44_200, "sub": "mailto:ops@bank.example"}));
    }

    #[test]
    fn a_key_is_pem_or_base64url() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let check = |content: &str, contact: &str, expected: Option<&str>| {
            let error = load(content, contact).err();
            assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()));
        };
        let contact = "https://bank.example/contact";
        check(&format!("{PRIVATE}=\n"), contact, None);
        check(&pair.serialize_pem(), contact, None);
        // As `openssl ecparam -genkey` writes it.
        let sec1 = AsDer::<EcPrivateKeyRfc5915Der>::as_der(&PrivateKey::generate(&ECDH_P256).unwrap()).unwrap();
        let sec1 = BASE64_STANDARD.encode(sec1.as_ref());
        check(&format!("-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n"), contact, None);
        check(&other.serialize_pem(), contact, Some("P-256"));
        check(PUBLIC, contact, Some("P-256"));
        check("", contact, Some("empty"));
        check(PRIVATE, "ops@bank.example", Some("contact"));
        check(PRIVATE, "mailto:", Some("contact"));
    }
}
