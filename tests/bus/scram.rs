//! The server's side of SCRAM (RFC 5802, RFC 7677), for one user, without channel binding.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::num::NonZeroU32;

const SALT: &[u8] = b"a salt of the test";
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// By which hash.
#[derive(Clone, Copy)]
pub struct Hash {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

/// The hash of a mechanism; `None`: it is none of these.
pub fn hash(mechanism: &str) -> Option<Hash> {
    match mechanism {
        "SCRAM-SHA-256" => Some(Hash { digest: &digest::SHA256, hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 }),
        "SCRAM-SHA-512" => Some(Hash { digest: &digest::SHA512, hmac: hmac::HMAC_SHA512, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512 }),
        _ => None,
    }
}

/// What was said so far: `client-first-message-bare "," server-first-message`.
pub struct Begun(String);

/// Answers the client's first message; `None`: it is not one of this user.
pub fn begin(first: &str, user: &str) -> Option<(Begun, String)> {
    let bare = first.strip_prefix("n,,")?;
    let nonce = bare.strip_prefix(&format!("n={user},r="))?;
    let answer = format!("r={nonce}and-the-gate's,s={},i={ROUNDS}", BASE64_STANDARD.encode(SALT));
    Some((Begun(format!("{bare},{answer}")), answer))
}

/// Answers the client's last message; `None`: it does not know the password.
pub fn end(Begun(so_far): Begun, last: &str, hash: Hash, password: &str) -> Option<String> {
    let (unproved, proof) = last.rsplit_once(",p=")?;
    let said = format!("{so_far},{unproved}");
    let mut salted = vec![0; hash.digest.output_len];
    pbkdf2::derive(hash.pbkdf2, ROUNDS, SALT, password.as_bytes(), &mut salted);
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hash.hmac, key), text.as_bytes()).as_ref().to_vec();
    let client = mac(&salted, "Client Key");
    let signature = mac(digest::digest(hash.digest, &client).as_ref(), &said);
    let expected: Vec<u8> = client.iter().zip(signature).map(|(key, by)| key ^ by).collect();
    let right = BASE64_STANDARD.decode(proof).is_ok_and(|it| it == expected);
    right.then(|| format!("v={}", BASE64_STANDARD.encode(mac(&mac(&salted, "Server Key"), &said))))
}
