//! Stops guessing: too many failures of a user or an address within a window, and it is denied without being looked at.

use crate::engine::tally::{Kind, TOLD_FROM, Tally};
use crate::http::places::network;
use crate::http::settings::AuthSettings;
use moka::sync::Cache;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Keys counted at once; beyond them the least used are forgotten.
const COUNTED: u64 = 100_000;

/// How long an address that a user proved itself from is spared from the user's own limit.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// Counts failures, and adds those at other nodes. Bounded in memory whatever peers send.
pub(super) struct Breaker {
    tally: Tally,
    failures: Cache<Key, Arc<Failures>>,
    // And when the others were told.
    known: Cache<Key, Instant>,
    per_pair: u32,
    per_address: u32,
    per_user: u32,
    window: Duration,
    begun: Instant,
    // Seconds since then, plus one, of the last failure; 0: there was none.
    last_failure: AtomicU64,
    // Who proved itself last, and in which minute.
    last_proved: AtomicU64,
}

struct Failures {
    begun: Instant,
    count: AtomicU32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(u64, IpAddr),
    Address(IpAddr),
    User(u64),
}

impl Breaker {
    pub(super) fn new(settings: &AuthSettings, tally: Tally) -> Self {
        let window = Duration::from_secs(settings.failure_window_seconds);
        Self {
            tally,
            failures: Cache::builder().max_capacity(COUNTED).time_to_live(window).build(),
            known: Cache::builder().max_capacity(COUNTED).time_to_idle(KNOWN_FOR).build(),
            per_pair: settings.failures_per_pair,
            per_address: settings.failures_per_address,
            per_user: settings.failures_per_user,
            window,
            begun: Instant::now(),
            last_failure: AtomicU64::new(0),
            last_proved: AtomicU64::new(0),
        }
    }

    /// Whether a request of `user` from `peer` is denied unseen.
    pub(super) fn is_open(&self, user: &str, peer: IpAddr) -> bool {
        if self.is_quiet() {
            return false;
        }
        let (user, peer) = (fold(user), network(peer));
        self.is_over(Key::Pair(user, peer), self.per_pair)
            || self.is_over(Key::Address(peer), self.per_address)
            || (self.is_over(Key::User(user), self.per_user) && !self.knows(Key::Pair(user, peer)))
    }

    /// Whether a request from `peer` that names no user of ours is denied unseen.
    pub(super) fn is_address_open(&self, peer: IpAddr) -> bool {
        !self.is_quiet() && self.is_over(Key::Address(network(peer)), self.per_address)
    }

    /// Counts a failure of an address alone.
    pub(super) fn address_failed(&self, peer: IpAddr) {
        self.note_failure();
        self.count(Key::Address(network(peer)));
    }

    /// Counts a failure.
    pub(super) fn failed(&self, user: &str, peer: IpAddr) {
        self.note_failure();
        let (user, peer) = (fold(user), network(peer));
        [Key::Pair(user, peer), Key::Address(peer), Key::User(user)].into_iter().for_each(|it| self.count(it));
    }

    /// Remembers that `user` proved itself from `peer`, and forgets its failures from there at this node.
    pub(super) fn proved(&self, user: &str, peer: IpAddr) {
        let pair = Key::Pair(fold(user), network(peer));
        if self.is_quiet() && self.proved_just_now(pair) {
            return;
        }
        // What was told ends; who proves itself again and again stays known at all nodes.
        if self.known.get(&pair).is_none_or(|told| told.elapsed() > KNOWN_FOR / 2) {
            self.known.insert(pair, Instant::now());
            self.tally.tell(Kind::Proved, &[&pair.bytes()], TOLD_FROM, KNOWN_FOR);
        }
        if self.failures.contains_key(&pair)
            && let Some(it) = self.failures.remove(&pair)
        {
            self.tally.forget(Kind::Failures, &[&pair.bytes()], (it.count.load(Ordering::Relaxed), self.left(&it)));
        }
    }

    fn knows(&self, pair: Key) -> bool {
        self.known.contains_key(&pair) || self.tally.others(Kind::Proved, &[&pair.bytes()]) > 0
    }

    fn count(&self, key: Key) {
        let it = self.failures.get_with(key, || Arc::new(Failures { begun: Instant::now(), count: AtomicU32::new(0) }));
        let count = it.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.tally.tell(Kind::Failures, &[&key.bytes()], count, self.left(&it));
    }

    fn is_over(&self, key: Key, limit: u32) -> bool {
        let mine = self.failures.get(&key).map_or(0, |it| it.count.load(Ordering::Relaxed));
        let all = mine.saturating_add(self.tally.others(Kind::Failures, &[&key.bytes()]));
        // With a limit of zero one failure is too many, not none.
        all >= limit.max(1)
    }

