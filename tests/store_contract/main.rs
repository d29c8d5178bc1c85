//! What every store promises (`store::contract`), held against every engine.

#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../sample/mod.rs"]
mod sample;

mod calls;
mod counters;
mod feed;
mod leases;
mod opening;
mod records;
mod versions;
mod wrappers;

use calls::*;
use countersign::domain::challenge::Challenge;
use countersign::domain::id::InstitutionId;
use countersign::domain::snapshot::{Expect, Query, View, Write};
use countersign::store::contract::{Notes, Store, StoreError};
use countersign::store::form::Form;
use countersign::store::memory::MemoryStore;
use countersign::store::postgres::{Options, PostgresStore};
use feed::*;
use leases::*;
use opening::*;
use records::*;
use sample::*;
use std::sync::Arc;
use std::time::Duration;
use versions::*;
use wrappers::Kept;

trait Engine: Store + Notes {}
impl<T: Store + Notes> Engine for T {}

/// A store in a database of its own.
async fn on_postgres(node: i64, form: Form) -> Kept<PostgresStore> {
    let cluster = postgres::shared();
    let mut settings = cluster.settings(&cluster.database());
    settings.migrate = true;
    let options = Options { clock: Arc::new(|| at(0)), look_every: Duration::ZERO, database_time: false, form, ..Options::default() };
    Kept(PostgresStore::open(&settings, options, vault(), node).await.expect("the store opens"))
}

macro_rules! suite {
    (at rest: $($rest:ident)*; newest form: $($newest:ident)*; older form: $($older:ident)*; whatever moves: $($name:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::MemoryStore::new(super::vault())).await;
            })*
            $(#[tokio::test]
            async fn $rest() {
                super::$rest(&super::MemoryStore::new(super::vault())).await;
            })*
            $(#[tokio::test]
            async fn $newest() {
                super::$newest(&super::MemoryStore::new(super::vault())).await;
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
            $(#[tokio::test]
            async fn $newest() {
                let dir = tempfile::tempdir().unwrap();
                super::$newest(&*super::open(dir.path(), &super::Time::at(0))).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&super::on_postgres(1, super::Form::NEWEST).await).await;
            })*
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $newest() {
                super::$newest(&super::on_postgres(1, super::Form::NEWEST).await).await;
            })*
        }
        mod on_postgres_of_an_older_version {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&super::on_postgres(1, super::Form::OLDEST).await).await;
            })*
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $older() {
                super::$older(&super::on_postgres(1, super::Form::OLDEST).await).await;
            })*
        }
        mod history {
            $(#[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                super::$name(&super::Kept(super::open(dir.path(), &super::Time::at(40_000)))).await;
            })*
            $(#[tokio::test]
            async fn $newest() {
                let dir = tempfile::tempdir().unwrap();
                super::$newest(&super::Kept(super::open(dir.path(), &super::Time::at(40_000)))).await;
            })*
        }
    };
}

suite! {
    at rest:
    the_status_counts;
    newest form:
    a_client_holds_one_slot_wherever_its_code_goes;
    older form:
    what_the_form_has_no_words_for_is_refused_and_harms_nothing;
    whatever moves:
    a_call_is_told_the_challenge_with_its_budgets
    a_call_seen_before_is_known_wherever_its_challenge_is
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
