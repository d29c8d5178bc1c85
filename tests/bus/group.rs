//! Records that come again, and partitions that move: each is answered, none is sent twice, and a key keeps its order.

use crate::stand::{CLIENT, Stand, TOPICS};
use countersign::bus::Settings;
use countersign::bus::record::Flow;
use serde_json::{Value, json};
use std::collections::HashMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_gets_its_first_answer() {
    let stand = Stand::new(1).await;
    let bus = stand.start("bank");
    stand.generate(CLIENT, 1).await;
    stand.read(TOPICS[1], 1).await;
    let code = stand.codes().await[0].clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    stand.validate(CLIENT, 1, wrong).await;
    stand.validate(CLIENT, 1, &code).await;
    let first = [stand.read(TOPICS[1], 1).await, stand.read(TOPICS[3], 2).await];
    assert_eq!(first[1].iter().map(|it| it.json()["otpValid"].clone()).collect::<Vec<_>>(), [json!(false), json!(true)]);
    bus.end().await;
    // Of another group nothing is committed: all comes again, as after a crash.
    let again = stand.start("after-a-crash");
    let second = [stand.read(TOPICS[1], 2).await, stand.read(TOPICS[3], 4).await];
    assert_eq!((&second[0][1..], &second[1][2..]), (&first[0][..], &first[1][..]));
    assert_eq!(stand.codes().await.len(), 1);
    again.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_id_is_known_wherever_it_comes_again() {
    let stand = Stand::new(2).await;
    let bus = stand.start("bank");
    let value = |to: &str| json!({"templateName": "otpSMS", "channel": "SMS", "clientId": CLIENT, "recipient": to}).to_string();
    for (key, to) in [("a", "+12025550123"), ("b", "+12025550123"), ("c", "+12025550124")] {
        stand.send(TOPICS[0], key, &[("processInstanceId", "1"), ("messageId", "m-1")], &value(to)).await;
        stand
            .read(
                TOPICS[1],
                match key {
                    "a" => 1,
                    "b" => 2,
                    _ => 3,
                },
            )
            .await;
    }
    let answers = stand.read(TOPICS[1], 3).await;
    let by_key: HashMap<_, Value> = answers.iter().map(|it| (it.key.clone().unwrap(), it.json())).collect();
    assert_eq!([&by_key["a"]["otpSent"], &by_key["b"]["otpSent"], &by_key["c"]["otpSent"]], [&json!(true), &json!(true), &json!(false)]);
    assert_eq!(by_key["c"]["error"], "The message id was used before with another request.");
    assert_eq!(stand.codes().await.len(), 1);
    bus.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_does_not_come_again() {
    let stand = Stand::new(1).await;
    let bus = stand.start("bank");
    stand.generate(CLIENT, 1).await;
    stand.read(TOPICS[1], 1).await;
    bus.end().await;
    let next = stand.start("bank");
    stand.generate(CLIENT, 2).await;
    let answers = stand.read(TOPICS[1], 2).await;
    assert_eq!(answers.iter().map(|it| it.json()["processInstanceId"].clone()).collect::<Vec<_>>(), [json!(1), json!(2)]);
    assert_eq!(next.metrics.count(Flow::Generate, "sent"), 1);
    next.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_and_nothing_is_lost_or_sent_twice() {
    const CLIENTS: u64 = 12;
    const ROUNDS: u64 = 20;
    let stand = Stand::new(4).await;
    // Few at once, so that much waits when partitions move.
    let settings = || Settings { max_in_flight: 8, ..stand.settings("bank") };
    let mut nodes = vec![stand.start_with(settings())];
    for round in 0..ROUNDS {
        for client in 0..CLIENTS {
            stand.generate_for(&format!("c-{client}-{round}"), &format!("k-{client}"), round).await;
        }
        match round {
            4 | 10 => nodes.push(stand.start_with(settings())),
            7 | 14 => nodes.remove(0).end().await,
            _ => {}
        }
    }
    let answers = stand.read(TOPICS[1], (CLIENTS * ROUNDS) as usize).await;
    let mut of_key: HashMap<String, Vec<u64>> = HashMap::new();
    for it in &answers {
        assert_eq!(it.json()["otpSent"], true, "{it:?}");
        of_key.entry(it.key.clone().unwrap()).or_default().push(it.json()["processInstanceId"].as_u64().unwrap());
    }
    assert_eq!(of_key.len() as u64, CLIENTS);
    for (key, mut rounds) in of_key {
        // An answer may come twice; what it says first is in order.
        let mut seen = Vec::new();
        rounds.retain(|it| {
            !seen.contains(it) && {
                seen.push(*it);
                true
            }
        });
        assert_eq!(rounds, (0..ROUNDS).collect::<Vec<_>>(), "{key}");
    }
    assert_eq!(stand.codes().await.len() as u64, CLIENTS * ROUNDS);
    for node in nodes {
        node.end().await;
    }
}
