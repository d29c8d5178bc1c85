//! How far behind subscribers are, for the metrics.

use crate::domain::id::InstitutionId;
use parking_lot::Mutex;
use std::collections::HashMap;

/// How far each subscriber is.
#[derive(Default)]
pub struct Lags(Mutex<HashMap<String, Read>>);

/// What one has read.
#[derive(Default)]
struct Read {
    // Empty: of all institutions.
    only: Vec<InstitutionId>,
    upto: HashMap<InstitutionId, u64>,
}

impl Lags {
    /// Numbers that each subscriber has yet to look at, when the feeds have come to `ends`.
    pub fn since(&self, ends: &HashMap<InstitutionId, u64>) -> Vec<(String, u64)> {
        self.0.lock().iter().map(|(name, read)| (name.clone(), read.behind(ends))).collect()
    }

    /// Shows a subscriber from its start on, also when it has nothing to read yet.
    pub(super) fn begin(&self, subscriber: &str, only: &[InstitutionId]) {
        self.0.lock().entry(subscriber.to_owned()).or_default().only = only.to_vec();
    }

    pub(super) fn note(&self, subscriber: &str, institution: &InstitutionId, seq: u64) {
        self.0.lock().entry(subscriber.to_owned()).or_default().upto.insert(institution.clone(), seq);
    }
}

impl Read {
    fn behind(&self, ends: &HashMap<InstitutionId, u64>) -> u64 {
        let wanted = ends.iter().filter(|(id, _)| self.only.is_empty() || self.only.contains(id));
        wanted.map(|(id, end)| end.saturating_sub(self.upto.get(id).copied().unwrap_or(0))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_counts_what_is_wanted_and_not_read() {
        let ends = HashMap::from([("a".into(), 5), ("b".into(), 7)]);
        let check = |only: &[&str], read: &[(&str, u64)], expected: u64| {
            let lags = Lags::default();
            lags.begin("core", &only.iter().map(|it| InstitutionId::from(*it)).collect::<Vec<_>>());
            read.iter().for_each(|(id, seq)| lags.note("core", &InstitutionId::from(*id), *seq));
            assert_eq!(lags.since(&ends), [("core".to_owned(), expected)], "{only:?} {read:?}");
        };
        check(&[], &[], 12);
        check(&[], &[("a", 5), ("b", 6)], 1);
        check(&["a"], &[("a", 3)], 2);
        check(&["c"], &[], 0);
    }
}
