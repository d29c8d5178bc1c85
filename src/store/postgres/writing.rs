//! Commits, from what is wanted until it is durable.

use super::after::After;
use super::committer::Job;
use super::desk::{Desk, Gap, Read};
use super::fetch::Wanted;
use super::ops::Ops;
use super::place::{Place, Places};
use super::plan::plan;
use super::store::PostgresStore;
use super::trouble::Trouble;
use super::view;
use super::wish::Wish;
use crate::domain::id::AggregateId;
use crate::store::contract::StoreError;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::oneshot;

/// How often what a commit derives from is read anew, when nobody said what it must be.
const TRIES: usize = 16;

impl PostgresStore {
    pub(super) async fn write(&self, wish: Wish) -> Result<(), StoreError> {
        self.shared.check_form()?;
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
            let places = after.places();
            match self.send(ops, after).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict) => {
                    if self.is_outrun(&wish) {
                        return Err(StoreError::Conflict);
                    }
                    if self.lost(&wish).await? {
                        return Err(StoreError::Fenced);
                    }
                    // What it was derived from is read again; what the caller expects may hold all the same.
                    read = self.reread(&wish, places).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    // Asks the database for what is not known here, at most twice: aggregates, then the records that follow from them.
    pub(super) async fn planned(&self, wish: &Wish, read: &mut Read) -> Result<Ops, StoreError> {
        loop {
            let shared = &self.shared;
            let (opener, form) = (shared.opener(), shared.form());
            let desk = Desk { opener, form, known: &shared.known, read, stamp: shared.stamp(), now: shared.now() };
            match plan(&desk, wish) {
                Ok(ops) => return Ok(ops),
                Err(Gap::Conflict) if self.is_outrun(wish) => return Err(StoreError::Conflict),
                Err(Gap::Conflict) => return Err(self.conflict(wish).await),
                Err(Gap::Unreadable(error)) => return Err(error),
                Err(Gap::Missing(ids, places)) => self.bounded(self.fill(ids, places, read)).await?,
            }
        }
    }

    // Whether this node knows something newer than what the decision was made of. Whoever looks again meets the lease then, if it is
    // another's.
    fn is_outrun(&self, wish: &Wish) -> bool {
        let newer = |it: (&AggregateId, &u64)| self.shared.known.aggregate(*it.0).is_some_and(|known| known.version > *it.1);
        wish.aggregates.iter().any(newer)
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
                Some(it) => Some(view::kept(&self.shared.vault, it, &view::aggregate(self.shared.opener(), id, it)?)),
                None => None,
            };
            if let Some(kept) = &kept {
                self.shared.known.learn(id, kept.clone(), fetched.as_of);
            }
            read.aggregates.insert(id, kept);
        }
        for place in places {
            let found = fetched.records.get(&place).cloned();
            // What was remembered may be of a record that is gone: it must not stand against what is there now.
            self.shared.known.note(place, found.clone(), fetched.as_of);
            read.records.insert(place, found);
        }
        Ok(())
    }

    /// What is there of what a commit writes, whatever is known here.
    pub(super) async fn reread(&self, wish: &Wish, places: Vec<Place>) -> Result<Read, StoreError> {
        let mut read = Read::default();
        let ids = wish.bodies.iter().map(|it| it.id).collect();
        self.bounded(self.fill(ids, places, &mut read)).await?;
        Ok(read)
    }

    // Whether another worker has the delivery that is to be settled.
    async fn lost(&self, wish: &Wish) -> Result<bool, StoreError> {
        if let Some((name, fence)) = wish.duty {
            let found = self.shared.query("SELECT fence FROM duty WHERE name = $1", &[&&name[..]]).await?;
            return Ok(found.first().is_none_or(|it| it.get::<_, i64>(0) != fence));
        }
        for lease in &wish.leases {
            let (id, day) = (lease.aggregate, lease.aggregate.day());
            let text = format!("SELECT fence FROM aggregate_d{day} WHERE shard = $1 AND id = $2 AND node IS NOT NULL");
            match self.shared.query(&text, &[&i32::from(id.shard()), &&id.0.as_bytes()[..]]).await {
                Ok(found) if found.first().is_some_and(|it| it.get::<_, i64>(0) != lease.fence as i64) => return Ok(true),
                // Its day is over.
                Ok(_) | Err(Trouble::NoTable) => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
        Ok(false)
    }

    async fn send(&self, ops: Ops, after: After) -> Result<(), StoreError> {
        let (done, outcome) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(Box::new(Job { ops, after, since: Instant::now(), done })).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        outcome.await.unwrap_or_else(|_| Err(StoreError::Away("the committer is gone".to_owned())))
    }
}
