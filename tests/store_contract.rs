//! What every store promises (`store::contract`), held against every engine.

mod postgres;
mod sample;

use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::{Challenge, Mode, Seen, State};
use countersign::domain::code::Tag;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::event::Act;
use countersign::domain::id::{AggregateId, InstitutionId, PublisherId};
use countersign::domain::inbound::Inbound;
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Lease, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{self, Later, Notes, Store, StoreError};
use countersign::store::memory::MemoryStore;
use countersign::store::postgres::{Options, PostgresStore};
use countersign::store::sled::SledStore;
use sample::*;
use std::sync::Arc;
use std::time::Duration;

trait Engine: Store + Notes {}
impl<T: Store + Notes> Engine for T {}

/// The store on sled, whose housekeeping follows every commit: whatever is over is in history when a test looks.
struct Moved(Arc<SledStore>);

impl Store for Moved {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        self.0.load(query)
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move {
            self.0.commit(writes, expects).await?;
            self.0.sweep().await
        })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.0.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.0.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>> {
        self.0.feed(institution, after, max)
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        self.0.find(id)
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        self.0.recipients(publisher, after, max)
    }

    fn status(&self) -> contract::Status {
        self.0.status()
    }
}

impl Notes for Moved {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        self.0.note(name)
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        self.0.set_notes(values)
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.0.notes(prefix)
    }
}

/// The store on PostgreSQL, whose counts are made after every change.
struct Counted(Arc<PostgresStore>);

impl Store for Counted {
    fn load<'a>(&'a self, query: &'a Query) -> Later<'a, View> {
        self.0.load(query)
    }

    fn commit(&self, writes: Vec<Write>, expects: Vec<Expect>) -> Later<'_, ()> {
        Box::pin(async move {
            self.0.commit(writes, expects).await?;
            self.0.refresh().await
        })
    }

    fn lease(&self, now: Timestamp, span: Duration, max: usize) -> Later<'_, Vec<Lease>> {
        self.0.lease(now, span, max)
    }

    fn due(&self, now: Timestamp, max: usize) -> Later<'_, Vec<AggregateId>> {
        self.0.due(now, max)
    }

    fn feed<'a>(&'a self, institution: &'a InstitutionId, after: u64, max: usize) -> Later<'a, Vec<(u64, Aggregate, usize)>> {
        self.0.feed(institution, after, max)
    }

    fn find(&self, id: AggregateId) -> Later<'_, Option<Versioned<Aggregate>>> {
        self.0.find(id)
    }

    fn recipients<'a>(
        &'a self,
        publisher: &'a PublisherId,
        after: Option<&'a RecipientKey>,
        max: usize,
    ) -> Later<'a, Vec<Versioned<Recipient>>> {
        self.0.recipients(publisher, after, max)
    }

    fn status(&self) -> contract::Status {
        self.0.status()
    }
}

impl Notes for Counted {
    fn note<'a>(&'a self, name: &'a str) -> Later<'a, Option<Vec<u8>>> {
        self.0.note(name)
    }

    fn set_notes(&self, values: Vec<(String, Option<Vec<u8>>)>) -> Later<'_, ()> {
        self.0.set_notes(values)
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> Later<'a, Vec<(String, Vec<u8>)>> {
        self.0.notes(prefix)
    }
}

/// A store in a database of its own.
async fn on_postgres(node: i64) -> Counted {
    let cluster = postgres::shared();
    let mut settings = cluster.settings(&cluster.database());
    settings.migrate = true;
    let options = Options { clock: Arc::new(|| at(0)), look_every: Duration::ZERO, database_time: false, ..Options::default() };
    Counted(PostgresStore::open(&settings, options, vault(), node).await.expect("the store opens"))
}

macro_rules! suite {
    (at rest: $($rest:ident)*; whatever moves: $($name:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::MemoryStore::new(super::vault())).await;
            })*
            $(#[tokio::test]
            async fn $rest() {
                super::$rest(&super::MemoryStore::new(super::vault())).await;
            })*
        }
        mod sled {
            $(#[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                super::$name(&*super::open(dir.path(), &super::Time::at(0))).await;
            })*
            $(#[tokio::test]
            async fn $rest() {
                let dir = tempfile::tempdir().unwrap();
                super::$rest(&*super::open(dir.path(), &super::Time::at(0))).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&super::on_postgres(1).await).await;
            })*
        }
        mod history {
            $(#[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                super::$name(&super::Moved(super::open(dir.path(), &super::Time::at(40_000)))).await;
            })*
        }
    };
}

