//! Quotas over two nodes: counts are added up, and of a day's money no more is spent than there is, whoever spends it at once.

use super::counts::{exchange, two};
use crate::sample::{Time, at, vault};
use countersign::domain::contact::{Address, Channel};
use countersign::domain::limit::Limit;
use countersign::domain::publisher::Publisher;
use countersign::domain::quota::{Money, Most, Quotas as Set};
use countersign::engine::quotas::Quotas;
use countersign::engine::tally::Tally;
use countersign::store::postgres::PostgresStore;
use std::sync::Arc;

fn publisher(quotas: Set) -> Arc<Publisher> {
    let registry = countersign::registration::read(&countersign::demo::registration::files()).unwrap().registry;
    let mut it = registry.publishers.values().next().unwrap().clone();
    Arc::make_mut(&mut it).quotas = quotas;
    it
}

fn quotas(stores: &[Arc<PostgresStore>]) -> Vec<Arc<Quotas>> {
    stores.iter().map(|it| Arc::new(Quotas::new(Tally::new(it.clone(), vault()), it.clone(), 7))).collect()
}

async fn takes(node: &Quotas, publisher: &Publisher) -> Option<Limit> {
    takes_in(node, publisher, 1).await
}

async fn takes_in(node: &Quotas, publisher: &Publisher, parts: u64) -> Option<Limit> {
    let to = (Channel::Sms, &Address::canonical("+12025550123"));
    node.take(publisher, None, to, || parts, at(0)).await.unwrap().err()
}

/// How many of 40 two nodes let through, which hear of each other after each.
async fn counted(stores: &[Arc<PostgresStore>]) -> usize {
    let (nodes, publisher) = (quotas(stores), publisher(Set { country: Most { minute: 0, day: 20 }, ..Set::default() }));
    let mut taken = 0;
    for nth in 0..40 {
        taken += usize::from(takes(&nodes[nth % 2], &publisher).await.is_none());
        exchange(stores).await;
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_count_together() {
    let time = Time::at(0);
    assert_eq!(counted(&two(&time).await.0).await, 20);
}

/// The planted fault.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_share_nothing_let_through_twice_as_much() {
    let time = Time::at(0);
    let apart = vec![two(&time).await.0.remove(0), two(&time).await.0.remove(0)];
    assert_eq!(counted(&apart).await, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_money_is_spent_than_there_is() {
    let (time, cap) = (Time::at(0), 100);
    let stores = two(&time).await.0;
    let publisher = publisher(Set { money: Money { day: cap, prices: Vec::new(), other: 3 }, ..Set::default() });
    let nodes = quotas(&stores);
    let tasks: Vec<_> = (0..60)
        .map(|nth| {
            let (node, publisher) = (nodes[nth % 2].clone(), publisher.clone());
            tokio::spawn(async move { takes(&node, &publisher).await.is_none() })
        })
        .collect();
    let mut sent = 0;
    for task in tasks {
        sent += u64::from(task.await.unwrap());
    }
    // What is drawn at once is the price of one message: none is left over at either node.
    assert_eq!(sent, cap / 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_dear_at_one_node_leaves_the_rest_to_the_other() {
    let time = Time::at(0);
    let stores = two(&time).await.0;
    let publisher = publisher(Set { money: Money { day: 100, prices: Vec::new(), other: 1 }, ..Set::default() });
    let nodes = quotas(&stores);
    for (node, parts, taken) in [(0, 97, true), (0, 4, false), (1, 2, true), (1, 2, false), (0, 1, true), (0, 1, false), (1, 1, false)] {
        assert_eq!(takes_in(&nodes[node], &publisher, parts).await.is_none(), taken, "{parts} at {node}");
    }
}
