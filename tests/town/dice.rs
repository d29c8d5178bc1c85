//! Chance from a seed: a failing round replays.

/// SplitMix64.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// With a chance of `of` in a hundred.
    pub fn chance(&mut self, of: u64) -> bool {
        self.below(100) < of
    }
}

/// The seed of a run: `CRASH_SEED`, else 1. Told, so that a failure can be run again.
pub fn seed() -> u64 {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    println!("CRASH_SEED={seed}");
    seed
}