suite! {
    at rest:
    the_status_counts;
    whatever moves:
    a_new_challenge_is_found_by_everything_it_is_known_by
    versions_guard_every_kind_of_record
    what_must_be_absent_conflicts_once_it_is_there
    a_slot_has_one_holder_until_it_ends
    an_address_changes_with_what_is_open_on_it_and_with_its_opt_out
    a_conflict_writes_nothing
    events_get_numbers_once_without_gaps
    numbers_are_each_institutions_own
    a_finished_challenge_answers_its_repeat_and_is_shown_as_ended
    a_reply_seen_before_is_known_with_its_verdict
    every_open_challenge_of_an_address_is_shown
    sends_and_the_days_count_are_told
    deliveries_are_leased_to_one_at_a_time
    a_commit_ends_the_lease_of_what_it_changes_only
    who_lost_a_lease_settles_nothing
    timers_are_due_in_order
    recipients_are_kept_and_paged
    budgets_come_with_who_they_are_of
    notes_are_kept_by_name_and_prefix
    what_is_too_large_is_refused_and_harms_nothing
    what_has_ended_is_answered_for_by_all_its_keys
    a_receipt_after_the_end_adds_to_what_was
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_is_one_nodes_and_whoever_lost_it_sets_no_notes() {
    let cluster = postgres::shared();
    let mut settings = cluster.settings(&cluster.database());
    settings.migrate = true;
    let time = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let node = async |number| {
        let seconds = time.clone();
        let clock = Arc::new(move || at(seconds.load(std::sync::atomic::Ordering::SeqCst)));
        let options = Options { clock, database_time: false, ..Options::default() };
        PostgresStore::open(&settings, options, vault(), number).await.expect("the store opens")
    };
    let (one, two) = (node(1).await, node(2).await);
    let span = Duration::from_secs(30);
    let set = |value: &str| vec![("cursor/a".to_owned(), Some(value.as_bytes().to_vec()))];
    let first = one.duty("push/a", span).await.unwrap().expect("nobody has it");
    assert_eq!(two.duty("push/a", span).await.unwrap(), None);
    assert!(two.duty("push/b", span).await.unwrap().is_some(), "another is free");
    one.set_notes_on(first.clone(), set("1")).await.unwrap();
    time.store(20, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(one.duty("push/a", span).await.unwrap(), Some(first.clone()), "kept");
    time.store(49, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(two.duty("push/a", span).await.unwrap(), None);
    time.store(50, std::sync::atomic::Ordering::SeqCst);
    let second = two.duty("push/a", span).await.unwrap().expect("its span is over");
    two.set_notes_on(second.clone(), set("2")).await.unwrap();
    assert_eq!(one.set_notes_on(first, set("3")).await, Err(StoreError::Fenced));
    assert_eq!(one.note("cursor/a").await.unwrap(), Some(b"2".to_vec()));
    two.duty("push/a", Duration::ZERO).await.unwrap();
    assert!(one.duty("push/a", span).await.unwrap().is_some(), "it was given up");
}

async fn put(store: &dyn Engine, it: &Challenge) {
    store.commit(vec![Write::Aggregate(boxed(it))], Vec::new()).await.expect("it is written");
}

async fn load(store: &dyn Engine, query: Query) -> View {
    store.load(&query).await.expect("it is read")
}

async fn conflicts(store: &dyn Engine, expect: Expect) {
    let outcome = store.commit(vec![Write::Aggregate(boxed(&challenge(999, &phone())))], vec![expect.clone()]).await;
    assert_eq!(outcome, Err(StoreError::Conflict), "{expect:?}");
    assert_eq!(store.find(id(999)).await.unwrap(), None, "a conflict writes nothing");
}

async fn holds(store: &dyn Engine, expect: Expect) {
    assert_eq!(store.commit(Vec::new(), vec![expect.clone()]).await, Ok(()), "{expect:?}");
}

async fn version(store: &dyn Engine, n: u128) -> u64 {
    store.find(id(n)).await.unwrap().expect("it is there").version
}

async fn numbers(store: &dyn Engine, institution: &InstitutionId, after: u64) -> Vec<(u64, u128, usize)> {
    let events = store.feed(institution, after, 1000).await.unwrap();
    events.iter().map(|(seq, of, index)| (*seq, of.id().0.as_u128(), *index)).collect()
}

async fn a_new_challenge_is_found_by_everything_it_is_known_by(store: &dyn Engine) {
    let it = challenge(1, &phone());
    let before = load(store, opening(&it, at(1))).await;
    assert!(before.prior.is_none() && before.holder.is_none() && before.recipient.is_none());
    assert_eq!((before.addresses.len(), before.addresses[0].version, before.addresses[0].open.len()), (1, 0, 0));
    let none = Versioned { value: Budget::default(), version: 0 };
    assert_eq!(before.budgets, vec![(BudgetKey::Address(bank(), phone()), none)]);
    assert_eq!(load(store, Query::One(id(1))).await.one, None);
    assert_eq!(store.find(id(1)).await.unwrap(), None);

    let expects = vec![
        Expect::Aggregate(id(1), 0),
        Expect::Address(phone(), 0),
        Expect::Slot(it.slot(), None),
        Expect::Unrepeated(demo(), bank(), "T:track-1".into()),
        Expect::Budget(BudgetKey::Address(bank(), phone()), 0),
    ];
    store.commit(vec![Write::Aggregate(boxed(&it))], expects).await.unwrap();

    let found = store.find(id(1)).await.unwrap().unwrap();
    assert_eq!(found.value, boxed(&it));
    assert!(found.version > 0);
    assert_eq!(load(store, Query::One(id(1))).await.one, Some(found.clone()));
    let view = load(store, opening(&it, at(2))).await;
    let prior = view.prior.unwrap();
    assert_eq!((prior.id, prior.payload, prior.material), (id(1), Tag([1; 32]), it.material.clone()));
    assert_eq!(view.holder, Some(Versioned { value: it.clone(), version: found.version }));
    let open = vec![Versioned { value: it.clone(), version: found.version }];
    assert_eq!(view.addresses[0].open, open);
    let replied = load(store, reply_from(&phone(), Some("sandbox/1"), at(2))).await;
    assert_eq!((replied.addresses[0].open.clone(), replied.seen), (open, None));
}

async fn versions_guard_every_kind_of_record(store: &dyn Engine) {
    let (key, person) = (BudgetKey::Address(bank(), phone()), recipient("anna"));
    let writes = || {
        vec![
            Write::Aggregate(boxed(&challenge(1, &phone()))),
            Write::Budget(key.clone(), Budget::default()),
            Write::Recipient(person.key.clone(), Some(person.clone())),
        ]
    };
    store.commit(writes(), Vec::new()).await.unwrap();
    let view = load(store, opening(&challenge(1, &phone()), at(1))).await;
    let budget = view.budgets[0].1.version;
    let held = load(store, Query::Recipient(person.key.clone())).await.recipient.unwrap().version;
    let challenge_at = version(store, 1).await;
    let now = |aggregate, budget, recipient| {
        [Expect::Aggregate(id(1), aggregate), Expect::Budget(key.clone(), budget), Expect::Recipient(person.key.clone(), recipient)]
    };
    for expect in now(challenge_at, budget, held) {
        holds(store, expect).await;
    }
    for expect in now(0, 0, 0).into_iter().chain(now(challenge_at + 1, budget + 1, held + 1)) {
        conflicts(store, expect).await;
    }
    store.commit(writes(), Vec::new()).await.unwrap();
    for expect in now(challenge_at, budget, held) {
        conflicts(store, expect).await;
    }
}

async fn what_must_be_absent_conflicts_once_it_is_there(store: &dyn Engine) {
    let unrepeated = |key: &str| Expect::Unrepeated(demo(), bank(), key.into());
    holds(store, unrepeated("T:track-1")).await;
    holds(store, Expect::Unseen("sandbox/9".into())).await;
    let mut it = challenge(1, &phone());
    it.seen.push(Seen { provider_id: "sandbox/9".into(), at: at(1), verdict: Verdict::Wrong { left: 2 } });
    put(store, &it).await;
    conflicts(store, unrepeated("T:track-1")).await;
    conflicts(store, Expect::Unseen("sandbox/9".into())).await;
    holds(store, unrepeated("B:track-1")).await;
    holds(store, Expect::Unrepeated("other".into(), bank(), "T:track-1".into())).await;
    holds(store, Expect::Unrepeated(demo(), "021000021".into(), "T:track-1".into())).await;
    holds(store, Expect::Unseen("sandbox/8".into())).await;
}

async fn a_slot_has_one_holder_until_it_ends(store: &dyn Engine) {
    let (first, second) = (challenge(1, &phone()), challenge(2, &phone()));
    put(store, &first).await;
    holds(store, Expect::Slot(first.slot(), Some(id(1)))).await;
    conflicts(store, Expect::Slot(first.slot(), None)).await;
    conflicts(store, Expect::Slot(first.slot(), Some(id(2)))).await;
    let replaced = ended(first.clone(), at(2));
    let expects = vec![Expect::Slot(first.slot(), Some(id(1)))];
    store.commit(vec![Write::Aggregate(boxed(&replaced)), Write::Aggregate(boxed(&second))], expects).await.unwrap();
    let view = load(store, opening(&second, at(3))).await;
    assert_eq!(view.holder.map(|it| it.value.id), Some(id(2)));
    put(store, &ended(second.clone(), at(4))).await;
    holds(store, Expect::Slot(second.slot(), None)).await;
}

async fn an_address_changes_with_what_is_open_on_it_and_with_its_opt_out(store: &dyn Engine) {
    let mut seen = vec![0];
    let mut it = challenge(1, &phone());
    let stop = |stopped| Write::OptOut(demo(), phone(), stopped);
    let changes = vec![
        Write::Aggregate(boxed(&it)),
        stop(true),
        stop(false),
        Write::Aggregate(boxed(&challenge(2, &phone()))),
        Write::Aggregate(boxed(&ended(it.clone(), at(5)))),
    ];
    for change in changes {
        let last = *seen.last().unwrap();
        holds(store, Expect::Address(phone(), last)).await;
        store.commit(vec![change], vec![Expect::Address(phone(), last)]).await.unwrap();
        conflicts(store, Expect::Address(phone(), last)).await;
        let view = load(store, reply_from(&phone(), None, at(6))).await;
        assert!(!seen.contains(&view.addresses[0].version));
        seen.push(view.addresses[0].version);
    }
    let last = *seen.last().unwrap();
    it = challenge(2, &phone());
    it.attempts = 1;
    put(store, &it).await;
    put(store, &challenge(3, &Address::canonical("+12025550199"))).await;
    holds(store, Expect::Address(phone(), last)).await;
}

async fn a_conflict_writes_nothing(store: &dyn Engine) {
    put(store, &challenge(1, &phone())).await;
    let writes = vec![
        Write::Aggregate(boxed(&ended(challenge(1, &phone()), at(2)))),
        Write::Budget(BudgetKey::Address(bank(), phone()), Budget { recent: vec![at(1)], consecutive: 1 }),
        Write::OptOut(demo(), phone(), true),
    ];
    let read = async || {
        let view = load(store, reply_from(&phone(), None, at(2))).await;
        (view.addresses[0].clone(), view.budgets)
    };
    let (before, budgets) = read().await;
    assert_eq!(store.commit(writes, vec![Expect::Aggregate(id(1), 77)]).await, Err(StoreError::Conflict));
    let (after, unchanged) = read().await;
    assert_eq!((before.version, before.open, budgets), (after.version, after.open, unchanged));
    assert!(after.opt_outs.is_empty());
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0)]);
}

