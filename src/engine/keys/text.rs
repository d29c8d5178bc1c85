//! A key as it is written: `cs_ID_SECRET`. ID is 12 of the characters `a`–`z` and `2`–`7` (60 random bits). SECRET is 48 characters of
//! base64url (RFC 4648, 5): 32 random bytes, then 4 of a CRC-32 of all that stands before it, so that whoever mistypes a key, or looks
//! for keys in texts, needs no server to tell one from what merely looks like it.

use crate::domain::code::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{Rng, RngExt};
use zeroize::Zeroizing;

/// What every key begins with.
pub const PREFIX: &str = "cs_";

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID: usize = 12;
const BYTES: usize = 32;
const SUM: usize = 4;
/// Base64 of both: a multiple of three bytes, so that no bits are left over.
const SECRET: usize = (BYTES + SUM) / 3 * 4;

/// A new id.
pub fn draw_id(generator: &mut impl Rng) -> String {
    (0..ID).map(|_| char::from(ALPHABET[generator.random_range(0..ALPHABET.len())])).collect()
}

/// Whether this can be an id.
pub fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|it| ALPHABET.contains(&it))
}

/// A new secret for the key `id`: the key's text.
pub fn draw(id: &str, generator: &mut impl Rng) -> Secret {
    let mut bytes = Zeroizing::new([0; BYTES + SUM]);
    generator.fill_bytes(&mut bytes[..BYTES]);
    let sum = sum(id, &bytes[..BYTES]);
    bytes[BYTES..].copy_from_slice(&sum);
    // Room for all of it, so that no part of it stays behind.
    let mut text = String::with_capacity(PREFIX.len() + ID + 1 + SECRET);
    text.push_str(PREFIX);
    text.push_str(id);
    text.push('_');
    URL_SAFE_NO_PAD.encode_string(&bytes[..], &mut text);
    Secret::new(text)
}

/// The id and the secret of a key; `None` when this is none, or its sum is not right.
pub fn read(text: &str) -> Option<(&str, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    if !is_id(id) || secret.len() != SECRET {
        return None;
    }
    let mut bytes = Zeroizing::new([0; BYTES + SUM]);
    let length = URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes[..]).ok()?;
    (length == bytes.len() && sum(id, &bytes[..BYTES]) == bytes[BYTES..]).then_some((id, secret))
}

fn sum(id: &str, bytes: &[u8]) -> [u8; SUM] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(PREFIX.as_bytes());
    hasher.update(id.as_bytes());
    hasher.update(b"_");
    hasher.update(bytes);
    hasher.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn key(seed: u64) -> String {
        let mut generator = StdRng::seed_from_u64(seed);
        let id = draw_id(&mut generator);
        draw(&id, &mut generator).expose().to_owned()
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_its_sum_is_what_the_page_says() {
        let text = key(1);
        let (id, secret) = read(&text).unwrap();
        assert_eq!((text.len(), id.len(), secret.len()), (64, 12, 48));
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
        let said = [format!("cs_{id}_").as_bytes(), &bytes[..32]].concat();
        assert_eq!(crc32fast::hash(&said).to_be_bytes(), bytes[32..]);
        assert_ne!(key(2), text);
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "cs_", "cs__", "cs_abc_def", "demo", "cs_aaaaaaaaaaaa_", &key(1)[1..], &key(1)[..63], &format!("{}=", key(1))] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(seed: u64, place in 0_usize..64, other in "[ -~]") {
            let text = key(seed);
            let mut typed = text.clone();
            typed.replace_range(place..=place, &other);
            prop_assert_eq!(read(&typed).is_some(), typed == text);
        }

        #[test]
        fn any_text_is_read_without_a_fault(text in "\\PC{0,80}") {
            prop_assert_eq!(read(&text), None);
        }
    }
}
