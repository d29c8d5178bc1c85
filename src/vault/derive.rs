//! Derivation, MACs and random bytes.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes256Enc, Block};
use aws_lc_rs::hkdf;
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
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

/// A MAC for what each request has a dozen of, mostly texts of some ten bytes: the tag of AES-256-GCM-SIV (RFC 8452) over them,
/// with nothing sealed and always the same nonce.
///
/// With one nonce that is AES-256 of POLYVAL, both under secret keys derived from this one: a pseudorandom function, in which
/// two of q texts meet with a probability of about q² / 2^123. The keys are derived once, and not for each text: a tenth of an
/// HMAC's work.
pub(super) struct ShortMac {
    // Its key is expanded once; each text takes a copy.
    hash: Polyval,
    cipher: Aes256Enc,
}

impl ShortMac {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // RFC 8452, 4: halves of blocks that count. The nonce behind the number is zeros.
        let (derive, mut keys) = (Aes256Enc::new(key.into()), Zeroizing::new([0; 48]));
        for (half, number) in keys.chunks_exact_mut(8).zip(0_u32..) {
            let mut block = Block::default();
            block[..4].copy_from_slice(&number.to_le_bytes());
            derive.encrypt_block(&mut block);
            half.copy_from_slice(&block[..8]);
        }
        let (hash, cipher) = keys.split_first_chunk().expect("48 bytes are more than 16");
        let cipher: &[u8; 32] = cipher.try_into().expect("48 bytes without 16 are 32");
        Self { hash: Polyval::new(hash.into()), cipher: Aes256Enc::new(cipher.into()) }
    }

    /// The MAC of a list of parts, each preceded by its length.
    pub(super) fn tag(&self, purpose: u8, parts: &[&[u8]]) -> [u8; 16] {
        let length = parts.iter().fold(1, |sum, it| sum + LENGTH + it.len());
        // In whole blocks, and one for the length.
        let room = length.next_multiple_of(BLOCK) + BLOCK;
        if room > SHORT {
            return self.over(&mut vec![0; room], (length, purpose), parts);
        }
        self.over(&mut [0; SHORT][..room], (length, purpose), parts)
    }

    // `bytes` has room for all; it is wiped.
    fn over(&self, bytes: &mut [u8], (length, purpose): (usize, u8), parts: &[&[u8]]) -> [u8; 16] {
        bytes[0] = purpose;
        let mut at = 1;
        for part in parts {
            // A part of 4 GiB is none of ours.
            bytes[at..at + LENGTH].copy_from_slice(&(part.len() as u32).to_be_bytes());
            at += LENGTH;
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let last = bytes.len() - BLOCK;
        bytes[last..last + 8].copy_from_slice(&(length as u64 * 8).to_le_bytes());
        let mut hash = self.hash.clone();
        hash.update(Block::cast_slice_from_core(bytes.as_chunks().0));
        let mut tag = hash.finalize();
        tag[15] &= 0x7f;
        self.cipher.encrypt_block(&mut tag);
        bytes.fill(0);
        // So that the compiler does not leave out what nobody reads any more.
        zeroize::optimization_barrier(&*bytes);
        tag.into()
    }
}

/// Bytes before each part.
const LENGTH: usize = size_of::<u32>();
/// Bytes of a block.
const BLOCK: usize = 16;
/// Up to so many bytes no memory is asked for: nearly all.
const SHORT: usize = 208;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
    use proptest::prelude::*;

    proptest! {
        // Routes are stored: they stay what they were when the cipher as a whole made them.
        #[test]
        fn it_is_the_tag_of_the_cipher(key: [u8; 32], purpose: u8, parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..5)) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let text = parts.iter().fold(vec![purpose], |text, it| [&text, &(it.len() as u32).to_be_bytes()[..], it].concat());
            let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &key).unwrap());
            let tag = cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::from(&text), &mut []).unwrap();
            prop_assert_eq!(&ShortMac::new(&key).tag(purpose, &parts)[..], tag.as_ref());
        }
    }
}