async fn events_get_numbers_once_without_gaps(store: &dyn Engine) {
    assert!(numbers(store, &bank(), 0).await.is_empty());
    put(store, &challenge(1, &phone())).await;
    put(store, &challenge(2, &phone())).await;
    put(store, &challenge(1, &phone())).await;
    put(store, &ended(challenge(1, &phone()), at(9))).await;
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0), (2, 2, 0), (3, 1, 1)]);
    assert_eq!(numbers(store, &bank(), 1).await, [(2, 2, 0), (3, 1, 1)]);
    assert!(numbers(store, &bank(), 3).await.is_empty());
    assert!(numbers(store, &bank(), u64::MAX).await.is_empty());
    let page = store.feed(&bank(), 0, 2).await.unwrap();
    assert_eq!(page.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(page[0].1, boxed(&ended(challenge(1, &phone()), at(9))), "the aggregate as it is now");
    assert_eq!(store.status().feed, vec![(bank(), 3)]);
}

async fn numbers_are_each_institutions_own(store: &dyn Engine) {
    let other: InstitutionId = "021000021".into();
    let mut it = challenge(2, &phone());
    it.institution = other.clone();
    store.commit(vec![Write::Aggregate(boxed(&challenge(1, &phone()))), Write::Aggregate(boxed(&it))], Vec::new()).await.unwrap();
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0)]);
    assert_eq!(numbers(store, &other, 0).await, [(1, 2, 0)]);
    assert!(numbers(store, &"000000000".into(), 0).await.is_empty());
}

