//! The steps that are a store's.

use super::{runtime, sample};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::challenge::{Challenge, Level};
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::event::Act;
use countersign::domain::snapshot::{Expect, Query, Versioned, Write};
use countersign::store::contract::Store;
use countersign::store::sled::{Settings, SledStore};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Lives in one commit.
const LIVES: u64 = 50;

/// What the engine asks of a store for a request: a load, then a commit that relies on it.
pub fn commits(count: u64, store: Arc<dyn Store>) {
    let first = sample::challenge(0, &sample::phone());
    runtime().block_on(async {
        for n in 0..count {
            let to = Address::canonical(&format!("+1{:010}", 2_012_000_000 + n));
            let it = another(&first, u128::from(n), &to);
            let expects = vec![Expect::Aggregate(it.id, 0), Expect::Address(to, 0), Expect::Slot(it.slot(), None)];
            black_box(store.load(&sample::opening(&it, sample::at(0))).await.expect("the store can be read"));
            store.commit(vec![Write::Aggregate(sample::boxed(&it))], expects).await.expect("the store takes commits");
        }
    });
}

/// The same challenge under other ids, for another phone: nothing is sealed anew, which is no work of a store.
fn another(first: &Challenge, n: u128, to: &Address) -> Challenge {
    let mut it = Challenge { id: sample::id(n), level: Level::Explicit { phone: to.clone() }, ..first.clone() };
    it.repeat.iter_mut().for_each(|it| it.key = format!("T:track-{n}"));
    (it.deliveries[0].id, it.deliveries[0].address) = (sample::delivery_id(n), to.clone());
    it.events = vec![sample::event(n, 1, Act::MsgAccepted, first.opened_at, Some(sample::delivery_id(n)))];
    it
}

pub fn sled(work: impl FnOnce(Arc<dyn Store>)) {
    let folder = tempfile::tempdir().expect("a directory for the store");
    let runtime = runtime();
    let _inside = runtime.enter();
    let store = sample::open(folder.path(), &sample::Time::at(0));
    work(store.clone());
    store.close();
}

/// What a settlement asks of a store: a load by id, then a commit of what changed.
pub fn settlements(count: u64, store: Arc<dyn Store>) {
    let first = sample::challenge(0, &sample::phone());
    runtime().block_on(async {
        store.commit(vec![Write::Aggregate(sample::boxed(&first))], Vec::new()).await.expect("the store takes commits");
        for n in 0..count {
            let view = store.load(&Query::One(first.id)).await.expect("the store can be read");
            let Some(Versioned { value: Aggregate::Challenge(mut it), version }) = view.one else { panic!("it is there") };
            let delivery = &mut it.deliveries[0];
            (delivery.tries, delivery.status) = (1, Status::Queued { next_at: sample::at(n as i64) });
            let (writes, expects) = (vec![Write::Aggregate(Aggregate::Challenge(it))], vec![Expect::Aggregate(first.id, version)]);
            store.commit(writes, expects).await.expect("the store takes commits");
        }
    });
}

/// What a reply asks of a store: here of a handset with one challenge open and one that ended.
pub fn reply_loads(count: u64, store: &dyn Store) {
    let (ended, open) = (sample::challenge(1, &sample::phone()), sample::challenge(2, &sample::phone()));
    let all = [sample::ended(ended, sample::at(2)), open].map(|it| Write::Aggregate(sample::boxed(&it)));
    let query = sample::reply_from(&sample::phone(), Some("gateway/7"), sample::at(3));
    runtime().block_on(async {
        store.commit(all.into(), Vec::new()).await.expect("the store takes commits");
        for _ in 0..count {
            black_box(store.load(&query).await.expect("the store can be read"));
        }
    });
}

/// Whole lives, a thousand a second of simulated time: opened, handed over, ended, and moved to history when their time is over.
pub fn lives(count: u64) {
    let (folder, time, first) = (tempfile::tempdir().expect("a directory"), sample::Time::at(0), sample::challenge(0, &sample::phone()));
    let mut settings = sample::settings(folder.path(), &time);
    settings.linger = Settings::new(folder.path()).linger;
    let store = SledStore::open(settings, sample::vault(), time.now()).expect("the store opens");
    let born = |n: u64| {
        let now = sample::at(0).plus(Duration::from_millis(n));
        Challenge { opened_at: now, ..another(&first, u128::from(n), &Address::canonical(&format!("+1{:010}", 2_012_000_000 + n))) }
    };
    runtime().block_on(async {
        for batch in 0..count.div_ceil(LIVES) {
            let all: Vec<_> = (batch * LIVES..(batch + 1) * LIVES).map(born).collect();
            time.set(sample::at(0).plus(Duration::from_millis((batch + 1) * LIVES)));
            let settled = |it: &Challenge| {
                let mut it = it.clone();
                it.deliveries[0].status = Status::Accepted { at: time.now(), provider_id: Some("gw-1".into()) };
                it
            };
            let stages: [Vec<Challenge>; 3] =
                [all.clone(), all.iter().map(settled).collect(), all.iter().map(|it| sample::ended(it.clone(), time.now())).collect()];
            for stage in stages {
                let writes = stage.iter().map(|it| Write::Aggregate(sample::boxed(it))).collect();
                store.commit(writes, Vec::new()).await.expect("the store takes commits");
            }
            if batch % 20 == 0 {
                store.sweep().await.expect("the store keeps house");
            }
        }
    });
    store.close();
}
