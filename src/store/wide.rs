//! Maps that grow piece by piece. A map that is full moves all that it has to twice the room: with a hundred thousand sessions half a dozen of them
//! did so in one commit, and everybody waited for more than a tenth of a second; with a million it would be a second.

use super::keyed::{Keyed, Spread};
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hash};

/// Parts of a map: each is full at a moment of its own. More of them cost memory and time: with 256 a request took 4 % more, with these 2.
const PARTS: usize = 32;

/// A [`Keyed`] map, in parts.
#[derive(PartialEq, Debug)]
pub(crate) struct Wide<K: Eq + Hash, V>(Box<[Keyed<K, V>]>);

impl<K: Eq + Hash, V> Default for Wide<K, V> {
    fn default() -> Self {
        Self((0..PARTS).map(|_| Keyed::default()).collect())
    }
}

impl<K: Eq + Hash, V> Wide<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0[part(key)].get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0[part(key)].get_mut(key)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.0[part(key)].contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0[part(&key)].insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0[part(key)].remove(key)
    }

    pub(crate) fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        self.0[part(&key)].entry(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flatten()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|it| it.0)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|it| it.1)
    }
}

// By bits that a map does not look at: it takes the highest seven, and as many of the lowest as it has places.
fn part(key: &impl Hash) -> usize {
    let hash = BuildHasherDefault::<Spread>::default().hash_one(key);
    (hash >> 40) as usize % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AggregateId;
    use uuid::Uuid;

    #[test]
    fn its_parts_are_about_as_large_as_each_other() {
        let mut wide = Wide::default();
        let id = |n: u128| AggregateId(Uuid::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)));
        for n in 0..100 * PARTS as u128 {
            assert_eq!(wide.insert(id(n), n), None);
        }
        let sizes = || wide.0.iter().map(Keyed::len);
        assert!(sizes().min() > Some(50) && sizes().max() < Some(160), "{:?}", sizes().collect::<Vec<_>>());
        assert!((0..100 * PARTS as u128).all(|n| wide.get(&id(n)) == Some(&n)));
        assert_eq!((wide.iter().count(), wide.keys().count(), wide.values().count()), (100 * PARTS, 100 * PARTS, 100 * PARTS));
        assert_eq!(
            (wide.remove(&id(7)), wide.contains_key(&id(7)), wide.insert(id(7), 0), wide.get_mut(&id(8))),
            (Some(7), false, None, Some(&mut 8))
        );
        *wide.entry(id(9)).or_default() += 1;
        assert_eq!(wide.get(&id(9)), Some(&10));
    }
}