async fn a_finished_challenge_answers_its_repeat_and_is_shown_as_ended(store: &dyn Engine) {
    let it = ended(challenge(1, &phone()), at(5));
    put(store, &challenge(1, &phone())).await;
    put(store, &it).await;
    let prior = load(store, opening(&it, at(6))).await.prior.unwrap();
    assert_eq!((prior.id, prior.payload, prior.material), (id(1), Tag([1; 32]), None));
    let shown = |now| async move { load(store, reply_from(&phone(), None, now)).await.addresses.remove(0) };
    let view = shown(at(6)).await;
    assert!(view.open.is_empty());
    assert_eq!(view.ended.iter().map(|it| it.value.clone()).collect::<Vec<_>>(), [it]);
    assert_eq!(shown(at(5 + 3600)).await.ended.len(), 1);
    assert!(shown(at(6 + 3600)).await.ended.is_empty(), "an hour later it is forgotten");
    for n in 2..9 {
        put(store, &ended(challenge(n, &phone()), at(10 + n as i64))).await;
    }
    let newest: Vec<u128> = shown(at(30)).await.ended.iter().map(|it| it.value.id.0.as_u128()).collect();
    assert_eq!(newest, [8, 7, 6, 5, 4], "five, newest first");
}

async fn a_reply_seen_before_is_known_with_its_verdict(store: &dyn Engine) {
    let mut it = challenge(1, &phone());
    it.seen.push(Seen { provider_id: "sandbox/1".into(), at: at(1), verdict: Verdict::Wrong { left: 2 } });
    let stray = Inbound {
        id: id(2),
        publisher: demo(),
        institution: bank(),
        product: "Demo".into(),
        from: phone(),
        at: at(3),
        provider_id: Some("sandbox/2".into()),
        verdict: Verdict::Stopped,
        deliveries: Vec::new(),
        events: vec![event(2, 1, Act::RecipMsg, at(3), None)],
    };
    let writes = vec![Write::Aggregate(boxed(&it)), Write::Aggregate(Aggregate::Inbound(Box::new(stray.clone())))];
    store.commit(writes, Vec::new()).await.unwrap();
    for (provider_id, seen) in [
        (Some("sandbox/1"), Some(Verdict::Wrong { left: 2 })),
        (Some("sandbox/2"), Some(Verdict::Stopped)),
        (Some("x/1"), None),
        (None, None),
    ] {
        assert_eq!(load(store, reply_from(&phone(), provider_id, at(4))).await.seen, seen);
    }
    assert_eq!(store.find(id(2)).await.unwrap().unwrap().value, Aggregate::Inbound(Box::new(stray)));
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0), (2, 2, 0)]);
}

