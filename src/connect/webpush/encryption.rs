//! Encryption of a push message for one browser: RFC 8291 over `aes128gcm` of RFC 8188, one record.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// Longest message: what fits into a body of 4,096 bytes (RFC 8291, section 4).
pub const PLAIN_MAX: usize = 3_993;
/// The record's size as the header tells it.
const RECORD: u32 = 4_096;
/// Ends the last record (RFC 8188, section 2).
const LAST: u8 = 2;

/// The browser's half.
#[derive(Clone)]
pub struct Receiver {
    /// `p256dh`: its public key, an uncompressed point.
    pub key: [u8; 65],
    /// `auth`: the secret that it shares with us.
    pub secret: [u8; 16],
}

/// The body of a push request: header and one record. `own`: a key for this message alone. `None`: the browser's key is none over
/// P-256, or the message is longer than [`PLAIN_MAX`].
pub fn encrypt(plain: &[u8], receiver: &Receiver, own: &PrivateKey, salt: [u8; 16]) -> Option<Vec<u8>> {
    if plain.len() > PLAIN_MAX {
        return None;
    }
    let public = own.compute_public_key().ok()?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, &receiver.key);
    let derived = agree(own, peer, (), |shared| derive(shared, receiver, public.as_ref(), &salt).ok_or(()));
    let (key, nonce) = derived.ok()?;
    let mut record = Vec::with_capacity(plain.len() + 1 + AES_128_GCM.tag_len());
    record.extend_from_slice(plain);
    record.push(LAST);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record).ok()?;
    let mut body = Vec::with_capacity(86 + record.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD.to_be_bytes());
    body.push(u8::try_from(public.as_ref().len()).ok()?);
    body.extend_from_slice(public.as_ref());
    body.extend_from_slice(&record);
    Some(body)
}

/// The key and nonce of the record (RFC 8291, section 3.4).
fn derive(shared: &[u8], receiver: &Receiver, public: &[u8], salt: &[u8; 16]) -> Option<([u8; 16], [u8; 12])> {
    let prk = Salt::new(HKDF_SHA256, &receiver.secret).extract(shared);
    let ikm: [u8; 32] = expand(&prk, &[b"WebPush: info\0", &receiver.key, public])?;
    let prk = Salt::new(HKDF_SHA256, salt).extract(&ikm);
    Some((expand(&prk, &[b"Content-Encoding: aes128gcm\0"])?, expand(&prk, &[b"Content-Encoding: nonce\0"])?))
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Option<[u8; N]> {
    let mut out = [0; N];
    prk.expand(info, Length(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text).unwrap().try_into().unwrap()
    }

    fn receiver() -> Receiver {
        let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        Receiver { key: bytes(key), secret: bytes("BTBZMqHH6r4Tts7J_aSIgg") }
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let own = PrivateKey::from_private_key(&ECDH_P256, &bytes::<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let body = encrypt(b"When I grow up, I want to be a watermelon", &receiver(), &own, bytes("DGv6ra1nlYgDCS1FRnbzlw"));
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_\
                        yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(BASE64.encode(body.unwrap()), expected);
    }

    #[test]
    fn a_message_is_bounded_and_a_key_is_a_point() {
        let own = PrivateKey::generate(&ECDH_P256).unwrap();
        let size = |length: usize| encrypt(&vec![b'x'; length], &receiver(), &own, [0; 16]).map(|it| it.len());
        assert_eq!([size(0), size(PLAIN_MAX), size(PLAIN_MAX + 1)], [Some(103), Some(4_096), None]);
        for first in [0, 2, 4] {
            let mut wrong = Receiver { key: [7; 65], ..receiver() };
            wrong.key[0] = first;
            assert_eq!(encrypt(b"x", &wrong, &own, [0; 16]), None);
        }
    }
}
