//! What is to be done to a database, decided from what it says was done. Pure.

use super::MigrateError;
use crate::domain::time::Timestamp;
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt;

/// One change of the schema. Once released it never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its place: 1 for the first, then one more each.
    pub number: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Statements in the simple protocol, in one transaction. A database may keep a part of a failed step (CockroachDB, YugabyteDB),
    /// so each must bear to be said again: `IF NOT EXISTS`, `ON CONFLICT DO NOTHING`.
    pub sql: &'static str,
    /// The lowest last step that a program may know and still run once this one is applied: its own number, when nothing older may.
    pub compatible_from: u32,
}

/// A step that a database says was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// See [`Step::number`].
    pub number: u32,
    /// See [`Step::name`].
    pub name: String,
    /// SHA-256 of [`Step::sql`].
    pub checksum: Vec<u8>,
    /// See [`Step::compatible_from`].
    pub compatible_from: u32,
    /// When, by the database's clock.
    pub applied_at: Timestamp,
}

/// What was done and what is to be done. As text: for an operator to read before agreeing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    applied: Vec<Record>,
    pending: Vec<Step>,
    newer: Vec<Record>,
}

impl Step {
    /// SHA-256 of the statements.
    pub fn checksum(&self) -> Vec<u8> {
        digest(&SHA256, self.sql.as_bytes()).as_ref().to_vec()
    }
}

impl Plan {
    /// Known steps that were applied.
    pub fn applied(&self) -> &[Record] {
        &self.applied
    }

    /// Steps that are to be applied, in order.
    pub fn pending(&self) -> &[Step] {
        &self.pending
    }

    /// Steps that a newer program applied, beside which this one may run.
    pub fn newer(&self) -> &[Record] {
        &self.newer
    }
}

/// What `records`, in any order, leave to be done of `steps`. Fails where this program must not touch the database.
pub fn compare(steps: &[Step], mut records: Vec<Record>) -> Result<Plan, MigrateError> {
    if let Some((at, step)) = steps.iter().enumerate().find(|(at, step)| usize::try_from(step.number) != Ok(at + 1)) {
        return Err(MigrateError::Order { number: step.number, place: at + 1 });
    }
    records.sort_by_key(|it| it.number);
    let ours = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let mut plan = Plan::default();
    for (at, record) in records.into_iter().enumerate() {
        if usize::try_from(record.number) != Ok(at + 1) {
            return Err(MigrateError::Skipped { number: record.number, name: record.name });
        }
        match steps.get(at) {
            Some(step) if step.checksum() != record.checksum => {
                return Err(MigrateError::Changed { number: step.number, name: record.name });
            }
            Some(_) => plan.applied.push(record),
            None if record.compatible_from > ours => return Err(MigrateError::TooNew { record: Box::new(record), ours }),
            None => plan.newer.push(record),
        }
    }
    plan.pending = steps[plan.applied.len()..].to_vec();
    Ok(plan)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for it in &self.applied {
            writeln!(f, "applied {:>4}  {}  {}", it.number, it.applied_at, it.name)?;
        }
        for it in &self.newer {
            writeln!(f, "newer   {:>4}  {}  {} (by a newer program; this one may run beside it)", it.number, it.applied_at, it.name)?;
        }
        for it in &self.pending {
            let beside = match it.compatible_from {
                from if from < it.number => format!("programs that know step {from} may go on running"),
                _ => "stop all older programs first".to_owned(),
            };
            writeln!(f, "pending {:>4}  {}  ({beside})", it.number, it.name)?;
        }
        match self.pending.len() {
            0 => write!(f, "Nothing is to be done."),
            1 => write!(f, "One step is pending. Nothing was changed yet."),
            count => write!(f, "{count} steps are pending. Nothing was changed yet."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u32) -> Step {
        Step { number, name: "a step", sql: ["", "ONE", "TWO", "THREE"][number as usize], compatible_from: number }
    }

    fn record(number: u32, compatible_from: u32) -> Record {
        let checksum = if number < 4 { step(number).checksum() } else { vec![0; 32] };
        Record { number, name: "a step".to_owned(), checksum, compatible_from, applied_at: Timestamp::default() }
    }

    // Applied, newer and pending numbers.
    type Numbers = (Vec<u32>, Vec<u32>, Vec<u32>);

    #[test]
    fn what_is_there_says_what_is_to_be_done() {
        let check = |steps: &[Step], records: &[Record], expected: Result<Numbers, &str>| {
            let numbers = |plan: Plan| {
                let records = |it: &[Record]| it.iter().map(|it| it.number).collect::<Vec<_>>();
                (records(&plan.applied), records(&plan.newer), plan.pending.iter().map(|it| it.number).collect::<Vec<_>>())
            };
            match (compare(steps, records.to_vec()).map(numbers), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{records:?}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        };
        let steps = [step(1), step(2), step(3)];
        check(&steps, &[], Ok((vec![], vec![], vec![1, 2, 3])));
        check(&steps, &[record(2, 2), record(1, 1)], Ok((vec![1, 2], vec![], vec![3])));
        check(&steps[..2], &[record(1, 1), record(2, 2), record(3, 2)], Ok((vec![1, 2], vec![3], vec![])));
        check(&steps[..2], &[record(1, 1), record(2, 2), record(3, 3)], Err("needs a program that knows step 3"));
        check(&steps[..2], &[record(1, 1), record(2, 2), record(3, 2), record(4, 4)], Err("needs a program that knows step 4"));
        let changed = Record { checksum: vec![7; 32], ..record(2, 2) };
        check(&steps, &[record(1, 1), changed], Err("step 2 (a step) was applied with other statements"));
        check(&steps, &[record(1, 1), record(3, 3)], Err("step 3 (a step) was applied without the one before it"));
        check(&steps, &[record(1, 1), record(1, 1)], Err("without the one before it"));
        check(&[step(2)], &[], Err("stands at place 1"));
    }

    #[test]
    fn an_operator_reads_what_would_happen() {
        let gentle = Step { compatible_from: 1, ..step(2) };
        let text = compare(&[step(1), gentle, step(3)], vec![record(1, 1)]).unwrap().to_string();
        let expected = "applied    1  1970-01-01T00:00:00.000Z  a step\n\
                        pending    2  a step  (programs that know step 1 may go on running)\n\
                        pending    3  a step  (stop all older programs first)\n\
                        2 steps are pending. Nothing was changed yet.";
        assert_eq!(text, expected);
        assert_eq!(compare(&[], Vec::new()).unwrap().to_string(), "Nothing is to be done.");
    }
}
