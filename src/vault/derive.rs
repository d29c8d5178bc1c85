//! Derivation, MACs and random bytes.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
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
    let mut out = [0; N];
    rand::rng().fill(&mut out[..]);
    out
}

/// A MAC for texts of some ten bytes, of which each request has a dozen: the tag of AES-256-GCM-SIV (RFC 8452) over them, with
/// nothing sealed and always the same nonce.
///
/// With one nonce that is AES-256 of POLYVAL, both under secret keys derived from this one: a pseudorandom function, in which
/// two of q texts meet with a probability of about q² / 2^123. A tenth of an HMAC's work, and half a CMAC's.
pub(super) struct ShortMac(LessSafeKey);

impl ShortMac {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, key).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(unbound))
    }

    /// The MAC of a list of parts, each preceded by its length.
    pub(super) fn tag(&self, purpose: u8, parts: &[&[u8]]) -> [u8; 16] {
        let length = parts.iter().fold(1, |sum, it| sum + LENGTH + it.len());
        if length > SHORT {
            return self.over(&mut vec![0; length], purpose, parts);
        }
        self.over(&mut [0; SHORT][..length], purpose, parts)
    }

    // `bytes` is as long as they are together; it is wiped.
    fn over(&self, bytes: &mut [u8], purpose: u8, parts: &[&[u8]]) -> [u8; 16] {
        bytes[0] = purpose;
        let mut at = 1;
        for part in parts {
            // A part of 4 GiB is none of ours.
            bytes[at..at + LENGTH].copy_from_slice(&(part.len() as u32).to_be_bytes());
            at += LENGTH;
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(&*bytes), &mut []);
        let mut out = [0; 16];
        out.copy_from_slice(tag.expect("a text is far below what AES-GCM-SIV takes at once").as_ref());
        bytes.fill(0);
        // So that the compiler does not leave out what nobody reads any more.
        zeroize::optimization_barrier(&*bytes);
        out
    }
}

/// Bytes before each part.
const LENGTH: usize = size_of::<u32>();
/// Up to so many bytes no memory is asked for: nearly all.
const SHORT: usize = 192;

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
