//! What operators' commands do to the running server.

use super::data::Data;
use super::house::{Bound, House};
use super::keys;
use super::moves::Mover;
use crate::admin::keys::Keys as Command;
use crate::admin::{Files, Operations, Outcome, Soon};
use crate::config::Settings;
use crate::domain::activity::timeline;
use crate::domain::budget::BudgetKey;
use crate::domain::id::{AggregateId, PublisherId};
use crate::domain::recipient::Recipient;
use crate::domain::snapshot::{Expect, Query, Versioned, Write};
use crate::engine::Engine;
use crate::engine::outbox::Outbox;
use crate::engine::push::Parked;
use crate::http::{Credentials, Tls};
use crate::registration::{self, Change, Problem, Registered, diff_recipients, diff_registry};
use crate::store::contract::StoreError;
use crate::store::postgres;
use crate::store::transfer::copy::Plan;
use futures_util::future::try_join_all;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Recipients that are looked at, and written, at once.
const AT_ONCE: usize = 50;

/// The server's side of the counter.
pub struct Counter {
    engine: Arc<Engine>,
    outbox: Arc<Outbox>,
    data: Data,
    credentials: Arc<Credentials>,
    tls: Option<Arc<Tls>>,
    files: Vec<PathBuf>,
    mover: Mover,
}

impl Counter {
    /// Over a house; `files` are the configured registration files.
    pub fn new(house: &House, bound: &Bound, settings: &Settings) -> Self {
        Self {
            engine: house.engine.clone(),
            outbox: house.outbox.clone(),
            data: house.data.clone(),
            credentials: bound.credentials.clone(),
            tls: bound.server.tls(),
            files: settings.registration.files.clone(),
            mover: Mover {
                data: house.data.clone(),
                outbox: house.outbox.clone(),
                root_file: settings.keys.root_file.clone(),
                stop: house.stop.clone(),
            },
        }
    }

    /// Reads the configured registration files and certificates again. What is wrong changes nothing.
    pub async fn reload(&self) -> Outcome {
        let files = self.files.clone();
        let gathered = tokio::task::spawn_blocking(move || registration::files::gather(&files)).await;
        let registered = gathered.map_err(|error| error.to_string())?.and_then(|it| registration::read(&it)).map_err(told)?;
        if let Some(tls) = &self.tls {
            tls.reload().map_err(|error| error.to_string())?;
        }
        let changes = diff_registry(&self.engine.registry(), &registered.registry);
        self.credentials.replace(&registered.credentials);
        self.engine.register(registered.registry);
        Ok(format!("{}Credentials and certificates are read again. Recipients change by `countersign load`.\n", listed(&changes)))
    }

    async fn load(&self, files: Files, apply: bool) -> Outcome {
        let new = registration::read(&files).map_err(told)?;
        let mut known = Vec::new();
        for some in new.recipients.chunks(AT_ONCE) {
            let found = registered(&self.engine, some).await.map_err(failed)?;
            known.extend(found.into_iter().flatten().map(|it| it.value));
        }
        let mut changes = diff_registry(&self.engine.registry(), &new.registry);
        changes.extend(diff_recipients(&known, &new.recipients));
        let text = listed(&changes);
        if !apply {
            return Ok(format!("{text}Nothing was changed: add --apply to apply this.\n"));
        }
        self.apply(new).await.map_err(failed)?;
        Ok(format!("{text}Applied. Publishers and alerts hold after a restart only if the configuration names these files.\n"))
    }

    async fn apply(&self, new: Registered) -> Result<(), StoreError> {
        register_recipients(&self.engine, new.recipients).await?;
        self.credentials.replace(&new.credentials);
        self.engine.register(new.registry);
        Ok(())
    }
}

// These recipients as they are registered now.
async fn registered(engine: &Engine, these: &[Recipient]) -> Result<Vec<Option<Versioned<Recipient>>>, StoreError> {
    let queries: Vec<Query> = these.iter().map(|it| Query::Recipient(it.key.clone())).collect();
    let views = try_join_all(queries.iter().map(|it| engine.store().load(it))).await?;
    Ok(views.into_iter().map(|it| it.recipient).collect())
}

