//! Derivation, MACs and random bytes.

use aws_lc_rs::{cmac, hkdf, hmac};
use rand::RngExt;
use zeroize::Zeroizing;

/// The key for one purpose.
pub(super) fn expand(prk: &hkdf::Prk, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [purpose.as_bytes()];
    prk.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(out.as_mut_slice())).expect("32 bytes are within what HKDF-SHA-256 gives");
    out
}

/// Random bytes for a key, from the operating system's generator.
pub(super) fn secret() -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(out.as_mut_slice()).expect("the operating system gives random bytes");
    out
}

/// Random bytes for a nonce or a salt, which need be unlike, not secret: from the thread's own ChaCha stream, which the
/// operating system seeds. Every stored value takes some.
pub(super) fn random<const N: usize>() -> [u8; N] {
    rand::rng().random()
}

/// AES-256-CMAC (NIST SP 800-38B) of a list of parts: a fourth of an HMAC's work for texts of some ten bytes, of which each
/// request has a dozen.
pub(super) fn short_mac(key: &cmac::Key, purpose: u8, parts: &[&[u8]]) -> [u8; 16] {
    let mut bytes = Zeroizing::new(Vec::with_capacity(128));
    bytes.push(purpose);
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(*part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(cmac::sign(key, &bytes).expect("CMAC takes any bytes").as_ref());
    out
}

/// Each part is preceded by its length, so that no two lists of parts give the same bytes.
fn feed(context: &mut hmac::Context, parts: &[&[u8]]) {
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
}

/// The MAC of a list of parts.
pub(super) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    feed(&mut context, parts);
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}
