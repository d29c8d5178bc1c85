//! A cluster that refuses and goes away.

use crate::stand::{PATIENCE, Stand, TOPICS};
use countersign::bus::Settings;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_brokers_are_met_by_another_try() {
    use RDKafkaRespErr::*;
    let stand = Stand::new(1).await;
    let bus = stand.start("bank");
    stand.generate("c-1", 1).await;
    stand.read(TOPICS[1], 1).await;
    for (number, api, errors) in [
        (2, RDKafkaApiKey::Produce, &[RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION][..]),
        (3, RDKafkaApiKey::Fetch, &[RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR__TRANSPORT]),
        (4, RDKafkaApiKey::OffsetCommit, &[RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT]),
        (5, RDKafkaApiKey::Heartbeat, &[RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]),
    ] {
        stand.generate(&format!("c-{number}"), number).await;
        stand.cluster.request_errors(api, errors);
        let answers = stand.read(TOPICS[1], usize::try_from(number).unwrap()).await;
        assert!(answers.iter().any(|it| it.json()["processInstanceId"] == number), "{api:?}");
    }
    assert_eq!(stand.codes().await.len(), 5);
    bus.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_away_is_waited_for() {
    let stand = Stand::new(1).await;
    stand.generate("c-1", 1).await;
    stand.cluster.broker_down(-1).unwrap();
    let bus = stand.start("bank");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stand.cluster.broker_up(-1).unwrap();
    stand.read(TOPICS[1], 1).await;
    stand.cluster.broker_down(-1).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stand.cluster.broker_up(-1).unwrap();
    stand.generate("c-2", 2).await;
    stand.read(TOPICS[1], 2).await;
    assert_eq!(stand.codes().await.len(), 2);
    bus.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_never_comes_keeps_nobody_from_stopping() {
    let stand = Stand::new(1).await;
    stand.cluster.broker_down(-1).unwrap();
    let bus = stand.start("bank");
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::time::timeout(PATIENCE, bus.end()).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_not_carried_out() {
    let stand = Stand::new(1).await;
    stand.generate("c-1", 1).await;
    // The engine's clock goes by itself; the record has the machine's time.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ahead = now.as_secs() + 61 - u64::try_from(crate::world::START / 1_000).unwrap();
    stand.world.advance(Duration::from_secs(ahead));
    let bus = stand.start_with(Settings { max_age_secs: 60, ..stand.settings("bank") });
    let answer = stand.read(TOPICS[1], 1).await[0].json();
    assert_eq!(answer["error"], "The request was produced too long ago, and was not carried out.");
    assert_eq!(stand.codes().await.len(), 0);
    bus.end().await;
}
