//! Which keys a run may have: a Bloom filter in blocks of one cache line, one bit in each of its eight words.
//!
//! With 16 bits a key about one look-up in a thousand is told "maybe" in vain.

/// Bits a key.
const BITS: usize = 16;
/// Words of a block.
const WORDS: usize = 8;
/// Bytes of a block.
pub(super) const BLOCK: usize = WORDS * 8;

/// A set of hashes that may claim one more, and never misses one.
pub(super) struct Filter(Vec<[u64; WORDS]>);

impl Filter {
    /// An empty one for `keys` hashes.
    pub(super) fn of(keys: u64) -> Self {
        Self(vec![[0; WORDS]; Self::blocks(keys)])
    }

    /// How many blocks `keys` hashes take.
    pub(super) fn blocks(keys: u64) -> usize {
        (keys as usize * BITS).div_ceil(BLOCK * 8).max(1)
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let at = self.place(hash);
        self.0[at].iter_mut().zip(bits(hash)).for_each(|(word, bit)| *word |= bit);
    }

    pub(super) fn may_have(&self, hash: u64) -> bool {
        self.0[self.place(hash)].iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0)
    }

    /// As stored.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|it| it.to_le_bytes()).collect()
    }

    /// From what was stored: whole blocks, one at least.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut all = Self(vec![[0; WORDS]; (bytes.len() / BLOCK).max(1)]);
        let words = bytes.chunks_exact(8).filter_map(|it| it.try_into().ok()).map(u64::from_le_bytes);
        all.0.iter_mut().flatten().zip(words).for_each(|(to, word)| *to = word);
        all
    }

    fn place(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.0.len() as u128) >> 64) as usize
    }
}

// Six bits of the hash mixed once more choose the bit of each word.
fn bits(hash: u64) -> impl Iterator<Item = u64> {
    let mixed = mix(hash ^ 0x9e37_79b9_7f4a_7c15);
    (0..WORDS).map(move |word| 1 << ((mixed >> (word * 6)) & 63))
}

/// Spreads 64 bits over 64 bits (the finaliser of SplitMix64).
pub(super) fn mix(mut it: u64) -> u64 {
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_misses_and_seldom_claims_in_vain() {
        let mut filter = Filter::of(50_000);
        (0..50_000).for_each(|n| filter.insert(mix(n)));
        let filter = Filter::from_bytes(&filter.to_bytes());
        assert!((0..50_000).all(|n| filter.may_have(mix(n))));
        let vain = (50_000..150_000).filter(|n| filter.may_have(mix(*n))).count();
        assert!(vain < 250, "{vain} of 100,000");
    }
}
