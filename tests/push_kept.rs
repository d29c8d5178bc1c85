//! What is kept of a subscriber: its lag, held and parked events, and their bounds.

mod listener;
mod world;

use countersign::connect::contract::Pushed;
use countersign::domain::id::InstitutionId;
use countersign::engine::push::Filter;
use listener::*;
use std::time::Duration;
use world::World;

#[tokio::test(start_paused = true)]
async fn parked_events_are_listed_and_get_a_second_chance() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    listener.change(|_| Pushed::Refused("400".into()));
    let all = fail_many(&world, 101, 2).await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    let list = world.engine.parked("core").await.unwrap();
    let shown: Vec<_> = list.first.iter().map(|it| (it.aggregate.clone(), it.reason.as_str(), it.at)).collect();
    assert_eq!(list.total, 2);
    assert_eq!(shown, all.iter().map(|it| (it.clone(), "400", world.engine.now())).collect::<Vec<_>>());
    assert_eq!(world.engine.replay("other").await, Ok(0));
    listener.change(taken);
    assert_eq!(world.engine.replay("core").await, Ok(2));
    assert_eq!(world.engine.parked("core").await, Ok(Default::default()));
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes().into_iter().map(|it| it.0).collect::<Vec<_>>(), all);
    assert!(world.engine.notes().notes("held/core/").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lag_shows_from_the_start_on() {
    let (world, listener) = (World::new().await, Listener::new(later));
    let lag = async |span| work_with(&world, &listener, Filter::default(), tokio::time::sleep(span)).await;
    assert_eq!(lag(Duration::from_secs(1)).await, [("core".to_owned(), 0)], "nothing has happened yet");
    fail(&world, "+12025550101").await;
    let end: u64 = world.engine.status().feed.iter().map(|it: &(InstitutionId, u64)| it.1).sum();
    assert_eq!(lag(MINUTES).await, [("core".to_owned(), end)], "it has never moved");
}

/// Notes as if events with numbers from `first` on had been held or parked.
async fn fill(world: &World, kind: &str, first: u64, count: u64) {
    let (institution, _) = world.engine.status().feed.remove(0);
    let of = "00000000-0000-0000-0000-000000000000";
    let value = match kind {
        "held" => format!(r#"{{"next":{},"tries":9,"aggregate":"{of}","failing":null}}"#, i64::MAX),
        _ => format!(r#"{{"at":0,"reason":"old","aggregate":"{of}"}}"#),
    };
    let note = |seq: &u64| (format!("{kind}/core/{institution}/{seq:020}"), Some(value.clone().into_bytes()));
    for some in (first..first + count).collect::<Vec<_>>().chunks(100) {
        world.engine.notes().set_notes(some.iter().map(note).collect()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn parked_events_are_bounded_and_the_oldest_go() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    fail(&world, "+12025550100").await;
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    listener.change(|_| Pushed::Refused("400".into()));
    fill(&world, "parked", 0, 1).await;
    fill(&world, "parked", 1_000_000, 9_999).await;
    let fresh = fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), Duration::from_secs(5)).await;
    let list = world.engine.parked("core").await.unwrap();
    assert_eq!((list.total, list.first.len()), (10_000, 1_000));
    assert_eq!(list.first[0].aggregate, fresh, "the oldest is gone");
    assert_eq!(world.engine.replay("core").await, Ok(10_000));
}

#[tokio::test(start_paused = true)]
async fn held_events_are_bounded_and_the_rest_is_parked() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    fail(&world, "+12025550100").await;
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    fill(&world, "held", 1_000_000, 999).await;
    let poison = fail_many(&world, 101, 2).await;
    let fine = fail(&world, "+12025550201").await;
    listener.change(poisoned(&poison));
    work(&world, &listener, Filter::default(), Duration::from_secs(30)).await;
    assert_eq!(listener.codes(), [(fine, "OOBFailed")], "nobody waits behind them");
    assert_eq!(world.engine.notes().notes("held/core/").await.unwrap().len(), 1_000);
    let parked: Vec<_> = world.engine.parked("core").await.unwrap().first.into_iter().map(|it| it.aggregate).collect();
    assert_eq!(parked, poison[1..]);
}
