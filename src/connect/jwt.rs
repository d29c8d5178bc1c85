//! JSON Web Tokens as we sign them ourselves (RFC 7519 over RFC 7515, compact form). None is ever read here.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use serde_json::Value;

/// A token of these parts. `sign` gets the signing input, and gives back the raw signature; nothing when it can't sign.
pub fn compact(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<String> {
    let mut token = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&BASE64.encode(signature));
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::hmac;
    use serde_json::json;

    /// Header and claims have the members of RFC 7515, A.1, in another order and without its line ends, so the signature differs;
    /// the same key must verify it.
    #[test]
    fn the_signature_is_over_both_parts_as_they_stand() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key");
        let sign = |input: &[u8]| Some(hmac::sign(&key, input).as_ref().to_vec());
        let token = compact(&json!({"typ": "JWT", "alg": "HS256"}), &json!({"iss": "joe", "exp": 1_300_819_380}), sign).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        assert!(hmac::verify(&key, input.as_bytes(), &BASE64.decode(signature).unwrap()).is_ok());
        let (header, claims) = input.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).unwrap()).unwrap();
        assert_eq!((read(header), read(claims)), (json!({"alg": "HS256", "typ": "JWT"}), json!({"exp": 1_300_819_380, "iss": "joe"})));
        assert_eq!(compact(&Value::Null, &Value::Null, |_| None), None);
    }
}