async fn every_open_challenge_of_an_address_is_shown(store: &dyn Engine) {
    let mut one_way = challenge(1, &phone());
    one_way.mode = Mode::OneWay;
    let mut unverified = challenge(2, &phone());
    unverified.verifier = None;
    for it in [&one_way, &unverified, &challenge(3, &phone()), &challenge(4, &phone()), &challenge(5, &Address::canonical("+12025550199"))]
    {
        put(store, it).await;
    }
    let open = load(store, reply_from(&phone(), None, at(6))).await.addresses.remove(0).open;
    let shown: Vec<_> = open.iter().map(|it| it.value.id).collect();
    assert_eq!(shown, [id(4), id(3), id(2), id(1)], "of any mode, newest first: STOP ends them all");
}

async fn sends_and_the_days_count_are_told(store: &dyn Engine) {
    for n in [1, 2, 3] {
        put(store, &challenge(n, &phone())).await;
    }
    put(store, &ended(challenge(2, &phone()), at(4))).await;
    let view = load(store, opening(&challenge(9, &phone()), at(10))).await;
    assert_eq!(view.addresses[0].sends, [at(1), at(2), at(3)]);
    assert_eq!(view.publisher_today, 3);
    let later = load(store, opening(&challenge(9, &phone()), at(24 * 3600 + 2))).await;
    assert_eq!(later.addresses[0].sends, [at(3)]);
    assert_eq!(later.publisher_today, 0, "another UTC day");
}

