//! Who has which delivery, and which timers were told: compared as what is handed out, since every store counts leases its own way.

use super::lockstep::{Engine, SPAN, Subject};
use super::town::Town;
use super::views::same;
use countersign::domain::aggregate::Aggregate;
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::domain::snapshot::Lease;
use countersign::domain::time::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// All that waits.
const ALL: usize = 10_000;

/// Leases of the model and of the other store, side by side.
pub struct Leases {
    hides: Option<Duration>,
    held: HashMap<DeliveryId, (Lease, Lease)>,
    /// Those that another worker has by now.
    lost: HashMap<DeliveryId, Vec<(Lease, Lease)>>,
    /// Deliveries that the model handed out, and the other store keeps back for a while: with leases of whole aggregates one that
    /// comes beside another waits until that one's lease is over.
    owed: HashMap<DeliveryId, Lease>,
    /// Aggregates that had two deliveries waiting.
    several: HashSet<AggregateId>,
    /// Deliveries that were changed: another node may not know yet, and hand them out as they were. Its worker looks first.
    stale: HashSet<DeliveryId>,
    /// Timers that nobody else is told before this.
    told: HashMap<AggregateId, Timestamp>,
}

impl Leases {
    pub fn new(hides: Option<Duration>) -> Self {
        Self {
            hides,
            held: HashMap::new(),
            lost: HashMap::new(),
            told: HashMap::new(),
            owed: HashMap::new(),
            stale: HashSet::new(),
            several: HashSet::new(),
        }
    }

    /// All leases are over: nothing may be kept back any more.
    pub fn all_over(&mut self) {
        self.owed.clear();
        self.stale.clear();
        self.several.clear();
    }

    pub async fn lease(&mut self, (model, subject): (&dyn Engine, &Subject), (town, now): (Town, Timestamp)) -> Result<(), String> {
        let mut ours = by_delivery(model.lease(now, SPAN, ALL).await.expect("the model leases"), town)?;
        let mut theirs = Vec::new();
        for node in &subject.nodes {
            let leases = node.lease(now, SPAN, ALL).await.map_err(|error| error.to_string())?;
            let news = |it: &Lease| subject.nodes.len() == 1 || ours.contains_key(&it.delivery) || !self.stale.contains(&it.delivery);
            theirs.extend(leases.into_iter().filter(news));
        }
        if subject.nodes.len() > 1 {
            theirs.sort_by_key(|it| (it.delivery, std::cmp::Reverse(it.fence)));
            theirs.dedup_by(|it, newer| it.delivery == newer.delivery && self.stale.contains(&it.delivery));
        }
        let theirs = by_delivery(theirs, town)?;
        if self.hides.is_some() {
            for (delivery, it) in theirs.keys().filter_map(|it| Some((*it, self.owed.remove(it)?))) {
                ours.entry(delivery).or_insert(it);
            }
            let kept_back = ours.extract_if(.., |delivery, it| self.several.contains(&it.aggregate) && !theirs.contains_key(delivery));
            self.owed.extend(kept_back);
        }
        same("what is leased", &ours.keys().collect::<Vec<_>>(), &theirs.keys().collect::<Vec<_>>())?;
        for ((delivery, ours), theirs) in ours.into_iter().zip(theirs.into_values()) {
            same("whose delivery it is", &ours.aggregate, &theirs.aggregate)?;
            if theirs.until <= now || theirs.until > now.plus(SPAN) {
                return Err(format!("{theirs:?} is not for a span from {now}"));
            }
            let Some(before) = self.held.insert(delivery, (ours, theirs)) else { continue };
            if before.1.fence == theirs.fence {
                return Err(format!("{theirs:?} has the fence of {:?}", before.1));
            }
            self.lost.entry(delivery).or_default().push(before);
        }
        Ok(())
    }

    pub async fn due(&mut self, (model, subject): (&dyn Engine, &Subject), (town, now): (Town, Timestamp)) -> Result<(), String> {
        let mut ours = model.due(now, ALL).await.expect("the model tells");
        let mut theirs = Vec::new();
        for node in &subject.nodes[..if self.hides.is_some() { subject.nodes.len() } else { 1 }] {
            theirs.extend(node.due(now, ALL).await.map_err(|error| error.to_string())?.into_iter().filter(|it| town.has(*it)));
        }
        if let Some(span) = self.hides {
            ours.retain(|it| self.told.get(it).is_none_or(|until| *until <= now));
            self.told.extend(ours.iter().map(|it| (*it, now.plus(span))));
            ours.sort_unstable();
            theirs.sort_unstable();
        }
        same("the timers that are due", &ours, &theirs)
    }

    /// The lease of a delivery; with `lost` one that was lost, if there is.
    pub fn of(&self, delivery: DeliveryId, lost: bool) -> Option<(Lease, Lease)> {
        let lost = self.lost.get(&delivery).and_then(|it| it.last()).filter(|_| lost);
        lost.or_else(|| self.held.get(&delivery)).copied()
    }

    pub fn is_lost(&self, ours: &Lease) -> bool {
        self.lost.get(&ours.delivery).is_some_and(|it| it.iter().any(|it| it.0 == *ours))
    }

    /// An aggregate was written: what it changes is nobody's any more.
    pub fn changed(&mut self, old: Option<&Aggregate>, new: &Aggregate) {
        self.told.remove(&new.id());
        if new.deliveries().iter().filter(|it| it.status.due().is_some()).count() > 1 {
            self.several.insert(new.id());
        }
        let as_before = |id| old.and_then(|it| it.deliveries().iter().find(|it| it.id == id));
        for it in new.deliveries() {
            if as_before(it.id).is_none_or(|old| (old.status.due(), old.tries) != (it.status.due(), it.tries)) {
                self.stale.insert(it.id);
                self.held.remove(&it.id);
                self.owed.remove(&it.id);
                self.lost.remove(&it.id);
            }
        }
    }
}

fn by_delivery(all: Vec<Lease>, town: Town) -> Result<BTreeMap<DeliveryId, Lease>, String> {
    let mut ordered = BTreeMap::new();
    for it in all.into_iter().filter(|it| town.has(it.aggregate)) {
        if let Some(twice) = ordered.insert(it.delivery, it) {
            return Err(format!("{twice:?} was handed out with {it:?}"));
        }
    }
    Ok(ordered)
}
