//! Which version of the one store is which of the other: versions are compared by when they are equal, never by what they are.

use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::recipient::RecipientKey;
use std::collections::HashMap;

/// What has a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    Aggregate(AggregateId),
    Budget(BudgetKey),
    Recipient(RecipientKey),
    /// Spelled out: an address does not show itself.
    Address(String),
}

impl Name {
    pub fn address(address: &Address) -> Self {
        Self::Address(address.expose().to_owned())
    }
}

/// Pairs of versions that were seen at the same time: the model's, and the other store's.
pub struct Pairs {
    known: HashMap<Name, Vec<(u64, u64)>>,
    /// An address of which all has left for history begins anew.
    passing: bool,
}

impl Pairs {
    pub fn new(passing: bool) -> Self {
        Self { known: HashMap::new(), passing }
    }

    /// Both were read of `name`.
    pub fn see(&mut self, name: Name, pair: (u64, u64)) -> Result<(), String> {
        if self.passing && pair.1 == 0 && matches!(name, Name::Address(_)) {
            return Ok(());
        }
        let known = self.known.entry(name.clone()).or_insert_with(|| vec![(0, 0)]);
        match known.iter().find(|it| it.0 == pair.0 || it.1 == pair.1) {
            Some(it) if *it == pair => Ok(()),
            Some(it) => Err(format!("{name:?} is at {pair:?}, but was seen at {it:?}: (the model's version, the store's)")),
            None => {
                known.push(pair);
                Ok(())
            }
        }
    }

    /// An earlier pair than `now`, which one by `throw`.
    pub fn stale(&self, name: &Name, now: (u64, u64), throw: usize) -> Option<(u64, u64)> {
        let earlier: Vec<_> = self.known.get(name)?.iter().filter(|it| **it != now).collect();
        (!earlier.is_empty()).then(|| *earlier[throw % earlier.len()])
    }

    /// What is known of `name` counts no more.
    pub fn forget(&mut self, name: &Name) {
        self.known.remove(name);
    }
}
