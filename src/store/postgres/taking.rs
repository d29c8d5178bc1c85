//! What a node takes for itself for a while: deliveries, timers, duties.

use super::connection::Values;
use super::fetch::Wanted;
use super::place::Places;
use super::shared::Shared;
use super::store::PostgresStore;
use super::{fetch, keep, view};
use crate::domain::id::AggregateId;
use crate::domain::snapshot::Lease;
use crate::domain::time::Timestamp;
use crate::store::contract::{Duty, StoreError};
use crate::store::facts::Facts;
use std::time::Duration;
use uuid::Uuid;

/// So long after it was given up a commit may still happen.
const LATE: Duration = Duration::from_secs(30);

impl PostgresStore {
    /// Looks whether what is in doubt was written; its deliveries are this node's then.
    pub(super) async fn resolve_doubts(&self, now: Timestamp) -> Result<(), StoreError> {
        let ids: Vec<AggregateId> = self.shared.doubts.lock().iter().map(|it| it.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = self.ask(Wanted { ids: ids.clone(), ..Wanted::default() }).await?;
        self.shared.doubts.lock().retain(|doubt| {
            if !ids.contains(&doubt.id) {
                return true;
            }
            let written = found.aggregates.get(&doubt.id).is_some_and(|it| it.version == doubt.version);
            for (due, delivery) in doubt.take.iter().filter(|_| written) {
                // It was inserted with the first of its leases.
                let lease = Lease { aggregate: doubt.id, delivery: *delivery, fence: 1, until: doubt.until };
                self.shared.leases.put(*due, lease);
            }
            // A commit that is still under way may come a little later.
            !written && now < doubt.until.minus(self.shared.options.lease).plus(LATE)
        });
        Ok(())
    }

    // Takes deliveries over that nobody has: those of nodes that are gone, and those that are to be tried again.
    pub(super) async fn take_over(&self, now: Timestamp, span: Duration, max: usize) -> Result<(), StoreError> {
        let text = "WITH d AS (SELECT shard, day, id FROM aggregate WHERE wake <= $1 AND send_at <= $1 AND (day = 0 OR day >= $2) \
                    ORDER BY wake LIMIT $3 FOR UPDATE SKIP LOCKED) \
                    UPDATE aggregate a SET send_at = $4, node = $5, fence = a.fence + 1 FROM d \
                    WHERE a.shard = d.shard AND a.day = d.day AND a.id = d.id AND (a.day = 0 OR a.day >= $2) \
                    RETURNING 1, a.events, a.id, a.version, a.data_day, a.also, a.value, a.fence";
        let (first, until) = (self.shared.today().saturating_sub(keep::LONGEST) as i32, now.plus(span));
        let values: Values<'_> = &[&now.millis(), &first, &(max as i64), &until.millis(), &self.shared.node];
        for row in self.shared.query(text, values).await? {
            let (id, stored) = fetch::stored(&row)?;
            let fence = u64::try_from(row.get::<_, i64>(7)).unwrap_or(0);
            self.learn_days([&stored].into_iter()).await?;
            let value = view::aggregate(self.shared.opener(), id, &stored)?;
            let facts = Facts::of(&value, &self.shared.vault);
            self.shared.leases.forget(id);
            self.shared.recent.forget(id);
            for (due, delivery, _) in &facts.live.due {
                self.shared.leases.put(*due, Lease { aggregate: id, delivery: *delivery, fence, until });
            }
        }
        Ok(())
    }

    pub(super) async fn due_now(&self, now: Timestamp, max: usize) -> Result<Vec<AggregateId>, StoreError> {
        let text = "WITH d AS (SELECT shard, day, id, timer FROM aggregate WHERE wake <= $1 AND timer <= $1 AND (day = 0 OR day >= $2) \
                    ORDER BY wake LIMIT $3 FOR UPDATE SKIP LOCKED) \
                    UPDATE aggregate a SET timer = $4 FROM d WHERE a.shard = d.shard AND a.day = d.day AND a.id = d.id \
                    AND (a.day = 0 OR a.day >= $2) RETURNING d.timer, a.id";
        let first = self.shared.today().saturating_sub(keep::LONGEST) as i32;
        let until = now.plus(self.shared.options.timer_lease).millis();
        let rows = self.shared.query(text, &[&now.millis(), &first, &(max as i64), &until]).await?;
        let due = |row: &tokio_postgres::Row| Some((row.get::<_, i64>(0), AggregateId(Uuid::from_slice(row.get(1)).ok()?)));
        let mut due: Vec<(i64, AggregateId)> = rows.iter().filter_map(due).collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|it| it.1).collect())
    }
}

impl Shared {
    /// Takes a duty for `span`, or keeps it; `None` while another node has it.
    pub(super) async fn take_duty(&self, name: &str, span: Duration) -> Result<Option<Duty>, StoreError> {
        let route = Places(&self.vault).duty(name);
        let now = self.now();
        let text = "INSERT INTO duty AS d (name, node, fence, until) VALUES ($1, $2, 1, $3) ON CONFLICT (name) DO UPDATE SET \
                    node = excluded.node, until = excluded.until, fence = d.fence + CASE WHEN d.node = excluded.node THEN 0 ELSE 1 END \
                    WHERE d.node = excluded.node OR d.until <= $4 RETURNING fence";
        let until = now.plus(span).millis();
        let rows = self.query(text, &[&&route[..], &self.node, &until, &now.millis()]).await?;
        Ok(rows.first().map(|row| Duty { name: name.to_owned(), fence: row.get::<_, i64>(0) as u64 }))
    }
}
