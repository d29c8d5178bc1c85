//! Signatures of webhooks as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`.

use super::setting::{Unusable, load_secret};
use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::path::Path;

/// The keys that sign; two while a secret is being rotated.
pub struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Reads one secret or two from files, each as `whsec_` and base64 of 24 to 64 bytes.
    pub fn load(current: &Path, previous: Option<&Path>) -> Result<Self, Unusable> {
        let read = |path: &Path| key(load_secret(path)?.expose()).map_err(|text| Unusable(format!("{}: {text}", path.display())));
        std::iter::once(current).chain(previous).map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature`: one signature a key, separated by spaces. `seconds`: Unix time, as in `webhook-timestamp`.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        let one = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

fn key(secret: &str) -> Result<hmac::Key, &'static str> {
    let encoded = secret.strip_prefix("whsec_").ok_or("a webhook secret begins with whsec_")?;
    let bytes = zeroize::Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| "after whsec_ comes base64")?);
    match bytes.len() {
        24..=64 => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        _ => Err("a webhook secret has 24 to 64 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification and its libraries.
    #[test]
    fn the_published_example_is_signed_alike() {
        let signer = Signer(vec![key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()]);
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn both_keys_sign_while_rotating() {
        let keys = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"];
        let signer = Signer(keys.iter().map(|it| key(it).unwrap()).collect());
        let alone = keys.map(|it| Signer(vec![key(it).unwrap()]).sign("a", 1, b"x"));
        assert_eq!(signer.sign("a", 1, b"x"), alone.join(" "));
        assert_ne!(alone[0], alone[1]);
    }

    #[test]
    fn a_weak_secret_is_refused() {
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_***"] {
            assert!(key(secret).is_err(), "{secret}");
        }
    }
}
