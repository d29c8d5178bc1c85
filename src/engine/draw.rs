//! Where time and chance come from: the operating system in service, a seed in tests.

use crate::domain::code::{Candidates, CodeKind, CodeShape};
use crate::domain::draw::Draw;
use crate::domain::time::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most candidates of a kind that a draw holds.
const MOST: usize = 1_000;

/// Tells the time; a test tells its own.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Without the way over a calendar's date.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Random draws.
pub trait Chance: Send + Sync {
    /// A generator of its own for one purpose.
    fn generator(&self) -> StdRng;

    /// Draws for one decision, with candidates for its code, at most 1,000.
    fn draw(&self, now: Timestamp, codes: Codes) -> Draw {
        drawn(&mut self.generator(), now, codes)
    }
}

/// The thread's cryptographic generator (ChaCha12), which the operating system seeds, and seeds anew every 64 KiB: no call of the
/// system. A generator seeds a stream of its own by 256 bits of it; a decision, which mostly needs a few bytes, takes them from it.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn generator(&self) -> StdRng {
        StdRng::from_rng(&mut rand::rng())
    }

    fn draw(&self, now: Timestamp, codes: Codes) -> Draw {
        drawn(&mut rand::rng(), now, codes)
    }
}

/// Which candidates for a code a decision needs, and how many: one more than it may have to differ from (decision 17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codes {
    /// It makes no code.
    None,
    /// So many of either kind that a text can show.
    Usual(usize),
    /// So many of a shape that the caller chose.
    Chosen(CodeShape, usize),
}

fn drawn(generator: &mut impl Rng, now: Timestamp, codes: Codes) -> Draw {
    let (usual, (shape, chosen)) = match codes {
        Codes::None => (0, (CodeKind::Otp.shape(), 0)),
        Codes::Usual(count) => (count.min(MOST), (CodeKind::Otp.shape(), 0)),
        Codes::Chosen(shape, count) => (0, (shape, count.min(MOST))),
    };
    let mut nonce = [0; 12];
    generator.fill(&mut nonce);
    Draw {
        now,
        aggregate: uuid::Uuid::from_u128(generator.random()),
        otp: candidates(generator, CodeKind::Otp.shape(), usual),
        otpa: candidates(generator, CodeKind::Otpa.shape(), usual),
        nonce,
        seed: generator.random(),
        taken: 0,
        chosen: candidates(generator, shape, chosen),
    }
}

// Each character uniform over the alphabet: `random_range` rejects, it does not fold.
fn candidates(generator: &mut impl Rng, shape: CodeShape, count: usize) -> Candidates {
    Candidates::draw(shape, count, |below| generator.random_range(0..below))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 12;

    #[test]
    fn candidates_differ_and_keep_to_their_alphabet() {
        let check = |candidates: &Candidates, shape: CodeShape| {
            let codes: Vec<&str> = candidates.iter().collect();
            assert_eq!((codes.len(), candidates.shape()), (COUNT, shape));
            for (index, code) in codes.iter().enumerate() {
                assert_eq!(code.len(), shape.len());
                assert!(code.bytes().all(|b| shape.alphabet().contains(&b)));
                assert!(!codes[..index].contains(code));
            }
        };
        let usual = SystemChance.draw(Timestamp::default(), Codes::Usual(COUNT));
        check(&usual.otp, CodeShape::Digits(6));
        check(&usual.otpa, CodeShape::Alphanumeric(5));
        assert_eq!(usual.chosen.iter().count(), 0);
        for shape in (4..=10).flat_map(|len| [CodeShape::Digits(len), CodeShape::Alphanumeric(len)]) {
            let chosen = SystemChance.draw(Timestamp::default(), Codes::Chosen(shape, COUNT));
            check(&chosen.chosen, shape);
            assert_eq!((chosen.otp.iter().count(), chosen.otpa.iter().count()), (0, 0));
        }
    }

    // Chi-squared over 60,000 digits of a fixed seed: 9 degrees of freedom, 27.9 is the 0.1 % bound. A modulo of a byte
    // (the fault that peers ship) gives more than 100.
    #[test]
    fn digits_are_uniform() {
        let mut generator = StdRng::seed_from_u64(7);
        let mut counts = [0_f64; 10];
        for codes in (0..1_000).map(|_| candidates(&mut generator, CodeKind::Otp.shape(), 10)) {
            codes.iter().flat_map(str::bytes).for_each(|b| counts[usize::from(b - b'0')] += 1.0);
        }
        let expected = counts.iter().sum::<f64>() / 10.0;
        let chi_squared: f64 = counts.iter().map(|it| (it - expected).powi(2) / expected).sum();
        assert!(chi_squared < 27.9, "{chi_squared}");
    }
}
