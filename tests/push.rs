//! Events to a subscriber that is slow, down, picky or poisoned.

mod listener;
mod world;

use countersign::connect::contract::Pushed;
use countersign::domain::event::Act;
use countersign::domain::feed::FeedEvent;
use countersign::engine::Most;
use countersign::engine::push::Filter;
use listener::*;
use std::time::Duration;
use world::{World, explicit};

#[tokio::test(start_paused = true)]
async fn outcomes_come_once_in_order_and_a_restart_repeats_nothing() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let first = fail(&world, "+12025550101").await;
    let second = fail(&world, "+12025550102").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    let all = [(first, "OOBFailed"), (second, "OOBFailed")];
    assert_eq!(listener.codes(), all, "outcomes; delivery steps only when asked for");
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), all, "the cursor is durable");
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_quick_succession_is_pushed_together() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let busy = async {
        for number in 101..201 {
            fail(&world, &format!("+1202555{number:04}")).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    work_with(&world, &listener, Filter::default(), busy).await;
    let pushes = *listener.pushes.lock().unwrap();
    assert_eq!(listener.codes().len(), 100);
    assert!((4..=15).contains(&pushes), "a page every 10 ms, and what did not fit on it: {pushes}");
}

#[tokio::test]
async fn pages_of_any_size_have_what_is_wanted_once_and_in_order() {
    let world = World::new().await;
    for number in 101..108 {
        fail(&world, &format!("+1202555{number:04}")).await;
    }
    let engine = &world.engine;
    let institution = engine.status().feed[0].0.clone();
    let is_outcome = |_: &_, it: &countersign::domain::event::Event| it.act == Act::Failed;
    let all = engine.after(&institution, 0, Most::of(1_000), |_, _| true).await.unwrap();
    assert!(!all.more && all.events.len() >= 14, "steps of deliveries, too");
    let expected: Vec<u64> = all.events.iter().filter(|it| it.act == Act::Failed).map(|it| it.seq).collect();
    for (seen, wanted) in (1..=all.events.len() + 1).flat_map(|seen| (1..=8).map(move |wanted| (seen, wanted))) {
        let (mut at, mut found, mut more) = (0, Vec::new(), true);
        while more {
            let page = engine.after(&institution, at, Most { seen, wanted }, is_outcome).await.unwrap();
            assert!(page.seen <= seen && page.events.len() <= wanted, "{seen} {wanted}");
            found.extend(page.events.iter().map(|it| it.seq));
            (at, more) = (page.last.unwrap_or(at), page.more);
        }
        assert_eq!((&found, at), (&expected, all.last.unwrap()), "{seen} {wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_subscriber_gets_what_happens_from_now_on() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let id = fail(&world, "+12025550102").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(id, "OOBFailed")]);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_was_down_gets_all_once_it_is_back() {
    let (world, listener) = (World::new().await, Listener::new(later));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let first = fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    let tries = *listener.pushes.lock().unwrap();
    assert!((3..60).contains(&tries), "it is tried again, with growing waits: {tries}");
    let second = fail(&world, "+12025550102").await;
    listener.change(taken);
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(first, "OOBFailed"), (second, "OOBFailed")]);
    assert_eq!(parked(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_a_poisoned_event() {
    let world = World::new().await;
    let listener = Listener::new(taken);
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let poison = fail(&world, "+12025550101").await;
    let fine = fail(&world, "+12025550102").await;
    let bad = poison.clone();
    let has = move |events: &[FeedEvent]| events.iter().any(|it| it.aggregate.to_string() == bad);
    let hit = has.clone();
    listener.change(move |events| if hit(events) { Pushed::Later("500".into()) } else { Pushed::Taken });
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(fine.clone(), "OOBFailed")], "the other one came through");
    assert_eq!(parked(&world).await, 0, "the poisoned one is held, not given up");
    // Held events wait by the engine's clock.
    world.advance(Duration::from_secs(3_600));
    listener.change(move |events| if has(events) { Pushed::Refused("400".into()) } else { Pushed::Taken });
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(parked(&world).await, 1, "refused for good: parked at once");
}

#[tokio::test(start_paused = true)]
async fn the_order_within_a_session_holds_behind_a_held_event() {
    let world = World::new().await;
    let listener = Listener::new(taken);
    let everything = Filter { acts: countersign::domain::event::Act::ALL.to_vec(), ..Filter::default() };
    work(&world, &listener, everything.clone(), Duration::from_secs(1)).await;
    let (id, otp) = world.opened(explicit("+12025550101")).await;
    let other = fail(&world, "+12025550102").await;
    let mine = id.clone();
    listener.change(move |events| {
        let poisoned = events.iter().any(|it| it.aggregate.to_string() == mine && it.act.code() == "MsgAccepted");
        if poisoned { Pushed::Later("500".into()) } else { Pushed::Taken }
    });
    work(&world, &listener, everything.clone(), MINUTES).await;
    world.deliver().await;
    world.reply("+12025550101", &otp, "SM1").await;
    work(&world, &listener, everything.clone(), MINUTES).await;
    assert!(listener.codes().iter().all(|(of, _)| *of == other), "what follows in the session waits");
    listener.change(taken);
    world.advance(Duration::from_secs(3_600));
    work(&world, &listener, everything, MINUTES).await;
    let order: Vec<_> = listener.codes().into_iter().filter(|(of, _)| *of == id).map(|(_, code)| code).collect();
    assert_eq!(order, ["MsgAccepted", "MsgSent", "OOBVerified"]);
}

#[tokio::test(start_paused = true)]
async fn patience_ends_by_parking() {
    let (world, listener) = (World::new().await, Listener::new(later));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    fail(&world, "+12025550101").await;
    work(&world, &listener, Filter::default(), MINUTES).await;
    suffer(&world, &listener, 71).await;
    assert_eq!(parked(&world).await, 0);
    let fresh = fail(&world, "+12025550102").await;
    suffer(&world, &listener, 2).await;
    assert_eq!(parked(&world).await, 1, "three days are over for the first");
    listener.change(taken);
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes(), [(fresh, "OOBFailed")]);
}

#[tokio::test(start_paused = true)]
async fn our_own_downtime_costs_the_subscriber_no_patience() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let all = fail_many(&world, 101, 3).await;
    listener.change(later);
    for _ in 0..2 {
        world.advance(Duration::from_secs(4 * 86_400));
        work(&world, &listener, Filter::default(), MINUTES).await;
        assert_eq!(parked(&world).await, 0, "old, but tried for minutes only");
    }
    listener.change(taken);
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes().into_iter().map(|it| it.0).collect::<Vec<_>>(), all);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_down_is_asked_little() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    fail_many(&world, 101, 20).await;
    listener.change(later);
    work(&world, &listener, Filter::default(), MINUTES).await;
    let pushes = *listener.pushes.lock().unwrap();
    assert!((10..60).contains(&pushes), "a batch and at most three events a round: {pushes}");
}

