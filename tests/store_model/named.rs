//! Cases that were found, made small: each was a difference once.

use super::Bench;
use super::planted::Fault;
use super::steps::{Act, Case, How, Look, Step};

// On one node and on two, where what was found by one may be old to the other.
fn check(steps: Vec<Step>) {
    let case = Case { late: false, steps };
    for nodes in [1, 2] {
        Bench::postgres(nodes, Fault::None).run(&case).unwrap_or_else(|why| panic!("{nodes} nodes: {why}"));
    }
}

fn commit(acts: &[Act]) -> Step {
    Step::Commit { acts: acts.to_vec(), dice: 0 }
}

fn open(n: u8, to: &[u8]) -> Act {
    Act::Open { n, to: to.to_vec(), later: 0, repeat: None }
}

#[test]
fn what_was_changed_before_it_was_handed_out_is_not_handed_out_as_it_was() {
    let later = How::Retry { which: 0, seconds: 8, lost: false };
    check(vec![commit(&[open(0, &[0])]), commit(&[Act::Change { n: 0, how: later }]), Step::Look(Look::Lease)]);
}

#[test]
fn of_two_expectations_about_one_record_both_count() {
    let opt_out = |stop| Act::OptOut { publisher: 0, phone: 0, stop };
    // The address is expected as it is, and then at a version that it never had.
    let dice = 31;
    check(vec![commit(&[opt_out(true)]), Step::Commit { acts: vec![opt_out(false), opt_out(true)], dice }]);
}

#[test]
fn of_two_leases_both_count() {
    let settle = |which, lost| Act::Change { n: 0, how: How::Settle { which, end: 0, lost } };
    let (lease, retry) = (Step::Look(Look::Lease), How::Retry { which: 1, seconds: 0, lost: false });
    check(vec![
        commit(&[open(0, &[0, 1])]),
        lease.clone(),
        Step::WaitLong,
        lease.clone(),
        commit(&[Act::Change { n: 0, how: retry }]),
        Step::WaitLong,
        lease,
        commit(&[settle(0, true), settle(0, false)]),
    ]);
}

#[test]
fn the_budget_of_a_recipient_who_is_gone_is_told() {
    check(vec![commit(&[Act::Budget { of: 4, count: 3 }]), Step::Look(Look::Open { n: 2, phone: 0, repeat: None })]);
}

#[test]
fn a_slot_that_another_node_changed_is_read_again() {
    let end = |n| commit(&[Act::Change { n, how: How::End(3) }]);
    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.extend([commit(&[open(0, &[0])]), commit(&[open(4, &[0])]), Step::Wait(1), end(4), end(0)]);
        steps.extend([commit(&[open(2, &[1])]), Step::Wait(1), commit(&[open(6, &[1])]), end(2), Step::Wait(1), end(6)]);
    }
    check(steps);
}

#[test]
fn a_note_that_another_node_removed_can_be_removed_again() {
    let note = |value| Step::Notes(vec![(0, value)]);
    check(vec![note(Some(0)), note(None), note(None), note(Some(1)), note(None), note(None)]);
}
