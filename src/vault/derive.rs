//! Derivation, MACs and random bytes.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

/// The key for one purpose.
pub(super) fn expand(prk: &hkdf::Prk, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [purpose.as_bytes()];
    prk.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(out.as_mut_slice())).expect("32 bytes are within what HKDF-SHA-256 gives");
    out
}

/// Random bytes from the operating system's generator.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the operating system gives random bytes");
    out
}

/// Each part is preceded by its length, so that no two lists of parts give the same bytes.
pub(super) fn feed(context: &mut hmac::Context, parts: &[&[u8]]) {
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
