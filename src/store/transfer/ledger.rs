//! What was sent, so that it can be compared with what arrived.

use super::item::{Digest, Ident, Kind};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Records by what they are, with the digest of what they say.
#[derive(Default)]
pub struct Ledger(HashMap<Ident, Digest>);

/// How many records of a kind are not as they were sent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Off {
    /// Sent, and not there.
    pub missing: u64,
    /// There, and not sent.
    pub extra: u64,
    /// There, and not the same.
    pub changed: u64,
}

/// What is not as it was sent, by kind. Empty: all is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Differences(pub BTreeMap<Kind, Off>);

impl Ledger {
    /// Notes a record, in the place of what it was.
    pub fn put(&mut self, ident: Ident, digest: Digest) {
        self.0.insert(ident, digest);
    }

    /// A record is gone.
    pub fn remove(&mut self, ident: &Ident) {
        self.0.remove(ident);
    }

    /// Whether it has a record as it is now.
    pub fn has(&self, ident: &Ident, digest: &Digest) -> bool {
        self.0.get(ident) == Some(digest)
    }

    /// Records of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, u64> {
        let mut counts = BTreeMap::new();
        self.0.keys().for_each(|it| *counts.entry(it.kind()).or_default() += 1);
        counts
    }

    /// Compares it, which was sent, with what arrived.
    pub fn compare(&self, arrived: &Self) -> Differences {
        let mut off: BTreeMap<Kind, Off> = BTreeMap::new();
        for (ident, digest) in &self.0 {
            match arrived.0.get(ident) {
                None => off.entry(ident.kind()).or_default().missing += 1,
                Some(it) if it != digest => off.entry(ident.kind()).or_default().changed += 1,
                Some(_) => {}
            }
        }
        for ident in arrived.0.keys().filter(|it| !self.0.contains_key(it)) {
            off.entry(ident.kind()).or_default().extra += 1;
        }
        Differences(off)
    }
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (kind, Off { missing, extra, changed }) in &self.0 {
            let comma = if first { "" } else { "; " };
            write!(f, "{comma}{kind}: {missing} missing, {extra} too many, {changed} different")?;
            first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_too_much_or_different_is_told() {
        let ledger = |all: &[(u32, u8)]| {
            let mut ledger = Ledger::default();
            all.iter().for_each(|(day, digest)| ledger.put(Ident::DataKey(*day), [*digest; 32]));
            ledger
        };
        let check = |sent: &[(u32, u8)], arrived: &[(u32, u8)], expected: &str| {
            assert_eq!(ledger(sent).compare(&ledger(arrived)).to_string(), expected);
        };
        check(&[], &[], "");
        check(&[(1, 1), (2, 2)], &[(2, 2), (1, 1)], "");
        check(&[(1, 1), (2, 2)], &[(2, 3), (4, 4), (5, 5)], "data keys: 1 missing, 2 too many, 1 different");
    }
}
