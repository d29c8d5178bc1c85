//! What is known of an address: from the published state what is open, and with history what was sent and what ended.

use super::{Hit, Reader};
use crate::domain::aggregate::Aggregate;
use crate::domain::challenge::{Challenge, State};
use crate::domain::contact::Address;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::snapshot::{AddressView, Versioned};
use crate::domain::time::Timestamp;
use crate::store::addresses::Sent;
use crate::store::contract::StoreError;
use crate::store::key::{Key, Route, kind};
use crate::store::past::{Grave, Search};
use crate::store::published::Published;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST_ENDED: usize = 5;

/// What an address is looked at for.
#[derive(Clone, Copy)]
pub(super) struct Glance {
    pub(super) now: Timestamp,
    /// What has ended matters only for judging a reply.
    pub(super) with_ended: bool,
}

/// What the published state knows of an address.
pub(super) struct Look {
    route: Route,
    version: u64,
    open: Vec<Hit>,
    ended: Vec<Hit>,
    sent: Vec<Sent>,
    opt_outs: Vec<PublisherId>,
}

impl Look {
    pub(super) fn at(published: &Published, route: Route, glance: Glance) -> Self {
        let (version, sent) = published.addresses.sent(&route);
        Self {
            route,
            version,
            open: open(published, sent),
            ended: if glance.with_ended { ended(published, sent, glance.now) } else { Vec::new() },
            sent: sent.to_vec(),
            opt_outs: published.addresses.opted_out_of(&route).to_vec(),
        }
    }
}

// Newest first. A challenge may have two messages to one address.
fn open(published: &Published, sent: &[Sent]) -> Vec<Hit> {
    let entries = sent.iter().filter(|it| it.ended.is_none()).filter_map(|it| Some((it.id, published.entries.get(&it.id)?)));
    let mut found: Vec<Hit> = entries.filter(|it| it.1.facts.live.listens).map(|(id, entry)| Hit::of(id, entry)).collect();
    found.sort_by_key(|it| Reverse((it.at, it.id)));
    found.dedup_by_key(|it| it.id);
    found
}

// Those of the last hour, newest first.
fn ended(published: &Published, sent: &[Sent], now: Timestamp) -> Vec<Hit> {
    let from = now.minus(HOUR);
    let mut found: Vec<(Timestamp, AggregateId)> = sent.iter().filter_map(|it| Some((it.ended.filter(|at| *at >= from)?, it.id))).collect();
    found.sort_unstable_by_key(|it| Reverse(*it));
    found.dedup();
    found.iter().take(MOST_ENDED).filter_map(|(_, id)| Some(Hit::of(*id, published.entries.get(id)?))).collect()
}

impl Reader<'_> {
    /// Opens what was found of an address, and adds what history knows.
    pub(super) fn address(&self, (address, look): (Address, Look), glance: Glance, search: &Search<'_>) -> Result<AddressView, StoreError> {
        let (open, mut ended) = (self.challenges(look.open, search)?, self.challenges(look.ended, search)?);
        let since = glance.now.minus(DAY);
        let mut sends: Vec<Timestamp> = look.sent.iter().map(|it| it.at).filter(|at| *at > since).collect();
        let graves = search.ask(Key::new(kind::ADDRESS, look.route));
        if !graves.is_empty() {
            // Those that are live again, or about to leave, are told as they are here.
            let known: HashSet<AggregateId> = look.sent.iter().map(|it| it.id).collect();
            for it in graves.iter().filter(|it| !known.contains(&it.id)) {
                sends.extend(it.facts.sent.iter().filter(|sent| sent.0 == look.route && sent.1 > since).map(|sent| sent.1));
                ended.extend(late(it, glance));
            }
            sends.sort();
            ended.sort_by_key(|it| Reverse(ended_at(&it.value)));
            ended.truncate(MOST_ENDED);
        }
        Ok(AddressView { address, version: look.version, open, ended, sends, opt_outs: look.opt_outs })
    }
}

// One in history that a late answer can still be for.
fn late(it: &Grave, glance: Glance) -> Option<Versioned<Challenge>> {
    let at = it.facts.ended_at.filter(|_| glance.with_ended)?;
    match &it.aggregate {
        Aggregate::Challenge(value) if at >= glance.now.minus(HOUR) => Some(Versioned { value: (**value).clone(), version: it.version }),
        _ => None,
    }
}

fn ended_at(it: &Challenge) -> Option<Timestamp> {
    match it.state {
        State::Open => None,
        State::Ended { at, .. } => Some(at),
    }
}
