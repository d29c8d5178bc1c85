//! The database's tables, as steps that were once applied and never change again: what is to be different is a new step.

use super::migrate::Step;

/// All steps, in order.
pub const STEPS: &[Step] = &[Step {
    number: 1,
    name: "facts about this store",
    sql: "CREATE TABLE IF NOT EXISTS store_fact (name text PRIMARY KEY, value bytea NOT NULL)",
    compatible_from: 1,
}];

#[cfg(test)]
mod tests {
    use super::super::migrate::compare;
    use super::STEPS;

    #[test]
    fn the_steps_are_in_order() {
        assert_eq!(compare(STEPS, Vec::new()).unwrap().pending().len(), STEPS.len());
        assert!(STEPS.iter().all(|it| (1..=it.number).contains(&it.compatible_from)), "a step lets at least its own program run");
    }
}
