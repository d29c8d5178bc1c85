//! The assurance verdict: which clauses of the standards a challenge met, and which it missed because it was asked to
//! (`standards.md`). Computed from the challenge itself, so it is the same whenever it is asked for.

use super::challenge::{Challenge, Check, Mode, Shape};
use super::code::CodeShape;
use super::contact::Channel;
use super::delivery::Purpose;
use std::time::Duration;

/// How a challenge stands to a clause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It keeps it.
    Met,
    /// It does not.
    Missed,
    /// The clause is about something else.
    NotApplicable,
}

/// One clause, and how the challenge stands to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The standard.
    pub source: &'static str,
    /// The clause's number.
    pub clause: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// What decided it, in a few words.
    pub why: &'static str,
}

const NIST: &str = "NIST SP 800-63B-4";
const ASVS: &str = "OWASP ASVS 5.0";
const RTS: &str = "PSD2 RTS";
/// The longest a secret may hold (NIST SP 800-63B-4 3.1.3.2; OWASP ASVS 5.0 6.5.5).
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// Wrong answers at the most (PSD2 RTS 4(3)(b)).
const FIVE: u8 = 5;

/// Every clause that a single challenge can be held to, in the order of the standards page.
pub fn verdict(challenge: &Challenge) -> Vec<Finding> {
    let sent = |channel| challenge.deliveries.iter().any(|it| it.channel == channel && it.purpose == Purpose::Challenge);
    let short = challenge.expires_at.since(challenge.opened_at) <= TEN_MINUTES;
    let value = generated(challenge);
    let returns = match (challenge.mode, sent(Channel::Sms)) {
        (Mode::TwoWay, true) => (Standing::Missed, "the code goes out and comes back by SMS"),
        (_, _) if sent(Channel::Push) => (Standing::Met, "the code moves from the app to the session"),
        _ => (Standing::Met, "the code moves from one channel to the other"),
    };
    let mail = if sent(Channel::Mail) { (Standing::Missed, "e-mail is no out-of-band channel") } else { (Standing::Met, "no e-mail") };
    let life = if short { (Standing::Met, "at most ten minutes") } else { (Standing::Missed, "longer than ten minutes") };
    let tries = match challenge.attempts_allowed {
        0..=FIVE => (Standing::Met, "at most five wrong answers"),
        _ => (Standing::Missed, "more than five wrong answers"),
    };
    [
        (NIST, "3.1.3", returns),
        (NIST, "3.1.3.1", mail),
        (NIST, "3.1.3.2 (lifetime)", life),
        (NIST, "3.1.3.2 (secret)", value),
        (NIST, "3.1.3.2 (single use)", (Standing::Met, "an answer is accepted once")),
        (NIST, "3.2.2", (Standing::Met, "failures are limited per recipient, over re-issues")),
        (ASVS, "6.5.2", (Standing::Met, "the code is kept as a keyed digest")),
        (ASVS, "6.5.4", value),
        (ASVS, "6.5.5", life),
        (RTS, "4(1)", (Standing::Met, "an answer is accepted once")),
        (RTS, "4(3)(b)", tries),
        (RTS, "5(1)", (Standing::NotApplicable, "no payment was named")),
    ]
    .into_iter()
    .map(|(source, clause, (standing, why))| Finding { source, clause, standing, why })
    .collect()
}

// At least six digits, or equal entropy, from an approved generator: ours. Of a publisher's own value we can't say.
fn generated(challenge: &Challenge) -> (Standing, &'static str) {
    match &challenge.verifier {
        None => (Standing::NotApplicable, "nothing is verified here"),
        Some(it) if matches!(it.shape, Shape::OtpThen | Shape::OtpaThen) => (Standing::Met, "a code of ours, drawn at random"),
        Some(it) => match (it.code_shape(), &it.check) {
            (None, _) => (Standing::Missed, "the publisher's own value, perhaps a static one"),
            (Some(shape), Check::Any { tags, .. }) if !is_enough(shape, tags.len()) => {
                (Standing::Missed, "several codes of the session count at once")
            }
            (Some(shape), _) if !is_enough(shape, 1) => (Standing::Missed, "a code of less than six digits' worth"),
            (Some(_), _) => (Standing::Met, "a code of ours, drawn at random"),
        },
    }
}

// Whether one guess at so many codes that count at once is as unlikely as one at six digits.
fn is_enough(shape: CodeShape, count: usize) -> bool {
    let all = (shape.alphabet().len() as u64).pow(shape.len() as u32);
    all / count.max(1) as u64 >= 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_enough_and_several_at_once_are_not() {
        for (shape, count, expected) in [
            (CodeShape::Digits(5), 1, false),
            (CodeShape::Digits(6), 1, true),
            (CodeShape::Digits(6), 2, false),
            (CodeShape::Digits(7), 4, true),
            (CodeShape::Digits(10), 4, true),
            (CodeShape::Alphanumeric(4), 1, false),
            (CodeShape::Alphanumeric(5), 4, true),
            (CodeShape::Alphanumeric(10), 4, true),
        ] {
            assert_eq!(is_enough(shape, count), expected, "{count} of {shape:?}");
        }
    }
}
