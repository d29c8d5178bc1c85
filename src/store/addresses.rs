//! What is known of each address, by its routing MAC: what is open on it, what ended, what was sent, what it opted out of, and a
//! number that counts every change of these.

use super::facts::Facts;
use super::key::Route;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

/// The indexes by address.
#[derive(Default)]
pub(crate) struct Addresses {
    versions: HashMap<Route, u64>,
    open: BTreeSet<(Route, Timestamp, AggregateId)>,
    ended: BTreeSet<(Route, Timestamp, AggregateId)>,
    sent: BTreeSet<(Route, Timestamp, AggregateId, u16)>,
    opt_outs: BTreeSet<(Route, PublisherId)>,
}

impl Addresses {
    /// The commit that last changed what is known of an address; 0 when nothing is.
    pub(crate) fn version(&self, address: Route) -> u64 {
        self.versions.get(&address).copied().unwrap_or(0)
    }

    /// Open TwoWay challenges, newest first.
    pub(crate) fn open(&self, address: Route) -> impl Iterator<Item = AggregateId> + '_ {
        self.open.range(since(address, START)).rev().map(|it| it.2)
    }

    /// Challenges that ended since `from`, newest first.
    pub(crate) fn ended(&self, address: Route, from: Timestamp) -> impl Iterator<Item = AggregateId> + '_ {
        self.ended.range(since(address, from)).rev().map(|it| it.2)
    }

    /// When challenge messages were queued after `from` and of what, oldest first.
    pub(crate) fn sent(&self, address: Route, from: Timestamp) -> impl Iterator<Item = (Timestamp, AggregateId)> + '_ {
        let all = self.sent.range((address, from, FIRST, 0)..=(address, END, LAST, u16::MAX));
        all.map(|it| (it.1, it.2)).filter(move |it| it.0 > from)
    }

    /// Publishers whose messages it opted out of.
    pub(crate) fn opted_out_of(&self, address: Route) -> impl Iterator<Item = &PublisherId> + '_ {
        self.opt_outs.range((address, PublisherId::from(""))..).take_while(move |it| it.0 == address).map(|it| &it.1)
    }

    /// Takes an aggregate in.
    pub(crate) fn insert(&mut self, id: AggregateId, facts: &Facts) {
        for (at, (route, sent_at)) in facts.sent.iter().enumerate() {
            self.sent.insert((*route, *sent_at, id, at as u16));
        }
        if facts.live.listens {
            self.open.extend(facts.addresses().map(|route| (route, facts.at, id)));
        }
        if let (true, Some(ended_at)) = (facts.challenge, facts.ended_at) {
            self.ended.extend(facts.addresses().map(|route| (route, ended_at, id)));
        }
    }

    /// Takes it out again.
    pub(crate) fn remove(&mut self, id: AggregateId, facts: &Facts) {
        for (at, (route, sent_at)) in facts.sent.iter().enumerate() {
            self.sent.remove(&(*route, *sent_at, id, at as u16));
        }
        for route in facts.addresses() {
            self.open.remove(&(route, facts.at, id));
            if let Some(ended_at) = facts.ended_at {
                self.ended.remove(&(route, ended_at, id));
            }
        }
    }

    /// Sets or ends an opt-out.
    pub(crate) fn opt_out(&mut self, address: Route, publisher: PublisherId, stopped: bool) {
        if stopped {
            self.opt_outs.insert((address, publisher));
        } else {
            self.opt_outs.remove(&(address, publisher));
        }
    }

    /// Commit `sequence` changed what is known of these.
    pub(crate) fn touch(&mut self, addresses: impl IntoIterator<Item = Route>, sequence: u64) {
        self.versions.extend(addresses.into_iter().map(|it| (it, sequence)));
    }

    /// Drops the versions of addresses that nothing is known of here any more.
    pub(crate) fn prune(&mut self, addresses: impl IntoIterator<Item = Route>) {
        for route in addresses {
            let known =
                self.open(route).next().is_some() || self.sent(route, START).next().is_some() || self.opted_out_of(route).next().is_some();
            if !known {
                self.versions.remove(&route);
            }
        }
    }
}

const START: Timestamp = Timestamp::from_millis(i64::MIN);
const END: Timestamp = Timestamp::from_millis(i64::MAX);
const FIRST: AggregateId = AggregateId(uuid::Uuid::nil());
const LAST: AggregateId = AggregateId(uuid::Uuid::max());

fn since(route: Route, from: Timestamp) -> RangeInclusive<(Route, Timestamp, AggregateId)> {
    (route, from, FIRST)..=(route, END, LAST)
}
