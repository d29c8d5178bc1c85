//! How aggregates are found. Where one changes, only that is touched which is not as it was: mostly little.

use super::{Entry, Published};
use crate::domain::id::AggregateId;

impl Published {
    /// Puts an aggregate in the place of what it was, or takes it out, as commit `sequence` did. Gives back what it was.
    pub(super) fn put_entry(&mut self, sequence: u64, id: AggregateId, new: Option<Entry>) -> Option<Entry> {
        let old = self.entries.remove(&id);
        if new.is_none() {
            self.latest.remove(&id);
        }
        let length = |it: &Option<Entry>| it.as_ref().and_then(|it| it.bytes.as_ref()).map_or(0, |it| it.len() as u64);
        self.bytes = (self.bytes + length(&new)).saturating_sub(length(&old));
        self.put_addresses(sequence, id, (old.as_ref(), new.as_ref()));
        if let Some(old) = &old {
            self.unindex(id, old, new.as_ref());
        }
        if let Some(new) = new {
            self.index(id, &new, old.as_ref());
            self.entries.insert(id, new);
        }
        old
    }

    fn put_addresses(&mut self, sequence: u64, id: AggregateId, (old, new): (Option<&Entry>, Option<&Entry>)) {
        if let (Some(old), Some(new)) = (old, new)
            && old.facts.sent == new.facts.sent
        {
            if !old.facts.looks_like(&new.facts) {
                self.addresses.change(sequence, id, &new.facts);
            }
            return;
        }
        if let Some(old) = old {
            self.addresses.remove(id, &old.facts);
        }
        let Some(new) = new else { return };
        old.iter().for_each(|it| self.addresses.touch(it.facts.addresses(), sequence));
        self.addresses.insert(sequence, id, &new.facts);
    }

    fn index(&mut self, id: AggregateId, it: &Entry, old: Option<&Entry>) {
        let facts = &it.facts;
        if let Some((route, _)) = &facts.repeat {
            self.repeats.entry(*route).or_insert(id);
        }
        for (route, verdict) in &facts.seen {
            self.seen.insert(*route, (*verdict, id));
        }
        for delivery in facts.deliveries.iter().filter(|it| !old.is_some_and(|old| old.facts.deliveries.contains(it))) {
            self.deliveries.insert(*delivery, id);
        }
        if it.bytes.is_some() {
            self.index_live(id, it, old.filter(|it| it.bytes.is_some()));
        } else {
            self.graves.insert((facts.over_at(), id));
        }
    }

    fn index_live(&mut self, id: AggregateId, it: &Entry, old: Option<&Entry>) {
        let (facts, live) = (&it.facts, &it.facts.live);
        if !old.is_some_and(|old| old.holds_as(it)) {
            live.slot.into_iter().for_each(|slot| self.slots.insert(slot, facts.at, id));
        }
        if old.is_none_or(|old| old.facts.live.timer != live.timer) {
            self.timers.extend(live.timer.map(|at| (at, id)));
        }
        for due in live.due.iter().filter(|due| !old.is_some_and(|old| old.facts.live.due.contains(due))) {
            self.outbox.insert(due.0, due.1, id);
        }
        if live.finished {
            self.finished.insert((facts.over_at(), id));
        }
        let told = old.map_or(0, |old| old.tells_as(it));
        if it.seqs.len() > told {
            let feed = self.feed_of(&facts.institution);
            for (index, seq) in it.seqs.iter().enumerate().skip(told) {
                feed.last = feed.last.max(*seq);
                feed.hot.insert(*seq, (id, index as u16));
            }
        }
    }

    fn unindex(&mut self, id: AggregateId, it: &Entry, new: Option<&Entry>) {
        let facts = &it.facts;
        let repeat = facts.repeat.as_ref().filter(|it| new.and_then(|new| new.facts.repeat.as_ref()).is_none_or(|new| new.0 != it.0));
        if let Some((route, _)) = repeat.filter(|it| self.repeats.get(&it.0) == Some(&id)) {
            self.repeats.remove(route);
        }
        for (route, _) in facts.seen.iter().filter(|it| !new.is_some_and(|new| new.facts.seen.iter().any(|new| new.0 == it.0))) {
            if self.seen.get(route).is_some_and(|it| it.1 == id) {
                self.seen.remove(route);
            }
        }
        for delivery in facts.deliveries.iter().filter(|it| !new.is_some_and(|new| new.facts.deliveries.contains(it))) {
            self.deliveries.remove(delivery);
        }
        if it.bytes.is_some() {
            self.unindex_live(id, it, new.filter(|it| it.bytes.is_some()));
        } else {
            self.graves.remove(&(facts.over_at(), id));
        }
    }

    fn unindex_live(&mut self, id: AggregateId, it: &Entry, new: Option<&Entry>) {
        let (facts, live) = (&it.facts, &it.facts.live);
        if !new.is_some_and(|new| it.holds_as(new)) {
            live.slot.into_iter().for_each(|slot| self.slots.remove(slot, facts.at, id));
        }
        if new.is_none_or(|new| new.facts.live.timer != live.timer) {
            live.timer.map(|at| self.timers.remove(&(at, id)));
        }
        if live.finished {
            self.finished.remove(&(facts.over_at(), id));
        }
        for due in live.due.iter().filter(|due| !new.is_some_and(|new| new.facts.live.due.contains(due))) {
            self.outbox.remove(due.0, due.1);
        }
        let stays = new.map_or(0, |new| it.tells_as(new));
        if it.seqs.len() > stays
            && let Some(feed) = self.feeds.get_mut(&facts.institution)
        {
            for seq in &it.seqs[stays..] {
                feed.hot.remove(seq);
            }
        }
    }
}

impl Entry {
    // Whether it has the place in the slot that `other` has.
    fn holds_as(&self, other: &Self) -> bool {
        (self.facts.live.slot, self.facts.at) == (other.facts.live.slot, other.facts.at)
    }

    // How many events at the beginning of both are told under the same numbers.
    fn tells_as(&self, other: &Self) -> usize {
        if self.facts.institution != other.facts.institution {
            return 0;
        }
        self.seqs.iter().zip(&*other.seqs).take_while(|(one, other)| one == other).count()
    }
}
