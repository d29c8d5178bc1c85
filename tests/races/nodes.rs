//! Two engines over one store, as two nodes have it: neither waits for the other's turns.

use crate::mutant::Plant;
use crate::sample;
use crate::world::{Hands, START, Seeded};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::Challenge;
use countersign::domain::id::AggregateId;
use countersign::domain::publisher::Publisher;
use countersign::domain::snapshot::{Query, Write};
use countersign::engine::tally::Tally;
use countersign::engine::{Engine, Parts};
use countersign::registration::Registered;
use countersign::store::contract::{Notes, Store};
use countersign::store::memory::MemoryStore;
use countersign::vault::Vault;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Which store.
pub enum Kind {
    Memory,
    Sled,
}

pub struct Nodes {
    pub engines: [Arc<Engine>; 2],
    pub hands: Arc<Hands>,
    _dir: Option<TempDir>,
}

impl Nodes {
    /// Each node with the fault of its own, so that what it remembers is not shared.
    pub async fn new(kind: Kind, plant: Plant, seed: u64) -> Self {
        let (vault, hands) = (sample::vault(), Arc::new(Hands::at(START)));
        let (store, notes, dir) = open(&kind, &vault);
        let read = countersign::registration::read(&countersign::demo::registration::files()).unwrap();
        let engine = |node: u64| {
            let parts = Parts {
                store: plant(store.clone()),
                notes: notes.clone(),
                vault: vault.clone(),
                clock: hands.clone(),
                chance: Arc::new(Seeded::from((seed * 2 + node) << 32)),
                tally: Tally::alone(1, vault.clone()),
            };
            let engine = Engine::new(parts);
            engine.register(registry(&read));
            Arc::new(engine)
        };
        let engines = [engine(0), engine(1)];
        let recipients = read.recipients.iter().map(|it| Write::Recipient(it.key.clone(), Some(it.clone()))).collect();
        store.commit(recipients, Vec::new()).await.unwrap();
        Self { engines, hands, _dir: dir }
    }

    pub async fn challenge(&self, id: AggregateId) -> Challenge {
        match self.engines[0].store().find(id).await.unwrap().unwrap().value {
            Aggregate::Challenge(it) => *it,
            Aggregate::Inbound(_) => panic!("a challenge"),
        }
    }

    pub async fn budget(&self, key: &BudgetKey) -> Budget {
        let view = self.engines[0].store().load(&Query::Budget(key.clone())).await.unwrap();
        view.budgets[0].1.value.clone()
    }

    pub fn advance(&self, span: Duration) {
        self.hands.advance(span);
    }
}

fn open(kind: &Kind, vault: &Arc<Vault>) -> (Arc<dyn Store>, Arc<dyn Notes>, Option<TempDir>) {
    match kind {
        Kind::Memory => {
            let day = u32::try_from(START / 86_400_000).unwrap();
            vault.learn_day(day, &vault.new_day(day)).unwrap();
            assert!(vault.set_day(day));
            let store = Arc::new(MemoryStore::new(vault.clone()));
            (store.clone(), store, None)
        }
        Kind::Sled => {
            let dir = tempfile::tempdir().unwrap();
            let time = sample::Time::at(0);
            let settings = sample::settings(dir.path(), &time);
            let store = countersign::store::sled::SledStore::open(settings, vault.clone(), time.now()).unwrap();
            (store.clone(), store, Some(dir))
        }
    }
}

// The demo bank, with room for many replies.
fn registry(read: &Registered) -> countersign::domain::publisher::Registry {
    let mut registry = read.registry.clone();
    for publisher in registry.publishers.values_mut() {
        let it: &mut Publisher = Arc::make_mut(publisher);
        it.attempts = 10;
        (it.budget.daily, it.budget.consecutive) = (100_000, 100_000);
        (it.limits.per_phone_ten_minutes, it.limits.per_phone_day) = (1_000, 1_000);
    }
    registry
}