#[tokio::test(start_paused = true)]
async fn many_poisoned_events_in_a_row_hold_up_nobody() {
    let (world, listener) = (World::new().await, Listener::new(taken));
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let poison = fail_many(&world, 101, 7).await;
    let fine = fail_many(&world, 201, 3).await;
    listener.change(poisoned(&poison));
    work(&world, &listener, Filter::default(), MINUTES).await;
    assert_eq!(listener.codes().into_iter().map(|it| it.0).collect::<Vec<_>>(), fine);
    assert_eq!(parked(&world).await, 0);
    let fresh = fail(&world, "+12025550301").await;
    world.advance(Duration::from_secs(3_600));
    listener.singles.lock().unwrap().clear();
    work(&world, &listener, Filter::default(), Duration::from_secs(20)).await;
    let singles = listener.singles.lock().unwrap().clone();
    assert_eq!(singles.iter().position(|it| *it == fresh), Some(1), "one held event is tried before it, not all: {singles:?}");
    assert!(poison.iter().all(|it| singles.contains(it)), "each held event has its turn: {singles:?}");
}

/// A second institution, whose feed comes before or after the demo bank's.
async fn poisoned_beside(other: &'static str) {
    let world = World::with(|publisher| {
        let versions = publisher.institutions.values().next().unwrap().clone();
        publisher.institutions.insert(other.into(), versions);
    });
    let (world, listener) = (world.await, Listener::new(taken));
    let demo = world.engine.registry().publishers[&"demo".into()].institutions.keys().find(|it| it.as_str() != other).unwrap().clone();
    work(&world, &listener, Filter::default(), Duration::from_secs(1)).await;
    let poison = fail_at(&world, "+12025550101", Some(demo.as_str())).await;
    let fine = fail_at(&world, "+12025550102", Some(demo.as_str())).await;
    listener.change(poisoned(&[poison]));
    let busy = async {
        for number in 201..261 {
            fail_at(&world, &format!("+1202555{number:04}"), Some(other)).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    work_with(&world, &listener, Filter::default(), busy).await;
    let taken = listener.codes();
    assert!(taken.iter().any(|(id, _)| *id == fine), "{other}: what is behind the poisoned one came through");
    assert!(taken.len() >= 60, "{other}: the other institution waits for nothing: {}", taken.len());
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_head_and_a_busy_institution_do_not_hold_up_each_other() {
    poisoned_beside("000000001").await;
    poisoned_beside("999999999").await;
}
