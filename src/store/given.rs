//! The routing MACs of a commit, each made once: what its expectations name is mostly what its aggregates are found by.

use super::key::{Key, Keys, Route, kind};
use crate::domain::challenge::Slot;
use crate::domain::contact::Address;
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::snapshot::Expect;
use crate::vault::Vault;

/// Keys of expectations, and from these the routes that an aggregate needs; those that nobody expects are made when asked for.
pub(crate) struct Given<'a> {
    keys: Keys<'a>,
    expects: &'a [Expect],
    /// Each expectation's key, in order.
    made: Vec<Key>,
}

impl<'a> Given<'a> {
    /// Those of `expects`; without any, every route is made anew.
    pub(crate) fn by(vault: &'a Vault, expects: &'a [Expect]) -> Self {
        let keys = Keys(vault);
        let made = expects.iter().map(|it| of(&keys, it)).collect();
        Self { keys, expects, made }
    }

    /// Each expectation with its key, in order.
    pub(crate) fn made(&self) -> impl Iterator<Item = (&'a Expect, &Key)> {
        self.expects.iter().zip(&self.made)
    }

    pub(crate) fn address(&self, address: &Address) -> Route {
        let known = self.find(|it| matches!(it, Expect::Address(it, _) if it == address));
        known.unwrap_or_else(|| self.keys.address(address))
    }

    pub(crate) fn slot(&self, slot: &Slot) -> Route {
        let known = self.find(|it| matches!(it, Expect::Slot(it, _) if it == slot));
        known.unwrap_or_else(|| self.keys.slot(slot))
    }

    pub(crate) fn repeat(&self, publisher: &PublisherId, institution: &InstitutionId, key: &str) -> Route {
        let known = self.find(|it| matches!(it, Expect::Unrepeated(p, i, k) if k == key && p == publisher && i == institution));
        known.unwrap_or_else(|| self.keys.repeat(publisher, institution, key))
    }

    pub(crate) fn seen(&self, provider_id: &str) -> Route {
        let known = self.find(|it| matches!(it, Expect::Unseen(it) if it == provider_id));
        known.unwrap_or_else(|| self.keys.seen(provider_id))
    }

    fn find(&self, is: impl Fn(&Expect) -> bool) -> Option<Route> {
        self.made().find(|(expect, _)| is(expect)).map(|(_, key)| key.rest())
    }
}

fn of(keys: &Keys<'_>, expect: &Expect) -> Key {
    match expect {
        Expect::Aggregate(id, _) => Key::aggregate(*id),
        Expect::Budget(key, _) => keys.budget(key),
        Expect::Recipient(key, _) => keys.recipient(key),
        Expect::Address(address, _) => Key::new(kind::ADDRESS, keys.address(address)),
        Expect::Slot(slot, _) => Key::new(kind::SLOT, keys.slot(slot)),
        Expect::Unrepeated(publisher, institution, key) => Key::new(kind::REPEAT, keys.repeat(publisher, institution, key)),
        Expect::Unseen(provider_id) => Key::new(kind::SEEN, keys.seen(provider_id)),
        Expect::Lease(lease) => Key::delivery(lease.delivery),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::challenge::SlotSubject;

    #[test]
    fn a_route_that_is_given_is_the_one_that_would_be_made_and_another_is_not_taken_for_it() {
        let vault = Vault::from_root(&[1; 32]);
        let (publisher, institution) = (PublisherId::from("demo"), InstitutionId::from("011001276"));
        let slot = |product: &str| Slot {
            publisher: publisher.clone(),
            institution: institution.clone(),
            subject: SlotSubject::Explicit { phone: Address::canonical("+12025550123"), product: product.into() },
        };
        let expects = [
            Expect::Unseen("a".into()),
            Expect::Address(Address::canonical("a"), 1),
            Expect::Slot(slot("a"), None),
            Expect::Unrepeated(publisher.clone(), institution.clone(), "a".into()),
        ];
        let (with, without) = (Given::by(&vault, &expects), Given::by(&vault, &[]));
        let mut all = Vec::new();
        for name in ["a", "b"] {
            for given in [&with, &without] {
                let (address, repeat) = (Address::canonical(name), given.repeat(&publisher, &institution, name));
                all.push([given.seen(name), given.address(&address), given.slot(&slot(name)), repeat]);
            }
        }
        assert_eq!((all[0], all[2]), (all[1], all[3]));
        assert!(
            all[0].iter().chain(&all[2]).enumerate().all(|(at, it)| !all[0].iter().chain(&all[2]).skip(at + 1).any(|other| other == it))
        );
        assert_eq!(with.made().map(|it| it.1.rest()).collect::<Vec<_>>(), all[0]);
    }
}
