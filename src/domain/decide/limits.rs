//! What keeps a message from being sent, however it was asked for (decisions 6 and 22).

use crate::domain::budget::{Budget, BudgetRule, Standing};
use crate::domain::id::AggregateId;
use crate::domain::limit::Limit;
use crate::domain::publisher::Limits;
use crate::domain::snapshot::{AddressView, View};
use crate::domain::time::Timestamp;
use std::time::Duration;

const TEN_MINUTES: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether failures keep anybody from trying.
pub fn of_failures(budget: &Budget, rule: BudgetRule, now: Timestamp) -> Option<Limit> {
    match budget.standing(rule, now) {
        Standing::Free => None,
        Standing::Until(at) => Some(Limit::Failures { until: Some(at) }),
        Standing::Locked => Some(Limit::Failures { until: None }),
    }
}

/// Whether an address has had too many messages for `more` others.
pub fn of_messages(view: &AddressView, more: usize, limits: &Limits, now: Timestamp) -> Option<Limit> {
    let of = |span: Duration, most: u32| {
        let sends: Vec<Timestamp> = view.sends.iter().copied().filter(|at| *at > now.minus(span)).collect();
        let over = (sends.len() + more).checked_sub(most as usize + 1)?;
        // So many must be older than the span.
        let last = sends.get(over).or(sends.last()).copied().unwrap_or(now);
        Some(last.plus(span))
    };
    let until = of(TEN_MINUTES, limits.per_phone_ten_minutes).max(of(DAY, limits.per_phone_day));
    until.map(|until| Limit::Messages { until })
}

/// Whether an address has too many sessions whose answers we verify. The one that `leaves` makes room.
pub fn of_open(view: &AddressView, leaves: Option<AggregateId>, limits: &Limits) -> Option<Limit> {
    let staying = || view.open.iter().map(|it| &it.value).filter(|it| it.is_judged() && Some(it.id) != leaves);
    let full = staying().count() >= limits.open_per_phone as usize;
    full.then(|| Limit::Open { until: staying().map(|it| it.expires_at).min().unwrap_or_default() })
}

/// Whether a publisher has asked too often: in this second, and in this UTC day.
pub fn of_publisher(view: &View, limits: &Limits, now: Timestamp) -> impl Iterator<Item = Limit> + use<> {
    let rate = (view.publisher_this_second > limits.per_second).then_some(Limit::Rate);
    let millis = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let next = Timestamp::from_millis((now.millis().div_euclid(millis) + 1).saturating_mul(millis));
    let day = (view.publisher_today >= limits.per_day).then_some(Limit::Day { until: next });
    rate.into_iter().chain(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Address;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn messages_are_let_again_when_enough_are_old() {
        let limits = Limits { per_phone_ten_minutes: 3, per_phone_day: 5, ..Limits::default() };
        let check = |sends: &[i64], more: usize, now: i64, expected: Option<i64>| {
            let view = AddressView {
                address: Address::canonical("+12025550123"),
                version: 0,
                open: Vec::new(),
                ended: Vec::new(),
                sends: sends.iter().copied().map(at).collect(),
                opt_outs: Vec::new(),
            };
            let found = of_messages(&view, more, &limits, at(now));
            assert_eq!(found, expected.map(|it| Limit::Messages { until: at(it) }), "{sends:?} and {more} at {now}");
        };
        check(&[], 1, 1000, None);
        check(&[700, 800], 1, 1000, None);
        check(&[700, 800, 900], 1, 1000, Some(1300));
        check(&[700, 800, 900], 2, 1000, Some(1400));
        check(&[400, 800, 900], 1, 1000, None);
        check(&[1, 2, 3, 4, 5], 1, 5000, Some(24 * 3600 + 1));
        check(&[], 9, 1000, Some(1000 + 24 * 3600));
    }
}