/// Writes recipients that are new or differ; those that are the same cost nothing but a look, and looks go together.
pub async fn register_recipients(engine: &Engine, recipients: Vec<Recipient>) -> Result<usize, StoreError> {
    let (mut written, mut recipients) = (0, recipients.into_iter());
    loop {
        let some: Vec<Recipient> = recipients.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(written);
        }
        let known = registered(engine, &some).await?;
        let (mut writes, mut expects) = (Vec::new(), Vec::new());
        for (mut recipient, known) in some.into_iter().zip(known) {
            if let Some(known) = &known {
                recipient.uid.clone_from(&known.value.uid);
            }
            if known.as_ref().is_some_and(|it| it.value == recipient) {
                continue;
            }
            expects.push(Expect::Recipient(recipient.key.clone(), known.map_or(0, |it| it.version)));
            writes.push(Write::Recipient(recipient.key.clone(), Some(recipient)));
        }
        written += writes.len();
        if !writes.is_empty() {
            engine.store().commit(writes, expects).await?;
        }
    }
}

impl Operations for Counter {
    fn load(&self, files: Files, apply: bool) -> Soon<'_> {
        Box::pin(Counter::load(self, files, apply))
    }

    fn reload(&self) -> Soon<'_> {
        Box::pin(Counter::reload(self))
    }

    fn challenge(&self, id: AggregateId) -> Soon<'_> {
        Box::pin(async move {
            let found = self.engine.store().find(id).await.map_err(failed)?;
            found
                .map(|it| timeline(&it.value))
                .ok_or_else(|| format!("{id} is no challenge that is known here: it never was, or its retention is over"))
        })
    }

    fn unlock(&self, key: BudgetKey) -> Soon<'_> {
        Box::pin(async move {
            match self.engine.unlock(key).await {
                Ok(true) => Ok("Unlocked: its failures count from zero again.\n".to_owned()),
                Ok(false) => Err("Nothing to unlock: no failures are counted for it at this institution.".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    fn backup<'a>(&'a self, to: &'a Path) -> Soon<'a> {
        Box::pin(self.data.backup(to, self.engine.now()))
    }

    fn copy(&self, to: postgres::Settings, plan: Plan) -> Soon<'_> {
        Box::pin(async move { self.mover.copy(&to, plan).await })
    }

    fn export<'a>(&'a self, to: &'a Path) -> Soon<'a> {
        Box::pin(async move {
            let publishers: Vec<PublisherId> = self.engine.registry().publishers.keys().cloned().collect();
            self.mover.export(&publishers, to, self.engine.now()).await
        })
    }

    fn keys(&self, wish: Command) -> Soon<'_> {
        Box::pin(keys::run(self.engine.keys(), self.engine.now(), wish))
    }

    fn parked(&self, subscriber: String, replay: bool) -> Soon<'_> {
        Box::pin(async move {
            if replay {
                let count = self.engine.replay(&subscriber).await.map_err(|error| error.to_string())?;
                return Ok(format!("{count} events are pushed to {subscriber} again.\n"));
            }
            let list = self.engine.parked(&subscriber).await.map_err(|error| error.to_string())?;
            let line = |it: &Parked| format!("{} {} {} since {}: {}\n", it.institution, it.seq, it.aggregate, it.at, it.reason);
            Ok(format!("{}{} events of {subscriber} are parked.\n", list.first.iter().map(line).collect::<String>(), list.total))
        })
    }

    fn status(&self) -> Soon<'_> {
        Box::pin(async move {
            let it = self.engine.status();
            let ready = if it.ready { "ready" } else { "not ready" };
            let paused = if self.outbox.is_paused() { " (paused)" } else { "" };
            let lost = if it.history_lost > 0 {
                format!("{} days of history LOST records that they had\n", it.history_lost)
            } else {
                String::new()
            };
            let oldest = it.outbox_oldest.map(|at| format!(", the oldest due since {at}")).unwrap_or_default();
            Ok(format!(
                "{ready}\n{lost}{} open challenges, {} records\n{} deliveries waiting{oldest}{paused}\n{} commits in {} durable steps, {} waiting\n",
                it.open, it.records, it.outbox, it.commits, it.syncs, it.waiting
            ))
        })
    }

    fn pause_outbox(&self, paused: bool) -> Soon<'_> {
        self.outbox.pause(paused);
        let text = if paused { "Messages are accepted and held back." } else { "Messages go out." };
        Box::pin(std::future::ready(Ok(format!("{text}\n"))))
    }
}

fn listed(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "No change.\n".to_owned();
    }
    changes.iter().map(|it| format!("{it}\n")).collect()
}

fn told(problems: Vec<Problem>) -> String {
    problems.iter().map(|it| format!("{it}\n")).collect()
}

fn failed(error: StoreError) -> String {
    error.to_string()
}
