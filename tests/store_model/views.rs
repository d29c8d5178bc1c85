//! Two views, compared: all that they show, and the versions apart.

use super::pairs::{Name, Pairs};
use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::Challenge;
use countersign::domain::code::{Sealed, Tag};
use countersign::domain::id::{AggregateId, PublisherId};
use countersign::domain::recipient::Recipient;
use countersign::domain::snapshot::{Versioned, View};
use countersign::domain::time::Timestamp;

/// What a view shows, without versions.
#[derive(Debug, PartialEq, Default)]
struct Plain {
    prior: Option<(AggregateId, Tag, Option<Sealed>)>,
    recipient: Option<Recipient>,
    budgets: Vec<(BudgetKey, Budget)>,
    addresses: Vec<PlainAddress>,
    holder: Option<Challenge>,
    one: Option<Aggregate>,
    seen: Option<Verdict>,
    today: u64,
}

#[derive(Debug, PartialEq)]
struct PlainAddress {
    address: String,
    open: Vec<Challenge>,
    ended: Vec<Challenge>,
    sends: Vec<Timestamp>,
    opt_outs: Vec<PublisherId>,
}

/// Both show the same, and their versions change together.
pub fn compare(pairs: &mut Pairs, model: View, other: View) -> Result<(), String> {
    let ((model, ours), (other, theirs)) = (apart(model), apart(other));
    same("the view", &model, &other)?;
    for ((name, version), (_, other)) in ours.into_iter().zip(theirs) {
        pairs.see(name, (version, other))?;
    }
    Ok(())
}

/// Both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, model: &T, other: &T) -> Result<(), String> {
    if model == other { Ok(()) } else { Err(format!("{what} differs.\nthe model: {model:#?}\nthe store: {other:#?}")) }
}

fn apart(view: View) -> (Plain, Vec<(Name, u64)>) {
    let mut versions = Vec::new();
    let mut plain = Plain { seen: view.seen, today: view.publisher_today, ..Plain::default() };
    plain.prior = view.prior.map(|it| (it.id, it.payload, it.material));
    plain.recipient = view.recipient.map(|it| {
        versions.push((Name::Recipient(it.value.key.clone()), it.version));
        it.value
    });
    for (key, it) in view.budgets {
        versions.push((Name::Budget(key.clone()), it.version));
        plain.budgets.push((key, it.value));
    }
    plain.one = view.one.map(|it| {
        versions.push((Name::Aggregate(it.value.id()), it.version));
        it.value
    });
    let mut challenge = |it: Versioned<Challenge>| {
        versions.push((Name::Aggregate(it.value.id), it.version));
        it.value
    };
    plain.holder = view.holder.map(|it| challenge(*it));
    let mut addresses = Vec::new();
    for it in view.addresses {
        addresses.push((Name::address(&it.address), it.version));
        plain.addresses.push(PlainAddress {
            address: it.address.expose().to_owned(),
            open: it.open.into_iter().map(&mut challenge).collect(),
            ended: it.ended.into_iter().map(&mut challenge).collect(),
            sends: it.sends,
            opt_outs: it.opt_outs,
        });
    }
    versions.extend(addresses);
    (plain, versions)
}