    fn left(&self, it: &Failures) -> Duration {
        self.window.saturating_sub(it.begun.elapsed())
    }

    // Whether nothing that was counted can still count: then nobody is denied, and nothing need be looked up.
    fn is_quiet(&self) -> bool {
        let mine = match self.last_failure.load(Ordering::Relaxed) {
            0 => true,
            at => self.begun.elapsed().as_secs() > at + self.window.as_secs(),
        };
        mine && self.tally.is_quiet(Kind::Failures)
    }

    fn note_failure(&self) {
        self.last_failure.store(self.begun.elapsed().as_secs() + 1, Ordering::Relaxed);
    }

    // Whether the last who proved itself, in this same minute, was this one: it is remembered well enough.
    fn proved_just_now(&self, pair: Key) -> bool {
        let mut hasher = DefaultHasher::new();
        (pair, self.begun.elapsed().as_secs() / 60).hash(&mut hasher);
        let now = hasher.finish();
        self.last_proved.swap(now, Ordering::Relaxed) == now
    }
}

impl Key {
    // The same at all nodes.
    fn bytes(self) -> [u8; 25] {
        let (form, user, peer) = match self {
            Self::Pair(user, peer) => (1, user, Some(peer)),
            Self::Address(peer) => (2, 0, Some(peer)),
            Self::User(user) => (3, user, None),
        };
        let peer = match peer {
            Some(IpAddr::V4(it)) => it.to_ipv6_mapped().octets(),
            Some(IpAddr::V6(it)) => it.octets(),
            None => [0; 16],
        };
        let mut bytes = [form; 25];
        bytes[1..9].copy_from_slice(&user.to_be_bytes());
        bytes[9..].copy_from_slice(&peer);
        bytes
    }
}

// Users are counted by a 64-bit fold of their name (FNV-1a): an attacker's long names take no memory. The same at all nodes, by whatever
// compiler they were built; whoever finds two names with one fold could as well fail under the one.
fn fold(user: &str) -> u64 {
    user.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Vault;

    fn breaker() -> Breaker {
        let settings = AuthSettings { failures_per_pair: 2, failures_per_address: 4, failures_per_user: 5, ..AuthSettings::default() };
        Breaker::new(&settings, Tally::alone(1, Arc::new(Vault::from_root(&[1; 32]))))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_pair_an_address_and_a_user_have_limits_of_their_own() {
        let check = |failures: &[(&str, &str)], asked: (&str, &str), expected: bool| {
            let it = breaker();
            failures.iter().for_each(|(user, peer)| it.failed(user, ip(peer)));
            assert_eq!(it.is_open(asked.0, ip(asked.1)), expected, "{failures:?} {asked:?}");
        };
        check(&[("a", "10.0.0.1")], ("a", "10.0.0.1"), false);
        check(&[("a", "10.0.0.1"); 2], ("a", "10.0.0.1"), true);
        check(&[("a", "10.0.0.1"); 2], ("a", "10.0.0.2"), false);
        check(&[("a", "10.0.0.1"); 2], ("b", "10.0.0.1"), false);
        check(&[("a", "10.0.0.1"), ("b", "10.0.0.1"), ("c", "10.0.0.1"), ("d", "10.0.0.1")], ("z", "10.0.0.1"), true);
        check(&[("a", "2001:db8::1"), ("a", "2001:db8::2")], ("a", "2001:db8::3"), true);
        check(&[("a", "1.1.1.1"), ("a", "1.1.1.2"), ("a", "1.1.1.3"), ("a", "1.1.1.4"), ("a", "1.1.1.5")], ("a", "9.9.9.9"), true);
    }

    // Nodes tell each other by it. The values are those of the function's authors.
    #[test]
    fn a_users_fold_is_for_good() {
        for (name, expected) in [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)] {
            assert_eq!(fold(name), expected, "{name}");
        }
    }

    #[test]
    fn failures_without_a_user_are_the_addresss() {
        let it = breaker();
        (0..3).for_each(|_| it.address_failed(ip("2001:db8::1")));
        assert!(!it.is_address_open(ip("2001:db8::2")));
        it.failed("a", ip("2001:db8::3"));
        assert!(it.is_address_open(ip("2001:db8::2")) && it.is_open("z", ip("2001:db8::4")));
        assert!(!it.is_address_open(ip("2001:db8:1::1")));
    }

    #[test]
    fn a_known_address_is_spared_from_the_limit_of_its_user() {
        let it = breaker();
        it.proved("a", ip("9.9.9.9"));
        (1..=5).for_each(|n| it.failed("a", ip(&format!("1.1.1.{n}"))));
        assert!(!it.is_open("a", ip("9.9.9.9")));
        assert!(it.is_open("a", ip("9.9.9.8")));
    }
}