async fn deliveries_are_leased_to_one_at_a_time(store: &dyn Engine) {
    for n in [3, 1, 2] {
        put(store, &challenge(n, &phone())).await;
    }
    let span = Duration::from_secs(30);
    let lease = |now: i64, max| async move {
        let leases = store.lease(at(now), span, max).await.unwrap();
        leases.into_iter().map(|it| (it.aggregate.0.as_u128(), it.delivery)).collect::<Vec<_>>()
    };
    assert!(lease(0, 9).await.is_empty(), "nothing is due yet");
    assert_eq!(lease(2, 1).await, [(1, delivery_id(1))]);
    assert_eq!(lease(2, 9).await, [(2, delivery_id(2))]);
    assert_eq!(lease(4, 9).await, [(3, delivery_id(3))]);
    assert!(lease(5, 9).await.is_empty());
    assert_eq!(store.status().outbox, 3);
    assert_eq!(store.status().outbox_oldest, Some(at(1)));
    assert_eq!(lease(32, 9).await, [(1, delivery_id(1)), (2, delivery_id(2))], "their span is over");
}

async fn a_commit_ends_the_lease_of_what_it_changes_only(store: &dyn Engine) {
    let mut it = challenge(1, &phone());
    put(store, &it).await;
    let span = Duration::from_secs(30);
    assert_eq!(store.lease(at(1), span, 9).await.unwrap().len(), 1);
    it.attempts = 1;
    put(store, &it).await;
    assert!(store.lease(at(2), span, 9).await.unwrap().is_empty(), "a reply leaves the hand-over alone");
    it.deliveries[0].tries = 1;
    it.deliveries[0].status = Status::Queued { next_at: at(5) };
    put(store, &it).await;
    assert!(store.lease(at(4), span, 9).await.unwrap().is_empty());
    assert_eq!(store.lease(at(5), span, 9).await.unwrap().len(), 1);
    put(store, &ended(it, at(6))).await;
    assert!(store.lease(at(99), span, 9).await.unwrap().is_empty());
    assert_eq!((store.status().outbox, store.status().outbox_oldest), (0, None));
}

async fn who_lost_a_lease_settles_nothing(store: &dyn Engine) {
    let it = challenge(1, &phone());
    put(store, &it).await;
    let span = Duration::from_secs(30);
    let take = |now| async move { store.lease(at(now), span, 9).await.unwrap() };
    let (first, second) = (take(1).await[0], take(32).await[0]);
    assert_eq!((first.until, second.until), (at(31), at(62)));
    assert!(first.fence != second.fence && first.delivery == second.delivery);
    let settle = |lease, now| {
        let mut it = challenge(1, &phone());
        it.deliveries[0].status = Status::Accepted { at: at(now), provider_id: None };
        async move {
            let version = version(store, 1).await;
            store.commit(vec![Write::Aggregate(boxed(&it))], vec![Expect::Aggregate(id(1), version), Expect::Lease(lease)]).await
        }
    };
    assert_eq!(settle(first, 33).await, Err(StoreError::Fenced));
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().value, boxed(&it), "nothing was written");
    assert_eq!(settle(second, 34).await, Ok(()));
    assert!(take(99).await.is_empty());
    // Nobody has it any more: the version alone says what holds.
    assert_eq!(settle(first, 35).await, Ok(()));
}

async fn timers_are_due_in_order(store: &dyn Engine) {
    for n in [3, 1, 2] {
        put(store, &challenge(n, &phone())).await;
    }
    let due = |now, max| async move { store.due(at(now), max).await.unwrap() };
    assert!(due(600, 9).await.is_empty());
    assert_eq!(due(602, 9).await, [id(1), id(2)]);
    assert_eq!(due(700, 2).await, [id(1), id(2)]);
    put(store, &ended(challenge(1, &phone()), at(5))).await;
    let mut left = due(800, 9).await;
    left.sort();
    assert_eq!(left, [id(2), id(3)], "those told before are told again, but not at once to others");
}

