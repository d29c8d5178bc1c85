//! What is known of an address: from the published state what is open, and with history what was sent and what ended.

use super::{Hit, Reader};
use crate::domain::aggregate::Aggregate;
use crate::domain::challenge::{Challenge, State};
use crate::domain::contact::Address;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::snapshot::{AddressView, Versioned};
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use crate::store::key::{Key, Keys, Route, kind};
use crate::store::past::Search;
use std::collections::HashSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST_ENDED: usize = 5;

/// What the published state knows of an address.
struct Look {
    version: u64,
    open: Vec<Hit>,
    ended: Vec<Hit>,
    sends: Vec<Timestamp>,
    opt_outs: Vec<PublisherId>,
    /// Of whom these are.
    known: HashSet<AggregateId>,
}

impl Reader<'_> {
    // What has ended matters only for judging a reply.
    pub(super) fn address(
        &self,
        (address, with_ended): (Address, bool),
        now: Timestamp,
        search: &Search<'_>,
    ) -> Result<AddressView, StoreError> {
        let route = Keys(self.vault).address(&address);
        let mut look = self.look(route, with_ended, now);
        let open = self.challenges(std::mem::take(&mut look.open), search)?;
        let mut ended = self.challenges(std::mem::take(&mut look.ended), search)?;
        let mut sends = std::mem::take(&mut look.sends);
        // Those that are live again, or about to leave, are told as they are here.
        for it in search.ask(Key::new(kind::ADDRESS, route)).iter().filter(|it| !look.known.contains(&it.id)) {
            sends.extend(it.facts.sent.iter().filter(|sent| sent.0 == route && sent.1 > now.minus(DAY)).map(|sent| sent.1));
            if let (true, Some(at), Aggregate::Challenge(value)) = (with_ended, it.facts.ended_at, &it.aggregate)
                && at >= now.minus(HOUR)
            {
                ended.push(Versioned { value: (**value).clone(), version: it.version });
            }
        }
        sends.sort();
        ended.sort_by_key(|it| std::cmp::Reverse(ended_at(&it.value)));
        ended.truncate(MOST_ENDED);
        Ok(AddressView { address, version: look.version, open, ended, sends, opt_outs: look.opt_outs })
    }

    fn look(&self, route: Route, with_ended: bool, now: Timestamp) -> Look {
        let published = self.published.read();
        let ended = published.ended_on(route, now.minus(HOUR)).take(if with_ended { MOST_ENDED } else { 0 });
        let sent = || published.addresses.sent(route, Timestamp::from_millis(i64::MIN));
        Look {
            version: published.version(&Key::new(kind::ADDRESS, route)),
            open: published.open_on(route).map(|(id, entry)| Hit::of(id, entry)).collect(),
            ended: ended.map(|(id, entry)| Hit::of(id, entry)).collect(),
            known: sent().map(|it| it.1).collect(),
            sends: sent().map(|it| it.0).filter(|at| *at > now.minus(DAY)).collect(),
            opt_outs: published.addresses.opted_out_of(route).cloned().collect(),
        }
    }
}

fn ended_at(it: &Challenge) -> Option<Timestamp> {
    match it.state {
        State::Open => None,
        State::Ended { at, .. } => Some(at),
    }
}
