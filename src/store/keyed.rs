//! Maps by keys that are random already: routing MACs under a secret key, and ids that were drawn here. Nobody outside can choose
//! where they fall, so they need no keyed hash of their own, of which each request would pay for some dozens.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by a [`Route`](super::key::Route), a [`Key`](super::key::Key), or a drawn id. Never by what a caller chose.
pub(crate) type Keyed<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// A set of such keys.
pub(crate) type KeyedSet<K> = HashSet<K, BuildHasherDefault<Spread>>;

/// Takes the last 16 bytes of a key as they are. Some keys count from 0 (the days'), so their bits are spread once more.
#[derive(Default)]
pub(crate) struct Spread(u64);

const ODD: u128 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Spread {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        match bytes.last_chunk() {
            Some(last) => {
                let both = u128::from_be_bytes(*last);
                self.0 ^= (both >> 64) as u64 ^ both as u64;
            }
            None => bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte)),
        }
    }

    // The length that comes before a slice: of these keys it is always the same.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        let product = u128::from(self.0) * ODD;
        (product >> 64) as u64 ^ product as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AggregateId;
    use crate::store::key::Key;
    use std::hash::Hash;
    use uuid::Uuid;

    fn hash(key: impl Hash) -> u64 {
        let mut spread = Spread::default();
        key.hash(&mut spread);
        spread.finish()
    }

    // What a map looks at: the seven highest bits, and some of the lowest.
    fn places(all: impl Iterator<Item = u64>) -> (usize, usize) {
        let all: Vec<u64> = all.collect();
        let count = |part: fn(u64) -> u64| all.iter().map(|it| part(*it)).collect::<HashSet<_>>().len();
        (count(|it| it >> 57), count(|it| it & 0x3ff))
    }

    #[test]
    fn keys_that_count_and_ids_that_were_drawn_are_spread_alike() {
        let drawn = |n: u64| {
            let bytes = u128::from_be_bytes([7; 16]).wrapping_mul(u128::from(2 * n + 1)).wrapping_add(u128::from(n) << 77);
            AggregateId(uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid())
        };
        for (what, (high, low)) in [
            ("days", places((0..1024).map(|it| hash(Key::day(20_000 + it))))),
            ("counted", places((0..1024).map(|it| hash(AggregateId(Uuid::from_u128(it)))))),
            ("drawn", places((0..1024).map(|it| hash(drawn(it))))),
        ] {
            assert!(high > 100 && low > 550, "{what}: {high} of 128, {low} of 1024");
        }
    }
}
