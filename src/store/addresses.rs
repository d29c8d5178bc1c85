//! What is known of each address, by its routing MAC: which challenges were sent to it, what it opted out of, and a number that
//! counts every change of these.

use super::facts::Facts;
use super::key::Route;
use super::keyed::Keyed;
use super::wide::Wide;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::time::Timestamp;
use smallvec::SmallVec;

/// The indexes by address.
#[derive(Default)]
pub(crate) struct Addresses {
    known: Wide<Route, Known>,
    opt_outs: Keyed<Route, Vec<PublisherId>>,
}

/// A challenge message that was queued to an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sent {
    /// When.
    pub(crate) at: Timestamp,
    /// Its challenge.
    pub(crate) id: AggregateId,
    /// When that ended; `None` while it is open.
    pub(crate) ended: Option<Timestamp>,
}

#[derive(Default)]
struct Known {
    /// The commit that last changed it.
    version: u64,
    /// Oldest first. Most addresses have one.
    sent: SmallVec<[Sent; 1]>,
}

impl Addresses {
    /// The commit that last changed what is known of an address; 0 when nothing is.
    pub(crate) fn version(&self, address: &Route) -> u64 {
        self.known.get(address).map_or(0, |it| it.version)
    }

    /// Its [`Addresses::version`], and challenge messages that were queued to an address, oldest first.
    pub(crate) fn sent(&self, address: &Route) -> (u64, &[Sent]) {
        self.known.get(address).map_or((0, &[]), |it| (it.version, &it.sent))
    }

    /// Publishers whose messages it opted out of, in order.
    pub(crate) fn opted_out_of(&self, address: &Route) -> &[PublisherId] {
        self.opt_outs.get(address).map_or(&[], |it| it)
    }

    /// Takes an aggregate in, as commit `sequence` did.
    pub(crate) fn insert(&mut self, sequence: u64, id: AggregateId, facts: &Facts) {
        for (route, at) in &facts.sent {
            let known = self.known.entry(*route).or_default();
            known.version = sequence;
            let sent = &mut known.sent;
            let place = sent.partition_point(|it| (it.at, it.id) < (*at, id));
            sent.insert(place, Sent { at: *at, id, ended: facts.ended_at });
        }
    }

    /// An aggregate that was sent what it was sent before changed otherwise.
    pub(crate) fn change(&mut self, sequence: u64, id: AggregateId, facts: &Facts) {
        for (route, at) in &facts.sent {
            let Some(known) = self.known.get_mut(route) else { continue };
            known.version = sequence;
            let these = known.sent.iter_mut().filter(|it| (it.at, it.id) == (*at, id));
            these.for_each(|it| it.ended = facts.ended_at);
        }
    }

    /// Takes it out again.
    pub(crate) fn remove(&mut self, id: AggregateId, facts: &Facts) {
        for (route, at) in &facts.sent {
            let Some(known) = self.known.get_mut(route) else { continue };
            if let Ok(place) = known.sent.binary_search_by_key(&(*at, id), |it| (it.at, it.id)) {
                known.sent.remove(place);
            }
            if known.sent.is_empty() {
                known.sent = SmallVec::new();
            }
        }
    }

    /// Sets or ends an opt-out.
    pub(crate) fn opt_out(&mut self, address: Route, publisher: PublisherId, stopped: bool) {
        let all = self.opt_outs.entry(address).or_default();
        match all.binary_search(&publisher) {
            Err(place) if stopped => all.insert(place, publisher),
            Ok(place) if !stopped => drop(all.remove(place)),
            _ => {}
        }
        if all.is_empty() {
            self.opt_outs.remove(&address);
        }
    }

    /// Commit `sequence` changed what is known of these.
    pub(crate) fn touch(&mut self, addresses: impl IntoIterator<Item = Route>, sequence: u64) {
        addresses.into_iter().for_each(|it| self.known.entry(it).or_default().version = sequence);
    }

    /// Drops the versions of addresses that nothing is known of here any more.
    pub(crate) fn prune(&mut self, addresses: impl IntoIterator<Item = Route>) {
        for route in addresses {
            if self.sent(&route).1.is_empty() && self.opted_out_of(&route).is_empty() {
                self.known.remove(&route);
            }
        }
    }
}