async fn recipients_are_kept_and_paged(store: &dyn Engine) {
    let key = |name: &str| recipient(name).key;
    for name in ["carl", "anna", "bert"] {
        store.commit(vec![Write::Recipient(key(name), Some(recipient(name)))], vec![Expect::Recipient(key(name), 0)]).await.unwrap();
    }
    let mut foreign = recipient("aaron");
    foreign.key.publisher = "other".into();
    store.commit(vec![Write::Recipient(foreign.key.clone(), Some(foreign.clone()))], Vec::new()).await.unwrap();
    let page = |after: Option<RecipientKey>, max| async move {
        let page = store.recipients(&demo(), after.as_ref(), max).await.unwrap();
        page.into_iter().map(|it| it.value.key.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["anna", "bert"]);
    assert_eq!(page(Some(key("bert")), 2).await, ["carl"]);
    let query = Query::Open {
        publisher: demo(),
        institution: bank(),
        repeat: None,
        recipient: Some(key("anna")),
        phone: None,
        slot: challenge(1, &phone()).slot(),
        now: at(1),
    };
    let view = load(store, query).await;
    assert_eq!(view.recipient.unwrap().value, recipient("anna"));
    let addresses: Vec<_> = view.addresses.iter().map(|it| it.address.expose().to_owned()).collect();
    assert_eq!(addresses, ["+12025550123", "canary@example.com"], "all contacts, without repeats");
    let persons = BudgetKey::Recipient(bank(), demo(), "anna".into());
    let its: Vec<_> = view.budgets.iter().filter(|(key, _)| *key == persons).map(|(_, budget)| budget.version).collect();
    assert_eq!((its, view.budgets.len()), (vec![0], 3), "the recipient's, and one an address");
    store.commit(vec![Write::Recipient(key("anna"), None)], Vec::new()).await.unwrap();
    assert_eq!(load(store, Query::Recipient(key("anna"))).await.recipient, None);
    holds(store, Expect::Recipient(key("anna"), 0)).await;
    assert_eq!(page(None, 9).await, ["bert", "carl"]);
}

async fn budgets_come_with_who_they_are_of(store: &dyn Engine) {
    let other: InstitutionId = "021000021".into();
    let budget = |consecutive| Budget { recent: vec![at(1)], consecutive };
    let mut there = challenge(2, &phone());
    there.institution = other.clone();
    let writes = vec![
        Write::Aggregate(boxed(&challenge(1, &phone()))),
        Write::Aggregate(boxed(&there)),
        Write::Budget(BudgetKey::Address(bank(), phone()), budget(1)),
        Write::Budget(BudgetKey::Address(other.clone(), phone()), budget(2)),
        Write::Budget(BudgetKey::Recipient(bank(), demo(), "anna".into()), budget(3)),
    ];
    store.commit(writes, Vec::new()).await.unwrap();
    let of = |view: &View| {
        let mut counts: Vec<_> = view.budgets.iter().map(|it| (it.0.clone(), it.1.value.consecutive)).collect();
        counts.sort();
        counts
    };
    let (here, elsewhere) = (BudgetKey::Address(bank(), phone()), BudgetKey::Address(other, phone()));
    assert_eq!(of(&load(store, reply_from(&phone(), None, at(2))).await), [(here.clone(), 1), (elsewhere, 2)]);
    assert_eq!(of(&load(store, opening(&challenge(1, &phone()), at(2))).await), [(here, 1)]);
    assert_eq!(of(&load(store, Query::Budget(BudgetKey::Recipient(bank(), demo(), "anna".into()))).await).len(), 1);
    store.commit(vec![Write::OptOut("second".into(), phone(), true), Write::OptOut(demo(), phone(), true)], Vec::new()).await.unwrap();
    let stopped = load(store, reply_from(&phone(), None, at(2))).await.addresses.remove(0).opt_outs;
    assert_eq!(stopped, [demo(), PublisherId::from("second")]);
}

async fn notes_are_kept_by_name_and_prefix(store: &dyn Engine) {
    let set = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    store.set_notes(vec![set("cursor/b", Some(b"2")), set("cursor/a", Some(b"1")), set("load", Some(b""))]).await.unwrap();
    assert_eq!(store.note("cursor/a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.note("load").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.note("cursor").await.unwrap(), None);
    let all = vec![("cursor/a".to_owned(), b"1".to_vec()), ("cursor/b".to_owned(), b"2".to_vec())];
    assert_eq!(store.notes("cursor/").await.unwrap(), all);
    store.set_notes(vec![set("cursor/a", None), set("cursor/b", Some(b"3"))]).await.unwrap();
    assert_eq!(store.notes("").await.unwrap(), vec![("cursor/b".to_owned(), b"3".to_vec()), ("load".to_owned(), Vec::new())]);
}

async fn what_is_too_large_is_refused_and_harms_nothing(store: &dyn Engine) {
    let refused = store.set_notes(vec![("big".into(), Some(vec![0; 100 * 1024]))]).await;
    assert_eq!(refused, Err(StoreError::TooLarge));
    store.set_notes(vec![("fits".into(), Some(vec![7; 90 * 1024]))]).await.unwrap();
    assert_eq!(store.note("fits").await.unwrap(), Some(vec![7; 90 * 1024]));
    assert_eq!(store.note("big").await.unwrap(), None);
}

async fn what_has_ended_is_answered_for_by_all_its_keys(store: &dyn Engine) {
    for n in 1..=6 {
        put(store, &challenge(n, &phone())).await;
        put(store, &ended(challenge(n, &phone()), at(20 + n as i64))).await;
    }
    put(store, &challenge(7, &phone())).await;
    for n in 1..=6 {
        let view = load(store, opening(&challenge(n, &phone()), at(40))).await;
        let prior = view.prior.expect("its idempotency key is known");
        assert_eq!((prior.id, prior.payload, prior.material), (id(n), Tag([n as u8; 32]), None));
        assert_eq!(view.addresses[0].sends, (1..=7).map(at).collect::<Vec<_>>(), "each once, oldest first");
        assert_eq!(view.publisher_today, 7);
        let name = format!("sandbox/{}", id(n));
        assert_eq!(load(store, reply_from(&phone(), Some(&name), at(40))).await.seen, Some(Verdict::Verified));
        conflicts(store, Expect::Unseen(name)).await;
        conflicts(store, Expect::Unrepeated(demo(), bank(), format!("T:track-{n}"))).await;
        conflicts(store, Expect::Aggregate(id(n), 0)).await;
        let found = store.find(id(n)).await.unwrap().expect("it is known by its id");
        assert_eq!(found.value, boxed(&ended(challenge(n, &phone()), at(20 + n as i64))));
        assert_eq!(load(store, Query::One(id(n))).await.one, Some(found.clone()));
        holds(store, Expect::Aggregate(id(n), found.version)).await;
    }
    let view = load(store, reply_from(&phone(), None, at(40))).await.addresses.remove(0);
    assert_eq!(view.ended.iter().map(|it| it.value.id).collect::<Vec<_>>(), [id(6), id(5), id(4), id(3), id(2)]);
    assert_eq!(view.open.iter().map(|it| it.value.id).collect::<Vec<_>>(), [id(7)]);
    assert_eq!(
        load(store, opening(&challenge(9, &phone()), at(24 * 3600 + 4))).await.addresses[0].sends,
        (5..=7).map(at).collect::<Vec<_>>()
    );
    holds(store, Expect::Unseen("sandbox/other".into())).await;
    assert!(load(store, opening(&challenge(9, &phone()), at(40))).await.prior.is_none());
}

async fn a_receipt_after_the_end_adds_to_what_was(store: &dyn Engine) {
    let mut it = ended(challenge(1, &phone()), at(5));
    put(store, &it).await;
    put(store, &ended(challenge(2, &phone()), at(6))).await;
    for (which, last) in [(8, 5), (9, 6)] {
        let before = version(store, 1).await;
        it.events.push(event(1, which, Act::MsgDelivered, at(61), Some(delivery_id(1))));
        let late = || vec![Write::Aggregate(boxed(&it))];
        assert_eq!(store.commit(late(), vec![Expect::Aggregate(id(1), before + 1)]).await, Err(StoreError::Conflict));
        store.commit(late(), vec![Expect::Aggregate(id(1), before)]).await.unwrap();
        assert!(version(store, 1).await > before);
        assert_eq!(store.find(id(1)).await.unwrap().unwrap().value, boxed(&it));
        assert_eq!(numbers(store, &bank(), 0).await.last(), Some(&(last, 1, it.events.len() - 1)));
    }
    assert_eq!(numbers(store, &bank(), 0).await, [(1, 1, 0), (2, 1, 1), (3, 2, 0), (4, 2, 1), (5, 1, 2), (6, 1, 3)]);
    let view = load(store, opening(&challenge(1, &phone()), at(70))).await;
    assert_eq!((view.addresses[0].sends.clone(), view.publisher_today), (vec![at(1), at(2)], 2));
}

async fn the_status_counts(store: &dyn Engine) {
    let before = store.status();
    assert!(before.ready);
    put(store, &challenge(1, &phone())).await;
    put(store, &challenge(2, &phone())).await;
    put(store, &ended(challenge(2, &phone()), at(3))).await;
    let after = store.status();
    assert_eq!((after.open, after.outbox, after.waiting), (1, 1, 0));
    assert_eq!(after.commits - before.commits, 3);
    assert_eq!(after.records - before.records, 3, "two challenges and the feed's last number");
    let State::Ended { .. } = ended(challenge(2, &phone()), at(3)).state else { panic!("it has ended") };
}
