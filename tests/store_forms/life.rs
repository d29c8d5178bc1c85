//! Lives of challenges that go from node to node: opened at one, handed over at the next, answered at another, and known to all.
//! Each step also judges what the others left.

use crate::Engine;
use crate::sample::*;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::Challenge;
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::event::Act;
use countersign::domain::recipient::Recipient;
use countersign::domain::snapshot::{Expect, Query, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::StoreError;

/// Why a life went wrong; what [`life`] and its steps judge by.
pub type Judged = Result<(), String>;

/// A whole life, of which each step is the next node's.
pub async fn life<E: Engine + ?Sized>(n: u128, nodes: &[&E]) -> Judged {
    let at = |step: usize| nodes[(n as usize + step) % nodes.len()];
    open(at(0), n).await?;
    settle(at(1), n).await?;
    answer(at(2), n).await?;
    for node in nodes {
        is_known(*node, n).await?;
    }
    Ok(())
}

/// Opens it, for a recipient who is stored with it.
pub async fn open<E: Engine + ?Sized>(node: &E, n: u128) -> Judged {
    let it = fresh(n);
    let view = load(node, n, &opening(&it, it.opened_at)).await?;
    same(n, "who holds its slot", view.holder.map(|it| it.value), None)?;
    let budget = (budget_key(n), view.budgets[0].1.version);
    let expects = vec![
        Expect::Aggregate(it.id, 0),
        Expect::Address(number(n), view.addresses[0].version),
        Expect::Budget(budget.0.clone(), budget.1),
        Expect::Slot(it.slot(), None),
        Expect::Unrepeated(it.publisher.clone(), it.institution.clone(), it.repeat.as_ref().unwrap().key.clone()),
    ];
    let person = person(n);
    let writes =
        vec![Write::Aggregate(boxed(&it)), Write::Budget(budget.0, failures(n)), Write::Recipient(person.key.clone(), Some(person))];
    commit(node, n, writes, expects).await?;
    node.set_notes(vec![(note(n), Some(vec![n as u8]))]).await.map_err(|it| format!("{n}: its note: {it}"))
}

/// Hands its message over.
pub async fn settle<E: Engine + ?Sized>(node: &E, n: u128) -> Judged {
    let one = load(node, n, &Query::One(id(n))).await?.one.ok_or(format!("{n} is not there"))?;
    same(n, "it, when it is handed over", &one.value, &boxed(&fresh(n)))?;
    commit(node, n, vec![Write::Aggregate(boxed(&sent(n)))], vec![Expect::Aggregate(id(n), one.version)]).await
}

/// Takes the right reply.
pub async fn answer<E: Engine + ?Sized>(node: &E, n: u128) -> Judged {
    let view = load(node, n, &reply_from(&number(n), Some(&provider_id(n)), at(n as i64 + 2))).await?;
    same(n, "whether its reply was seen", view.seen, None)?;
    let [open] = &view.addresses[0].open[..] else { return Err(format!("{n}: {} are open", view.addresses[0].open.len())) };
    same(n, "it, when it is answered", &open.value, &sent(n))?;
    same(n, "when messages went to it", &view.addresses[0].sends, &vec![fresh(n).opened_at])?;
    same(n, "its budget", &view.budgets[0].1.value, &failures(n))?;
    let expects = vec![
        Expect::Aggregate(id(n), open.version),
        Expect::Address(number(n), view.addresses[0].version),
        Expect::Budget(budget_key(n), view.budgets[0].1.version),
        Expect::Slot(fresh(n).slot(), Some(id(n))),
        Expect::Unseen(provider_id(n)),
    ];
    commit(node, n, vec![Write::Aggregate(boxed(&over(n))), Write::Budget(budget_key(n), Budget::default())], expects).await
}

/// It is found by everything that it was known by.
pub async fn is_known<E: Engine + ?Sized>(node: &E, n: u128) -> Judged {
    let found = node.find(id(n)).await.map_err(|it| format!("{n} is looked for: {it}"))?;
    same(n, "it, at its end", found.map(|it| it.value), Some(boxed(&over(n))))?;
    let again = load(node, n, &opening(&fresh(n), at(n as i64 + 3))).await?;
    same(n, "what its key leads to", again.prior.map(|it| (it.id, it.payload)), Some((id(n), fresh(n).repeat.unwrap().payload)))?;
    let late = load(node, n, &reply_from(&number(n), Some(&provider_id(n)), at(n as i64 + 3))).await?;
    same(n, "what was answered", late.seen, Some(Verdict::Verified))?;
    same(n, "what ended", late.addresses[0].ended.iter().map(|it| it.value.id).collect::<Vec<_>>(), vec![id(n)])?;
    same(n, "its budget, later", &late.budgets[0].1.value, &Budget::default())?;
    let person_found = load(node, n, &Query::Recipient(person(n).key)).await?.recipient.map(|it| it.value);
    same(n, "its recipient", person_found, Some(person(n)))?;
    let noted = node.note(&note(n)).await.map_err(|it| format!("{n}: its note: {it}"))?;
    same(n, "its note", noted, Some(vec![n as u8]))
}

/// The feed tells each event of these lives once, in order, without a gap.
pub async fn is_told<E: Engine + ?Sized>(node: &E, lives: impl IntoIterator<Item = u128>) -> Judged {
    let feed = node.feed(&bank(), 0, 100_000).await.map_err(|it| format!("the feed: {it}"))?;
    same(0, "the feed's numbers", feed.iter().map(|it| it.0).collect::<Vec<_>>(), (1..=feed.len() as u64).collect())?;
    let mut told: Vec<_> = feed.iter().map(|it| it.1.events()[it.2].id).collect();
    let mut lived: Vec<_> = lives.into_iter().flat_map(|n| over(n).events).map(|it| it.id).collect();
    told.sort_unstable();
    lived.sort_unstable();
    same(0, "what was told", told, lived)
}

// With the texts that events have in earnest.
fn fresh(n: u128) -> Challenge {
    let mut it = challenge(n, &number(n));
    it.events[0].feedback = "The message is accepted for sending.".into();
    it
}

fn sent(n: u128) -> Challenge {
    let mut it = fresh(n);
    let when = later(n, 1);
    it.deliveries[0].status = Status::Accepted { at: when, provider_id: Some(format!("carrier-{n}")) };
    it.events.push(event(n, 2, Act::MsgSent, when, Some(delivery_id(n))));
    it.events[1].feedback = "The carrier took the message.".into();
    it
}

fn over(n: u128) -> Challenge {
    let it = sent(n);
    let mut over = Challenge { deliveries: it.deliveries.clone(), ..ended(it, later(n, 2)) };
    over.events[2].feedback = "The recipient verified by reply.".into();
    over
}

fn later(n: u128, seconds: i64) -> Timestamp {
    at(n as i64 + seconds)
}

fn number(n: u128) -> Address {
    Address::canonical(&format!("+1{:010}", 2_012_000_000 + n))
}

fn provider_id(n: u128) -> String {
    format!("sandbox/{}", id(n))
}

fn budget_key(n: u128) -> BudgetKey {
    BudgetKey::Address(bank(), number(n))
}

fn failures(n: u128) -> Budget {
    Budget { recent: vec![at(n as i64), at(n as i64 - 30)], consecutive: 2 }
}

fn person(n: u128) -> Recipient {
    recipient(&format!("person-{n}"))
}

fn note(n: u128) -> String {
    format!("life/{n}")
}

async fn load<E: Engine + ?Sized>(node: &E, n: u128, query: &Query) -> Result<View, String> {
    node.load(query).await.map_err(|it| format!("{n} is loaded: {it}"))
}

async fn commit<E: Engine + ?Sized>(node: &E, n: u128, writes: Vec<Write>, expects: Vec<Expect>) -> Judged {
    loop {
        match node.commit(writes.clone(), expects.clone()).await {
            Err(StoreError::Busy) => tokio::task::yield_now().await,
            done => return done.map_err(|it| format!("{n} is written: {it}")),
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(n: u128, what: &str, found: T, expected: T) -> Judged {
    if found == expected { Ok(()) } else { Err(format!("{n}: {what}: {found:?}, expected {expected:?}")) }
}
