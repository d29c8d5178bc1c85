//! What meets in one step, and what moved to history and lives again.

use super::*;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Verdict;
use crate::domain::event::{Act, Event};
use crate::domain::id::EventId;
use crate::domain::inbound::Inbound;
use crate::domain::snapshot::Write;
use crate::domain::time::Timestamp;
use crate::store::facts::Facts;
use crate::store::past::{Nothing, keys_of};
use uuid::Uuid;

const ID: AggregateId = AggregateId(Uuid::from_u128(1));

fn apply(published: &mut Published, past: &dyn Past, commit: &Commit) -> Fit {
    let vault = Vault::from_root(&[1; 32]);
    let mut step = Step::new(published, past, &vault);
    let fit = step.add(commit);
    if fit == Fit::In {
        drop(step.seal().publish(published));
    }
    fit
}

fn write() -> Write {
    let it = Inbound {
        id: ID,
        publisher: "demo".into(),
        institution: "011001276".into(),
        product: "Demo".into(),
        from: crate::domain::contact::Address::canonical("+12025550123"),
        at: Timestamp::default(),
        provider_id: Some("sandbox/1".into()),
        verdict: Verdict::Helped,
        deliveries: Vec::new(),
        events: vec![Event { id: EventId(ID.0), at: Timestamp::default(), act: Act::RecipMsg, feedback: String::new(), delivery: None }],
    };
    Write::Aggregate(Aggregate::Inbound(Box::new(it)))
}

fn writing(vault: &Vault) -> Commit {
    Commit::prepare(vault, crate::store::form::Form::NEWEST, vec![write()], &[]).unwrap()
}

fn guarded(change: Change, version: u64) -> Commit {
    Commit { changes: vec![change], checks: vec![Check { key: Key::aggregate(ID), want: Want::Version(version) }] }
}

#[test]
fn what_meets_in_one_step_waits_for_the_next() {
    let (vault, published) = (Vault::from_root(&[1; 32]), Published::default());
    let mut step = Step::new(&published, &Nothing, &vault);
    assert_eq!(step.add(&writing(&vault)), Fit::In);
    assert_eq!(step.add(&writing(&vault)), Fit::Next);
    let other = Commit::notes(&vault, vec![("name".into(), Some(vec![1]))]).unwrap();
    assert_eq!(step.add(&other), Fit::In);
    assert_eq!((step.sequence, step.records), (2, 2));
}

/// A history that has one aggregate.
struct One(Grave);

impl Past for One {
    fn may_know(&self, key: &Key) -> bool {
        keys_of(self.0.id, &self.0.facts).contains(key)
    }

    fn epoch(&self) -> u64 {
        1
    }

    fn find(&self, key: &Key) -> Result<Vec<Grave>, StoreError> {
        Ok(if self.may_know(key) { vec![self.0.clone()] } else { Vec::new() })
    }
}

#[test]
fn what_moved_is_checked_in_history_and_lives_again_with_its_numbers() {
    let (vault, mut published) = (Vault::from_root(&[1; 32]), Published::default());
    apply(&mut published, &Nothing, &writing(&vault));
    let entry = published.entries.get(&ID).unwrap().clone();
    assert_eq!(apply(&mut published, &Nothing, &guarded(Change::Move(ID), entry.version + 1)), Fit::Conflict);
    assert_eq!(apply(&mut published, &Nothing, &guarded(Change::Move(ID), entry.version)), Fit::In);
    assert!(!published.has(&Key::aggregate(ID)) && published.entries.iter().next().is_none());
    assert_eq!(published.records, 1, "the feed's last number stays");
    let facts = Facts::clone(&entry.facts);
    let Write::Aggregate(aggregate) = write() else { unreachable!("it is an aggregate") };
    let past = One(Grave { id: ID, version: entry.version, seqs: [7, 9].into(), facts, aggregate });
    let again = |version| Commit { checks: vec![Check { key: Key::aggregate(ID), want: Want::Version(version) }], ..writing(&vault) };
    let seen = Check { key: Key::new(kind::SEEN, Keys(&vault).seen("sandbox/1")), want: Want::Absent };
    assert_eq!(apply(&mut published, &past, &Commit { changes: Vec::new(), checks: vec![seen] }), Fit::Conflict);
    assert_eq!(apply(&mut published, &past, &again(0)), Fit::Conflict);
    assert_eq!(apply(&mut published, &past, &again(entry.version)), Fit::In);
    assert_eq!((published.records, &*published.entries.get(&ID).unwrap().seqs), (2, &[7][..]));
}
