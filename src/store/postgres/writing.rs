//! Commits, from what is wanted until it is durable.

use super::committer::{Job, Taken};
use super::fetch::Wanted;
use super::known::Kept;
use super::ops::Ops;
use super::place::{Place, Places};
use super::plan::{Desk, Gap, Read};
use super::rec::Rec;
use super::shared::{Doubt, Shared};
use super::store::PostgresStore;
use super::trouble::Trouble;
use super::wish::Wish;
use super::{ops, view, wish};
use crate::domain::id::{AggregateId, DeliveryId};
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use crate::store::contract::StoreError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::oneshot;

/// How often what a commit derives from is read anew, when nobody said what it must be.
const TRIES: usize = 16;

impl PostgresStore {
    pub(super) async fn write(&self, wish: Wish) -> Result<(), StoreError> {
        let mut read = Read::default();
        for _ in 0..TRIES {
            let ops = self.planned(&wish, &mut read).await?;
            if ops.is_empty() {
                return Ok(());
            }
            for it in &ops.told {
                self.shared.make_feed(&it.institution, Places(&self.shared.vault).feed(&it.institution)).await?;
            }
            let after = After::of(&wish, &ops);
            match self.send(ops).await {
                Ok(taken) => {
                    after.remember(&self.shared, &taken);
                    return Ok(());
                }
                Err(error @ StoreError::Away(_)) => {
                    after.doubt(&self.shared);
                    return Err(error);
                }
                Err(StoreError::Conflict) => {
                    if self.lost(&wish).await? {
                        return Err(StoreError::Fenced);
                    }
                    // What it was derived from is read again; what the caller expects may hold all the same.
                    read = self.reread(&wish, &after).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    // Asks the database for what is not known here, at most twice: aggregates, then the records that follow from them.
    pub(super) async fn planned(&self, wish: &Wish, read: &mut Read) -> Result<Ops, StoreError> {
        loop {
            let desk =
                Desk { vault: &self.shared.vault, known: &self.shared.known, read, stamp: self.shared.stamp(), now: self.shared.now() };
            match desk.plan(wish) {
                Ok(ops) => return Ok(ops),
                Err(Gap::Conflict) => return Err(self.conflict(wish).await),
                Err(Gap::Unreadable(cause)) => return Err(StoreError::Failed(format!("a stored value can't be read: {cause}"))),
                Err(Gap::Missing(ids, places)) => self.bounded(self.fill(ids, places, read)).await?,
            }
        }
    }

    async fn conflict(&self, wish: &Wish) -> StoreError {
        match self.lost(wish).await {
            Ok(true) => StoreError::Fenced,
            Ok(false) => StoreError::Conflict,
            Err(error) => error,
        }
    }

    async fn fill(&self, ids: Vec<AggregateId>, places: Vec<Place>, read: &mut Read) -> Result<(), StoreError> {
        let fetched = self.ask(Wanted { ids: ids.clone(), places: places.clone(), ..Wanted::default() }).await?;
        let found = &fetched.aggregates;
        self.learn_days(found.values()).await?;
        for id in ids {
            let kept = match found.get(&id) {
                Some(it) => Some(view::kept(&self.shared.vault, it, &view::aggregate(&self.shared.vault, id, it)?)),
                None => None,
            };
            read.aggregates.insert(id, kept);
        }
        read.records.extend(places.into_iter().map(|it| (it, fetched.records.get(&it).cloned())));
        Ok(())
    }

    async fn reread(&self, wish: &Wish, after: &After) -> Result<Read, StoreError> {
        let mut read = Read::default();
        let ids = wish.bodies.iter().map(|it| it.id).collect();
        self.bounded(self.fill(ids, after.places(), &mut read)).await?;
        Ok(read)
    }

    // Whether another worker has the delivery that is to be settled.
    async fn lost(&self, wish: &Wish) -> Result<bool, StoreError> {
        if let Some((name, fence)) = wish.duty {
            let client = self.shared.pool.get().await.map_err(Trouble::from)?;
            let found = client.query_opt("SELECT fence FROM duty WHERE name = $1", &[&&name[..]]).await.map_err(Trouble::from)?;
            return Ok(found.is_none_or(|it| it.get::<_, i64>(0) != fence));
        }
        let Some(lease) = wish.lease else { return Ok(false) };
        let (id, day) = (lease.aggregate, lease.aggregate.day());
        let text = format!("SELECT fence FROM aggregate_d{day} WHERE shard = $1 AND day = {day} AND id = $2 AND node IS NOT NULL");
        let client = self.shared.pool.get().await.map_err(Trouble::from)?;
        let found = client.query_opt(&text, &[&i32::from(id.shard()), &&id.0.as_bytes()[..]]).await.map_err(Trouble::from)?;
        Ok(found.is_some_and(|it| it.get::<_, i64>(0) != lease.fence as i64))
    }

    async fn send(&self, ops: Ops) -> Result<Taken, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(Job { ops, since: Instant::now(), done }).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        outcome.await.unwrap_or_else(|_| Err(StoreError::Away("the committer is gone".to_owned())))
    }
}

/// An aggregate that a commit leaves.
struct Written {
    id: AggregateId,
    kept: Kept,
    /// Deliveries that this node takes.
    take: Vec<(Timestamp, DeliveryId)>,
    /// It was not there before: then its lease is the first.
    new: bool,
}

/// What a commit leaves, to be remembered when it is durable.
struct After {
    aggregates: Vec<Written>,
    records: Vec<(Place, Option<Arc<Rec>>)>,
    checked: Vec<Place>,
}

impl After {
    fn of(wish: &Wish, ops: &Ops) -> Self {
        let aggregate = |(put, body): (&ops::PutAggregate, &wish::Body)| {
            let kept = Kept { version: put.version, facts: body.facts.clone(), events: put.events };
            Written { id: put.id, kept, take: put.take.clone(), new: put.was == 0 }
        };
        let put = ops.records.iter().map(|it| {
            let rec = Rec { version: it.version, day: it.sealed.day, holds: it.holds.clone(), value: it.sealed.bytes.clone() };
            (it.place, Some(Arc::new(rec)))
        });
        Self {
            aggregates: ops.aggregates.iter().zip(&wish.bodies).map(aggregate).collect(),
            records: put.chain(ops.removed.iter().map(|it| (it.0, None))).collect(),
            checked: ops.checked.iter().map(|it| it.0).collect(),
        }
    }

    fn places(&self) -> Vec<Place> {
        self.records.iter().map(|it| it.0).chain(self.checked.iter().copied()).collect()
    }

    /// Whether it happened is not known. If it did, its deliveries are this node's.
    fn doubt(self, shared: &Shared) {
        let until = shared.now().plus(shared.options.lease);
        let new = self.aggregates.into_iter().filter(|it| it.new && !it.take.is_empty());
        shared.doubts.lock().extend(new.map(|it| Doubt { id: it.id, version: it.kept.version, take: it.take, until }));
    }

    fn remember(self, shared: &Shared, taken: &Taken) {
        let until = shared.now().plus(shared.options.lease);
        for Written { id, kept, take, new } in self.aggregates {
            shared.known.learn(id, kept);
            let fence = if new { Some(1) } else { taken.iter().find(|it| it.0 == id).map(|it| it.1) };
            for (due, delivery) in fence.iter().flat_map(|_| &take) {
                let fence = fence.unwrap_or_default();
                shared.leases.put(*due, Lease { aggregate: id, delivery: *delivery, fence, until });
            }
        }
        self.records.into_iter().for_each(|(place, rec)| shared.known.note(place, rec));
    }
}
