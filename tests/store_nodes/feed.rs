//! Whoever reads a feed while it is written sees no number before a lower one: what a cursor has passed is complete.

use super::{Nodes, put};
use crate::sample::*;
use countersign::domain::contact::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writers at once, and what each writes.
const WRITERS: u128 = 8;
const EACH: u128 = 12;

async fn no_gap_is_filled_later(nodes: &Nodes) {
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for turn in 0..2 {
        let (node, over) = (nodes.node(turn), over.clone());
        readers.spawn(async move {
            let (mut after, mut last_round) = (0, false);
            loop {
                let page = node.feed(&bank(), after, 7).await.unwrap();
                let numbers: Vec<u64> = page.iter().map(|it| it.0).collect();
                let expected: Vec<u64> = (after + 1..=after + numbers.len() as u64).collect();
                assert_eq!(numbers, expected, "without a gap, each once");
                after += numbers.len() as u64;
                if numbers.is_empty() && last_round {
                    return after;
                }
                last_round = over.load(Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
    }
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let node = nodes.node(writer as usize);
        writers.spawn(async move {
            for n in 0..EACH {
                let n = writer * EACH + n + 1;
                node.commit(put(&challenge(n, &Address::canonical(&format!("+1202555{n:04}")))), Vec::new()).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    over.store(true, Ordering::SeqCst);
    assert_eq!(readers.join_all().await, [(WRITERS * EACH) as u64; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_gap_is_filled_later_on_sled() {
    no_gap_is_filled_later(&Nodes::sled()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_gap_is_filled_later_on_two_nodes() {
    no_gap_is_filled_later(&Nodes::postgres().await).await;
}
