//! All chance of the simulation: one generator (SplitMix64: quick, also in an unoptimised build), from one seed.

pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed ^ 0x5EED_5EED_5EED_5EED)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included; spans are small, so the remainder's bias is of no account.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.between(0, end as u64 - 1)).expect("it is below a usize")
    }

    /// True this often in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.between(0, 99) < times
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// The place of one weight, as often as it weighs.
    pub fn weighed(&mut self, weights: &[u64]) -> usize {
        let mut at = self.between(0, weights.iter().sum::<u64>() - 1);
        let found = weights.iter().position(|weight| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        found.expect("weights add up to more than the number drawn")
    }

    /// Six digits.
    pub fn six(&mut self) -> String {
        format!("{:06}", self.between(0, 999_999))
    }
}
